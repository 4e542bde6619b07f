//! JSON that is handed on as it came.

use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt;

/// JSON of a shape that only the backend and the application know, handed on as text: whatever a body's `details` are.
#[derive(Clone)]
pub struct Json(Box<RawValue>);

impl Json {
    /// The JSON in that text; `None` if it is not JSON.
    pub fn new(text: String) -> Option<Self> {
        RawValue::from_string(text).ok().map(Self)
    }

    /// The text.
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// The value.
    pub fn value(&self) -> Value {
        // Only what parses becomes a `Json`, but for numbers beyond a double's range.
        serde_json::from_str(self.text()).unwrap_or_default()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.text())
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl From<&Value> for Json {
    fn from(value: &Value) -> Self {
        // A Value always serialises: its keys are strings.
        Self(RawValue::from_string(value.to_string()).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
