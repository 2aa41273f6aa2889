//! The reader beside serde_json: what one takes the other takes, with the same meaning.

use std::{format, string::ToString, vec, vec::Vec};

use proptest::prelude::*;
use serde_json::Value as Json;

use super::{Malformed, Text, Value};

fn parsed(text: &str) -> Value<'_> {
    Value::parse(text.as_bytes()).unwrap()
}

/// Builds what serde_json would build, out of what is read here.
fn built(value: Value<'_>) -> Json {
    if value.is_object() {
        let members = value
            .members()
            .map(|(name, value)| (name.to_string(), built(value)));
        Json::Object(members.collect())
    } else if value.is_array() {
        Json::Array(value.elements().map(built).collect())
    } else if let Some(text) = value.text() {
        Json::String(text.to_string())
    } else {
        serde_json::from_slice(value.raw()).unwrap()
    }
}

#[test]
fn members_are_found_and_lent_as_they_were_written() {
    let value = parsed(
        " {\"status\" : \"assigned\", \"n\":12,\"payload\":{ \"a\": [1, {}] } ,\"x\":null} \r\n",
    );
    assert!(value.member("status").unwrap().text().unwrap() == *"assigned");
    assert_eq!(value.member("n").unwrap().unsigned(), Some(12));
    assert_eq!(
        value.member("payload").unwrap().raw(),
        b"{ \"a\": [1, {}] }"
    );
    assert_eq!(value.member("x"), None, "null counts as absent");
    assert_eq!(
        value.member("a"),
        None,
        "members of members are not looked at"
    );
    assert_eq!(value.raw().last(), Some(&b'}'));
    assert_eq!(parsed("7").member("n"), None);
    assert_eq!(parsed("[7]").member("n"), None);
    assert_eq!(parsed("{\"n\":1}").elements().count(), 0);
    assert_eq!(parsed("{\"n\":1,\"n\":2}").member("n"), Some(parsed("2")));
}

#[test]
fn escapes_are_read_as_they_are_meant() {
    let value = parsed(r#"{"a\u002fb":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud83d\u0041\ude00"}"#);
    let text = value.member("a/b").unwrap().text().unwrap();
    let meant = "\"\\/\u{8}\u{c}\n\r\té😀\u{fffd}A\u{fffd}";
    assert_eq!(text.to_string(), meant);
    assert!(text == *meant);
    assert_eq!(text.plain(), None);
    assert_eq!(text.copied::<64>().unwrap(), meant);
    assert_eq!(text.copied::<16>(), None);
}

#[test]
fn numbers_beyond_64_bits_or_with_a_fraction_are_no_whole_numbers() {
    assert_eq!(parsed("18446744073709551615").unsigned(), Some(u64::MAX));
    for text in ["18446744073709551616", "1.0", "1e3", "-1", "\"1\"", "true"] {
        assert_eq!(parsed(text).unsigned(), None, "{text}");
    }
}

#[test]
fn what_is_no_json_is_refused() {
    let texts = [
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "{]",
        "[}",
        "[1,]",
        "[,1]",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "nul",
        "nulll",
        "truefalse",
        "1 2",
        "[1 2]",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u12\"",
        "\"\n\"",
        "{} x",
        "[1]]",
        "NaN",
        "\u{feff}{}",
        "<html></html>",
    ];
    for text in texts {
        assert_eq!(Value::parse(text.as_bytes()), Err(Malformed), "{text:?}");
        assert!(serde_json::from_str::<Json>(text).is_err(), "{text:?}");
    }
    assert_eq!(Value::parse(b"\"\xff\""), Err(Malformed));
}

#[test]
fn depth_is_bounded_and_costs_no_stack() {
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Value::parse(nested(64).as_bytes()).is_ok());
    // The innermost one is empty, so nothing lies in it.
    assert!(Value::parse(nested(65).as_bytes()).is_ok());
    assert_eq!(Value::parse(nested(66).as_bytes()), Err(Malformed));
    assert_eq!(Value::parse(nested(10_000_000).as_bytes()), Err(Malformed));
    let objects = "{\"a\":".repeat(1_000_000);
    assert_eq!(Value::parse(objects.as_bytes()), Err(Malformed));
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<std::string::String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::vec((any::<std::string::String>(), inner), 0..6)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

/// Bytes that are nearly JSON more often than random ones.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\\u00e9", "\\", "\\ud83d", "1", "-0", ".5",
        "e9", "null", "true", " ", "é", "\u{1}",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn what_serde_json_writes_is_read(json in json(), pretty: bool) {
        let text = if pretty {
            serde_json::to_string_pretty(&json).unwrap()
        } else {
            json.to_string()
        };
        let read = Value::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(read.raw(), text.as_bytes());
        prop_assert_eq!(built(read), serde_json::from_str::<Json>(&text).unwrap());
    }

    #[test]
    fn both_take_the_same_texts(bytes in nearly()) {
        let ours = Value::parse(&bytes);
        match serde_json::from_slice::<Json>(&bytes) {
            Ok(json) => prop_assert_eq!(built(ours.unwrap()), json),
            // serde_json refuses halves of pairs and numbers beyond f64 for reasons other than the grammar.
            Err(_) if bytes.windows(2).any(|two| two == b"\\u") => {}
            Err(error) if error.to_string().contains("out of range") => {}
            Err(_) => prop_assert_eq!(ours, Err(Malformed)),
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
        if let Ok(value) = Value::parse(&bytes) {
            let _ = built(value);
        }
    }

    #[test]
    fn any_text_is_unescaped_without_a_panic(text: std::string::String) {
        let text = Text(&text);
        let _ = text.chars().count();
        let _ = text.copied::<8>();
    }
}
