//! The versions in a twin document and in a patch.
//!
//! Takes in JSON as it came; gives out `$version` where it belongs, or nothing if the bytes are not one JSON object.

use crate::json::Value;

/// A patch of desired properties: whether it is an object at all, and the version in it.
pub(super) fn of_patch(patch: &[u8]) -> Option<Option<u64>> {
    let patch = object(patch)?;
    Some(patch.member("$version").and_then(Value::unsigned))
}

/// The versions of the desired and of the reported properties in a twin document.
pub(super) fn of_twin(document: &[u8]) -> Option<(u64, u64)> {
    let document = object(document)?;
    let version = |section| document.member(section)?.member("$version")?.unsigned();
    version("desired").zip(version("reported"))
}

/// What the hub says about an error: the text of `message`, as it was written.
pub(super) fn message(body: &[u8]) -> Option<&[u8]> {
    let body = object(body)?;
    let message = body.member("message").or_else(|| body.member("Message"))?;
    message.text()?;
    let quoted = message.raw();
    quoted.get(1..quoted.len().saturating_sub(1))
}

fn object(bytes: &[u8]) -> Option<Value<'_>> {
    Value::parse(bytes).ok().filter(|value| value.is_object())
}

#[cfg(test)]
mod tests {
    use std::{string::String, vec::Vec};

    use proptest::prelude::*;
    use serde_json::{Map, Value as Json, json};

    use super::*;

    #[test]
    fn the_versions_of_a_twin_and_of_a_patch() {
        let twin = br#"{"desired": {"interval": 5, "$version": 1}, "reported": {"$version": 7}}"#;
        assert_eq!(of_twin(twin), Some((1, 7)));
        assert_eq!(
            of_patch(br#"{"interval": 7, "$version": 2}"#),
            Some(Some(2))
        );
    }

    #[test]
    fn a_version_counts_only_where_it_belongs() {
        let deep = br#"{"desired":{"a":{"$version":9},"b":[{"$version":8}],"$version":3},"reported":{"$version":4}}"#;
        assert_eq!(of_twin(deep), Some((3, 4)));
        assert_eq!(of_patch(br#"{"a":{"$version":9}}"#), Some(None));
        assert_eq!(of_patch(br#"{"\u0024version":5}"#), Some(Some(5)));
        assert_eq!(
            of_twin(br#"{"desired":[{"$version":1}],"reported":{"$version":1}}"#),
            None
        );
    }

    #[test]
    fn what_is_no_version() {
        for text in ["-1", "1.0", "1e2", "\"1\"", "18446744073709551616", "null"] {
            let patch = std::format!("{{\"$version\":{text}}}");
            assert_eq!(of_patch(patch.as_bytes()), Some(None), "{text}");
        }
        for text in [
            "",
            "[]",
            "7",
            "{\"$version\":1",
            "{\"$version\":1}}",
            "{\"$version\":01}",
        ] {
            assert_eq!(of_patch(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_document_as_large_and_deep_as_the_hub_sends() {
        let mut deep = json!("x".repeat(4096));
        for _ in 0..10 {
            deep = json!({ "a": deep, "$version": 99 });
        }
        let section = |version| {
            let members = (0..8).map(|n| (std::format!("m{n}"), deep.clone()));
            let mut section: Map<String, Json> = members.collect();
            section.insert("$version".into(), version);
            section
        };
        let twin = json!({ "desired": section(12.into()), "reported": section(34.into()) });
        let twin = serde_json::to_vec(&twin).unwrap();
        assert!(twin.len() > 64 * 1024);
        assert_eq!(of_twin(&twin), Some((12, 34)));
    }

    #[test]
    fn the_words_of_an_error() {
        let body = br#"{"errorCode":429001,"trackingId":"t","message":"slow down"}"#;
        assert_eq!(message(body), Some(&b"slow down"[..]));
        assert_eq!(message(br#"{"Message":""}"#), Some(&b""[..]));
        assert_eq!(message(br#"{"message":5}"#), None);
        assert_eq!(message(b"<html>"), None);
    }

    fn any_json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<u64>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            "\\PC{0,8}".prop_map(Json::from),
        ];
        let name = prop_oneof![
            Just("$version".into()),
            Just("desired".into()),
            Just("reported".into()),
            "\\PC{0,6}",
        ];
        leaf.prop_recursive(6, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
                prop::collection::btree_map(name.clone(), inner, 0..6)
                    .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
            ]
        })
    }

    /// The version of a patch, and those of a twin.
    type Found = (Option<u64>, Option<(u64, u64)>);

    /// What serde_json finds.
    fn expected(json: &Json) -> Option<Found> {
        json.as_object()?;
        let section = |name: &str| json[name].as_object()?.get("$version")?.as_u64();
        let twin = section("desired").zip(section("reported"));
        Some((json["$version"].as_u64(), twin))
    }

    proptest! {
        #[test]
        fn the_same_as_serde_json(json in any_json()) {
            let text = serde_json::to_vec(&json).unwrap();
            let found = of_patch(&text).map(|patch| (patch, of_twin(&text)));
            prop_assert_eq!(found, expected(&json));
        }

        #[test]
        fn whatever_an_object_holds_its_version_is_found(inner in any_json(), version: u64) {
            let twin = json!({
                "desired": { "a": inner, "$version": version, "z": inner },
                "x": inner,
                "reported": { "b": inner, "$version": 2 },
            });
            prop_assert_eq!(of_twin(&serde_json::to_vec(&twin).unwrap()), Some((version, 2)));
        }

        #[test]
        fn any_bytes_are_survived(json in any_json(), place: prop::sample::Index, byte: u8, cut: bool) {
            let mut text: Vec<u8> = serde_json::to_vec(&json).unwrap();
            let index = place.index(text.len());
            text[index] = byte;
            if cut {
                text.truncate(index);
            }
            let _ = (of_patch(&text), of_twin(&text), message(&text));
        }
    }
}
