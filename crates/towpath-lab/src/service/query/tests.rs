//! What queries mean, and that no text breaks their reader.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{Groups, Query};

const SOURCES: [&str; 2] = ["devices", "devices.modules"];

fn wants(filter: &str, document: &Json) -> bool {
    let text = format!("SELECT * FROM devices WHERE {filter}");
    let query = Query::parse(&text, &SOURCES).unwrap_or_else(|problem| panic!("{text}: {problem}"));
    query.wants(document)
}

#[test]
fn conditions() {
    let document = json!({
        "deviceId": "pump-1",
        "status": "enabled",
        "tags": { "site": 7, "a b": true, "note": "it's" },
        "properties": { "desired": { "rate": 5.5 }, "reported": { "rate": 5, "ok": true, "none": null } },
    });
    for yes in [
        "deviceId = 'pump-1'",
        "deviceId = \"pump-1\"",
        "DEVICEID = 'pump-1'",
        "tags.site = 7 AND properties.desired.rate > 5",
        "tags.site = 7.0",
        "tags.site IN [6, 7]",
        "tags.site NIN [8]",
        "NOT tags.site = 8",
        "tags.[[a b]] = true",
        "tags.[[a b]]",
        "tags.note = 'it''s'",
        "tags.note = 'it\\'s'",
        "properties.reported.ok",
        "is_defined(tags.site) and not is_defined(tags.nothing)",
        "is_null(properties.reported.none)",
        "(tags.site = 1 OR tags.site = 7) AND status != 'disabled'",
        "tags.site = 1 AND tags.site = 2 OR status = 'enabled'",
        "startswith(deviceId, 'pump') AND endswith(deviceId, '-1') AND contains(deviceId, 'mp')",
        "status <> 'disabled'",
        "tags.site >= -1",
        "is_number(tags.site) and is_string(status) and is_bool(properties.reported.ok) and is_object(tags)",
    ] {
        assert!(wants(yes, &document), "{yes}");
    }
    for no in [
        "deviceId = 'PUMP-1'",
        "tags.site = '7'",
        // What is not there is neither equal nor different.
        "tags.nothing = 1",
        "tags.nothing != 1",
        "NOT tags.nothing = 1",
        "tags.site.deeper = 7",
        "properties.desired.rate < 5.5",
        "tags.note",
        "tags.site IN []",
    ] {
        assert!(!wants(no, &document), "{no}");
    }
}

#[test]
fn what_is_not_known_is_named_with_its_place() {
    for (text, at, word) in [
        ("", 1, "SELECT"),
        ("UPDATE devices", 1, "SELECT"),
        ("SELECT", 7, "a name"),
        ("SELECT * devices", 10, "FROM"),
        ("SELECT * FROM", 14, "a name"),
        ("SELECT * FROM jobs", 15, "can't be asked"),
        ("SELECT * FROM devices WHERE", 28, "a name or a value"),
        ("SELECT * FROM devices WHERE a", 0, ""),
        ("SELECT * FROM devices WHERE a =", 32, "a name or a value"),
        ("SELECT * FROM devices WHERE 'a'", 32, "="),
        ("SELECT * FROM devices WHERE a = 'x", 33, "no closing"),
        ("SELECT * FROM devices WHERE a = 1.2.3", 33, "no number"),
        ("SELECT * FROM devices WHERE (a = 1", 35, ")"),
        ("SELECT * FROM devices WHERE a LIKE 'x'", 31, "LIKE"),
        ("SELECT * FROM devices WHERE soundex(a) = 1", 29, "soundex"),
        ("SELECT * FROM devices WHERE a IN [b]", 36, "values"),
        ("SELECT * FROM devices ORDER BY a", 23, "the end"),
        ("SELECT * FROM devices GROUP BY a", 15, "GROUP BY needs"),
        ("SELECT * FROM devices WHERE ä = §", 33, "no meaning"),
        ("SELECT COUNT( FROM devices", 15, ")"),
        ("SELECT a.[[b FROM devices", 10, "]]"),
    ] {
        match Query::parse(text, &SOURCES) {
            Ok(_) => assert_eq!(at, 0, "{text}"),
            Err(problem) => {
                assert_eq!(problem.at, at, "{text}: {problem}");
                assert!(problem.why.contains(word), "{text}: {problem}");
            }
        }
    }
    let deep = format!("SELECT * FROM devices WHERE {}a = 1", "(".repeat(10_000));
    assert!(Query::parse(&deep, &SOURCES).is_err_and(|problem| problem.why.contains("levels")));
    let deep = format!("SELECT * FROM devices WHERE {}a = 1", "NOT ".repeat(5_000));
    assert!(Query::parse(&deep, &SOURCES).is_err());
    let long = "x".repeat(40_000);
    assert!(Query::parse(&long, &SOURCES).is_err_and(|problem| problem.why.contains("bytes")));
}

#[test]
fn rows_and_groups() {
    let documents = [
        json!({ "deviceId": "a", "tags": { "site": 1, "rate": 4 } }),
        json!({ "deviceId": "b", "tags": { "site": 2, "rate": 6 } }),
        json!({ "deviceId": "c", "tags": { "site": 2 } }),
        json!({ "deviceId": "d" }),
    ];
    let parse = |text: &str| Query::parse(text, &SOURCES).expect("a query");
    let columns = parse("SELECT deviceId, tags.site AS place FROM devices");
    assert_eq!(
        columns.row(documents[0].clone()),
        json!({ "deviceId": "a", "place": 1 })
    );
    assert_eq!(
        columns.row(documents[3].clone()),
        json!({ "deviceId": "d" })
    );
    let rows = |text: &str| {
        let query = parse(text);
        let mut groups = Groups::default();
        for document in documents.iter().filter(|document| query.wants(document)) {
            groups.add(&query, document.clone());
        }
        Json::Array(groups.rows(&query))
    };
    assert_eq!(rows("SELECT COUNT() FROM devices"), json!([{ "$1": 4 }]));
    assert_eq!(
        rows("SELECT COUNT(*) AS n FROM devices WHERE tags.site = 9"),
        json!([{ "n": 0 }])
    );
    assert_eq!(
        rows(
            "SELECT SUM(tags.rate) AS sum, AVG(tags.rate) AS avg, MIN(tags.rate) AS min, MAX(tags.rate) AS max FROM devices"
        ),
        json!([{ "sum": 10, "avg": 5, "min": 4, "max": 6 }])
    );
    assert_eq!(
        rows(
            "SELECT tags.site, COUNT() AS n FROM devices WHERE is_defined(tags.site) GROUP BY tags.site"
        ),
        json!([{ "site": 1, "n": 1 }, { "site": 2, "n": 2 }])
    );
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = Query::parse(&text, &SOURCES);
    }

    #[test]
    fn no_sequence_of_words_panics(words in prop::collection::vec(
        prop::sample::select(vec![
            "SELECT", "*", "FROM", "devices", "devices.modules", "WHERE", "AND", "OR", "NOT", "(", ")", "[", "]", ",", ".",
            "=", "!=", "<=", "IN", "'x'", "-1.5", "true", "null", "tags", "tags.a", "[[a b]]", "COUNT()", "AVG(tags.a)", "AS",
            "GROUP", "BY", "is_defined(tags.a)", "startswith(", "'", "[[", "é",
        ]),
        0..40,
    ), glue in prop::sample::select(vec![" ", "", "  \n"])) {
        let text = words.join(glue);
        if let Ok(query) = Query::parse(&text, &SOURCES) {
            let document = json!({ "deviceId": "d", "tags": { "a": 1 } });
            if query.wants(&document) {
                let mut groups = Groups::default();
                groups.add(&query, document.clone());
                let _ = (query.row(document), groups.rows(&query));
            }
        }
    }

    /// Every text that is quoted comes back.
    #[test]
    fn texts_are_kept(text in "\\PC{0,40}") {
        let quoted = text.replace('\\', "\\\\").replace('\'', "''");
        let document = json!({ "tags": { "a": text } });
        let query = format!("SELECT * FROM devices WHERE tags.a = '{quoted}'");
        prop_assert!(Query::parse(&query, &SOURCES).expect("a query").wants(&document));
    }
}
