//! What a user can do about an error.

use super::Category;
use serde::Serialize;

/// What the user can do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum UserAction {
    /// Try again.
    Retry,
    /// Wait until the moment of the retry hint, then try again.
    Wait,
    /// Sign in, then try again.
    SignIn,
    /// Correct what was entered: the error's field errors say what, if the server did.
    FixFields,
    /// Ask for help: the same will not work again, and the user cannot change that.
    ContactSupport,
    /// Nothing. What they asked for is not to be had.
    Nothing,
}

impl UserAction {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Retry, Self::Wait, Self::SignIn, Self::FixFields, Self::ContactSupport, Self::Nothing];

    /// Its name, as it is serialised: `signIn`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Wait => "wait",
            Self::SignIn => "signIn",
            Self::FixFields => "fixFields",
            Self::ContactSupport => "contactSupport",
            Self::Nothing => "nothing",
        }
    }

    /// What can be done about a problem of this kind.
    pub fn of(category: Category, retryable: bool, has_hint: bool, has_fields: bool) -> Self {
        match category {
            Category::Auth => Self::SignIn,
            // The same input would be refused again, whatever is said about retrying.
            Category::Validation => Self::FixFields,
            _ if retryable && has_hint => Self::Wait,
            _ if retryable => Self::Retry,
            _ if has_fields => Self::FixFields,
            Category::Payment => Self::FixFields,
            Category::NotFound | Category::Business | Category::Conflict => Self::Nothing,
            _ => Self::ContactSupport,
        }
    }
}
