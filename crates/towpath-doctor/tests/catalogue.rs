//! What each entry of the catalogue has to have, and that every fault of the client has one.

use std::collections::{BTreeMap, BTreeSet};

use towpath_doctor::{
    Finding, Platform,
    catalogue::{self, FAMILIES},
};
use towpath_proto::{Code, Fault, Rung};

#[track_caller]
fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every text of an entry that people read, with what it is called.
fn texts(finding: &Finding) -> Vec<(&'static str, &'static str)> {
    let mut all = vec![
        ("cause", finding.cause),
        ("fix", finding.fix),
        ("about", finding.about),
        ("decided_by", finding.decided_by),
        ("administrator", finding.administrator),
    ];
    all.extend(finding.remedies.iter().map(|remedy| ("what", remedy.what)));
    all
}

#[test]
fn there_are_more_than_a_hundred() {
    assert!(catalogue::all().count() >= 100);
}

#[test]
fn ids_are_unique_well_formed_and_in_order() {
    let mut seen = BTreeSet::new();
    for (title, findings) in FAMILIES {
        assert!(!findings.is_empty(), "{title} is empty");
        let ids: Vec<_> = findings.iter().map(|finding| finding.id).collect();
        assert!(ids.is_sorted(), "{title}: {ids:?}");
        for id in ids {
            assert!(seen.insert(id), "{id} twice");
            let parts: Vec<_> = id.split('-').collect();
            let [head, family, number] = parts[..] else {
                panic!("{id}");
            };
            assert_eq!(head, "TP", "{id}");
            assert!(
                family.starts_with(|at: char| at.is_ascii_uppercase()),
                "{id}"
            );
            assert_eq!(number.len(), 3, "{id}");
            assert!(number.parse::<u16>().is_ok(), "{id}");
            assert_eq!(
                catalogue::find(&id.to_lowercase()).map(|it| it.id),
                Some(id)
            );
        }
    }
}

const RUNGS: &[Rung] = &[
    Rung::Link,
    Rung::Address,
    Rung::Dns,
    Rung::Nat64,
    Rung::Tcp,
    Rung::Proxy,
    Rung::Tls,
    Rung::Upgrade,
    Rung::Ws,
    Rung::Mqtt,
    Rung::Hub,
];

/// Whatever the client can end with, on whatever rung and with whatever number.
fn faults(code: Code) -> impl Iterator<Item = Fault> {
    let numbers = || (0..=600).chain([400_027, 401_002, 404_201]);
    let each = move |rung: &Rung| {
        let fault = Fault::new(*rung, code);
        numbers().map(move |number| fault.number(number))
    };
    RUNGS.iter().flat_map(each)
}

#[test]
fn every_fault_of_the_client_has_an_entry() {
    for code in Code::ALL {
        let found = catalogue::find(code.finding());
        assert!(found.is_some(), "{code:?}: {}", code.finding());
        for fault in faults(*code) {
            let found = catalogue::of(&fault);
            assert!(found.is_some(), "{fault:?}: {}", fault.finding());
        }
    }
}

/// The client's line and the doctor's say the same, where a finding stands for one cause of the client and the cause
/// for one finding.
#[test]
fn the_client_says_the_same() {
    let mut codes: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (at, code) in Code::ALL.iter().enumerate() {
        for fault in faults(*code) {
            codes.entry(fault.finding()).or_default().insert(at);
        }
    }
    let mut wrong = Vec::new();
    for code in Code::ALL {
        let ids: BTreeSet<_> = faults(*code).map(|fault| fault.finding()).collect();
        let id = code.finding();
        if ids.len() == 1
            && codes.get(id).is_some_and(|codes| codes.len() == 1)
            && let Some(finding) = catalogue::find(id)
            && finding.cause != code.cause()
        {
            let (says, here) = (code.cause(), finding.cause);
            wrong.push(format!(
                "{id}: the client says {says:?}, the entry {here:?}"
            ));
        }
    }
    none(&wrong);
}

#[test]
fn every_entry_mends_something_and_is_proven() {
    for finding in catalogue::all() {
        let id = finding.id;
        assert!(!finding.remedies.is_empty(), "{id} has no remedy");
        assert!(!finding.proofs.is_empty(), "{id} has no proof");
        for remedy in finding.remedies {
            let says = !remedy.what.is_empty() || !remedy.set.is_empty();
            assert!(says, "{id}: a remedy for {} is empty", remedy.on.name());
        }
        let proofs = finding.proofs;
        for (at, proof) in proofs.iter().enumerate() {
            assert!(!proofs[at + 1..].contains(proof), "{id}: {proof:?} twice");
        }
        for url in finding.sources {
            assert!(url.starts_with("https://"), "{id}: {url}");
            assert!(!url.contains([' ', '\u{2026}', ';']), "{id}: {url}");
        }
    }
}

#[test]
fn texts_have_the_form_of_their_place() {
    let mut wrong = Vec::new();
    for finding in catalogue::all() {
        let mut not = |what: &str| wrong.push(format!("{}: {what}", finding.id));
        if finding.cause.ends_with('.') {
            not("the cause ends with a full stop");
        }
        for (what, text) in [
            ("fix", finding.fix),
            ("about", finding.about),
            ("decided_by", finding.decided_by),
        ] {
            if !text.ends_with('.') {
                not(&format!("{what} does not end with a full stop"));
            }
        }
        for (what, text) in texts(finding) {
            // What is quoted may have two blanks.
            let own: Vec<_> = text.split('"').step_by(2).collect();
            let own = own.join("...");
            if own.contains("  ") || text.contains('\n') || text.trim() != text {
                not(&format!("blanks or line breaks in {what}: {text}"));
            }
        }
        for (what, text, most) in [
            ("cause", finding.cause, 140),
            ("fix", finding.fix, 280),
            ("about", finding.about, 800),
            ("decided_by", finding.decided_by, 800),
            ("administrator", finding.administrator, 260),
        ] {
            let len = text.chars().count();
            if len > most {
                not(&format!("{what} has {len} characters, at most {most}"));
            }
        }
        for symptom in finding.symptoms {
            if !(3..=110).contains(&symptom.len()) {
                not(&format!("the length of {symptom:?}"));
            }
        }
        let settings = finding.remedies.iter().map(|remedy| remedy.set);
        for line in settings.flat_map(str::lines) {
            if line.chars().count() > 140 || line.trim_end() != line {
                not(&format!("the length or end of {line:?}"));
            }
        }
    }
    none(&wrong);
}

/// Settings for a build are lines that its file takes. Beside them a modem has commands, and a program URLs and paths.
#[test]
fn settings_of_builds_are_settings() {
    let mut wrong = Vec::new();
    for finding in catalogue::all() {
        let builds = [Platform::Zephyr, Platform::EspIdf];
        let remedies = finding.remedies.iter();
        let remedies = remedies.filter(|remedy| builds.contains(&remedy.on));
        for line in remedies.flat_map(|remedy| remedy.set.lines()) {
            let value = line.split_once('=').map(|(_, value)| value);
            let setting = line.starts_with("CONFIG_") && value.is_some_and(|it| !it.is_empty());
            let other = line.starts_with(['#', '/']) || line.starts_with("AT%");
            if !setting && !other && !line.contains("://") {
                wrong.push(format!("{}: {line}", finding.id));
            }
        }
    }
    none(&wrong);
}

#[test]
fn ids_in_texts_are_in_the_catalogue() {
    let mut wrong = Vec::new();
    for finding in catalogue::all() {
        for (what, text) in texts(finding) {
            let words = text.split(|at: char| !at.is_ascii_alphanumeric() && at != '-');
            // A family may be named as a whole: `TP-HUB-...`.
            for word in words.filter(|word| word.starts_with("TP-")) {
                if word.ends_with(|at: char| at.is_ascii_digit()) && catalogue::find(word).is_none()
                {
                    wrong.push(format!("{}: {what} names {word}", finding.id));
                }
            }
        }
    }
    none(&wrong);
}

/// A failed check is never cured by not checking.
#[test]
fn no_remedy_switches_verification_off() {
    const OFF: &[&str] = &[
        "insecure",
        "verify_none",
        "verify none",
        "skip_cert",
        "skip_common",
        "skip_server_cert",
        "no-check-certificate",
        "curl -k",
        "ssl_verify false",
        "rejectunauthorized",
        "tls_verify=0",
        "peer_verify=0",
        "switch verification off",
        "switch the check off",
    ];
    for finding in catalogue::all() {
        let settings = finding.remedies.iter().map(|remedy| ("set", remedy.set));
        for (what, text) in texts(finding).into_iter().chain(settings) {
            let text = text.to_lowercase();
            for off in OFF {
                assert!(!text.contains(off), "{}: {what} says {off}", finding.id);
            }
        }
    }
}
