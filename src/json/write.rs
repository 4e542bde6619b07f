//! Writing JSON: a name is one literal with what stands around it, a run of a string that needs no escape one copy. Derived
//! serialisation writes each bracket, name and comma by itself, which is slow in code that is compiled for size.

use super::Json;
use crate::flat_map::FlatMap;
use crate::time::WallTime;
use std::borrow::Cow;
use std::fmt::Write;

/// What can be written as JSON.
pub(crate) trait ToJson {
    /// Appends its JSON.
    fn write(&self, out: &mut String);
}

/// Implements [`ToJson`] for structs, by the names of their members, and for enums that have a `name`.
macro_rules! to_json {
    ($type:ty: $first:literal $first_member:ident $(, $name:literal $member:ident)*) => {
        impl $crate::json::ToJson for $type {
            fn write(&self, out: &mut String) {
                out.push_str(concat!("{\"", $first, "\":"));
                self.$first_member.write(out);
                $(
                    out.push_str(concat!(",\"", $name, "\":"));
                    self.$member.write(out);
                )*
                out.push('}');
            }
        }
    };
    ($($type:ty),*) => {
        $(
            impl $crate::json::ToJson for $type {
                fn write(&self, out: &mut String) {
                    // No name has anything in it to escape.
                    out.push('"');
                    out.push_str(self.name());
                    out.push('"');
                }
            }
        )*
    };
}
pub(crate) use to_json;

impl ToJson for str {
    fn write(&self, out: &mut String) {
        escape(self, out);
    }
}

impl ToJson for &str {
    fn write(&self, out: &mut String) {
        escape(self, out);
    }
}

impl ToJson for String {
    fn write(&self, out: &mut String) {
        escape(self, out);
    }
}

impl ToJson for Cow<'_, str> {
    fn write(&self, out: &mut String) {
        escape(self, out);
    }
}

impl ToJson for bool {
    fn write(&self, out: &mut String) {
        out.push_str(if *self { "true" } else { "false" });
    }
}

impl ToJson for u64 {
    fn write(&self, out: &mut String) {
        // A String takes whatever is written to it.
        let _: std::fmt::Result = write!(out, "{self}");
    }
}

impl ToJson for u32 {
    fn write(&self, out: &mut String) {
        u64::from(*self).write(out);
    }
}

impl ToJson for u16 {
    fn write(&self, out: &mut String) {
        u64::from(*self).write(out);
    }
}

impl ToJson for WallTime {
    fn write(&self, out: &mut String) {
        if self.0 < 0 {
            out.push('-');
        }
        self.0.unsigned_abs().write(out);
    }
}

impl ToJson for Json {
    fn write(&self, out: &mut String) {
        out.push_str(self.text());
    }
}

impl<T: ToJson> ToJson for Option<T> {
    fn write(&self, out: &mut String) {
        match self {
            Some(value) => value.write(out),
            None => out.push_str("null"),
        }
    }
}

impl<T: ToJson> ToJson for Vec<T> {
    fn write(&self, out: &mut String) {
        for (index, item) in self.iter().enumerate() {
            out.push(if index == 0 { '[' } else { ',' });
            item.write(out);
        }
        out.push_str(if self.is_empty() { "[]" } else { "]" });
    }
}

impl<V: ToJson> ToJson for FlatMap<String, V> {
    fn write(&self, out: &mut String) {
        out.push('{');
        for (index, (key, value)) in self.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            key.write(out);
            out.push(':');
            value.write(out);
        }
        out.push('}');
    }
}

/// Writes a string in quotes.
pub(super) fn escape(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        let (run, tail) = rest.split_at(at);
        out.push_str(run);
        match tail.as_bytes().first().copied().unwrap_or_default() {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            control => {
                out.push_str("\\u00");
                for half in [control >> 4, control & 15] {
                    out.extend(char::from_digit(half.into(), 16));
                }
            }
        }
        rest = tail.get(1..).unwrap_or_default();
    }
    out.push_str(rest);
    out.push('"');
}
