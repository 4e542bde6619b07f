//! `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers): structured fields (RFC 9651).
//!
//! `RateLimit: "burst";r=0;t=30` since draft 8, `limit=10, remaining=0, reset=30` in draft 7, which many servers still send.
//! A malformed field is ignored as a whole.

use super::Limit;
use crate::policy::hint::Confidence;
use crate::policy::hint::fields::Fields;
use crate::policy::hint::wait::Wait;
use sfv::visitor::{DictionaryVisitor, EntryVisitor, InnerListVisitor, ItemVisitor, ListVisitor, Never, ParameterVisitor};
use sfv::{BareItemFromInput, KeyRef, Parser};
use std::fmt::{self, Display};
use std::time::Duration;

/// What the `RateLimit` field says, an entry per policy.
pub(super) fn limits(fields: &Fields<'_>) -> Vec<Limit> {
    let Some(value) = fields.get("ratelimit") else { return Vec::new() };
    let listed = Parser::new(value.as_bytes()).parse_list_with_visitor(Members::default());
    let members = match listed {
        Ok(members) if members.iter().all(|member| member.name.is_some() && member.remaining.is_some()) => members,
        Ok(_) => return Vec::new(),
        Err(_) => match Parser::new(value.as_bytes()).parse_dictionary_with_visitor(Member::default()) {
            Ok(member) if member.remaining.is_some() => vec![member],
            _ => return Vec::new(),
        },
    };
    members
        .into_iter()
        .map(|member| Limit {
            policy: member.name,
            quota: member.quota,
            remaining: member.remaining,
            reset: member.reset.map(|seconds| Wait { after: Duration::from_secs(seconds), confidence: Confidence::Certain }),
        })
        .collect()
}

/// What a server allows, as the `RateLimit-Policy` field says.
pub(super) struct Policy {
    /// `None` in drafts before the eighth, where the quota stands alone: `10;w=60`.
    pub(super) name: Option<String>,
    pub(super) quota: u64,
    pub(super) window: Option<Duration>,
}

/// What the `RateLimit-Policy` field says.
pub(super) fn policies(fields: &Fields<'_>) -> Vec<Policy> {
    let Some(value) = fields.get("ratelimit-policy") else { return Vec::new() };
    let members = Parser::new(value.as_bytes()).parse_list_with_visitor(Members::default()).unwrap_or_default();
    members
        .into_iter()
        .filter_map(|member| {
            Some(Policy { name: member.name, quota: member.quota?, window: member.window.map(Duration::from_secs) })
        })
        .collect()
}

/// An item of either field.
#[derive(Default)]
struct Member {
    name: Option<String>,
    quota: Option<u64>,
    window: Option<u64>,
    remaining: Option<u64>,
    reset: Option<u64>,
}

impl Member {
    /// Where a parameter, or a member of draft 7's dictionary, belongs.
    fn place(&mut self, name: &str) -> Option<&mut Option<u64>> {
        match name {
            "q" | "limit" => Some(&mut self.quota),
            "w" => Some(&mut self.window),
            "r" | "remaining" => Some(&mut self.remaining),
            "t" | "reset" => Some(&mut self.reset),
            _ => None,
        }
    }
}

/// A value is not of the type that the draft gives it.
#[derive(Debug)]
struct Malformed;

impl Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("not as the draft has it")
    }
}

impl std::error::Error for Malformed {}

/// A count or a number of seconds: an integer that is not negative.
fn count(value: &BareItemFromInput<'_>) -> Result<u64, Malformed> {
    match value {
        BareItemFromInput::Integer(number) => u64::try_from(i64::from(*number)).map_err(|_| Malformed),
        _ => Err(Malformed),
    }
}

#[derive(Default)]
struct Members(Vec<Member>);

impl<'de> ListVisitor<'de> for Members {
    type Out = Vec<Member>;
    type Error = Malformed;

    fn entry(&mut self) -> Result<impl EntryVisitor<'de>, Malformed> {
        self.0.push(Member::default());
        self.0.last_mut().ok_or(Malformed)
    }

    fn finish(self) -> Result<Vec<Member>, Malformed> {
        Ok(self.0)
    }
}

impl<'de> EntryVisitor<'de> for &mut Member {
    type Error = Malformed;

    fn item(self) -> Result<impl ItemVisitor<'de>, Malformed> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Malformed> {
        Err::<Never, _>(Malformed)
    }
}

impl<'de> ItemVisitor<'de> for &mut Member {
    type Out = ();
    type Error = Malformed;

    fn bare_item(self, item: BareItemFromInput<'de>) -> Result<impl ParameterVisitor<'de, Out = ()>, Malformed> {
        match &item {
            BareItemFromInput::String(name) => self.name = Some(name.as_str().to_string()),
            BareItemFromInput::Token(name) => self.name = Some(name.as_str().to_string()),
            quota => self.quota = Some(count(quota)?),
        }
        Ok(self)
    }
}

impl<'de> ParameterVisitor<'de> for &mut Member {
    type Out = ();
    type Error = Malformed;

    fn parameter(&mut self, name: &'de KeyRef, value: BareItemFromInput<'de>) -> Result<(), Malformed> {
        if let Some(place) = self.place(name.as_str()) {
            *place = Some(count(&value)?);
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Malformed> {
        Ok(())
    }
}

impl<'de> DictionaryVisitor<'de> for Member {
    type Out = Self;
    type Error = Malformed;

    fn entry(&mut self, name: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Malformed> {
        Ok(self.place(name.as_str()).map(Number))
    }

    fn finish(self) -> Result<Self, Malformed> {
        Ok(self)
    }
}

/// The value of a member of draft 7's dictionary.
struct Number<'a>(&'a mut Option<u64>);

impl<'de> EntryVisitor<'de> for Number<'_> {
    type Error = Malformed;

    fn item(self) -> Result<impl ItemVisitor<'de>, Malformed> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Malformed> {
        Err::<Never, _>(Malformed)
    }
}

impl<'de> ItemVisitor<'de> for Number<'_> {
    type Out = ();
    type Error = Malformed;

    fn bare_item(self, item: BareItemFromInput<'de>) -> Result<impl ParameterVisitor<'de, Out = ()>, Malformed> {
        *self.0 = Some(count(&item)?);
        Ok(sfv::visitor::Ignored)
    }
}
