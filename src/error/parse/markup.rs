//! Reading what little is needed of XML and HTML: the text of an element.

/// The text of the first element of one of these names, in the order of the names; empty elements are passed over. The
/// names' case and prefixes do not matter: `s:Code` is `code`.
pub(super) fn element(markup: &str, names: &[&str]) -> Option<String> {
    named(markup, names, text)
}

/// The text of the first element of one of these names that has no elements in it, or of the first such inside of it: what
/// XML that carries data means by a name.
pub(super) fn leaf(markup: &str, names: &[&str]) -> Option<String> {
    named(markup, names, innermost)
}

/// What is read of the first element of one of these names, in the order of the names, of which anything is.
fn named(markup: &str, names: &[&str], read: fn(&str) -> String) -> Option<String> {
    // Once, and not again for every name.
    let elements: Vec<_> = elements(markup, MOST_ELEMENTS).collect();
    names.iter().find_map(|name| {
        elements.iter().find_map(|(found, content)| {
            let local = found.rsplit(':').next().unwrap_or(found);
            local.eq_ignore_ascii_case(name).then(|| read(content)).filter(|text| !text.is_empty())
        })
    })
}

/// The `value` of the first empty element of one of these names: how FHIR writes its texts in XML.
pub(super) fn value_attribute(markup: &str, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| {
        let start = markup.find(&format!("<{name} value=\""))?;
        let value = markup.get(start..)?.split('"').nth(1)?;
        (value.len() <= LONGEST_ELEMENT).then(|| plain(value))
    })
}

/// The text of the first leaf after this text: XML-RPC puts a name beside its value.
pub(super) fn leaf_after(markup: &str, text: &str) -> Option<String> {
    let rest = markup.get(markup.find(text)? + text.len()..)?;
    leaf(rest, &["value"])
}

fn innermost(content: &str) -> String {
    let has_elements = content.contains('<') && !content.trim_start().starts_with("<![CDATA[");
    let inner = if has_elements {
        elements(content, MOST_INSIDE).find(|(_, inner)| !inner.contains('<')).map(|(_, inner)| inner)
    } else {
        Some(content)
    };
    plain(inner.unwrap_or_default())
}

/// The names of the elements, each with what stands between its start tag and the next end tag of its name. An element
/// with others inside gives their text in one; what is looked for has none. No more than `most` are looked at.
fn elements(markup: &str, most: usize) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = markup;
    let mut visited = 0;
    std::iter::from_fn(move || {
        loop {
            visited += 1;
            if visited > most {
                return None;
            }
            let open = rest.find('<')?;
            rest = rest.get(open + 1..)?;
            let name_end = rest.find(|character: char| character.is_whitespace() || matches!(character, '>' | '/' | '<'))?;
            let name = rest.get(..name_end)?;
            if name.is_empty() || name.starts_with(['!', '?']) {
                continue;
            }
            let tag_end = rest.find('>')?;
            let content = rest.get(tag_end + 1..)?;
            if rest.get(..tag_end)?.ends_with('/') {
                rest = content;
                continue;
            }
            rest = content;
            // What is looked for is short; an end far away belongs to a container.
            let near = content.get(..floor(content, LONGEST_ELEMENT))?;
            if let Some(end) = find_end(near, name) {
                return Some((name, content.get(..end)?));
            }
        }
    })
}

/// Text that is longer is no message.
const LONGEST_ELEMENT: usize = 4096;
/// An error has fewer; a bound on both keeps the time linear.
const MOST_ELEMENTS: usize = 256;
/// How many are looked at in one, to find the first that has no others in it.
const MOST_INSIDE: usize = 16;

/// The largest boundary of a character that is at most `index`.
pub(super) fn floor(text: &str, index: usize) -> usize {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}

fn find_end(content: &str, name: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + content.get(from..)?.find("</")?;
        let after = content.get(at + 2..)?;
        let same = after.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name));
        if same && after.get(name.len()..).is_some_and(|rest| rest.starts_with(['>', ' ', '\n', '\r', '\t'])) {
            return Some(at);
        }
        from = at + 2;
    }
}

/// The text of a piece of markup: tags out, entities resolved, white space as one space.
fn text(markup: &str) -> String {
    plain(markup).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text of a piece of markup: tags out, entities resolved.
fn plain(markup: &str) -> String {
    let mut plain = String::new();
    let mut rest = markup.trim();
    if let Some(data) = rest.strip_prefix("<![CDATA[") {
        return data.split("]]>").next().unwrap_or_default().trim().into();
    }
    while let Some(at) = rest.find(['<', '&']) {
        plain.push_str(rest.get(..at).unwrap_or_default());
        let from = rest.get(at..).unwrap_or_default();
        let (character, end) = if from.starts_with('<') { (Some(' '), from.find('>')) } else { entity(from) };
        if let Some(end) = end {
            plain.extend(character);
            rest = from.get(end + 1..).unwrap_or_default();
        } else {
            plain.push('&');
            rest = from.get(1..).unwrap_or_default();
        }
    }
    plain.push_str(rest);
    plain
}

/// The character that an entity at the beginning of the text stands for, and where it ends.
fn entity(text: &str) -> (Option<char>, Option<usize>) {
    let Some(end) = text.get(..floor(text, 12)).and_then(|near| near.find(';')) else { return (None, None) };
    let name = text.get(1..end).unwrap_or_default();
    let number = name.strip_prefix('#').and_then(|number| match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => number.parse().ok(),
    });
    let character = match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        "rsaquo" => Some('›'),
        "raquo" => Some('»'),
        "ndash" => Some('–'),
        "mdash" => Some('—'),
        "rsquo" => Some('’'),
        "hellip" => Some('…'),
        "copy" => Some('©'),
        _ => number.and_then(char::from_u32),
    };
    (character, character.map(|_| end))
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_element_is_found_by_its_name() {
        let xml = "<?xml version=\"1.0\"?><e:Error xmlns:e='x'><e:Code/><Code>A&amp;B</Code><m><![CDATA[a < b]]></m></e:Error>";
        assert_eq!(element(xml, &["code"]).as_deref(), Some("A&B"));
        assert_eq!(element(xml, &["Message", "m"]).as_deref(), Some("a < b"));
        assert_eq!(element("<title> 502\n Bad &#71;ateway </title>", &["title"]).as_deref(), Some("502 Bad Gateway"));
        assert_eq!(element("<title>never closed", &["title"]), None);
        assert_eq!(element("a < b & c", &["b"]), None);
    }
}
