//! Options, read member by member.

use crate::input::{InvalidInput, Subject};
use crate::json::{Document, Value};
use crate::queue::draft::shown;
use crate::wire::LONGEST_NAME;
use std::time::Duration;

/// An object of options that is read member by member, so that what nobody asked for is found at the end.
pub(super) struct Members<'a> {
    path: String,
    /// `None` for an object that has none.
    object: Option<Value<'a>>,
    known: Vec<&'a str>,
    /// What is taken, but not to be told of.
    internal: Vec<&'a str>,
}

/// What `false` switches off, `true` leaves at its defaults, and an object changes.
pub(super) enum Switch<'a> {
    Absent,
    Off,
    On(Members<'a>),
}

impl<'a> Members<'a> {
    /// Those of an object, which may be null or absent for one that is empty.
    pub(super) fn new(path: &str, value: Option<Value<'a>>, allowed: &str) -> Result<Self, InvalidInput> {
        let object = value.filter(|value| !value.is_null());
        match object.filter(|value| !value.is_object()) {
            None => Ok(Self { path: path.into(), object, known: Vec::new(), internal: Vec::new() }),
            Some(other) => Err(InvalidInput::new(Subject::Options, path, &shown(other), allowed)),
        }
    }

    pub(super) fn take(&mut self, name: &'a str) -> Option<Value<'a>> {
        self.known.push(name);
        self.object?.get(name)
    }

    pub(super) fn invalid(&self, name: &str, received: Value<'_>, allowed: &str) -> InvalidInput {
        self.refuse(name, &shown(received), allowed)
    }

    pub(super) fn refuse(&self, name: &str, received: &str, allowed: &str) -> InvalidInput {
        let error = InvalidInput::new(Subject::Options, name, received, allowed);
        if self.path.is_empty() { error } else { error.within(&self.path) }
    }

    /// A text that only the facade hands in, and that no error speaks of.
    pub(super) fn internal(&mut self, name: &'a str) -> Option<String> {
        self.internal.push(name);
        Some(self.object?.get(name)?.as_str()?.into_owned())
    }

    pub(super) fn text(&mut self, name: &'a str) -> Result<Option<String>, InvalidInput> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.as_str().filter(|text| (1..=LONGEST_NAME).contains(&text.chars().count())) {
            Some(text) => Ok(Some(text.into_owned())),
            None => Err(self.invalid(name, value, &format!("a string of 1 to {LONGEST_NAME} characters"))),
        }
    }

    pub(super) fn flag(&mut self, name: &'a str) -> Result<Option<bool>, InvalidInput> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.as_bool() {
            None => Err(self.invalid(name, value, "true or false")),
            flag => Ok(flag),
        }
    }

    pub(super) fn number(&mut self, name: &'a str, least: f64, most: f64) -> Result<Option<f64>, InvalidInput> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.as_number().filter(|number| (least..=most).contains(number)) {
            None => Err(self.invalid(name, value, &format!("a number from {least} to {most}"))),
            number => Ok(number),
        }
    }

    pub(super) fn whole(&mut self, name: &'a str, least: u32, most: u32) -> Result<Option<u32>, InvalidInput> {
        let Some(value) = self.take(name) else { return Ok(None) };
        // JavaScript writes 3 as 3, but what a caller computed may arrive as 3.0.
        let number = value.as_number().filter(|number| number.fract() == 0.0);
        match number.filter(|number| (f64::from(least)..=f64::from(most)).contains(number)) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a whole number within range")]
            Some(number) => Ok(Some(number as u32)),
            None => Err(self.invalid(name, value, &format!("a whole number from {least} to {most}"))),
        }
    }

    pub(super) fn milliseconds(&mut self, name: &'a str, least: u32, most: u32) -> Result<Option<Duration>, InvalidInput> {
        Ok(self.whole(name, least, most)?.map(|millis| Duration::from_millis(u64::from(millis))))
    }

    /// The options of that name, which are an object of their own.
    pub(super) fn within(&mut self, name: &'a str, allowed: &str) -> Result<Self, InvalidInput> {
        let value = self.take(name);
        self.inner(name, value, allowed)
    }

    /// The options of that name, which may also be `true` or `false`. `example` is an object of them.
    pub(super) fn switch(&mut self, name: &'a str, example: &str) -> Result<Switch<'a>, InvalidInput> {
        let Some(value) = self.take(name) else { return Ok(Switch::Absent) };
        let value = match value.as_bool() {
            Some(false) => return Ok(Switch::Off),
            Some(true) => None,
            None => Some(value),
        };
        Ok(Switch::On(self.inner(name, value, &["true, false, or an object such as ", example].concat())?))
    }

    /// The same for a value that has been taken.
    pub(super) fn inner(&self, name: &str, value: Option<Value<'a>>, allowed: &str) -> Result<Self, InvalidInput> {
        let path = if self.path.is_empty() { name.to_string() } else { [&self.path, ".", name].concat() };
        Self::new(&path, value, allowed)
    }

    pub(super) fn finish(self) -> Result<(), InvalidInput> {
        let mut members = self.object.into_iter().flat_map(Value::members);
        let Some((name, value)) = members.find(|(name, _)| !self.known.iter().chain(&self.internal).any(|known| name.is(known)))
        else {
            return Ok(());
        };
        let allowed = format!("no such option; there are {}", self.known.join(", "));
        Err(self.invalid(&name.as_str(), value, &allowed))
    }
}

pub(super) fn named<'a, T>(
    members: &mut Members<'a>,
    name: &'a str,
    allowed: &[&str],
    from_name: fn(&str) -> Option<T>,
) -> Result<Option<T>, InvalidInput> {
    let Some(value) = members.take(name) else { return Ok(None) };
    match value.as_str().filter(|text| allowed.contains(&text.as_ref())).and_then(|text| from_name(&text)) {
        None => Err(members.invalid(name, value, &format!("one of {}", allowed.join(", ")))),
        found => Ok(found),
    }
}

pub(super) fn read_json(text: &str) -> Result<Document<'_>, InvalidInput> {
    Document::read(text).ok_or_else(|| InvalidInput::new(Subject::Options, "", "something else", "an object of options"))
}
