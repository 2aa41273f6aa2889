//! The log as frames of defmt: what `towpath explain --elf` makes of a device's is what the command says on a host.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use firmware::{Board, Ended, HOST};
use mqtt::{Folder, Port, Setup, Via};
use towpath::{
    Code, Fault, Rung,
    tls::{Alert, Side},
};

/// The command, with no terminal and with these bytes to read.
fn command(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(net::program());
    command.args(arguments).env_clear().stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("towpath starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // It may be gone before it has read all of it.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().expect("its end")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn elf(application: &str) -> PathBuf {
    Board::new(application).image().to_owned()
}

/// What `towpath explain --elf` says of this program's output, and its exit status.
fn explained(elf: &Path, bytes: &[u8]) -> (Option<i32>, String) {
    let output = command(&["explain", "--elf", elf.to_str().expect("a name")], bytes);
    let said = text(&output.stdout) + &text(&output.stderr);
    println!("{said}");
    (output.status.code(), said)
}

fn publish(port: u16) -> Ended {
    Board::new("publish.defmt")
        .setting("host", HOST)
        .setting("port", port)
        .run()
}

#[test]
fn a_refused_connection_is_the_same_finding_as_on_the_host() {
    let nobody = Port::claim();
    let ended = publish(nobody.number());
    assert_eq!(ended.code(), Some(1), "{}", ended.errors);
    let (status, device) = explained(&elf("publish.defmt"), &ended.bytes);
    let url = format!("mqtt://127.0.0.1:{}", nobody.number());
    let host = command(&["pub", &url, "a", "-m", "b"], b"");
    let host = text(&host.stderr);
    // On the host the number is that of its operating system; a device has none.
    let fault = Fault::new(Rung::Tcp, Code::Refused).to_string();
    assert!(host.contains("[TP-TCP-010]"), "{host}");
    assert_eq!(status, Some(0), "{device}");
    assert!(device.lines().any(|line| line == fault), "{device}");
    assert!(device.contains("  tcp       broke"), "{device}");
    let verdict = device.lines().rfind(|line| line.contains("[TP-"));
    let verdict = verdict.expect("the verdict");
    assert!(verdict.contains("[TP-TCP-010]"), "{device}");
}

#[test]
fn a_good_run_is_the_ladder_up_to_mqtt() {
    let broker = Setup::new().start();
    let ended = publish(broker.port(Via::Tcp));
    assert_eq!(ended.code(), Some(0), "{}", ended.errors);
    let (status, said) = explained(&elf("publish.defmt"), &ended.bytes);
    assert_eq!(status, Some(0), "{said}");
    let at = |words: &str| {
        said.find(words)
            .unwrap_or_else(|| panic!("no {words:?} in:\n{said}"))
    };
    assert!(at("  tcp       reached") < at("  mqtt      reached"));
    assert!(at("CONNECT -> CONNACK") < at("message 0 with QoS 0, there and back"));
    assert!(at("stack: ") < at("\nready"));
}

/// Each code on some rung, with some of what a fault can have. `traces` on the board makes the same.
fn fault(place: u32, code: Code) -> Fault {
    let rungs = [
        Rung::Dns,
        Rung::Tcp,
        Rung::Proxy,
        Rung::Tls,
        Rung::Upgrade,
        Rung::Ws,
        Rung::Mqtt,
    ];
    let mut fault = Fault::new(rungs[place as usize % rungs.len()], code);
    if place % 2 == 1 {
        fault = fault.number(place * 3);
    }
    if place % 3 == 1 {
        let description = u8::try_from(place).unwrap_or(u8::MAX);
        fault = fault.alert(Alert::fatal(Side::Server, description));
    }
    if place % 5 == 1 {
        fault = fault.detail(b"nginx/1.22 {says} 100 %");
    }
    if place % 7 == 1 {
        fault = fault.clause("RFC 6455 section 5.2");
    }
    fault
}

#[test]
fn every_fault_reads_as_on_the_host_and_every_fact_is_drawn() {
    let ended = Board::new("traces").run();
    assert_eq!(ended.code(), Some(0), "{}", ended.errors);
    let (_, said) = explained(&elf("traces"), &ended.bytes);
    let lines: Vec<_> = said.lines().collect();
    let faults = (0..)
        .zip(Code::ALL)
        .map(|(place, code)| fault(place, *code).to_string());
    let mut told = lines.iter().filter(|line| !line.starts_with("  "));
    for fault in faults {
        assert_eq!(told.next(), Some(&fault.as_str()));
    }
    let ladder = [
        "  dns       asked          1.5 ms  AAAA, [fd00::1]:53 (udp)",
        "  dns       unanswered     3.0 ms  AAAA: the name exists but has no usable address",
        "  dns       answered       4.5 ms  A: 1 address, good for 300 s",
        "  dns       reached        6.0 ms",
        "  nat64     prefix         7.5 ms  64:ff9b::/96 (ipv4only.arpa)",
        "  tcp       won           15.0 ms  64:ff9b::c000:207, after 12 ms",
        "  tcp       reached        6.0 ms  64:ff9b::c000:207",
        "  tls       reached        4.5 ms  TLS 1.2 ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "  tls       done                   renegotiated, as the server asked",
        "  upgrade   reached        7.5 ms  GET -> 101",
    ];
    for line in ladder {
        assert!(lines.contains(&line), "no {line:?} in:\n{said}");
    }
}

#[test]
fn what_is_lost_or_of_another_firmware_is_said() {
    let nobody = Port::claim();
    let ended = publish(nobody.number());
    // Another program has written to the same port.
    let bytes = [&b"*** Booting ***\0"[..], &ended.bytes].concat();
    let (status, said) = explained(&elf("publish.defmt"), &bytes);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("(damaged frame of defmt, "), "{said}");
    assert!(said.contains("bytes were lost on the way"), "{said}");
    assert!(said.contains("[TP-TCP-010]"), "{said}");

    let (status, said) = explained(&elf("publish"), &ended.bytes);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("no words of defmt in it"), "{said}");

    let (status, said) = explained(&elf("publish.defmt"), b"*** Booting nRF Connect SDK ***\n");
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("is a frame of this firmware"), "{said}");
}

/// The same without `--elf`: what another tool has decoded, and what the applications write as text.
#[test]
fn text_of_a_device_is_explained_too() {
    let nobody = Port::claim();
    let ended = Board::new("publish")
        .setting("host", HOST)
        .setting("port", nobody.number())
        .run();
    let folder = Folder::new("explained");
    let log = folder.file("serial.log");
    fs::write(&log, &ended.bytes).expect("a log");
    let output = command(&["explain", log.to_str().expect("a name")], b"");
    let said = text(&output.stdout);
    let first = said.lines().next().unwrap_or_default();
    assert!(first.contains("[TP-TCP-010]"), "{said}");
}
