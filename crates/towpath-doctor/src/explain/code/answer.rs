//! From what a code means to an answer.

use towpath_proto::fault::Code;

use super::Meaning;
use crate::{
    Diagnosis, Finding, Proof, catalogue,
    diagnosis::{Found, Verdict},
    explain::unknown,
};

/// A finding by its id or a name of its own; `others` could be behind it too.
pub(super) fn finding(
    subject: &str,
    finding: &'static Finding,
    others: &[&'static Finding],
) -> Diagnosis {
    let mut found = Found::new(finding);
    found.or_else = others.to_vec();
    Diagnosis {
        verdict: Verdict::Broken,
        found: vec![found],
        ..unknown(subject)
    }
}

/// What a code may mean, the likeliest first.
pub(super) fn meanings(subject: &str, meanings: &[Meaning]) -> Diagnosis {
    let mut findings: Vec<&'static Finding> = Vec::new();
    let mut add = |ids: &[&str]| {
        for finding in ids.iter().filter_map(|id| catalogue::find(id)) {
            if !findings.iter().any(|known| known.id == finding.id) {
                findings.push(finding);
            }
        }
    };
    // What is told as no failure by the first meaning is not made one by the others.
    let harmless = meanings.first().is_some_and(|first| first.ids.is_empty());
    if !harmless {
        meanings.iter().for_each(|meaning| add(meaning.ids));
    }
    let mut answer = unknown(subject);
    let told: Vec<String> = meanings.iter().map(told).collect();
    answer.notes.extend(separates(meanings));
    let Some((&first, others)) = findings.split_first() else {
        answer.notes.splice(0..0, told);
        return answer;
    };
    let mut found = Found::new(first);
    found.or_else = others.iter().take(MOST_OTHERS).copied().collect();
    if let (Some(meaning), false) = (meanings.first(), others.is_empty()) {
        found.cause = format!(
            "{}: {}; most often {}",
            meaning.name, meaning.says, first.cause
        );
    }
    for (meaning, told) in meanings.iter().zip(told) {
        found = found.because(meaning.system.clone(), told);
    }
    answer.verdict = Verdict::Broken;
    answer.found.push(found);
    answer
}

/// More than these help nobody.
const MOST_OTHERS: usize = 9;

/// `MBEDTLS_ERR_SSL_CONN_EOF (-0x7280, -29312): the peer closed the connection`.
fn told(meaning: &Meaning) -> String {
    let Meaning {
        name,
        number,
        says,
        system,
        ..
    } = meaning;
    let number = match system.as_ref() {
        "Mbed TLS" => format!("-{number:#06x}, -{number}"),
        "Mbed TLS verify flags" | "reason code of MQTT 5" => format!("{number:#04x}"),
        "esp-tls" | "esp-tls up to ESP-IDF 4.2" | "ESP-IDF" => format!("{number:#x}, {number}"),
        _ => number.to_string(),
    };
    if name.contains(&number) {
        format!("{name}: {says}")
    } else {
        format!("{name} ({number}): {says}")
    }
}

/// What separates causes that look alike, by the name of the code.
const SEPARATES: &[(&[&str], &str)] = &[
    (
        &[
            "MBEDTLS_ERR_SSL_CONN_EOF",
            "MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY",
            "ESP_ERR_ESP_TLS_TCP_CLOSED_FIN",
            "ENOTCONN",
        ],
        "What decides is what was sent last before the end: ClientHello, the client's Certificate, an answer to a \
         HelloRequest, the GET, or CONNECT. A log with the debug lines of TLS shows it: towpath explain FILE.",
    ),
    (
        &["MBEDTLS_ERR_X509_CERT_VERIFY_FAILED"],
        "What decides are the verify flags, the device's clock, and the chain that the server sends: towpath doctor \
         shows the latter from this machine.",
    ),
    (
        &["handshake_failure", "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE"],
        "What decides is when it came: before CertificateRequest it is about suites and groups, after it about the \
         client certificate, after a HelloRequest about the renegotiation.",
    ),
    (
        &["CONNACK 5", "IotHubUnauthorized"],
        "What decides: the clock against the Date header of the server, the token's end and scope, the form of user \
         name and client id, and whether the same identity gets in on 8883.",
    ),
    (
        &[
            "ETIMEDOUT",
            "MBEDTLS_ERR_SSL_TIMEOUT",
            "EAGAIN",
            "ESP_ERR_TIMEOUT",
        ],
        "What decides is which wait it was: for DNS, for the answer to SYN, for ServerHello, for the 101, or for \
         CONNACK. A fast connect with silence behind it points to lost large packets.",
    ),
    (
        &["400 Bad Request"],
        "What decides is who answers (the Server: header) and whether /$iothub/websocket with the subprotocol mqtt gets \
         a 101 from a hub.",
    ),
    (
        &["connection lost"],
        "What decides is the period (milliseconds, whole minutes, an hour) and the last packet before the end.",
    ),
    (
        &["unknown_ca", "bad_certificate", "certificate_expired"],
        "What decides is who sent the alert: the one that refuses the other's certificate.",
    ),
    (
        &["DNS_EAI_NONAME"],
        "What decides is whether every name fails. If so, the build has no resolver; if not, the name is wrong.",
    ),
    (
        &["EAI_FAIL"],
        "What decides is whether the network is up at that time, and whether another DNS server gives the name.",
    ),
];

fn separates(meanings: &[Meaning]) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    let known = |name: &str| SEPARATES.iter().find(|(names, _)| names.contains(&name));
    for (_, text) in meanings.iter().filter_map(|meaning| known(meaning.name)) {
        if !notes.iter().any(|note| note == text) {
            notes.push((*text).to_owned());
        }
    }
    if meanings.len() > 1 {
        let differ = meanings
            .iter()
            .any(|one| meanings.iter().any(|two| one.system != two.system));
        if differ {
            notes.push(
                "The same number means different things: what printed it decides. With the word in front of it, such as \
                 errno, getaddrinfo, alert, HTTP or CONNACK, one meaning is left."
                    .to_owned(),
            );
        }
    }
    notes
}

/// The name of a fault of this client, as its JSON has it.
pub(super) fn own_fault(text: &str) -> Option<Diagnosis> {
    let code = Code::ALL.iter().find(|code| code.name() == text)?;
    Some(finding(text, catalogue::find(code.finding())?, &[]))
}

/// The name of a fault of the lab, with or without its value.
pub(super) fn fault_of_the_lab(text: &str) -> Option<Diagnosis> {
    let name = text.split('=').next().unwrap_or(text);
    let by_lab = |finding: &&'static Finding| {
        finding.proofs.iter().any(|proof| match proof {
            Proof::Lab(fault) => *fault == text || fault.split('=').next() == Some(name),
            _ => false,
        })
    };
    let mut findings = catalogue::all().filter(by_lab);
    let first = findings.next()?;
    let others: Vec<_> = findings.collect();
    Some(finding(text, first, &others))
}

/// A text that people meet, by the catalogue's symptoms.
pub(super) fn symptom(text: &str) -> Option<Diagnosis> {
    let wanted = spaced(text);
    if wanted.len() < SHORTEST_SYMPTOM {
        return None;
    }
    let mut found: Vec<(usize, &'static Finding)> = Vec::new();
    for finding in catalogue::all() {
        let scores = finding
            .symptoms
            .iter()
            .filter_map(|symptom| score(&wanted, &spaced(symptom)));
        if let Some(score) = scores.max() {
            found.push((score, finding));
        }
    }
    // The longest agreement first; where they are even, the order of the rungs stays.
    found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    let (_, first) = *found.first()?;
    let others: Vec<_> = found
        .iter()
        .skip(1)
        .take(MOST_OTHERS)
        .map(|(_, finding)| *finding)
        .collect();
    let mut answer = finding(text, first, &others);
    if let Some(found) = answer.found.pop() {
        let seen = first
            .symptoms
            .iter()
            .find(|symptom| score(&wanted, &spaced(symptom)).is_some());
        answer
            .found
            .push(found.because("error text", seen.copied().unwrap_or_default()));
    }
    Some(answer)
}

/// Shorter texts are in everything.
const SHORTEST_SYMPTOM: usize = 6;

/// How much two texts agree; none unless one holds the other, in whole words.
fn score(wanted: &str, symptom: &str) -> Option<usize> {
    if symptom.len() >= SHORTEST_SYMPTOM && holds(wanted, symptom) {
        return Some(symptom.len());
    }
    holds(symptom, wanted).then_some(wanted.len())
}

/// Whether `part` stands in `whole` without a letter or digit beside it.
fn holds(whole: &str, part: &str) -> bool {
    let free = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    whole.match_indices(part).any(|(at, _)| {
        let before = whole
            .get(..at)
            .and_then(|before| before.chars().next_back());
        let after = whole
            .get(at + part.len()..)
            .and_then(|after| after.chars().next());
        free(before) && free(after)
    })
}

/// In lower case with single spaces.
fn spaced(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().map(str::to_lowercase).collect();
    words.join(" ")
}
