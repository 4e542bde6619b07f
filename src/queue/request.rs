//! A whole request in the queue, for backends that take no batches.
//!
//! It is an [`Action`](super::action::Action) like any other, except that it is sent by itself, as what it says. A body of JSON is the
//! action's data, so that it can be edited, merged with another, and complete itself with another action's result; any other text lies
//! here. What is no text is a file of the action, or several.

use super::dependency::Missing;
use crate::input::{InvalidInput, Subject};
use crate::json::{Json, Value};
use crate::wire::{LARGEST_DATA, LONGEST_NAME};
use serde::{Deserialize, Serialize};

/// The longest URL of a request that can be queued, in bytes.
const LONGEST_URL: usize = 8 << 10;
/// The most headers of a request that can be queued, in bytes of names and values.
const LARGEST_HEADERS: usize = 16 << 10;

/// What is sent instead of an action's place in a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WholeRequest {
    /// The HTTP method, upper case.
    pub method: String,
    /// The absolute URL.
    pub url: String,
    /// Its own headers, but for credentials: those are added when it is sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Its body.
    #[serde(default, skip_serializing_if = "Body::is_none")]
    pub body: Body,
    /// Which of the browser's own credentials go along, if it is not the usual ones: `include` or `omit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
    /// Whether it may be sent again when it is not known what became of it.
    #[serde(default, skip_serializing_if = "Replay::is_usual")]
    pub replay: Replay,
    /// Whether it was sent once, and nobody can say what became of that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_in_doubt: bool,
}

/// The code of a request of which nobody can say whether it was carried out.
pub const OUTCOME_UNKNOWN: &str = "REQUEST_OUTCOME_UNKNOWN";

/// The body of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Body {
    /// It has none.
    #[default]
    None,
    /// It is the data of the action, as JSON.
    Data,
    /// It is this.
    Text(String),
    /// It is the file of the action, as it is.
    File,
    /// It is this form, sent as `multipart/form-data`.
    Form(Vec<FormField>),
}

/// A field of a form: a text, or one of the action's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FormField {
    /// Its name.
    pub name: String,
    /// The text, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The place of the file among those of the action, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<usize>,
}

impl FormField {
    fn bytes(&self) -> usize {
        self.name.len().saturating_add(self.text.as_ref().map_or(0, String::len))
    }
}

impl Body {
    /// Whether it is made of the action's files.
    pub fn has_files(&self) -> bool {
        matches!(self, Self::File | Self::Form(_))
    }

    /// Whether it is made of that many files, all of them and each of them once.
    fn takes(&self, files: usize) -> bool {
        match self {
            Self::None | Self::Data | Self::Text(_) => files == 0,
            Self::File => files == 1,
            Self::Form(fields) => {
                let mut named: Vec<usize> = fields.iter().filter_map(|field| field.file).collect();
                named.sort_unstable();
                named.into_iter().eq(0..files)
            }
        }
    }

    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// Whether a request may be sent again when it is not known what became of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Replay {
    /// It may: the server knows it by its `Idempotency-Key`, or by its method.
    #[default]
    Always,
    /// It may not: it becomes a dead letter then.
    OnlyIfUnsent,
}

impl Replay {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde gives")]
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

fn refuse(path: &str, received: &str, allowed: &str) -> InvalidInput {
    InvalidInput::new(Subject::Action, path, received, allowed)
}

impl WholeRequest {
    /// Checks what `enqueueRequest` was given. Credentials are left out.
    pub fn read(given: Value<'_>) -> Result<Self, InvalidInput> {
        let text = given.to_json();
        let read: Self = serde_json::from_str(text.text()).map_err(|error| {
            let allowed = "an object { method, url, headers?, body?, credentials?, replay? }";
            refuse("request", &error.to_string(), allowed)
        })?;
        read.checked()
    }

    fn checked(mut self) -> Result<Self, InvalidInput> {
        self.method.make_ascii_uppercase();
        self.is_in_doubt = false;
        let is_forbidden = matches!(self.method.as_str(), "CONNECT" | "TRACE" | "TRACK");
        if is_forbidden || self.method.is_empty() || self.method.len() > 32 || !self.method.bytes().all(is_token) {
            return Err(refuse("request.method", &self.method, "a method that fetch takes, such as PUT"));
        }
        let host = ["https://", "http://"].iter().find_map(|scheme| self.url.strip_prefix(scheme));
        let host = host.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
        // Credentials in a URL would be stored with it; fetch refuses them, too.
        if host.is_empty() || host.contains('@') || self.url.len() > LONGEST_URL {
            let allowed = "an absolute http or https URL of at most 8 KiB, without credentials";
            return Err(refuse("request.url", self.url.get(..60).unwrap_or(&self.url), allowed));
        }
        let has_body = !self.body.is_none();
        if has_body && matches!(self.method.as_str(), "GET" | "HEAD") {
            return Err(refuse("request.body", "a body", "none: fetch sends none with GET and HEAD"));
        }
        if let Body::Text(text) = &self.body
            && text.len() > LARGEST_DATA
        {
            let allowed = ["at most ", &LARGEST_DATA.to_string(), " bytes"].concat();
            return Err(refuse("request.body", &[&text.len().to_string(), " bytes"].concat(), &allowed));
        }
        if let Body::Form(fields) = &self.body {
            // What a field costs beside its bytes is some of them, too.
            let size = fields.iter().fold(0_usize, |size, field| size.saturating_add(field.bytes()).saturating_add(16));
            if size > LARGEST_DATA || fields.iter().any(|field| field.text.is_some() == field.file.is_some()) {
                let allowed =
                    ["fields { name, text } or { name, file }, of at most ", &LARGEST_DATA.to_string(), " bytes"].concat();
                return Err(refuse("request.body", "a form that is too large, or with another field", &allowed));
            }
            // Whoever sends it chooses the boundary.
            self.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
        }
        if !matches!(self.credentials.as_deref(), None | Some("include" | "omit" | "same-origin")) {
            return Err(refuse("request.credentials", "something else", "include, omit or same-origin"));
        }
        self.credentials = self.credentials.filter(|mode| mode != "same-origin");
        self.headers.retain(|(name, _)| is_kept(name));
        let size = self.headers.iter().fold(0_usize, |size, (name, value)| size.saturating_add(name.len() + value.len()));
        if size > LARGEST_HEADERS {
            return Err(refuse("request.headers", &[&size.to_string(), " bytes"].concat(), "at most 16 KiB"));
        }
        Ok(self)
    }

    /// Checks that it is made of that many files.
    pub fn check_files(&self, files: usize) -> Result<(), InvalidInput> {
        if self.body.takes(files) {
            return Ok(());
        }
        let allowed = "one for a body that is a file; for a form, those that its fields name, each once; none for any other body";
        Err(refuse("files", &[&files.to_string(), " of them"].concat(), allowed))
    }

    /// What kind of action it is, if the caller has no word for it: the method and the path.
    pub fn kind(&self) -> String {
        let path = self.url.splitn(4, '/').nth(3).unwrap_or_default();
        let path = path.split(['?', '#']).next().unwrap_or_default();
        [&self.method, " /", path].concat().chars().take(LONGEST_NAME).collect()
    }

    /// What it weighs against the limits of the queue, beside the data.
    pub fn bytes(&self) -> u64 {
        let headers = self.headers.iter().fold(0_usize, |size, (name, value)| size.saturating_add(name.len() + value.len()));
        let text = match &self.body {
            Body::Text(text) => text.len(),
            Body::Form(fields) => fields.iter().fold(0_usize, |size, field| size.saturating_add(field.bytes())),
            Body::None | Body::Data | Body::File => 0,
        };
        (self.method.len() + self.url.len() + text).saturating_add(headers) as u64
    }

    /// The header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Has the data of its action be its body from now on.
    pub fn take_data(&mut self) {
        if self.body != Body::Data && !matches!(self.method.as_str(), "GET" | "HEAD") {
            self.body = Body::Data;
            self.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
            self.headers.push(("content-type".into(), "application/json".into()));
        }
    }

    /// Whether another one does the same with other data.
    pub fn is_about_the_same_as(&self, other: &Self) -> bool {
        self.method == other.method && self.url == other.url
    }

    /// Whether its URL names parts of that action's result.
    pub fn names(&self, id: &str) -> bool {
        self.url.contains(&beginning_of_name(id))
    }

    /// Puts parts of that action's result into the URL, wherever it names them as `$result(id,pointer)`, both percent-encoded.
    pub fn put_in(&mut self, id: &str, result: Option<&Json>) -> Result<(), Missing> {
        if !self.names(id) {
            return Ok(());
        }
        let name = beginning_of_name(id);
        let known = result.and_then(|result| crate::json::Document::read(result.text()));
        let mut parts = self.url.split(name.as_str());
        let mut url: String = parts.next().unwrap_or_default().into();
        for part in parts {
            let Some((pointer, rest)) = part.split_once(')') else {
                return Err(Missing::Data);
            };
            let at = decoded(pointer).ok_or(Missing::Data)?;
            let value = known.as_ref().and_then(|known| known.root().pointed(&at));
            // What is no name and no number has no place in a URL.
            let text = value.and_then(|value| {
                let digits = || value.as_digits().map(Into::into);
                value.as_str().or_else(digits).filter(|text| !text.is_empty())
            });
            let text = text.ok_or_else(|| Missing::Part { id: id.into(), at: at.clone() })?;
            url.push_str(&encoded(&text));
            url.push_str(rest);
        }
        self.url = url;
        Ok(())
    }
}

/// What a name of a result in a URL begins with.
const MARK: &str = "$result(";

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Words that tell of a credential wherever they stand in the name of a header.
const SECRET_WORDS: [&str; 14] = [
    "authorization",
    "auth",
    "cookie",
    "cookie2",
    "token",
    "secret",
    "password",
    "passwd",
    "credential",
    "credentials",
    "apikey",
    "jwt",
    "session",
    "signature",
];

/// Whether a header carries a credential, by its name: it is not stored.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words = || name.split(['-', '_']);
    let is_key = |word: &str| word == "key";
    words().any(|word| SECRET_WORDS.contains(&word))
        || words()
            .zip(words().skip(1))
            .any(|(first, second)| matches!(first, "api" | "access" | "subscription") && is_key(second))
}

/// Whether a header is stored: no credential, nothing that belongs to one sending, and not the key, which is the action's id.
fn is_kept(name: &str) -> bool {
    let of_one_sending = ["idempotency-key", "traceparent", "tracestate", "x-attempt", "content-length", "host"];
    !is_secret(name) && !of_one_sending.iter().any(|other| name.eq_ignore_ascii_case(other))
}

/// How a name of a part of that action's result begins in a URL.
fn beginning_of_name(id: &str) -> String {
    [MARK, &encoded(id), ","].concat()
}

/// A text as a segment of a path (RFC 3986 §2.3).
pub fn encoded(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            let digit = |half: u8| char::from(DIGITS.get(usize::from(half)).copied().unwrap_or_default());
            segment.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    segment
}

fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment;
    while let Some(first) = rest.chars().next() {
        if first == '%' {
            bytes.push(u8::from_str_radix(rest.get(1..3)?, 16).ok()?);
            rest = rest.get(3..)?;
        } else {
            let length = first.len_utf8();
            bytes.extend(rest.get(..length)?.bytes());
            rest = rest.get(length..)?;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(all(test, not(target_arch = "wasm32")))]
pub(crate) mod tests {
    use super::*;
    use crate::json::Document;

    pub(crate) fn request(method: &str, url: &str) -> WholeRequest {
        let (headers, body) = (vec![("content-type".into(), "application/json".into())], Body::Data);
        WholeRequest {
            method: method.into(),
            url: url.into(),
            headers,
            body,
            credentials: None,
            replay: Replay::Always,
            is_in_doubt: false,
        }
    }

    fn read(text: &str) -> Result<WholeRequest, InvalidInput> {
        WholeRequest::read(Document::read(text).unwrap().root())
    }

    #[test]
    fn credentials_are_never_stored_whatever_they_are_called() {
        for secret in [
            "Authorization",
            "cookie",
            "Proxy-Authorization",
            "X-API-Key",
            "x-goog-api-key",
            "ApiKey",
            "X-CSRF-Token",
            "x-amz-security-token",
            "X-Auth-User",
            "client_secret",
            "Ocp-Apim-Subscription-Key",
            "X-Session",
        ] {
            assert!(is_secret(secret), "{secret}");
        }
        for plain in ["Content-Type", "If-Match", "X-Author", "Accept", "x-correlation-id", "X-Keyboard", "Prefer", "x-monkey"] {
            assert!(!is_secret(plain), "{plain}");
        }
        let given = r#"{"method":"put","url":"https://api.example/a","headers":[["Authorization","Bearer x"],["If-Match","\"7\""],["Idempotency-Key","k"]]}"#;
        let request = read(given).unwrap();
        assert_eq!(request.headers, [("If-Match".to_string(), "\"7\"".to_string())]);
        assert_eq!(request.method, "PUT");
    }

    #[test]
    fn what_could_never_be_sent_is_refused_with_what_is_wrong() {
        for (path, given) in [
            ("request.method", r#"{"method":"CONNECT","url":"https://api.example/"}"#),
            ("request.method", r#"{"method":"NO GOOD","url":"https://api.example/"}"#),
            ("request.url", r#"{"method":"PUT","url":"/api/drafts/7"}"#),
            ("request.url", r#"{"method":"PUT","url":"file:///etc/passwd"}"#),
            ("request.url", r#"{"method":"PUT","url":"https://ada:secret@api.example/"}"#),
            ("request.body", r#"{"method":"GET","url":"https://api.example/","body":"data"}"#),
            ("request.credentials", r#"{"method":"PUT","url":"https://api.example/","credentials":"some"}"#),
            ("request", r#"{"method":"PUT"}"#),
            ("request", "7"),
        ] {
            assert_eq!(read(given).unwrap_err().path, path, "{given}");
        }
        let long =
            format!(r#"{{"method":"PUT","url":"https://a.example/","body":{{"text":"{}"}}}}"#, "x".repeat(LARGEST_DATA + 1));
        assert_eq!(read(&long).unwrap_err().path, "request.body");
    }

    #[test]
    fn an_action_that_has_no_type_is_called_by_its_method_and_path() {
        assert_eq!(request("PUT", "https://api.example/api/drafts/7?token=x").kind(), "PUT /api/drafts/7");
        assert_eq!(request("POST", "https://api.example").kind(), "POST /");
        assert_eq!(request("PUT", &format!("https://a.example/{}", "é".repeat(400))).kind().chars().count(), LONGEST_NAME);
    }

    #[test]
    fn parts_of_a_result_are_put_into_the_url_encoded() {
        let put = |url: &str, result: &str| {
            let mut request = request("POST", url);
            request.put_in("a/1", Json::new(result.into()).as_ref()).map(|()| request.url)
        };
        let url = "https://api.example/posts/$result(a%2F1,%2Fid)/photos/$result(a%2F1,%2Fn)?of=$result(other,%2Fid)";
        let expected = "https://api.example/posts/p%2F7%20%C3%A9/photos/12?of=$result(other,%2Fid)";
        assert_eq!(put(url, r#"{"id":"p/7 é","n":12}"#).unwrap(), expected);
        let missing = Err(Missing::Part { id: "a/1".into(), at: "/id".into() });
        for result in ["{}", r#"{"id":{}}"#, r#"{"id":""}"#, r#"{"id":null}"#] {
            assert_eq!(put("https://api.example/$result(a%2F1,%2Fid)", result), missing, "{result}");
        }
        assert_eq!(put("https://api.example/$result(a%2F1,%2Fid", "{}"), Err(Missing::Data));
        assert_eq!(put("https://api.example/plain", "{}").unwrap(), "https://api.example/plain");
    }

    #[test]
    fn what_is_stored_is_read_again() {
        let stored = r#"{"method":"PUT","url":"https://api.example/a","headers":[["a","b"]],"body":{"text":"x"},"credentials":"include","replay":"onlyIfUnsent"}"#;
        assert_eq!(serde_json::to_string(&read(stored).unwrap()).unwrap(), stored);
        let least = r#"{"method":"DELETE","url":"https://api.example/a"}"#;
        assert_eq!(serde_json::to_string(&read(least).unwrap()).unwrap(), least);
    }

    #[test]
    fn a_body_that_is_no_text_names_each_file_once() {
        let with_body = |body: &str| {
            let headers = r#"[["Content-Type","multipart/form-data; boundary=x"],["Accept","a/b"]]"#;
            read(&format!(r#"{{"method":"POST","url":"https://a.example/","headers":{headers},"body":{body}}}"#))
        };
        let form = with_body(r#"{"form":[{"name":"a","text":"1"},{"name":"b","file":0},{"name":"","file":1}]}"#).unwrap();
        assert_eq!(form.header("content-type"), None, "whoever sends it chooses the boundary");
        assert_eq!((form.header("accept"), form.bytes()), (Some("a/b"), 4 + 18 + 9 + 3));
        let raw = with_body(r#""file""#).unwrap();
        assert!(raw.header("content-type").is_some());
        for (request, files) in [(&form, 2), (&raw, 1), (&request("PUT", "https://a.example/"), 0)] {
            for count in 0..4 {
                assert_eq!(request.check_files(count).is_ok(), count == files, "{request:?} {count}");
            }
        }
        let twice = with_body(r#"{"form":[{"name":"a","file":0},{"name":"b","file":0}]}"#).unwrap();
        assert!((0..4).all(|count| twice.check_files(count).is_err()));
        let text = "x".repeat(LARGEST_DATA);
        for body in [
            r#"{"form":[{"name":"a"}]}"#.to_string(),
            r#"{"form":[{"name":"a","text":"1","file":0}]}"#.into(),
            format!(r#"{{"form":[{{"name":"a","text":"{text}"}}]}}"#),
            r#"{"form":[{"name":"a","file":-1}]}"#.into(),
            r#"{"form":7}"#.into(),
        ] {
            assert!(with_body(&body).is_err(), "{}", &body[..body.len().min(60)]);
        }
    }

    #[test]
    fn data_that_is_given_later_is_the_body_as_json() {
        let mut request = WholeRequest { body: Body::Text("a=b".into()), ..request("POST", "https://api.example/") };
        request.headers = vec![("Content-Type".into(), "application/x-www-form-urlencoded".into())];
        request.take_data();
        assert_eq!((&request.body, request.header("content-type")), (&Body::Data, Some("application/json")));
    }
}
