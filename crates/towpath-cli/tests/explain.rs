//! `towpath explain`: codes, findings, logs, and what it says when nothing is known.

#[expect(
    unreachable_pub,
    dead_code,
    reason = "shared by the test programs, each of which uses a part"
)]
mod common;

use std::{fs, path::Path};

use common::{Folder, Ran, run, run_with};
use serde_json::Value;

fn explain(args: &[&str]) -> Ran {
    let mut all = vec!["explain"];
    all.extend(args);
    run(&all)
}

#[track_caller]
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A log that the doctor's own tests use.
fn log(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../towpath-doctor/tests/logs");
    path.join(name).to_str().unwrap().to_owned()
}

#[test]
fn a_code_may_begin_with_a_hyphen_and_have_several_words() {
    for (args, id) in [
        (&["-0x7280"][..], "[TP-TLS-001]"),
        (&["-29312"], "[TP-TLS-001]"),
        (&["errno", "-116"], "[TP-TCP-013]"),
        (&["CONNACK", "5"], "[TP-MQTT-007]"),
        (&["CONNACK 5"], "[TP-MQTT-007]"),
        (&["getaddrinfo", "-2"], "[TP-DEV-002]"),
        (&["0x8017"], "[TP-DEV-011]"),
        (&["20", "02", "00", "05"], "[TP-MQTT-007]"),
        (&["ResolverSilent"], "[TP-DNS-002]"),
        (&["hello-close"], "[TP-TLS-001]"),
    ] {
        let ran = explain(args);
        let first = ran.ok().lines().next().unwrap();
        assert!(first.ends_with(id), "{args:?}: {first}");
        assert_eq!(ran.out.lines().last(), Some(first), "{args:?}");
        assert_eq!(ran.err, "");
    }
}

#[test]
fn options_may_stand_behind_a_code() {
    for args in [["-0x7280", "--json"], ["--json", "-0x7280"]] {
        let ran = explain(&args);
        assert_eq!(json(ran.ok())["verdict"]["id"], "TP-TLS-001", "{args:?}");
    }
}

#[test]
fn what_is_no_failure_is_said_to_be_none() {
    let ran = explain(&["getaddrinfo", "-103"]);
    let first = ran.ok().lines().next().unwrap();
    assert!(first.contains("no failure"), "{first}");
}

#[test]
fn a_finding_is_a_page() {
    let ran = explain(&["tp-tls-031"]);
    for part in [
        "[TP-TLS-031]",
        "What decides it",
        "What to do",
        "CONFIG_MBEDTLS_SSL_RENEGOTIATION=y",
    ] {
        assert!(ran.ok().contains(part), "{part}: {}", ran.out);
    }
    let page = json(explain(&["TP-TLS-031", "--json"]).ok());
    assert_eq!(page["id"], "TP-TLS-031");
}

#[test]
fn every_finding_is_in_the_list() {
    let text = explain(&["--list"]);
    let ids = text
        .ok()
        .lines()
        .filter(|line| line.trim_start().starts_with("TP-"))
        .count();
    assert!(ids >= 100, "{ids}");
    let objects = explain(&["--list", "--json"]);
    assert_eq!(objects.ok().lines().map(json).count(), ids);
}

#[test]
fn a_log_is_read_from_a_file_and_from_standard_input() {
    let name = log("ncs-renegotiation.log");
    let by_file = explain(&[&name, "--json"]);
    assert_eq!(json(by_file.ok())["verdict"]["id"], "TP-TLS-031");
    let bytes = fs::read(&name).unwrap();
    let piped = run_with(&["explain", "-", "--json"], &bytes);
    assert_eq!(json(piped.ok())["verdict"]["id"], "TP-TLS-031");
}

#[test]
fn a_log_where_all_is_well_is_ready() {
    let ran = explain(&[&log("healthy-esp-idf.log")]);
    assert!(ran.ok().starts_with("ready"), "{}", ran.out);
}

#[test]
fn a_report_stands_alone() {
    let folder = Folder::new();
    let page = folder.0.join("report.html");
    let page = page.to_str().unwrap();
    let ran = explain(&[&log("zephyr-eprototype.log"), "--report", page]);
    assert!(ran.ok().contains("[TP-DEV-001]"));
    let html = fs::read_to_string(page).unwrap();
    assert!(
        html.contains("TP-DEV-001") && !html.contains("<script"),
        "{html}"
    );
}

#[test]
fn what_is_not_known_fails_with_what_is_near() {
    let ran = explain(&["ETIMEDOUTT"]);
    let line = ran.failed(1, "towpath: \"ETIMEDOUTT\" is not known here");
    assert!(line.contains("Nearest: ETIMEDOUT"), "{line}");

    let ran = explain(&[&log("unrelated.log")]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.starts_with("unknown"), "{ran:?}");
}

#[test]
fn wrong_usage_is_told() {
    explain(&[]).failed_usage();
    explain(&["--list", "-0x7280"]).failed_usage();
    explain(&["no-such-file.log"]).failed(2, "towpath: no-such-file.log: no such file");
}

/// What real ones come to is tested with real firmware, in `interop/firmware`.
#[test]
fn an_elf_file_without_words_is_wrong_usage() {
    let program = env!("CARGO_BIN_EXE_towpath");
    for (args, why) in [
        (
            &["--elf", program, &log("unrelated.log")][..],
            "no words of defmt in it",
        ),
        (&["--elf", &log("unrelated.log")], "no ELF file"),
        (&["-0x7280", "--elf"], "--elf <FIRMWARE>"),
    ] {
        let ran = explain(args);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.err);
        assert!(ran.err.contains(why), "{args:?}: {}", ran.err);
    }
}

#[test]
fn a_log_of_decoded_frames_is_a_log() {
    let ran = explain(&[&log("towpath-defmt-refused.log")]);
    assert!(ran.ok().lines().next().unwrap().ends_with("[TP-TCP-010]"));
}

#[test]
fn an_option_behind_a_code_has_to_be_one() {
    explain(&["-0x7280", "--jsn"]).failed_usage();
    explain(&["-0x7280", "--json", "-v"]).failed_usage();
    let ran = explain(&["-0x7280", "--help"]);
    assert!(ran.ok().contains("Usage: towpath explain"), "{ran:?}");
    assert!(!ran.out.starts_with("error"), "{ran:?}");
}

#[test]
fn several_findings_are_a_page_each() {
    let ran = explain(&["TP-TLS-031", "tp-mqtt-002"]);
    assert!(ran.ok().contains("[TP-TLS-031]") && ran.out.contains("[TP-MQTT-002]"));
}

#[cfg(unix)]
#[test]
fn a_pipe_is_a_file_and_a_directory_is_none() {
    let bytes = fs::read(log("ncs-renegotiation.log")).unwrap();
    let piped = run_with(&["explain", "/dev/stdin", "--json"], &bytes);
    assert_eq!(json(piped.ok())["verdict"]["id"], "TP-TLS-031");
    let ran = explain(&["/"]);
    ran.failed(2, "towpath: /: this is a directory");
}
