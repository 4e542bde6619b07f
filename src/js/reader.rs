//! Reading errors, with the application's own formats and codes.

use super::Failure;
use crate::browser::in_utf8;
use crate::client::read_codes;
use crate::error::parse::{CustomFormat, Extensions, ResponseParts, parse};
use crate::json::Json;
use crate::time::WallTime;
use js_sys::Function;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// Reads errors. A client is opened with one.
#[wasm_bindgen]
pub struct Reader {
    pub(super) extensions: Rc<Extensions>,
}

/// A format whose reading is a function of the application's, wrapped by the facade: it takes the status, alternating names and
/// values of the headers, and the text, and gives the JSON of what it read, or null.
struct JsFormat {
    name: String,
    read: Function,
}

impl CustomFormat for JsFormat {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&self, response: &ResponseParts, text: &str) -> Option<String> {
        let headers = js_sys::Array::new();
        for (name, value) in &response.headers {
            headers.push(&JsValue::from_str(name));
            headers.push(&JsValue::from_str(value));
        }
        // The facade catches what the application's function throws, and says so.
        self.read.call3(&JsValue::NULL, &response.status.into(), &headers, &text.into()).ok()?.as_string()
    }
}

#[wasm_bindgen]
impl Reader {
    /// A reader with these formats, asked in order, and codes, as JSON.
    ///
    /// # Errors
    /// An invalid code, as JSON text.
    #[wasm_bindgen(constructor)]
    pub fn new(names: Vec<String>, formats: Vec<Function>, codes: &str) -> Result<Reader, JsValue> {
        let codes = read_codes(codes).map_err(|error| JsValue::from(Failure::from(error)))?;
        let formats = names.into_iter().zip(formats);
        let formats = formats.map(|(name, read)| Box::new(JsFormat { name, read }) as Box<dyn CustomFormat>).collect();
        Ok(Self { extensions: Rc::new(Extensions { formats, codes }) })
    }

    /// Reads an error response. `headers` is a name and a value on every two lines.
    pub fn read(&self, status: u16, headers: &str, body: Vec<u8>, truncated: bool) -> JsValue {
        let mut parts = parts(status, headers, body, truncated);
        let content_type = parts.header("content-type").unwrap_or_default().to_string();
        parts.body = in_utf8(parts.body, &content_type);
        JsValue::from_str(Json::of(&parse(&parts, &self.extensions)).text())
    }

    /// Reads an error response whose body is text already: the facade has it, so it does not cross back.
    #[wasm_bindgen(js_name = readText)]
    pub fn read_text(&self, status: u16, headers: &str, body: String, truncated: bool) -> JsValue {
        let mut error = parse(&parts(status, headers, body.into_bytes(), truncated), &self.extensions);
        error.raw.text = String::new();
        JsValue::from_str(Json::of(&error).text())
    }
}

fn parts(status: u16, headers: &str, body: Vec<u8>, truncated: bool) -> ResponseParts {
    let mut lines = headers.split('\n');
    let pairs = std::iter::from_fn(|| Some((lines.next()?.to_string(), lines.next()?.to_string()))).collect();
    #[expect(clippy::cast_possible_truncation, reason = "a Date is within 2^53")]
    let received_at = WallTime(js_sys::Date::now() as i64);
    ResponseParts { status, headers: pairs, body, truncated, received_at }
}
