//! The public cases: where somebody met a finding, and those that have none, with the reason.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{proof, prose, source};
use crate::{Finding, catalogue::all};

const HEAD: &str = "\
# Public cases

Threads and documents where somebody met a failure on the way to an MQTT broker or hub. Where the cause is known, the
case has a finding, and the finding is proven by what stands beside it. The threads were read as far as they could be
seen; a cause that a thread does not state is called likely on the page of the finding.

| case | finding | proven by |
|-|-|-|
";

const LEFT: &str = "
## Cases without a finding

| case | what was seen | why there is no finding |
|-|-|-|
";

/// Cases that no finding bears: the address, what was seen, and why there is none.
const LEFT_OUT: &[(&str, &str, &str)] = &[
    (
        "https://devzone.nordicsemi.com/f/nordic-q-a/126485/",
        "mqtt_connect error -111 on an nRF9151, also with the course's own solution",
        "Nordic could not reproduce it and the thread names no cause. The modem maps several outcomes to this \
         number; `towpath explain -111` says what they are.",
    ),
    (
        "https://github.com/eclipse-mosquitto/mosquitto/issues/2050",
        "the wss listener of one build of Mosquitto 2.0.5 closes at once, ws and mqtts work",
        "It is one build with an old libwebsockets, which is to be had no more, so nothing can produce it. The doctor \
         names the closed connection (TP-TLS-001).",
    ),
    (
        "https://github.com/zephyrproject-rtos/zephyr/issues/38191",
        "a second MQTT client gets -12 and -116 from its transport",
        "The thread ends without a cause. -12 before and -116 after a packet has left are told apart by `towpath explain`.",
    ),
];

pub(super) fn cases() -> String {
    let mut out = HEAD.to_owned();
    for (url, findings) in by_source() {
        for finding in findings {
            let (id, cause) = (finding.id, prose(finding.cause));
            let proof = finding.proofs.first().map(proof).unwrap_or_default();
            let _ = writeln!(
                out,
                "| {} | [{id}]({id}.md): {cause} | {proof} |",
                source(url)
            );
        }
    }
    out.push_str(LEFT);
    for (url, seen, why) in LEFT_OUT {
        let (seen, why) = (prose(seen), prose(why));
        let _ = writeln!(out, "| {} | {seen} | {why} |", source(url));
    }
    out
}

fn by_source() -> BTreeMap<&'static str, Vec<&'static Finding>> {
    let mut by: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for finding in all() {
        for url in finding.sources {
            by.entry(*url).or_default().push(finding);
        }
    }
    by
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_without_a_finding_is_no_finding_s_source() {
        let met = by_source();
        for (url, _, _) in LEFT_OUT {
            assert!(!met.contains_key(url), "{url}");
        }
    }
}
