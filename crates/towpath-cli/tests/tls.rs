//! The real program over TLS, with each library, against Mosquitto and `openssl s_server`.

#[expect(
    unreachable_pub,
    dead_code,
    reason = "shared by the test programs, each of which uses a part"
)]
mod common;

use std::fs;

use common::{
    Broker, Ran, Subscriber, free_port, peer,
    pki::{HERE, KEY_PASSWORD, LIBRARIES, Pki, s_server},
    run, says, towpath,
};
use serde_json::Value;

/// Publishes over TLS, trusting the CA.
fn publish(url: &str, pki: &Pki, more: &[&str]) -> Ran {
    let mut args = vec!["pub", url, "t", "-m", "a", "-q", "1"];
    args.extend(["--cafile", &pki.ca.cert]);
    args.extend(more);
    if !more.contains(&"--timeout") {
        args.extend(["--timeout", "5"]);
    }
    run(&args)
}

/// The object of an error.
#[track_caller]
fn error(ran: &Ran) -> Value {
    assert_eq!(ran.code, 1, "{ran:?}");
    serde_json::from_str(ran.err.lines().last().unwrap()).unwrap()
}

#[test]
fn messages_go_both_ways_with_every_library() {
    let pki = Pki::new();
    let (client, _) = pki.client();
    let broker = Broker::with_tls(&pki);
    let identity = ["--cert", &client.cert, "--key", &client.key];
    for library in LIBRARIES {
        for version in ["1.2", "1.3"] {
            let tls = ["--tls", library, "--tls-min", version, "--tls-max", version];
            let mut args = vec![broker.ws.as_str(), "t", "-C", "2", "-q", "1"];
            args.extend(["--cafile", &pki.ca.cert]);
            args.extend(identity.iter().chain(&tls));
            let subscriber = Subscriber::start(&args);
            publish(&broker.mqtt, &pki, &tls).ok();
            publish(&broker.ws, &pki, &[&tls[..], &identity[..]].concat()).ok();
            assert_eq!(subscriber.end().ok(), "a\na\n", "{tls:?}");
        }
    }
}

#[test]
fn the_trace_shows_the_rung() {
    let pki = Pki::new();
    let (client, _) = pki.client();
    let broker = Broker::with_tls(&pki);
    for library in LIBRARIES {
        let mut more = vec!["--tls", library, "--tls-max", "1.2", "--trace"];
        more.extend(["--cert", &client.cert, "--key", &client.key]);
        let suite = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
        more.extend(["--ciphers", suite]);
        let ran = publish(&broker.ws, &pki, &more);
        ran.ok();
        let lines: Vec<_> = ran.err.lines().collect();
        let starts = [
            "  tcp ",
            "  tls       reached ",
            "   ",
            "   ",
            "  upgrade ",
            "  mqtt ",
            "  path ",
            "  publish ",
        ];
        assert_eq!(lines.len(), starts.len(), "{ran:?}");
        for (line, start) in lines.iter().zip(starts) {
            assert!(line.starts_with(start) && line.len() <= 80, "{ran:?}");
        }
        assert!(
            lines[1].ends_with(" ms  TLS 1.2 ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
            "{ran:?}"
        );
        let more_lines = [lines[2].trim(), lines[3].trim()];
        assert!(more_lines[0].starts_with("chain of 2 in "), "{ran:?}");
        assert!(
            more_lines[0].ends_with(" B, EC-256, 2 round trips"),
            "{ran:?}"
        );
        assert_eq!(more_lines[1], "client certificate shown");

        more.push("--json");
        let ran = publish(&broker.ws, &pki, &more);
        ran.ok();
        let values = ran
            .err
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let tls: Vec<_> = values.filter(|value| value["trace"] == "tls").collect();
        assert_eq!(tls.len(), 1, "{ran:?}");
        let tls = &tls[0];
        assert_eq!(
            (&tls["version"], &tls["suite"]),
            (&"1.2".into(), &suite.into())
        );
        assert_eq!(
            (&tls["suite_number"], &tls["resumed"]),
            (&0xc02b.into(), &false.into())
        );
        assert_eq!(
            (&tls["round_trips"], &tls["client_certificate"]),
            (&2.into(), &"shown".into())
        );
        assert_eq!(
            (&tls["chain"]["certificates"], &tls["chain"]["key"]),
            (&2.into(), &"EC-256".into())
        );
        assert!(tls["chain"]["bytes"].as_u64() > Some(200) && tls["ms"].as_f64() > Some(0.0));
    }
}

#[test]
fn certificates_that_are_wrong_are_refused() {
    let pki = Pki::new();
    let expired = pki.leaf("expired", HERE, -1);
    let elsewhere = pki.leaf("elsewhere", "DNS:elsewhere.example", 10);
    let other_ca = pki.other_ca().cert;
    for library in LIBRARIES {
        for (pair, more, code, cause) in [
            (
                &pki.server,
                &["--cafile", other_ca.as_str()][..],
                "ServerCertificateUntrusted",
                "no root that is trusted",
            ),
            (&expired, &[], "ServerCertificateExpired", "has expired"),
            (&elsewhere, &[], "ServerCertificateName", "for another name"),
            (
                &pki.server,
                &["--sni", "elsewhere.example"],
                "ServerCertificateName",
                "for another name",
            ),
        ] {
            let (_server, port) = s_server(pair, &["-cert_chain", &pki.ca.cert]);
            let url = format!("mqtts://localhost:{port}");
            let mut args = vec!["pub", &url, "t", "-m", "a", "--tls", library];
            if !more.contains(&"--cafile") {
                args.extend(["--cafile", &pki.ca.cert]);
            }
            args.extend(more);
            let said = run(&args);
            let line = said.failed(1, "towpath: tls: the server's certificate ");
            assert!(line.contains(cause), "{library}: {line}");
            args.push("--json");
            let value = error(&run(&args));
            assert_eq!(value["code"], code, "{library}: {value}");
            assert_eq!(value["alert"]["from"], "client", "{library}: {value}");
        }
    }
}

#[test]
#[cfg(feature = "openssl")]
fn the_systems_roots_do_not_know_a_ca_of_ones_own() {
    let pki = Pki::new();
    let (_server, port) = s_server(&pki.server, &["-cert_chain", &pki.ca.cert]);
    let ran = run(&["pub", &format!("mqtts://localhost:{port}"), "t", "-m", "a"]);
    let line = ran.failed(1, "towpath: tls: the server's certificate");
    assert!(line.contains("--cafile"), "{line}");
}

#[test]
fn a_plain_port_behind_mqtts_and_a_tls_port_behind_mqtt() {
    let pki = Pki::new();
    let plain = Broker::start();
    let secured = Broker::with_tls(&pki);
    for library in LIBRARIES {
        let url = plain.mqtt.replace("mqtt:", "mqtts:");
        let ran = publish(&url, &pki, &["--tls", library]);
        let line = ran.failed(
            1,
            "towpath: tls: the connection ended inside the TLS handshake",
        );
        assert!(line.contains("The port may speak no TLS"), "{line}");

        let port = says(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        let url = format!("wss://127.0.0.1:{port}/mqtt");
        let ran = publish(&url, &pki, &["--tls", library, "--trace"]);
        assert!(
            ran.err
                .contains("towpath: tls: the peer does not speak TLS"),
            "{ran:?}"
        );
    }
    for url in [&secured.mqtt, &secured.ws] {
        let url = url.replacen("s://", "://", 1);
        let ran = run(&["pub", &url, "t", "-m", "a", "--timeout", "5"]);
        assert_eq!(ran.code, 1);
        // What arrives first, the end or a reset, is up to the system.
        assert!(
            ran.err.contains("TLS port") || ran.err.contains("speaks TLS"),
            "{ran:?}"
        );
    }
}

#[test]
fn a_peer_that_says_nothing_or_goes() {
    let pki = Pki::new();
    for library in LIBRARIES {
        let more = ["--tls", library, "--timeout", "0.3"];
        let ran = publish(&format!("mqtts://127.0.0.1:{}", says(b"")), &pki, &more);
        let line = ran.failed(1, "towpath: tls: no answer in the TLS handshake");
        assert!(
            line.contains("last sent ClientHello, received nothing"),
            "{line}"
        );
        let ran = publish(&format!("mqtts://127.0.0.1:{}", peer(drop)), &pki, &more);
        ran.failed(1, "towpath: tls: the connection ended");
        let ran = publish(&format!("mqtts://127.0.0.1:{}", free_port()), &pki, &more);
        ran.failed(1, "towpath: tcp: connection refused");
    }
}

#[test]
fn an_alert_is_named_with_its_direction() {
    let pki = Pki::new();
    let broker = Broker::with_tls(&pki);
    for library in LIBRARIES {
        let more = ["--tls", library, "--tls-max", "1.2", "--trace"];
        let ran = publish(&broker.ws, &pki, &more);
        let alert = "  tls       alert                  server sent alert 40 handshake_failure\n";
        assert!(ran.err.contains(alert), "{ran:?}");
        assert!(
            ran.err
                .contains("towpath: tls: the server wants a client certificate"),
            "{ran:?}"
        );
        let ran = publish(
            &broker.ws,
            &pki,
            &["--tls", library, "--tls-max", "1.2", "--json"],
        );
        let value = error(&ran);
        assert_eq!(value["code"], "ClientCertificateMissing");
        assert_eq!(
            value["alert"].to_string(),
            r#"{"from":"server","level":"fatal","name":"handshake_failure","number":40}"#
        );
    }
    // Nothing of TLS: the member is there all the same.
    let ran = run(&[
        "pub",
        &format!("mqtt://127.0.0.1:{}", free_port()),
        "t",
        "-m",
        "a",
        "--json",
    ]);
    assert_eq!(error(&ran).get("alert"), Some(&Value::Null));
}

#[test]
fn a_session_is_resumed_by_the_next_process() {
    let pki = Pki::new();
    let broker = Broker::with_tls(&pki);
    for library in LIBRARIES {
        let file = pki.folder.0.join(format!("session-{library}"));
        let session = file.to_str().unwrap();
        let more = [
            "--tls",
            library,
            "--tls-session",
            session,
            "--tls-max",
            "1.2",
            "--trace",
        ];
        let first = publish(&broker.mqtt, &pki, &more);
        first.ok();
        assert!(
            !first.err.contains("resumed") && first.err.contains("2 round trips"),
            "{first:?}"
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let second = publish(&broker.mqtt, &pki, &more);
        second.ok();
        assert!(
            second.err.contains(" resumed, 1 round trip\n"),
            "{second:?}"
        );

        // Under other rules it is not resumed: that would go round the verification.
        let other = format!("{}.{library}", pki.ca.cert);
        fs::write(&other, fs::read(pki.other_ca().cert).unwrap()).unwrap();
        let mut args = vec!["pub", &broker.mqtt, "t", "-m", "a", "--cafile", &other];
        args.extend(more);
        assert_eq!(run(&args).code, 1);
    }
    let more = ["--tls-session", "/nowhere/session"];
    let ran = publish(&broker.mqtt, &pki, &more);
    ran.failed(1, "towpath: cannot write the TLS session file: ");
}

#[test]
fn the_password_of_a_key_comes_from_file_or_environment_and_never_appears() {
    let pki = Pki::new();
    let (_, locked) = pki.client();
    let broker = Broker::with_tls(&pki);
    let right = pki.folder.file("right", &format!("{KEY_PASSWORD}\n"));
    let wrong = pki.folder.file("wrong", "s3same\n");
    for library in LIBRARIES {
        let identity = [
            "--tls",
            library,
            "--cert",
            &locked.cert,
            "--key",
            &locked.key,
            "--trace",
        ];
        let with = |more: &[&str]| publish(&broker.ws, &pki, &[&identity[..], more].concat());
        with(&["--key-password-file", &right]).ok();
        let ran = with(&["--key-password-file", &wrong]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains("password"), "{ran:?}");
        assert!(!ran.err.contains("s3same"), "{ran:?}");
        let ran = with(&[]);
        let line = ran.failed(2, "towpath: --key: the key is encrypted");
        assert!(line.contains("--key-password-file") && line.contains("TOWPATH_KEY_PASSWORD"));

        let mut args = vec!["pub", &broker.ws, "t", "-m", "a", "--cafile", &pki.ca.cert];
        args.extend(identity);
        let mut command = towpath(&args);
        command.env("TOWPATH_KEY_PASSWORD", KEY_PASSWORD);
        let ran = common::ran(command.spawn().unwrap());
        ran.ok();
        assert!(!format!("{ran:?}").contains(KEY_PASSWORD), "{ran:?}");
    }
}

#[test]
fn keys_and_sessions_never_appear() {
    let pki = Pki::new();
    let (client, _) = pki.client();
    let broker = Broker::with_tls(&pki);
    let file = pki.folder.0.join("session");
    let session = file.to_str().unwrap();
    let key = fs::read_to_string(&client.key).unwrap();
    let key = key.lines().nth(1).unwrap();
    for url in [
        &broker.ws,
        &format!("wss://127.0.0.1:{}", peer_port(&broker)),
    ] {
        for json in [&[][..], &["--json"]] {
            let mut more = vec!["--cert", &client.cert, "--key", &client.key, "--trace"];
            more.extend(["--tls-session", session]);
            more.extend(json);
            let ran = publish(url, &pki, &more);
            assert!(!format!("{ran:?}").contains(key), "{ran:?}");
            assert!(!ran.err.contains("PRIVATE KEY"), "{ran:?}");
        }
    }
}

/// The port of MQTT without WebSocket, where an upgrade fails.
fn peer_port(broker: &Broker) -> &str {
    broker.mqtt.rsplit(':').next().unwrap()
}

#[test]
#[cfg(feature = "openssl")]
fn a_key_log_is_written_where_the_environment_or_the_option_says() {
    let pki = Pki::new();
    let broker = Broker::with_tls(&pki);
    let path = |name: &str| pki.folder.0.join(name);
    let args = [
        "pub",
        &broker.mqtt,
        "t",
        "-m",
        "a",
        "--cafile",
        &pki.ca.cert,
    ];
    let mut command = towpath(&args);
    command.env("SSLKEYLOGFILE", path("by-environment"));
    common::ran(command.spawn().unwrap()).ok();
    let named = path("by-option");
    publish(&broker.mqtt, &pki, &["--keylog", named.to_str().unwrap()]).ok();
    for name in ["by-environment", "by-option"] {
        assert!(
            fs::read_to_string(path(name)).unwrap().contains("CLIENT"),
            "{name}"
        );
    }
    // It is meant for TLS, so it is no mistake elsewhere.
    let plain = Broker::start();
    let mut command = towpath(&["pub", &plain.mqtt, "t", "-m", "a"]);
    command.env("SSLKEYLOGFILE", path("by-nobody"));
    common::ran(command.spawn().unwrap()).ok();
    assert!(!path("by-nobody").exists());
}

#[test]
fn options_that_can_not_be_used_are_named() {
    const TO: &str = "mqtts://127.0.0.1:1";
    const IANA: &str = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
    for (url, option, named) in [
        (
            "mqtt://h",
            &["--cafile", "f"][..],
            "--cafile: TLS has no meaning with mqtt://; use mqtts://",
        ),
        (
            "ws://h",
            &["--tls-min", "1.3"],
            "--tls-min: TLS has no meaning with ws://; use wss://",
        ),
        (
            TO,
            &["--cafile", "/nowhere/ca"],
            "cannot read /nowhere/ca: ",
        ),
        (TO, &["--capath", "/nowhere"], "cannot read /nowhere: "),
        (TO, &["--cert", "f"], "--cert: its private key is missing"),
        (TO, &["--key", "f"], "--key: its certificate is missing"),
        (
            TO,
            &["--key-password-file", "f"],
            "--key-password-file: there is no key",
        ),
        (
            TO,
            &["--tls-min", "1.3", "--tls-max", "1.2"],
            "--tls-min: the lowest version, 1.3, is above",
        ),
        (
            TO,
            &["--mfl", "1000"],
            "--mfl: this has to be 512, 1024, 2048 or 4096",
        ),
        (TO, &["--ciphers", "ECDHE-RSA-AES128-GCM-SHA256"], IANA),
        (
            TO,
            &["--ciphers", "TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256"],
            IANA,
        ),
        (
            TO,
            &["--ciphers", "HIGH:!aNULL"],
            "\"HIGH\" is no cipher suite; names are those of the IANA registry",
        ),
        (TO, &["--groups", "P-256,x25519"], "write it as secp256r1"),
        (
            TO,
            &["--ws-header", "A: b"],
            "--ws-header: this has no meaning",
        ),
        (TO, &["--insecure"], "there is no such switch"),
        (TO, &["--key-password", "s3same"], "--key-password-file"),
        (TO, &["--passphrase=s3same"], "TOWPATH_KEY_PASSWORD"),
    ] {
        let mut args = vec!["pub", url, "t", "-m", "a"];
        args.extend(option);
        let ran = run(&args);
        let line = ran.failed(2, "towpath: ");
        assert!(line.contains(named), "{named}: {line}");
        assert!(!line.contains("s3same"), "{line}");
    }
    let ran = run(&["pub", TO, "t", "-m", "a", "--tls-min", "1.1"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("1.2, 1.3"), "{ran:?}");
    #[cfg(feature = "mbed")]
    for (option, named) in [
        (
            &[][..],
            "--tls: this back-end does not know the system's roots",
        ),
        (
            &["--capath", "d", "--keylog", "f"],
            "--keylog: only the back-end openssl writes",
        ),
    ] {
        let mut args = vec!["pub", TO, "t", "-m", "a", "--tls", "mbed"];
        args.extend(option);
        let ran = run(&args);
        assert!(ran.failed(2, "towpath: ").contains(named), "{ran:?}");
    }
}

#[test]
fn what_the_library_refuses_is_wrong_usage_too() {
    let pki = Pki::new();
    let (client, _) = pki.client();
    for library in LIBRARIES {
        for more in [
            &[
                "--cert",
                client.cert.as_str(),
                "--key",
                pki.server.key.as_str(),
            ][..],
            &["--cert", client.key.as_str(), "--key", client.key.as_str()],
            &["--groups", "sausage"],
        ] {
            let ran = publish(
                "mqtts://127.0.0.1:1",
                &pki,
                &[&["--tls", library][..], more].concat(),
            );
            ran.failed(2, "towpath: tls: ");
        }
    }
}
