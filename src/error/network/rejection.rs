//! What a rejected `fetch` says of itself: mostly nothing, and each engine in its own words.

/// What was thrown instead of a response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rejection {
    /// The error's name, `TypeError`; empty if it is no error.
    pub name: String,
    /// Its message, or whatever was thrown, as a string.
    pub message: String,
    /// The code of its cause, where there is one: Node's `ECONNREFUSED`.
    pub cause: Option<String>,
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [self.name.as_str(), self.message.as_str(), self.cause.as_deref().unwrap_or_default()];
        let mut said = parts.into_iter().filter(|part| !part.is_empty());
        out.write_str(said.next().unwrap_or("nothing was said"))?;
        said.try_for_each(|part| {
            out.write_str(": ")?;
            out.write_str(part)
        })
    }
}

/// What a rejection says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement {
    /// There was no response. That is all that Chromium, Firefox and today's WebKit say, whatever the reason.
    NoResponse,
    /// The device has no network.
    Offline,
    /// The server cannot be found or does not take connections.
    Unreachable,
    /// There was a connection, and it broke.
    ConnectionLost,
    /// The page may not read the response.
    Cors,
    /// Something in the browser does not let the request out.
    Blocked,
    /// The page is secure, and what it asked for is not.
    MixedContent,
    /// Someone ended it.
    Aborted,
    /// It took too long.
    TimedOut,
    /// The request itself cannot be sent: its URL is none, or has a password in it.
    InvalidRequest,
    /// It is a mistake in the application's code, and no failure of the network.
    Mistake,
    /// Nothing that is known here.
    Unknown,
}

/// What is known of whole messages, in lower case and without the dot at the end.
const MESSAGES: &[(&str, Statement)] = &[
    // Chromium; Bun and Deno say it otherwise.
    ("failed to fetch", Statement::NoResponse),
    ("network error", Statement::NoResponse),
    // Firefox.
    ("networkerror when attempting to fetch resource", Statement::NoResponse),
    ("error in input stream", Statement::ConnectionLost),
    ("error in body stream", Statement::ConnectionLost),
    // WebKit since 2021; before that, and in some web views still, the system's words, in the user's language.
    ("load failed", Statement::NoResponse),
    ("the internet connection appears to be offline", Statement::Offline),
    ("the network connection was lost", Statement::ConnectionLost),
    ("a server with the specified hostname could not be found", Statement::Unreachable),
    ("could not connect to the server", Statement::Unreachable),
    ("cannot connect to the server", Statement::Unreachable),
    ("the request timed out", Statement::TimedOut),
    ("a data connection is not currently allowed", Statement::Offline),
    ("international roaming is currently off", Statement::Offline),
    ("not allowed to request resource", Statement::Blocked),
    ("the url was blocked by a content blocker", Statement::Blocked),
    ("an ssl error has occurred and a secure connection to the server cannot be made", Statement::Unreachable),
    ("cancelled", Statement::Aborted),
    // undici (Node), React Native, Bun, and axios, whose words stand-ins for `fetch` pass on.
    ("fetch failed", Statement::NoResponse),
    ("terminated", Statement::ConnectionLost),
    ("network request failed", Statement::NoResponse),
    ("network request timed out", Statement::TimedOut),
    ("unable to connect. is the computer able to access the url?", Statement::Unreachable),
];

/// What is known of parts of messages: those that name an origin, a header or a variable.
const PARTS: &[(&str, Statement)] = &[
    ("is not allowed by access-control-allow-", Statement::Cors),
    ("access-control-allow-origin", Statement::Cors),
    ("cross-origin resource sharing policy", Statement::Cors),
    ("preflight response is not successful", Statement::Cors),
    ("due to access control checks", Statement::Cors),
    ("blocked by content security policy", Statement::Blocked),
    ("violates the document's content security policy", Statement::Blocked),
    ("insecure content", Statement::MixedContent),
    ("error sending request for url", Statement::NoResponse),
    ("failed to construct 'request'", Statement::InvalidRequest),
    ("failed to execute 'fetch'", Statement::InvalidRequest),
    ("failed to parse url", Statement::InvalidRequest),
    ("invalid url", Statement::InvalidRequest),
    ("is not a valid url", Statement::InvalidRequest),
    ("url is not valid or contains user credentials", Statement::InvalidRequest),
    ("is an url with embedded credentials", Statement::InvalidRequest),
];

/// Parts of the messages of a `TypeError` that no network makes.
const MISTAKES: &[&str] = &[
    " is not a function",
    " is not a constructor",
    " is not iterable",
    " is not an object",
    " is undefined",
    " is null",
    "cannot read propert",
    "cannot set propert",
    "can't access property",
];

/// What is known of the codes of causes: those of the operating system, and undici's.
const CAUSES: &[(&str, Statement)] = &[
    ("ENOTFOUND", Statement::Unreachable),
    ("EAI_AGAIN", Statement::Unreachable),
    ("ECONNREFUSED", Statement::Unreachable),
    ("EHOSTUNREACH", Statement::Unreachable),
    ("ENETUNREACH", Statement::Offline),
    ("ENETDOWN", Statement::Offline),
    ("ECONNRESET", Statement::ConnectionLost),
    ("EPIPE", Statement::ConnectionLost),
    ("UND_ERR_SOCKET", Statement::ConnectionLost),
    ("ETIMEDOUT", Statement::TimedOut),
    ("UND_ERR_CONNECT_TIMEOUT", Statement::TimedOut),
    ("UND_ERR_HEADERS_TIMEOUT", Statement::TimedOut),
    ("UND_ERR_BODY_TIMEOUT", Statement::TimedOut),
];

impl Rejection {
    /// What it says. Error trackers that add the host in brackets (`Failed to fetch (api.example.com)`) change nothing.
    pub fn statement(&self) -> Statement {
        match self.name.as_str() {
            "AbortError" => return Statement::Aborted,
            "TimeoutError" => return Statement::TimedOut,
            // No network makes these.
            "ReferenceError" | "SyntaxError" | "RangeError" | "URIError" | "EvalError" => return Statement::Mistake,
            _ => {}
        }
        let of_cause = self.cause.as_deref().and_then(|cause| CAUSES.iter().find(|(code, _)| *code == cause));
        if let Some((_, statement)) = of_cause {
            return *statement;
        }
        let message = self.message.trim().to_ascii_lowercase();
        let bare = without_host(&message).trim_end_matches('.');
        let known = MESSAGES.iter().find(|(known, _)| *known == bare);
        match known.or_else(|| PARTS.iter().find(|(part, _)| message.contains(part))) {
            Some((_, statement)) => *statement,
            None if self.name == "TypeError" && MISTAKES.iter().any(|part| message.contains(part)) => Statement::Mistake,
            None => Statement::Unknown,
        }
    }
}

/// A message without what Sentry adds to it: a space, and a host in brackets.
fn without_host(message: &str) -> &str {
    message
        .strip_suffix(')')
        .and_then(|rest| rest.rsplit_once(" ("))
        .filter(|(_, host)| !host.is_empty() && !host.contains(' '))
        .map_or(message, |(before, _)| before)
}
