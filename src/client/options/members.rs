//! Options, read member by member.

use crate::input::{InvalidInput, Subject};
use crate::queue::draft::shown;
use crate::wire::LONGEST_NAME;
use serde_json::{Map, Value};
use std::time::Duration;

/// An object of options that is read member by member, so that what nobody asked for is found at the end.
pub(super) struct Members<'a> {
    path: String,
    left: Map<String, Value>,
    known: Vec<&'a str>,
}

impl<'a> Members<'a> {
    pub(super) fn new(path: &str, value: Value, allowed: &str) -> Result<Self, InvalidInput> {
        match value {
            Value::Object(members) => Ok(Self { path: path.into(), left: members, known: Vec::new() }),
            Value::Null => Ok(Self { path: path.into(), left: Map::new(), known: Vec::new() }),
            other => Err(InvalidInput::new(Subject::Options, path, &shown(&other), allowed)),
        }
    }

    pub(super) fn take(&mut self, name: &'a str) -> Option<Value> {
        self.known.push(name);
        self.left.remove(name).filter(|value| !value.is_null())
    }

    pub(super) fn invalid(&self, name: &str, received: &Value, allowed: &str) -> InvalidInput {
        let error = InvalidInput::new(Subject::Options, name, &shown(received), allowed);
        if self.path.is_empty() { error } else { error.within(&self.path) }
    }

    /// A text that only the facade hands in, and that no error speaks of.
    pub(super) fn internal(&mut self, name: &str) -> Option<String> {
        self.left.remove(name).and_then(|value| value.as_str().map(Into::into))
    }

    pub(super) fn text(&mut self, name: &'a str) -> Result<Option<String>, InvalidInput> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) if (1..=LONGEST_NAME).contains(&text.chars().count()) => Ok(Some(text)),
            Some(other) => Err(self.invalid(name, &other, &format!("a string of 1 to {LONGEST_NAME} characters"))),
        }
    }

    pub(super) fn flag(&mut self, name: &'a str) -> Result<Option<bool>, InvalidInput> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(self.invalid(name, &other, "true or false")),
        }
    }

    pub(super) fn number(&mut self, name: &'a str, least: f64, most: f64) -> Result<Option<f64>, InvalidInput> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => match value.as_f64().filter(|number| (least..=most).contains(number)) {
                Some(number) => Ok(Some(number)),
                None => Err(self.invalid(name, &value, &format!("a number from {least} to {most}"))),
            },
        }
    }

    pub(super) fn whole(&mut self, name: &'a str, least: u32, most: u32) -> Result<Option<u32>, InvalidInput> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => {
                // JavaScript writes 3 as 3, but what a caller computed may arrive as 3.0.
                let number = value.as_f64().filter(|number| number.fract() == 0.0);
                match number.filter(|number| (f64::from(least)..=f64::from(most)).contains(number)) {
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "it is a whole number within range"
                    )]
                    Some(number) => Ok(Some(number as u32)),
                    None => Err(self.invalid(name, &value, &format!("a whole number from {least} to {most}"))),
                }
            }
        }
    }

    pub(super) fn milliseconds(&mut self, name: &'a str, least: u32, most: u32) -> Result<Option<Duration>, InvalidInput> {
        Ok(self.whole(name, least, most)?.map(|millis| Duration::from_millis(u64::from(millis))))
    }

    /// The options of that name, which are an object of their own.
    pub(super) fn within(&mut self, name: &'a str, allowed: &str) -> Result<Self, InvalidInput> {
        let value = self.take(name).unwrap_or_default();
        self.inner(name, value, allowed)
    }

    /// The same for a value that has been taken.
    pub(super) fn inner(&self, name: &str, value: Value, allowed: &str) -> Result<Self, InvalidInput> {
        let path = if self.path.is_empty() { name.to_string() } else { [&self.path, ".", name].concat() };
        Self::new(&path, value, allowed)
    }

    pub(super) fn finish(self) -> Result<(), InvalidInput> {
        let Some((name, value)) = self.left.iter().next() else { return Ok(()) };
        let allowed = format!("no such option; there are {}", self.known.join(", "));
        Err(self.invalid(name, value, &allowed))
    }
}

pub(super) fn named<'a, T>(
    members: &mut Members<'a>,
    name: &'a str,
    allowed: &[&str],
    from_name: fn(&str) -> Option<T>,
) -> Result<Option<T>, InvalidInput> {
    match members.take(name) {
        None => Ok(None),
        Some(value) => match value.as_str().filter(|text| allowed.contains(text)).and_then(from_name) {
            Some(found) => Ok(Some(found)),
            None => Err(members.invalid(name, &value, &format!("one of {}", allowed.join(", ")))),
        },
    }
}

pub(super) fn read_json(subject_text: &str) -> Result<Value, InvalidInput> {
    serde_json::from_str(subject_text)
        .map_err(|_| InvalidInput::new(Subject::Options, "", "something else", "an object of options"))
}
