//! The real program, what it prints and how it ends.

#[expect(
    unreachable_pub,
    dead_code,
    reason = "shared by the test programs, each of which uses a part"
)]
mod common;

use std::{
    fs,
    io::{Read as _, Write as _},
    process::Command,
};

use common::{Folder, Server, free_port, peer, ran, run, run_with, says, towpath};

const MQTT: &str = "mqtt://127.0.0.1:1";

#[test]
fn help_teaches() {
    let top = run(&["--help"]);
    for word in [
        "pub",
        "sub",
        "resolve",
        "completions",
        "man",
        "Examples:",
        "Exit status",
    ] {
        assert!(top.ok().contains(word), "{word}");
    }
    let lab: &[&str] = if cfg!(feature = "lab") { &["lab"] } else { &[] };
    for command in ["pub", "sub", "resolve", "completions", "man"]
        .iter()
        .chain(lab)
    {
        let help = run(&[command, "--help"]);
        assert!(help.ok().contains("Examples:"), "{command}");
        assert!(help.err.is_empty());
        let widest = help.out.lines().map(str::len).max();
        assert!(widest <= Some(100), "{command} is {widest:?} wide");
    }
    assert!(!run(&["pub", "--help"]).out.contains("--pw"));
    assert!(run(&["--version"]).ok().starts_with("towpath "));
    assert_eq!(run(&[]).code, 2);
}

#[test]
fn wrong_usage_is_status_2() {
    for args in [
        &["nonsense"][..],
        &["pub"],
        &["pub", MQTT, "t"],
        &["pub", MQTT, "t", "-m", "a", "-l"],
        &["pub", MQTT, "t", "-m", "a", "-q", "3"],
        &["pub", MQTT, "t", "-m", "a", "--mqtt", "4"],
        &["pub", MQTT, "t", "-m", "a", "--bind", "here"],
        &["pub", MQTT, "t", "-m", "a", "--user-property", "x"],
        &["sub", MQTT],
        &["sub", MQTT, "t", "-C", "0"],
        &["sub", MQTT, "t", "-W", "0"],
    ] {
        let ran = run(args);
        assert_eq!(ran.code, 2, "{args:?}: {ran:?}");
        assert!(ran.err.starts_with("error: "), "{args:?}: {ran:?}");
    }
}

#[test]
fn what_is_typed_wrong_is_named_in_one_line() {
    for (args, named) in [
        (&["pub", "localhost", "t", "-m", "a"][..], "mqtt://host"),
        (&["pub", "http://h", "t", "-m", "a"], "http:// is not known"),
        (&["pub", "mqtt://h/topic", "t", "-m", "a"], "no path"),
        (&["pub", MQTT, "a/#", "-m", "a"], "MQTT-3.3.2-2"),
        (&["pub", MQTT, "", "-m", "a"], "MQTT-4.7.3-1"),
        (&["sub", MQTT, "a/#/b"], "MQTT-4.7.1-1"),
        (&["sub", MQTT, "ok", "a+"], "MQTT-4.7.1-2"),
        (
            &["pub", MQTT, "t", "-m", "a", "--will-topic", "+"],
            "MQTT-3.3.2-2",
        ),
        (
            &["pub", MQTT, "t", "-f", "/nowhere/file"],
            "cannot read /nowhere/file",
        ),
        (
            &[
                "pub",
                MQTT,
                "t",
                "-m",
                "a",
                "-u",
                "u",
                "--password-file",
                "/nowhere",
            ],
            "/nowhere",
        ),
        (
            &["pub", MQTT, "t", "-l", "-u", "u", "--password-file", "-"],
            "standard input",
        ),
        (
            &[
                "pub", MQTT, "t", "-m", "a", "--expiry", "1", "--mqtt", "3.1.1",
            ],
            "--expiry needs MQTT 5",
        ),
        (
            &[
                "pub",
                MQTT,
                "t",
                "-m",
                "a",
                "--content-type",
                "x",
                "--mqtt",
                "3.1.1",
            ],
            "--content-type",
        ),
        (
            &["sub", MQTT, "t", "--session-expiry", "1", "--mqtt", "3.1.1"],
            "--session-expiry",
        ),
        (&["sub", MQTT, "t", "--ws-header", "A: b"], "--ws-header"),
        (
            &["sub", MQTT, "t", "--will-qos", "1"],
            "--will-qos: a will needs a topic",
        ),
        (
            &["sub", MQTT, "t", "--password-file", "f"],
            "--password-file: a password needs a user",
        ),
        (
            &["sub", MQTT, "t", "-c"],
            "--keep-session: the server knows the session by the client identifier",
        ),
        (&["man", "--out", "/nowhere/man"], "/nowhere/man"),
    ] {
        let ran = run(args);
        let line = ran.failed(2, "towpath: ");
        assert!(line.contains(named), "{named}: {line}");
    }
}

#[test]
fn a_header_that_breaks_the_request_is_refused_before_any_attempt() {
    let ran = run(&[
        "pub",
        "ws://127.0.0.1:1/",
        "t",
        "-m",
        "a",
        "--ws-header",
        "Host: y",
    ]);
    ran.failed(2, "towpath: a host, path or header holds characters");
}

#[test]
fn with_json_a_usage_error_is_an_object() {
    let ran = run(&["pub", "http://h", "t", "-m", "a", "--json"]);
    let value: serde_json::Value = serde_json::from_str(ran.failed(2, "{")).unwrap();
    assert_eq!(value["code"], "Usage");
    assert_eq!(value["blame"], "usage");
}

#[test]
fn a_password_on_the_command_line_is_refused_and_not_repeated() {
    for secret in [
        &["-P", "s3same"][..],
        &["-Ps3same"],
        &["--pw=s3same"],
        &["--password", "s3same"],
    ] {
        let mut args = vec!["pub", MQTT, "t", "-m", "a", "-u", "u"];
        args.extend(secret);
        let ran = run(&args);
        let line = ran.failed(2, "towpath: a password on the command line");
        assert!(
            line.contains("--password-file") && line.contains("TOWPATH_PASSWORD"),
            "{line}"
        );
        assert!(!line.contains("s3same"), "{line}");
    }
    let ran = run(&["pub", "mqtt://u:s3same@h", "t", "-m", "a"]);
    assert!(!ran.failed(2, "towpath: the URL").contains("s3same"));
}

/// Both commands against the same peer, with and without a subscriber's view.
fn publish(url: &str) -> common::Ran {
    run(&["pub", url, "t", "-m", "a", "-q", "1", "--timeout", "5"])
}

#[test]
fn a_closed_port() {
    let port = free_port();
    for scheme in ["mqtt", "ws"] {
        let ran = publish(&format!("{scheme}://127.0.0.1:{port}"));
        let line = ran.failed(1, "towpath: tcp: connection refused");
        assert!(line.contains(&format!("127.0.0.1:{port}")), "{line}");
    }
    let url = format!("mqtt://127.0.0.1:{port}");
    run(&["sub", &url, "t"]).failed(1, "towpath: tcp: connection refused");
    let ran = run(&["sub", &url, "t", "--json"]);
    let value: serde_json::Value = serde_json::from_str(ran.failed(1, "{")).unwrap();
    assert_eq!(value["rung"], "tcp");
    assert_eq!(value["code"], "Refused");
    assert!(value["number"].as_u64() > Some(0));
    assert_eq!(value["blame"], "peer");
}

#[test]
fn a_name_that_does_not_exist() {
    let ran = run(&[
        "pub",
        "mqtt://no.such.name.invalid",
        "t",
        "-m",
        "a",
        "--timeout",
        "3",
    ]);
    ran.failed(1, "towpath: dns: ");
}

#[test]
fn a_source_address_of_another_machine() {
    let ran = run(&["pub", MQTT, "t", "-m", "a", "--bind", "192.0.2.1"]);
    let line = ran.failed(1, "towpath: tcp: the source address cannot be used");
    assert!(line.contains("--bind"), "{line}");
}

#[test]
fn a_peer_that_never_answers() {
    let port = says(b"");
    let url = format!("mqtt://127.0.0.1:{port}");
    let ran = run(&["pub", &url, "t", "-m", "a", "--timeout", "0.3"]);
    let line = ran.failed(1, "towpath: mqtt: no CONNACK");
    assert!(line.contains("300 ms"), "{line}");

    let port = says(b"");
    let url = format!("ws://127.0.0.1:{port}/mqtt");
    let ran = run(&["pub", &url, "t", "-m", "a", "--timeout", "0.3"]);
    ran.failed(1, "towpath: upgrade: no complete answer");
}

#[test]
fn a_rung_that_takes_longer_than_there_is_time() {
    let port = says(b"");
    let ran = run(&["sub", &format!("mqtt://127.0.0.1:{port}"), "t", "-W", "0.3"]);
    ran.failed(1, "towpath: mqtt: no CONNACK");
}

#[test]
fn a_server_that_never_acknowledges() {
    let port = says(b"\x20\x03\x00\x00\x00");
    let url = format!("mqtt://127.0.0.1:{port}");
    let ran = run(&["pub", &url, "t", "-m", "a", "-q", "1", "--timeout", "0.3"]);
    let line = ran.failed(1, "towpath: mqtt: no acknowledgement within 0.3 s");
    assert!(line.contains("1 message"), "{line}");
}

#[test]
fn a_peer_that_closes_at_once() {
    let port = peer(drop);
    // What arrives first, the end or a reset, is up to the system.
    let ran = publish(&format!("mqtt://127.0.0.1:{port}"));
    ran.failed(1, "towpath: mqtt: the ");
    let port = peer(drop);
    let ran = publish(&format!("ws://127.0.0.1:{port}/"));
    ran.failed(1, "towpath: upgrade: ");
}

#[test]
fn a_peer_that_answers_garbage() {
    let port = says(b"\xFF\xFF\xFF\xFF\xFFgarbage");
    let ran = publish(&format!("mqtt://127.0.0.1:{port}"));
    ran.failed(1, "towpath: mqtt: a malformed packet");
    let port = says(b"SSH-2.0-OpenSSH_9.2\r\n\r\n");
    let ran = publish(&format!("ws://127.0.0.1:{port}/"));
    ran.failed(1, "towpath: upgrade: the answer is not HTTP/1.1");
}

const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\nServer: tiny/1.0\r\nContent-Length: 0\r\n\r\n";

#[test]
fn a_web_server_without_websocket() {
    let port = says(NOT_FOUND);
    let ran = publish(&format!("ws://127.0.0.1:{port}/mqtt"));
    let line = ran.failed(1, "towpath: upgrade: the server has no such path");
    assert!(
        line.contains("HTTP 404") && line.contains("tiny/1.0"),
        "{line}"
    );

    let port = says(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let ran = publish(&format!("mqtt://127.0.0.1:{port}"));
    let line = ran.failed(1, "towpath: mqtt: the peer is an HTTP server");
    assert!(line.contains("ws://"), "{line}");
}

#[test]
fn a_tls_server_on_this_port() {
    let folder = Folder::new();
    let (key, cert) = (folder.0.join("key"), folder.0.join("cert"));
    let made = Command::new("openssl")
        .args(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=test"
                .split(' '),
        )
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .expect("the package openssl is installed");
    assert!(made.status.success(), "{made:?}");
    let port = free_port();
    let mut command = Command::new("openssl");
    command
        .args(["s_server", "-quiet", "-accept", &port.to_string(), "-cert"])
        .arg(&cert)
        .arg("-key")
        .arg(&key);
    let _server = Server::start(command, port);
    // OpenSSL sends no alert to who speaks no TLS: it closes, and what was unread makes that a reset now and then.
    for (scheme, rung) in [("mqtt", "mqtt"), ("ws", "upgrade")] {
        let ran = publish(&format!("{scheme}://127.0.0.1:{port}"));
        let line = ran.failed(1, &format!("towpath: {rung}: the "));
        let hint = line.contains("on a TLS port, use mqtts:// or wss://");
        assert!(hint || line.contains("reset"), "{line}");
    }
}

#[test]
fn a_tls_alert_is_recognised() {
    for (scheme, rung) in [("mqtt", "mqtt"), ("ws", "upgrade")] {
        let port = says(b"\x15\x03\x01\x00\x02\x02\x46");
        let ran = publish(&format!("{scheme}://127.0.0.1:{port}"));
        let line = ran.failed(1, &format!("towpath: {rung}: the peer speaks TLS"));
        assert!(line.contains("mqtts://"), "{line}");
    }
}

#[test]
fn a_refused_subscription_names_the_filter_and_the_reason() {
    let port = peer(|mut stream| {
        let mut bytes = [0; 4096];
        let _ = stream.read(&mut bytes);
        stream.write_all(b"\x20\x03\x00\x00\x00").unwrap();
        let _ = stream.read(&mut bytes);
        let (high, low) = (bytes[2], bytes[3]);
        let suback = [0x90, 0x05, high, low, 0x00, 0x00, 0x87];
        stream.write_all(&suback).unwrap();
        while matches!(stream.read(&mut bytes), Ok(1..)) {}
    });
    let url = format!("mqtt://127.0.0.1:{port}");
    let ran = run(&["sub", &url, "open/#", "closed/#"]);
    let line = ran.failed(
        1,
        "towpath: mqtt: the server refuses the subscription to \"closed/#\"",
    );
    assert!(line.contains("not authorized 0x87"), "{line}");
}

#[test]
fn the_trace_shows_which_rung_broke() {
    let port = says(NOT_FOUND);
    let url = format!("ws://127.0.0.1:{port}/mqtt?sig=s3same");
    let ran = run(&["pub", &url, "t", "-m", "a", "--trace"]);
    let lines: Vec<_> = ran.err.lines().collect();
    assert_eq!(ran.code, 1);
    assert_eq!(lines.len(), 4, "{ran:?}");
    assert!(lines[0].starts_with("  tcp       reached "), "{ran:?}");
    assert!(lines[1].starts_with("  upgrade   broke "), "{ran:?}");
    assert!(
        lines[1].ends_with("last sent GET /mqtt?..., last received HTTP 404"),
        "{ran:?}"
    );
    assert_eq!(lines[2], "  mqtt      not reached");
    assert!(lines[3].starts_with("towpath: upgrade: "), "{ran:?}");
    assert!(
        !ran.err.contains("s3same") && !ran.err.contains('\x1b'),
        "{ran:?}"
    );
}

#[test]
fn secrets_never_appear() {
    let folder = Folder::new();
    let file = folder.file("password", "s3same\nsecond line\n");
    for json in [false, true] {
        let port = says(b"\x20\x03\x00\x87\x00");
        let url = format!("mqtt://127.0.0.1:{port}");
        let mut args = vec!["pub", &url, "t", "-m", "a", "--trace", "-u", "alice"];
        args.extend(["--password-file", &file]);
        args.extend(json.then_some("--json"));
        let ran = run(&args);
        assert_eq!(ran.code, 1);
        assert!(ran.err.contains("CONNACK"), "{ran:?}");
        assert!(!format!("{ran:?}").contains("s3same"), "{ran:?}");

        let port = says(NOT_FOUND);
        let url = format!("ws://127.0.0.1:{port}/");
        let mut args = vec!["pub", &url, "t", "-m", "a", "--trace", "-u", "alice"];
        args.extend(["--ws-header", "Authorization: Bearer s3same"]);
        args.extend(json.then_some("--json"));
        let child = towpath(&args).env("TOWPATH_PASSWORD", "s3same").spawn();
        let ran = common::ran(child.unwrap());
        assert!(!format!("{ran:?}").contains("s3same"), "{ran:?}");
    }
    let ran = run(&[
        "pub",
        "ws://h/",
        "t",
        "-m",
        "a",
        "--ws-header",
        "Bearer s3same",
    ]);
    assert_eq!(ran.code, 2);
}

#[test]
fn the_password_is_sent_from_file_environment_and_standard_input() {
    let folder = Folder::new();
    let file = folder.file("password", "s3same\nsecond line\n");
    let sent = |run: &dyn Fn(&str) -> common::Ran| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let port = peer(move |mut stream| {
            let mut bytes = vec![0; 4096];
            let n = stream.read(&mut bytes).unwrap();
            bytes.truncate(n);
            sender.send(bytes).unwrap();
        });
        run(&format!("mqtt://127.0.0.1:{port}"));
        receiver.recv().unwrap()
    };
    let args = |url: &str| ["pub", url, "t", "-m", "a", "-u", "alice"].map(str::to_owned);
    let from_file = sent(&|url| {
        let args = args(url);
        let mut args: Vec<_> = args.iter().map(String::as_str).collect();
        args.extend(["--password-file", &file]);
        run(&args)
    });
    assert!(
        from_file.ends_with(b"\x00\x05alice\x00\x06s3same"),
        "{from_file:?}"
    );
    let from_stdin = sent(&|url| {
        let args = args(url);
        let mut args: Vec<_> = args.iter().map(String::as_str).collect();
        args.extend(["--password-file", "-"]);
        run_with(&args, b"s3same\n")
    });
    assert!(from_stdin.ends_with(b"\x00\x06s3same"), "{from_stdin:?}");
    let from_environment = sent(&|url| {
        let args = args(url);
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        ran(towpath(&args)
            .env("TOWPATH_PASSWORD", "s3same")
            .spawn()
            .unwrap())
    });
    assert!(
        from_environment.ends_with(b"\x00\x06s3same"),
        "{from_environment:?}"
    );
}

#[test]
fn completions_and_man_pages_come_from_the_flags() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]);
        assert!(script.ok().contains("will-topic"), "{shell}");
        assert!(!script.out.contains("--pw"), "{shell}");
    }
    assert_eq!(run(&["completions", "tcsh"]).code, 2);
    assert!(run(&["man"]).ok().contains(".TH towpath 1"));
    let folder = Folder::new();
    run(&["man", "--out", folder.0.to_str().unwrap()]).ok();
    for page in [
        "towpath",
        "towpath-pub",
        "towpath-sub",
        "towpath-completions",
        "towpath-man",
    ] {
        let page = fs::read_to_string(folder.0.join(format!("{page}.1"))).unwrap();
        assert!(page.contains(".SH"), "{page}");
    }
}
