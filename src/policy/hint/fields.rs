//! The header fields of a response, to be looked up by name.

use std::borrow::Cow;

/// Header fields with their names in lower case.
pub(super) struct Fields<'a>(Vec<(String, &'a str)>);

impl<'a> Fields<'a> {
    pub(super) fn new(headers: &'a [(String, String)]) -> Self {
        Self(headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.as_str())).collect())
    }

    /// Names in lower case and values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// The value of a field, its lines joined by commas (RFC 9110 §5.3). `name` is in lower case.
    pub(super) fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut lines = self.iter().filter(|(known, _)| *known == name).map(|(_, value)| value);
        let mut value = Cow::Borrowed(lines.next()?);
        for line in lines {
            let joined = value.to_mut();
            joined.push_str(", ");
            joined.push_str(line);
        }
        Some(value)
    }

    /// For how many seconds caches have kept the response (RFC 9111 §5.1); 0 if none says so.
    pub(super) fn age(&self) -> u64 {
        let value = self.get("age").unwrap_or_default();
        value.split(',').next().and_then(|seconds| seconds.trim_ascii().parse().ok()).unwrap_or(0)
    }
}
