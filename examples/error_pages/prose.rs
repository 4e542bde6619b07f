//! What people wrote about each code, in `pages.json`, and what the library says of the examples in it.

use crate::error::{Result, explained};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use steadfast::call::idempotency::judge;
use steadfast::error::ApiError;
use steadfast::error::parse::{Extensions, ResponseParts, parse};
use steadfast::platform::Headers;
use steadfast::time::WallTime;

/// All examples arrive on Wed, 23 Jul 2025 12:00:00 GMT.
const RECEIVED_AT: WallTime = WallTime(1_753_272_000_000);

/// All that the document says in words of its own.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Prose {
    /// What each severity means.
    pub(crate) severities: BTreeMap<String, String>,
    /// What each category means.
    pub(crate) categories: BTreeMap<String, String>,
    /// What each user action means to the user, and what the page does for it.
    pub(crate) user_actions: BTreeMap<String, (String, String)>,
    /// The statuses to explain.
    pub(crate) statuses: Vec<u16>,
    /// Oriel's error classes.
    pub(crate) oriel_classes: Vec<OrielClass>,
    /// One page per code.
    pub(crate) pages: Vec<Page>,
}

impl Prose {
    /// The page of that code.
    pub(crate) fn page(&self, code: &str) -> Result<&Page> {
        explained("code", code, self.pages.iter().find(|page| page.code == code))
    }
}

/// One of Oriel's error classes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrielClass {
    /// Its name.
    pub(crate) name: String,
    /// The status it is answered with.
    pub(crate) status: u16,
    /// What the status was taken from, where Oriel's documentation names none.
    pub(crate) like: Option<String>,
}

/// The page of one code.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Page {
    /// The code.
    pub(crate) code: String,
    /// Who documents it.
    pub(crate) documented_by: Vec<Source>,
    /// The HTTP statuses it comes with; none if no response arrived.
    pub(crate) statuses: Vec<u16>,
    /// What else is to be said about the status.
    pub(crate) status_note: Option<String>,
    /// When the error occurs.
    pub(crate) description: String,
    /// Common causes.
    pub(crate) causes: Vec<String>,
    /// Examples of it.
    pub(crate) examples: Vec<Example>,
    /// What Steadfast does, beyond what follows from the examples.
    pub(crate) steadfast: Vec<String>,
    /// What a frontend developer does about it.
    pub(crate) frontend: Vec<String>,
    /// What the backend team does about it.
    pub(crate) backend: Vec<String>,
    /// How to prevent it.
    pub(crate) prevention: Vec<String>,
}

/// Who documents a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Source {
    /// Cosnap, which names no statuses.
    Cosnap,
    /// StellarFlow, which does.
    StellarFlow,
    /// The SDK itself.
    Steadfast,
}

/// A response, or a situation in which none arrives.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Example {
    /// What it shows.
    pub(crate) title: String,
    /// The HTTP status of the response.
    pub(crate) status: Option<u16>,
    /// The headers of the response.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// The body of the response, if it is JSON.
    pub(crate) body: Option<Box<RawValue>>,
    /// The body of the response, if it is not.
    pub(crate) text: Option<String>,
    /// What the SDK says where no response arrived.
    pub(crate) message: Option<String>,
    /// What the SDK says where it knows more than the response tells.
    pub(crate) overruled: Option<String>,
}

impl Example {
    /// The body, as it is written in the document.
    pub(crate) fn body_text(&self) -> String {
        self.body.as_ref().map_or_else(|| self.text.clone().unwrap_or_default(), |body| dedent(body.get()))
    }

    /// The error that the library makes of it.
    pub(crate) fn read(&self, code: &str) -> ApiError {
        let Some(status) = self.status else {
            let known = steadfast::error::known_code(code);
            let retryable = known.and_then(|known| known.retryable).unwrap_or_default();
            return ApiError::without_response(code, self.message.clone().unwrap_or_default(), retryable);
        };
        let headers: Headers = self.headers.clone().into_iter().collect();
        let mut error = parse(
            &ResponseParts {
                status,
                headers: headers.clone(),
                body: self.body_text().into_bytes(),
                truncated: false,
                received_at: RECEIVED_AT,
            },
            &Extensions::default(),
        );
        // All examples answer requests that may be repeated.
        judge(&mut error, &headers, true);
        match &self.overruled {
            Some(message) => error.overruled(code, message),
            None => error,
        }
    }
}

/// JSON cut out of a larger document, its closing bracket at the beginning of the line.
fn dedent(json: &str) -> String {
    let last = json.lines().next_back().unwrap_or_default();
    let margin = " ".repeat(last.len() - last.trim_start().len());
    json.lines().map(|line| line.strip_prefix(&margin).unwrap_or(line)).collect::<Vec<_>>().join("\n")
}
