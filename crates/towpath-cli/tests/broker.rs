//! The real program and a real Mosquitto.

#[expect(
    unreachable_pub,
    dead_code,
    reason = "shared by the test programs, each of which uses a part"
)]
mod common;

use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Command, Stdio},
};

use common::{Broker, Folder, Subscriber, ran, run, run_with, towpath};
use serde_json::Value;

#[test]
fn messages_go_both_ways_over_every_path_in_every_version_and_qos() {
    let broker = Broker::start();
    for url in [&broker.mqtt, &broker.ws] {
        for version in ["3.1.1", "5"] {
            for qos in ["0", "1", "2"] {
                let args = [
                    url.as_str(),
                    "trip/#",
                    "-C",
                    "2",
                    "-q",
                    qos,
                    "-v",
                    "--mqtt",
                    version,
                ];
                let subscriber = Subscriber::start(&args);
                for text in ["first", "second"] {
                    let ran = run(&[
                        "pub", url, "trip/a", "-m", text, "-q", qos, "--mqtt", version,
                    ]);
                    assert_eq!((ran.ok(), ran.err.as_str()), ("", ""));
                }
                assert_eq!(
                    subscriber.end().ok(),
                    "trip/a first\ntrip/a second\n",
                    "{args:?}"
                );
            }
        }
    }
}

#[test]
fn ten_thousand_lines_arrive_complete_and_in_order() {
    let broker = Broker::start();
    let mut lines = String::new();
    for number in 0..10_000 {
        writeln!(lines, "line {number}").unwrap();
    }
    for qos in ["0", "1", "2"] {
        let subscriber = Subscriber::start(&[&broker.mqtt, "lines", "-C", "10000", "-q", qos]);
        let publisher = {
            let (url, lines) = (broker.mqtt.clone(), lines.clone());
            let qos = qos.to_owned();
            std::thread::spawn(move || {
                run_with(&["pub", &url, "lines", "-l", "-q", &qos], lines.as_bytes())
            })
        };
        assert_eq!(subscriber.end().ok(), lines, "QoS {qos}");
        let ran = publisher.join().unwrap();
        ran.ok();
        assert!(
            ran.err.starts_with("towpath: 10,000 messages, 88.9 kB in "),
            "{ran:?}"
        );
        assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    }
}

#[test]
fn every_source_of_a_message() {
    let broker = Broker::start();
    let folder = Folder::new();
    let file = folder.file("payload", "from a file");
    let mut subscriber = Subscriber::start(&[&broker.mqtt, "t", "-q", "1", "-C", "4"]);
    run(&["pub", &broker.mqtt, "t", "-q", "1", "-f", &file]).ok();
    assert_eq!(subscriber.line(), "from a file");
    run(&["pub", &broker.mqtt, "t", "-q", "1", "-n"]).ok();
    assert_eq!(subscriber.line(), "");
    run_with(&["pub", &broker.mqtt, "t", "-q", "1", "-s"], b"two\nlines").ok();
    assert_eq!(
        (subscriber.line(), subscriber.line()),
        ("two".into(), "lines".into())
    );
    let ran = run_with(
        &["pub", &broker.mqtt, "t", "-q", "1", "-l", "--quiet"],
        b"no end",
    );
    assert_eq!((ran.ok(), ran.err.as_str()), ("", ""));
    assert_eq!(subscriber.line(), "no end");
    subscriber.end().ok();
}

#[test]
fn a_retained_message_waits_for_later_subscribers() {
    let broker = Broker::start();
    run(&["pub", &broker.mqtt, "mode", "-m", "auto", "-r", "-q", "1"]).ok();
    let ran = run(&["sub", &broker.mqtt, "mode", "-C", "1", "-W", "20", "--json"]);
    let value: Value = serde_json::from_str(ran.ok()).unwrap();
    assert_eq!(value["payload"], "auto");
    assert_eq!(value["retain"], true);
    run(&["pub", &broker.mqtt, "mode", "-n", "-r", "-q", "1"]).ok();
    let ran = run(&["sub", &broker.mqtt, "mode", "-C", "1", "-W", "0.3"]);
    ran.failed(1, "towpath: mqtt: 0 of 1 message came within 0.3 s");
    assert_eq!(run(&["sub", &broker.mqtt, "mode", "-W", "0.1"]).ok(), "");
}

#[test]
fn json_says_all_of_a_message() {
    let broker = Broker::start();
    let subscriber = Subscriber::start(&[&broker.mqtt, "t/#", "-q", "2", "-C", "2", "--json"]);
    let mut args = vec!["pub", &broker.mqtt, "t/\"x\"", "-m", "grüße", "-q", "2"];
    args.extend(["--content-type", "text/plain", "--response-topic", "answer"]);
    args.extend(["--correlation-data", "c1", "--expiry", "60"]);
    args.extend(["--user-property", "a=1", "--user-property", "a=2"]);
    run(&args).ok();
    run_with(
        &["pub", &broker.mqtt, "t/b", "-s", "-q", "2", "--json"],
        &[0xFF, 0xFE],
    )
    .ok();
    let ran = subscriber.end();
    let mut lines = ran.ok().lines();
    let value: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(value["topic"], "t/\"x\"");
    assert_eq!(
        (&value["payload"], &value["payload_encoding"]),
        (&"grüße".into(), &"utf-8".into())
    );
    assert_eq!(
        (&value["qos"], &value["retain"], &value["dup"]),
        (&2.into(), &false.into(), &false.into())
    );
    let properties = &value["properties"];
    assert_eq!(properties["content_type"], "text/plain");
    assert_eq!(properties["response_topic"], "answer");
    assert_eq!(properties["correlation_data"], "c1");
    assert!(properties["message_expiry_interval"].as_u64() > Some(0));
    assert_eq!(properties["user_properties"][1][1], "2");
    assert!(value["time"].as_str().unwrap().ends_with('Z'));
    let value: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(
        (&value["payload"], &value["payload_encoding"]),
        (&"//4=".into(), &"base64".into())
    );
    for line in ran.err.lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
}

#[test]
fn the_will_of_a_killed_client_is_published_and_that_of_a_polite_one_is_not() {
    let broker = Broker::start();
    let mut watcher = Subscriber::start(&[&broker.mqtt, "will", "-q", "1", "-v"]);
    let will = [
        "--will-topic",
        "will",
        "--will-payload",
        "gone",
        "--will-qos",
        "1",
    ];
    let mut args = vec![broker.mqtt.as_str(), "other"];
    args.extend(will);

    let mut killed = Subscriber::start(&args);
    killed.child.kill().unwrap();
    assert_eq!(watcher.line(), "will gone");

    let polite = Subscriber::start(&args);
    interrupt(&polite.child);
    let ran = polite.end();
    assert_eq!((ran.ok(), ran.err.as_str()), ("", ""));
    run(&["pub", &broker.mqtt, "will", "-m", "marker", "-q", "1"]).ok();
    assert_eq!(watcher.line(), "will marker");
}

/// What Ctrl-C sends.
fn interrupt(child: &std::process::Child) {
    // The shell's own kill: a program of that name is not on every system.
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -INT {}", child.id())])
        .status()
        .unwrap();
    assert!(sent.success());
}

#[test]
fn a_wrong_password_is_named_by_the_servers_reason() {
    let broker = Broker::with_login();
    let folder = Folder::new();
    let (right, wrong) = (
        folder.file("right", "open sesame\n"),
        folder.file("wrong", "s3same\n"),
    );
    for (version, named) in [("3.1.1", "CONNACK 5"), ("5", "not authorized 0x87")] {
        let mut args = vec![
            "pub",
            &broker.mqtt,
            "ok/t",
            "-m",
            "a",
            "--mqtt",
            version,
            "-u",
            "alice",
        ];
        args.extend(["--password-file", &wrong]);
        let ran = run(&args);
        let line = ran.failed(1, "towpath: mqtt: the server refused the connection");
        assert!(line.contains("0x87") && !line.contains("s3same"), "{line}");
        assert!(line.contains(named), "{line}");
        *args.last_mut().unwrap() = &right;
        run(&args).ok();
    }
    let args = ["sub", &broker.mqtt, "ok/t", "-u", "alice", "--json"];
    let ran = ran(towpath(&args)
        .env("TOWPATH_PASSWORD", "s3same")
        .spawn()
        .unwrap());
    let value: Value = serde_json::from_str(ran.failed(1, "{")).unwrap();
    assert_eq!(
        (&value["rung"], &value["number"]),
        (&"mqtt".into(), &0x87.into())
    );
    assert_eq!(value["code"], "ConnectRefused");
}

#[test]
fn a_message_that_the_server_refuses_is_an_error() {
    let broker = Broker::with_login();
    let publish = |topic: &str| {
        let args = [
            "pub",
            &broker.mqtt,
            topic,
            "-m",
            "a",
            "-q",
            "1",
            "-u",
            "alice",
        ];
        ran(towpath(&args)
            .env("TOWPATH_PASSWORD", "open sesame")
            .spawn()
            .unwrap())
    };
    publish("ok/t").ok();
    let ran = publish("closed/t");
    let line = ran.failed(
        1,
        "towpath: mqtt: the server refuses the message to \"closed/t\"",
    );
    assert!(line.contains("not authorized 0x87"), "{line}");
}

#[test]
fn a_kept_session_gets_what_it_missed() {
    let broker = Broker::start();
    for version in ["3.1.1", "5"] {
        let id = format!("worker-{version}");
        let args = [
            "-q",
            "1",
            "-i",
            &id,
            "-c",
            "--mqtt",
            version,
            &broker.mqtt,
            "jobs",
        ];
        let first = Subscriber::start(&args);
        interrupt(&first.child);
        first.end().ok();
        for text in ["one", "two", "three"] {
            run(&["pub", &broker.mqtt, "jobs", "-m", text, "-q", "1"]).ok();
        }
        // What was not printed is not acknowledged: the second run loses nothing to the count of the first.
        let mut args = ["sub", "-W", "20", "-C", "1"].to_vec();
        args.extend([
            "-q",
            "1",
            "-i",
            &id,
            "-c",
            "--mqtt",
            version,
            &broker.mqtt,
            "jobs",
        ]);
        assert_eq!(run(&args).ok(), "one\n");
        args[4] = "2";
        assert_eq!(run(&args).ok(), "two\nthree\n");
    }
}

#[test]
fn a_subscriber_outlives_its_server() {
    let mut broker = Broker::start();
    let mut subscriber = Subscriber::start(&[&broker.mqtt, "t", "-q", "1", "-C", "1"]);
    broker.restart(|| {
        let line = subscriber.wait_for("Trying again in");
        assert!(line.starts_with("towpath: mqtt: "), "{line}");
    });
    subscriber.wait_for("subscribe");
    run(&["pub", &broker.mqtt, "t", "-m", "after", "-q", "1"]).ok();
    assert_eq!(subscriber.end().ok(), "after\n");
}

#[test]
fn lines_go_on_after_the_server_was_away() {
    let mut broker = Broker::start();
    let mut child = towpath(&["pub", &broker.mqtt, "t", "-l", "-q", "1", "--trace"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut wait_for = |text: &str| {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert!(err.read_line(&mut line).unwrap() > 0, "no {text}");
        }
    };
    wait_for("ready");
    stdin.write_all(b"before\n").unwrap();
    broker.restart(|| {
        wait_for("Trying again in");
        // Kept until the server is back.
        stdin.write_all(b"between\n").unwrap();
    });
    wait_for("ready");
    let mut subscriber = Subscriber::start(&[&broker.mqtt, "t"]);
    stdin.write_all(b"after\n").unwrap();
    drop(stdin);
    wait_for("towpath: 3 messages, 18 B in ");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    // What was kept may come first, if this machine is slow.
    let first = subscriber.line();
    assert!(first == "after" || (first == "between" && subscriber.line() == "after"));
}

#[test]
fn when_nobody_reads_the_output_it_ends_in_peace() {
    let broker = Broker::start();
    let mut child = towpath(&["sub", &broker.mqtt, "t", "--trace", "-W", "30"])
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("subscribe") {
        line.clear();
        assert!(err.read_line(&mut line).unwrap() > 0);
    }
    run(&["pub", &broker.mqtt, "t", "-m", "a", "-q", "1"]).ok();
    let mut rest = String::new();
    err.read_to_string(&mut rest).unwrap();
    assert_eq!((child.wait().unwrap().code(), rest.as_str()), (Some(0), ""));
}

#[test]
fn the_trace_shows_every_rung() {
    let broker = Broker::start();
    let url = broker.ws.replace("127.0.0.1", "localhost");
    let ran = run(&["pub", &url, "t", "-m", "a", "-q", "1", "--trace"]);
    ran.ok();
    let starts = [
        "  dns       reached ",
        "  tcp       reached ",
        "  upgrade   reached ",
        "  mqtt      reached ",
        "  path      ready ",
        "  publish   done ",
    ];
    assert_eq!(ran.err.lines().count(), starts.len(), "{ran:?}");
    for (line, start) in ran.err.lines().zip(starts) {
        assert!(line.starts_with(start) && line.contains(" ms  "), "{line}");
        assert!(line.len() <= 80, "{line}");
    }
}
