//! What people and programs are shown. The texts are in `tests/report`; after a change that is meant to be one, write
//! them anew with `TOWPATH_WRITE=1 cargo test -p towpath-doctor --test report`, and read them.

use std::{env, fs, path::Path, time::Duration};

use serde_json::Value;
use towpath_doctor::{
    Diagnosis, catalogue,
    diagnosis::{Asked, Found, State, Step, Verdict},
    report::{self, Style},
};
use towpath_proto::{
    Code, Fault, Rung,
    tls::{Alert, Side},
};

fn step(rung: Rung, state: State, micros: u64, what: &str) -> Step {
    Step {
        rung,
        state,
        took: (micros > 0).then(|| Duration::from_micros(micros)),
        what: what.to_owned(),
        more: Vec::new(),
    }
}

fn found(id: &str) -> Found {
    Found::new(catalogue::find(id).unwrap_or_else(|| panic!("{id} is not in the catalogue")))
}

fn diagnosis(verdict: Verdict, ladder: Vec<Step>, found: Vec<Found>) -> Diagnosis {
    Diagnosis {
        subject: "wss://broker.example/mqtt".into(),
        vantage: "this machine (bench), from 192.0.2.7".into(),
        profile: "towpath with OpenSSL, TLS 1.2 to 1.3, MQTT 5".into(),
        verdict,
        ladder,
        found,
        notes: Vec::new(),
        probes: Vec::new(),
    }
}

fn lower(what: &str) -> Vec<Step> {
    vec![
        step(
            Rung::Dns,
            State::Ok,
            1_240,
            "broker.example -> 198.51.100.4 (A, from 192.0.2.53)",
        ),
        step(Rung::Tcp, State::Ok, 12_400, what),
    ]
}

fn ready() -> Diagnosis {
    let mut ladder = lower("198.51.100.4:443");
    ladder.push(step(
        Rung::Tls,
        State::Ok,
        25_100,
        "TLS 1.3, TLS_AES_128_GCM_SHA256",
    ));
    ladder.push(step(Rung::Upgrade, State::Ok, 12_800, "GET /mqtt -> 101"));
    ladder.push(step(
        Rung::Mqtt,
        State::Ok,
        13_010,
        "CONNECT -> CONNACK, session new",
    ));
    diagnosis(
        Verdict::Ready(Duration::from_micros(64_550)),
        ladder,
        Vec::new(),
    )
}

fn expired() -> Diagnosis {
    let mut ladder = lower("198.51.100.4:443");
    let mut broke = step(
        Rung::Tls,
        State::Problem,
        25_100,
        "last sent Alert (bad certificate), last received Certificate",
    );
    broke.more.push(
        "chain of 2, 2460 bytes: CN=broker.example, CN=Example Issuing CA 3 of a rather long name"
            .into(),
    );
    ladder.push(broke);
    ladder.push(step(Rung::Upgrade, State::NotReached, 0, ""));
    ladder.push(step(Rung::Mqtt, State::NotReached, 0, ""));
    let fault = Fault::new(Rung::Tls, Code::ServerCertificateExpired)
        .number(10)
        .alert(Alert::fatal(Side::Client, 45));
    let mut expired = found("TP-TLS-010")
        .because(
            "certificate",
            "CN=broker.example, valid until 2026-11-02 12:00 UTC",
        )
        .because("this clock", "2026-11-22 14:05 UTC")
        .because("alert", "client sent alert 45 certificate_expired")
        .because("Server", "evil\x1b[2J\r\nsecond line sig=c2VjcmV0 and more");
    expired.cause = "the server's certificate expired on 2026-11-02".into();
    expired.fault = Some(fault);
    expired.or_else.extend(catalogue::find("TP-TLS-055"));
    let mut all = diagnosis(Verdict::Broken, ladder, vec![expired]);
    all.probes.push(Asked {
        question: "the Date of the server's answer".into(),
        answer: "not measured: the certificate has to be good first".into(),
        took: Duration::from_millis(31),
    });
    all.notes
        .push("hub: not measured, since the URL names no hub".into());
    all
}

fn unresolved() -> Diagnosis {
    let ladder = vec![
        step(
            Rung::Dns,
            State::Problem,
            4_002_000,
            "broker.example, asked 192.0.2.53 three times",
        ),
        step(Rung::Tcp, State::NotReached, 0, ""),
        step(Rung::Mqtt, State::NotReached, 0, ""),
    ];
    let silent =
        found("TP-DNS-002").because("asked", "192.0.2.53:53 over UDP, no answer in 4002 ms");
    diagnosis(Verdict::Broken, ladder, vec![silent])
}

fn warned() -> Diagnosis {
    let mut all = ready();
    all.verdict = Verdict::Warning(Duration::from_micros(64_550));
    let mut soon = found("TP-DEV-031").warning();
    soon.cause = "the client's certificate ends on 2026-11-30".into();
    all.found.push(soon.because(
        "certificate",
        "CN=meter-7, valid until 2026-11-30 00:00 UTC",
    ));
    all
}

fn of_a_device() -> Diagnosis {
    let mut all = diagnosis(
        Verdict::Broken,
        Vec::new(),
        vec![found("TP-DEV-001").because("prj.conf line 3", "CONFIG_NET_TCP=n")],
    );
    all.subject = "console.log".into();
    all.vantage = "the device whose log it is".into();
    all.profile = "Zephyr / NCS".into();
    all.notes.push(
        "line 12: \"DNS recv error (-103)\" is not the fault: it says that all answers have come"
            .into(),
    );
    all
}

fn every() -> Vec<(&'static str, Diagnosis)> {
    let mut unknown = diagnosis(Verdict::Unknown, Vec::new(), Vec::new());
    unknown.subject = "-0x9999".into();
    vec![
        ("ready", ready()),
        ("expired", expired()),
        ("unresolved", unresolved()),
        ("warned", warned()),
        ("device-log", of_a_device()),
        ("unknown", unknown),
    ]
}

#[test]
fn the_texts_are_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report");
    for (name, diagnosis) in every() {
        let path = folder.join(name).with_extension("txt");
        let text = report::text(
            &diagnosis,
            Style {
                color: false,
                verbose: true,
            },
        );
        if env::var_os("TOWPATH_WRITE").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            text,
            written,
            "{}: see the head of this test",
            path.display()
        );
    }
}

#[test]
fn the_verdict_is_the_first_and_the_last_line() {
    for (name, diagnosis) in every() {
        let text = report::text(&diagnosis, Style::default());
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.first(), lines.last(), "{name}");
        assert_eq!(lines[0], report::line(&diagnosis), "{name}");
    }
}

#[test]
fn prose_fits_eighty_columns_and_nothing_moves_the_cursor() {
    for (name, diagnosis) in every() {
        let text = report::text(
            &diagnosis,
            Style {
                color: false,
                verbose: true,
            },
        );
        let verdict = report::line(&diagnosis);
        let settings: Vec<_> = diagnosis
            .found
            .iter()
            .flat_map(|found| found.finding.remedies)
            .collect();
        for line in text.lines().filter(|line| *line != verdict) {
            let pasted = settings
                .iter()
                .any(|remedy| remedy.set.lines().any(|set| set == line.trim()));
            assert!(line.chars().count() <= 80 || pasted, "{name}: {line}");
            assert!(!line.chars().any(char::is_control), "{name}: {line:?}");
        }
    }
}

#[test]
fn colour_changes_no_word() {
    for (name, diagnosis) in every() {
        let plain = report::text(&diagnosis, Style::default());
        let colored = report::text(
            &diagnosis,
            Style {
                color: true,
                verbose: false,
            },
        );
        let mut bare = String::new();
        let mut rest = colored.as_str();
        while let Some((before, after)) = rest.split_once("\x1b[") {
            bare.push_str(before);
            rest = after.split_once('m').map_or("", |(_, rest)| rest);
        }
        bare.push_str(rest);
        assert_eq!(bare, plain, "{name}");
    }
}

#[test]
fn the_page_stands_alone_and_escapes_what_a_peer_said() {
    for (name, mut diagnosis) in every() {
        diagnosis
            .notes
            .push("<script>alert(1)</script> & <img src=http://x/>".into());
        let page = report::html(&diagnosis, "towpath test, 2026-11-22 14:05 UTC");
        for foreign in ["<script", "<link", "<img", "src=\"", "@import", "url("] {
            assert!(!page.contains(foreign), "{name}: {foreign}");
        }
        assert!(!page.contains("c2VjcmV0"), "{name}: a secret");
        assert!(page.starts_with("<!DOCTYPE html>"), "{name}");
    }
}

/// The part of JSON Schema that the schema uses.
fn check(schema: &Value, root: &Value, value: &Value, at: &str) {
    let schema = match schema.get("$ref").and_then(Value::as_str) {
        Some(path) => root.pointer(path.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    if let Some(kinds) = schema.get("type") {
        let kinds: Vec<_> = match kinds {
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            kind => kind.as_str().into_iter().collect(),
        };
        let is = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_u64() => "integer",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let fits = kinds.contains(&is) || is == "integer" && kinds.contains(&"number");
        assert!(fits, "{at} is {is}, not {kinds:?}: {value}");
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array) {
        assert!(
            allowed.contains(value),
            "{at}: {value} is none of {allowed:?}"
        );
    }
    for (nth, item) in value.as_array().into_iter().flatten().enumerate() {
        check(&schema["items"], root, item, &format!("{at}[{nth}]"));
    }
    let Some(members) = value.as_object() else {
        return;
    };
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(
            members.contains_key(name.as_str().unwrap()),
            "{at} lacks {name}"
        );
    }
    for (name, member) in members {
        let known = &schema["properties"][name];
        assert!(known.is_object(), "{at}.{name} is not in the schema");
        check(known, root, member, &format!("{at}.{name}"));
    }
}

#[test]
fn the_object_is_as_the_schema_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/doctor.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    for (name, diagnosis) in every() {
        check(&schema, &schema, &report::json(&diagnosis), name);
    }
    let entry = &schema["$defs"]["entry"];
    for finding in catalogue::all() {
        check(entry, &schema, &report::finding_json(finding), finding.id);
    }
}

#[test]
fn a_page_of_a_finding_has_all_of_it() {
    for finding in catalogue::all() {
        let text = report::finding_text(finding, Style::default());
        for remedy in finding.remedies {
            assert!(text.contains(remedy.on.name()), "{}", finding.id);
            for line in remedy.set.lines() {
                assert!(text.contains(line.trim_end()), "{}: {line}", finding.id);
            }
        }
    }
}
