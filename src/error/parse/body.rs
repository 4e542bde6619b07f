//! From bytes to text, and from text to JSON: charsets, byte order marks, event streams, and what stands before the JSON.

use super::ResponseParts;
use crate::json::Document;
use std::borrow::Cow;

/// The body's text.
///
/// UTF-8, UTF-16, Latin-1 and Windows-1252 are read here, by the byte order mark, else by the `charset` parameter of the
/// `Content-Type`, else by what the bytes look like. The browser, which has all the others (WHATWG Encoding), makes UTF-8 of
/// them before the body gets here. Bytes that mean nothing are replaced by U+FFFD.
pub(crate) fn text(response: &ResponseParts) -> Cow<'_, str> {
    let label = charset(response.header("content-type").unwrap_or_default());
    decode(&response.body, label.as_deref())
}

/// The text of these bytes, by their byte order mark, else by the label.
pub(crate) fn decode<'b>(bytes: &'b [u8], label: Option<&str>) -> Cow<'b, str> {
    if let Some(bytes) = bytes.strip_prefix(b"\xEF\xBB\xBF") {
        return utf_8(bytes);
    }
    if let Some(bytes) = bytes.strip_prefix(b"\xFF\xFE") {
        return utf_16(bytes, u16::from_le_bytes);
    }
    if let Some(bytes) = bytes.strip_prefix(b"\xFE\xFF") {
        return utf_16(bytes, u16::from_be_bytes);
    }
    match label {
        Some("utf-16" | "utf-16le") => utf_16(bytes, u16::from_le_bytes),
        Some("utf-16be") => utf_16(bytes, u16::from_be_bytes),
        Some(label) if is_windows_1252(label) => match std::str::from_utf8(bytes) {
            // UTF-8 under a server's default label: text that is valid UTF-8 beyond ASCII hardly ever is anything else.
            Ok(text) => Cow::Borrowed(text),
            Err(_) => bytes.iter().map(|byte| windows_1252(*byte)).collect(),
        },
        _ => match bytes {
            // RFC 8259 wants UTF-8; a JSON text's first two characters are ASCII, which gives UTF-16 away (RFC 4627 §3).
            [b'{' | b'[' | b'<', 0, 1..=u8::MAX, 0, ..] => utf_16(bytes, u16::from_le_bytes),
            [0, b'{' | b'[' | b'<', 0, 1..=u8::MAX, ..] => utf_16(bytes, u16::from_be_bytes),
            _ => utf_8(bytes),
        },
    }
}

fn utf_8(bytes: &[u8]) -> Cow<'_, str> {
    // Whole words at a time, where the lossy reader goes byte by byte.
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// The `charset` parameter of a `Content-Type`, lower case.
pub fn charset(content_type: &str) -> Option<String> {
    let parameter = content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then_some(value)
    })?;
    let label = parameter.trim().trim_matches(['"', '\'']).to_ascii_lowercase();
    (!label.is_empty()).then_some(label)
}

/// Whether the parser reads that charset, given in lower case, by itself; the browser has the others.
pub fn reads_charset(label: &str) -> bool {
    matches!(label, "utf-8" | "utf8" | "unicode-1-1-utf-8" | "utf-16" | "utf-16le" | "utf-16be") || is_windows_1252(label)
}

/// The labels under which browsers read Windows-1252 (WHATWG Encoding §4.2).
fn is_windows_1252(label: &str) -> bool {
    matches!(
        label,
        "iso-8859-1"
            | "iso8859-1"
            | "iso_8859-1"
            | "latin1"
            | "l1"
            | "us-ascii"
            | "ascii"
            | "windows-1252"
            | "cp1252"
            | "x-cp1252"
    )
}

fn windows_1252(byte: u8) -> char {
    /// 0x80 to 0x9F; a byte that is not assigned is the control character of its number.
    const HIGH: [u16; 32] = [
        0x20AC, 0x81, 0x201A, 0x192, 0x201E, 0x2026, 0x2020, 0x2021, 0x2C6, 0x2030, 0x160, 0x2039, 0x152, 0x8D, 0x17D, 0x8F,
        0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x2DC, 0x2122, 0x161, 0x203A, 0x153, 0x9D, 0x17E, 0x178,
    ];
    let code = byte.checked_sub(0x80).and_then(|index| HIGH.get(usize::from(index))).copied().unwrap_or(u16::from(byte));
    char::from_u32(u32::from(code)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn utf_16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Cow<'_, str> {
    let units = bytes.chunks_exact(2).filter_map(|pair| Some(unit([*pair.first()?, *pair.get(1)?])));
    char::decode_utf16(units).map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// The media type of a `Content-Type`: type and subtype, lower case, without parameters.
pub(super) fn media_type(content_type: Option<&str>) -> String {
    content_type.unwrap_or_default().split([';', ',']).next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The part of a body that tells of the error: of an event stream, the data of the event that does; of JSON that was written
/// twice, the JSON that the text is; else all of it.
pub(super) fn telling<'t>(text: &'t str, media_type: &str) -> Cow<'t, str> {
    let start = text.trim_start();
    let told = if is_stream(start, media_type) {
        event(start)
    } else if start.starts_with("\"{") || start.starts_with("\"[") {
        Document::read(start).and_then(|document| document.root().as_str().map(Cow::into_owned))
    } else {
        None
    };
    told.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Whether a body is a stream with an event in it that tells of an error.
pub(super) fn is_failed_stream(text: &str, media_type: &str) -> bool {
    let start = text.trim_start();
    is_stream(start, media_type) && event(start).is_some()
}

fn is_stream(start: &str, media_type: &str) -> bool {
    media_type == "text/event-stream" || start.starts_with("data:") || start.starts_with("event:")
}

/// The JSON in a body, whatever its media type says: backends mislabel their errors.
pub(super) fn document<'t>(text: &'t str, media_type: &str, truncated: bool) -> Option<Document<'t>> {
    let start = without_guard(text.trim_start().trim_start_matches('\u{feff}')).trim_start();
    let is_json = media_type == "application/json" || media_type.ends_with("+json");
    if start.starts_with(['{', '[']) {
        return if truncated { Document::read_beginning(start) } else { Document::read(start) };
    }
    // A text, a number or nothing at all may be JSON, too.
    if is_json || start.starts_with('"') || start.trim_end() == "null" { Document::read(start) } else { None }
}

/// What servers put before JSON so that no `<script>` can run it.
fn without_guard(text: &str) -> &str {
    [")]}',", ")]}'", "for(;;);", "while(1);"].iter().find_map(|guard| text.strip_prefix(guard)).unwrap_or(text)
}

/// The lines of what stands between two line feeds: a carriage return ends a line, too.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.strip_suffix('\r').unwrap_or(text).split('\r')
}

/// The data of the last event of a stream that tells of an error: of type `error`, or an object with an `error` in it. An
/// event may have several `data` lines (WHATWG HTML §9.2.6); a stream may go on after it, to `[DONE]`.
fn event(text: &str) -> Option<String> {
    let (mut found, mut data, mut named_error) = (None, String::new(), false);
    // The end of the text ends an event, as an empty line does.
    for line in text.split('\n').flat_map(lines).chain([""]) {
        if line.is_empty() {
            let tells = || Document::read(&data).is_some_and(|event| event.root().first(&["error", "errors"]).is_some());
            if !data.is_empty() && (named_error || tells()) {
                found = Some(std::mem::take(&mut data));
            }
            data.clear();
            named_error = false;
        } else if let Some(name) = line.strip_prefix("event:") {
            named_error = name.trim() == "error";
        } else if let Some(more) = line.strip_prefix("data:") {
            if !data.is_empty() {
                data.push('\n');
            }
            data.push_str(more.strip_prefix(' ').unwrap_or(more));
        }
    }
    found
}
