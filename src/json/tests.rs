use super::*;
use proptest::prelude::*;

fn json(text: &str) -> Option<String> {
    Document::read(text).map(|document| document.root().to_json().text().to_string())
}

fn cut(text: &str) -> Option<String> {
    Document::read_beginning(text).map(|document| document.root().to_json().text().to_string())
}

#[test]
fn what_is_json_comes_back_as_it_was() {
    for text in [
        "null",
        "true",
        "false",
        "0",
        "-0.5e+10",
        "\"\"",
        "\"a\\u0041\\n\"",
        "[]",
        "{}",
        "[[],{}]",
        "[1,[2,[3]],4]",
        "{\"a\":{\"b\":[1,{\"c\":null}],\"d\":{}},\"e\":\"f\"}",
        "1e999",
        "[{\"a\":[]},{\"b\":{}}]",
    ] {
        let printed = json(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(printed.replace('A', "\\u0041"), text.to_string(), "{text}");
    }
    assert_eq!(json(" { \"a\" : [ 1 , 2 ] } \n").as_deref(), Some("{ \"a\" : [ 1 , 2 ] }"));
    assert_eq!(json("[ NaN , 2 ]").as_deref(), Some("[null,2]"));
}

#[test]
fn what_is_not_json_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "[",
        "[1,]",
        "{\"a\":1,}",
        "{,}",
        "[1 2]",
        "{\"a\" 1}",
        "{a:1}",
        "'a'",
        "01",
        "1.",
        "1e",
        "-",
        "tru",
        "{}x",
        "{} {}",
        "\"",
        "\"a\\",
        "+1",
        ".5",
        "[}",
        "{]",
        "nul",
        "//",
        "{\"a\"}",
        "{\"a\":}",
    ] {
        assert_eq!(json(text), None, "{text}");
    }
}

#[test]
fn what_backends_send_beyond_json_is_mended() {
    assert_eq!(json("[NaN,Infinity,-Infinity]").as_deref(), Some("[null,null,null]"));
    assert_eq!(json("\"a\nb\u{1}\"").as_deref(), Some("\"a\\nb\\u0001\""));
    assert_eq!(
        json("\"it\\'s \\ud83d \\ude00 \\ud83d\\ude00 \\uZZ\"").as_deref(),
        Some("\"it's \u{fffd} \u{fffd} 😀 \u{fffd}ZZ\"")
    );
}

#[test]
fn a_text_that_was_cut_is_closed_where_it_ends() {
    for (text, closed) in [
        ("{", "{}"),
        ("[1,2 ", "[1,2]"),
        ("[1,", "[1]"),
        ("{\"a\":1,\"b", "{\"a\":1}"),
        ("{\"a\":1,\"b\"", "{\"a\":1,\"b\":null}"),
        ("{\"a\":1,\"b\":", "{\"a\":1,\"b\":null}"),
        ("{\"a\":{\"b\":\"c\",\"d\":\"unfini", "{\"a\":{\"b\":\"c\",\"d\":null}}"),
        ("{\"a\":[{\"b\":1},{\"b\":tr", "{\"a\":[{\"b\":1},{\"b\":null}]}"),
        ("{\"a\":1}", "{\"a\":1}"),
    ] {
        assert_eq!(cut(text).as_deref(), Some(closed), "{text}");
    }
    assert_eq!(cut(""), None);
    assert_eq!(cut("{\"a\" 1"), None, "broken is not cut");
}

#[test]
fn a_number_that_the_text_ends_in_is_missing_and_not_another_number() {
    assert_eq!(cut("{\"retryAfter\":12").as_deref(), Some("{\"retryAfter\":null}"), "120 it was, perhaps");
    assert_eq!(cut("[1,2").as_deref(), Some("[1]"));
    assert_eq!(cut("12").as_deref(), Some("12"));
}

#[test]
fn a_name_is_found_however_it_is_escaped() {
    for (name, meaning) in [
        (r"\u0061b", "ab"),
        (r"a\u0062", "ab"),
        (r"\n\t", "\n\t"),
        (r"\ud83d\ude00", "😀"),
        (r"x\ud83d", "x\u{fffd}"),
        (r"\'", "'"),
    ] {
        let text = format!("{{\"{name}\":1}}");
        let document = Document::read(&text).unwrap();
        assert!(document.root().get(meaning).is_some(), "{name}");
        for other in ["", "a", "abc", "b", "\n", "😀😀", "x"] {
            assert!(document.root().get(other).is_none(), "{name} is not {other}");
        }
    }
}

#[test]
fn nesting_is_bounded() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(json(&deep(DEEPEST)).is_some());
    assert!(json(&deep(DEEPEST + 1)).is_none());
    assert!(json(&"[".repeat(1_000_000)).is_none());
    assert!(cut(&"{\"a\":".repeat(1_000_000)).is_none());
}

#[test]
fn of_two_members_of_a_name_the_last_counts_and_null_is_none() {
    let document = Document::read(r#"{"a":1,"a":2,"b":null,"\u0063":"3"}"#).unwrap();
    let root = document.root();
    assert_eq!(root.get("a").unwrap().as_u64(), Some(2));
    assert!(root.get("b").is_none() && root.get("x").is_none());
    assert_eq!(root.get("c").unwrap().as_u64(), Some(3));
    assert_eq!(root.members().count(), 4);
}

proptest! {
    #[test]
    fn whatever_serde_json_reads_is_read_the_same(value in any_value(6)) {
        let text = value.to_string();
        let document = Document::read(&text).unwrap();
        let read: serde_json::Value = serde_json::from_str(document.root().to_json().text()).unwrap();
        prop_assert_eq!(read, value);
    }

    #[test]
    fn any_beginning_of_json_is_read_as_json(value in any_value(6), share in 0.0..1.0f64) {
        let text = value.to_string();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of a length")]
        let mut end = (text.len() as f64 * share) as usize;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        if let Some(document) = Document::read_beginning(&text[..end]) {
            prop_assert!(serde_json::from_str::<serde_json::Value>(document.root().to_json().text()).is_ok());
        } else {
            let container = text[..end].trim_start().starts_with(['{', '[']);
            prop_assert!(!container);
        }
    }

    #[test]
    fn anything_is_either_json_or_not(text in ".{0,200}") {
        for document in [Document::read(&text), Document::read_beginning(&text)].into_iter().flatten() {
            prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(document.root().to_json().text()).is_ok());
        }
    }
}

fn any_value(depth: u32) -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        ".{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(depth, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

#[test]
fn an_escaped_name_is_found_by_what_it_means_and_by_nothing_else() {
    let text = r#"{"c\u006fde":1,"\ud83d\ude00":2,"a\"b":3,"\ud800":4,"\qx":5}"#;
    let document = Document::read(text).unwrap();
    for (name, digits) in [("code", "1"), ("😀", "2"), ("a\"b", "3"), ("\u{fffd}", "4"), ("qx", "5")] {
        assert_eq!(document.root().get(name).and_then(Value::as_digits), Some(digits), "{name}");
    }
    for name in ["cod", "codes", "c\\u006fde", "a", "q", ""] {
        assert!(document.root().get(name).is_none(), "{name}");
    }
}
