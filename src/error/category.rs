//! What kind of problem an error is, and how bad.

use serde::{Deserialize, Serialize};

/// What kind of problem an error is: StellarFlow's seven categories, told apart further where the user can do something
/// different, and the kinds that never reach a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Who is it? Sign in.
    Auth,
    /// They may not.
    Permission,
    /// The request's content is wrong.
    Validation,
    /// There is no such thing, or no longer.
    NotFound,
    /// Something stands against it.
    Conflict,
    /// Too much, too fast.
    RateLimit,
    /// It has to be paid for, or the payment failed.
    Payment,
    /// A rule of the business forbids it.
    Business,
    /// Another 4xx: the request is wrong in some way that is not the user's doing.
    Client,
    /// The server broke.
    Server,
    /// The server is there but not serving.
    Unavailable,
    /// A service behind the server broke.
    Integration,
    /// It took too long.
    Timeout,
    /// No response arrived.
    Network,
    /// None of these can be said.
    Unknown,
}

impl Category {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Auth,
        Self::Permission,
        Self::Validation,
        Self::NotFound,
        Self::Conflict,
        Self::RateLimit,
        Self::Payment,
        Self::Business,
        Self::Client,
        Self::Server,
        Self::Unavailable,
        Self::Integration,
        Self::Timeout,
        Self::Network,
        Self::Unknown,
    ];

    /// Its name, as it is serialised: `not_found`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Permission => "permission",
            Self::Validation => "validation",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::RateLimit => "rate_limit",
            Self::Payment => "payment",
            Self::Business => "business",
            Self::Client => "client",
            Self::Server => "server",
            Self::Unavailable => "unavailable",
            Self::Integration => "integration",
            Self::Timeout => "timeout",
            Self::Network => "network",
            Self::Unknown => "unknown",
        }
    }

    /// The category of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.name() == name)
    }

    /// The category of an HTTP status, by RFC 9110 and common use.
    pub fn of_status(status: u16) -> Self {
        match status {
            401 | 407 => Self::Auth,
            402 => Self::Payment,
            403 | 451 => Self::Permission,
            404 | 410 => Self::NotFound,
            408 | 504 | 522 | 524 | 598 | 599 => Self::Timeout,
            409 | 412 | 423 => Self::Conflict,
            400 | 422 => Self::Validation,
            425 | 502 | 503 | 520 | 521 | 523 | 525..=529 => Self::Unavailable,
            429 => Self::RateLimit,
            500..=599 => Self::Server,
            400..=499 => Self::Client,
            _ => Self::Unknown,
        }
    }

    /// How bad this kind usually is.
    pub fn severity(self) -> Severity {
        match self {
            Self::Validation | Self::NotFound | Self::RateLimit => Severity::Low,
            Self::Server | Self::Unavailable | Self::Payment => Severity::High,
            _ => Severity::Medium,
        }
    }
}

/// How bad an error is: Cosnap's four levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Part of normal use.
    Low,
    /// Someone could not do what they wanted.
    Medium,
    /// Many cannot.
    High,
    /// Data or money is at stake.
    Critical,
}

impl Severity {
    /// Its name, as it is serialised.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The level of that name, if it is one; `error` and `warning` are Qwen Proxy's names for high and low.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "low" | "warning" => Self::Low,
            "medium" => Self::Medium,
            "high" | "error" => Self::High,
            "critical" => Self::Critical,
            _ => return None,
        })
    }
}
