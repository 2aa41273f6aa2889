//! The real program with `--config`.

#[expect(
    unreachable_pub,
    dead_code,
    reason = "shared by the test programs, each of which uses a part"
)]
mod common;

use std::io::Read as _;

use common::{Broker, Folder, Subscriber, peer, pki::Pki, run, says};

#[test]
fn a_file_says_all_about_the_connection() {
    let pki = Pki::new();
    let (client, _) = pki.client();
    let broker = Broker::with_tls(&pki);
    assert!(
        client.key.ends_with("/client.key"),
        "paths in the file are relative"
    );
    let text = format!(
        "url = \"{}\"\ntimeout = 5\n[tls]\ncafile = \"ca.pem\"\ncert = \"client.pem\"\nkey = \"client.key\"\n\
         ciphers = [\"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384\"]\nsession_file = \"session\"\n",
        broker.ws
    );
    let file = pki.folder.file("device.toml", &text);
    let args = ["--config", file.as_str(), "a", "-C", "2", "-q", "1"];
    let subscriber = Subscriber::start(&args);
    let publish = |more: &[&str]| {
        let mut args = vec!["pub", "--config", &file, "--trace", "-q", "1", "-m", "x"];
        args.extend(more);
        run(&args)
    };
    let ran = publish(&["a"]);
    ran.ok();
    assert!(
        ran.err
            .contains("TLS 1.2 ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
        "{ran:?}"
    );
    assert!(pki.folder.0.join("session").exists());

    // What is typed wins.
    let ran = publish(&["a", "--ciphers", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]);
    ran.ok();
    assert!(
        ran.err
            .contains("TLS 1.2 ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
        "{ran:?}"
    );
    assert_eq!(subscriber.end().ok(), "x\nx\n");
    publish(&[&broker.mqtt, "a"]).ok();
    let other = pki.other_ca().cert;
    let ran = publish(&["a", "--cafile", &other, "--tls-session", "/nowhere/s"]);
    assert!(ran.err.contains("no root that is trusted"), "{ran:?}");
}

#[test]
fn the_url_may_stand_in_front_or_in_the_file() {
    let folder = Folder::new();
    let broker = Broker::start();
    let with = folder.file("with.toml", &format!("url = \"{}\"", broker.mqtt));
    let without = folder.file("without.toml", "id = \"one\"");
    run(&["pub", "--config", &with, "t", "-m", "a", "-r", "-q", "1"]).ok();
    let once = ["-C", "1", "-W", "20"];
    let sub = |args: &[&str]| run(&[&["sub"], args, &once[..]].concat());
    assert_eq!(sub(&["--config", &with, "t"]).ok(), "a\n");
    assert_eq!(sub(&["--config", &with, "other", "t"]).ok(), "a\n");
    assert_eq!(sub(&["--config", &without, &broker.mqtt, "t"]).ok(), "a\n");
    run(&["pub", "--config", &without, &broker.mqtt, "t", "-m", "a"]).ok();

    for args in [
        &["pub", "--config", without.as_str(), "t", "-m", "a"][..],
        &["sub", "--config", without.as_str(), "t"],
    ] {
        run(args).failed(2, "towpath: the server is missing: give its URL");
    }
    for args in [
        &["pub", "--config", with.as_str(), "-m", "a"][..],
        &["pub", "--config", with.as_str(), &broker.mqtt, "-m", "a"],
        &["pub", &broker.mqtt, "-m", "a"],
        &["sub", "--config", with.as_str()],
        &["sub", "--config", with.as_str(), &broker.mqtt],
    ] {
        let ran = run(args);
        assert_eq!(ran.code, 2);
        assert!(
            ran.err
                .starts_with("error: the following required arguments"),
            "{ran:?}"
        );
        assert!(ran.err.contains("Usage: towpath "), "{ran:?}");
    }
}

#[test]
fn errors_name_file_line_and_key() {
    let folder = Folder::new();
    for (text, error) in [
        (
            "url = \"mqtts://h\"\n[tls]\nmin = \"1.1\"",
            ":3: tls.min: \"1.1\" is not known; use \"1.2\" or \"1.3\"",
        ),
        (
            "url = \"mqtts://h\"\n[tls]\nca_file = \"f\"",
            ":3: tls.ca_file: this key is not known; is it cafile?",
        ),
        ("\nurl = \"http://h\"", ":2: url: http:// is not known"),
        (
            "url = \"mqtt://h\"\npassword = \"s3same\"",
            ":2: password: a password does not belong into this file",
        ),
        (
            "url = \"mqtt://h\"\n[tls]\nverify = false",
            ":3: tls.verify: the server's certificate is always verified",
        ),
        (
            "url = \"mqtt://h\"\npassword = s3same",
            ":2: this is no TOML: ",
        ),
        (
            "url = \"mqtt://h\"\n[tls]\nmax = \"1.2\"",
            ":3: tls.max: TLS has no meaning with mqtt://",
        ),
        (
            "url = \"mqtts://h\"\n[tls]\nciphers = [\"AES128-SHA\"]",
            ":3: tls.ciphers: \"AES128-SHA\" is not the name in the IANA registry; write it as TLS_RSA_WITH_AES_128_CBC_SHA",
        ),
    ] {
        let file = folder.file("device.toml", text);
        let ran = run(&["sub", "--config", &file, "t"]);
        let line = ran.failed(2, &format!("towpath: {file}"));
        assert!(line.contains(error), "{line}");
        assert!(!line.contains("s3same"), "{line}");
    }
    let ran = run(&["sub", "--config", "/nowhere/device.toml", "t"]);
    ran.failed(2, "towpath: cannot read /nowhere/device.toml: ");
}

#[test]
fn the_login_of_the_file_is_used_and_never_shown() {
    let folder = Folder::new();
    folder.file("secret", "s3same\n");
    let (sender, receiver) = std::sync::mpsc::channel();
    let port = peer(move |mut stream| {
        let mut bytes = vec![0; 4096];
        let n = stream.read(&mut bytes).unwrap();
        bytes.truncate(n);
        sender.send(bytes).unwrap();
    });
    let text = format!(
        "url = \"mqtt://127.0.0.1:{port}\"\nuser = \"alice\"\npassword_file = \"secret\"\nid = \"meter-4\"\n"
    );
    let file = folder.file("device.toml", &text);
    let ran = run(&[
        "pub", "--config", &file, "t", "-m", "a", "--trace", "-u", "bob",
    ]);
    assert!(!format!("{ran:?}").contains("s3same"), "{ran:?}");
    let sent = receiver.recv().unwrap();
    let end = b"\x00\x07meter-4\x00\x03bob\x00\x06s3same";
    assert!(sent.ends_with(end), "{sent:?}");

    let port = says(b"HTTP/1.1 404 Not Found\r\n\r\n");
    let text = format!(
        "url = \"ws://127.0.0.1:{port}/\"\n[websocket]\nheaders = {{ Authorization = \"Bearer s3same\" }}\n"
    );
    let file = folder.file("device.toml", &text);
    let ran = run(&[
        "pub", "--config", &file, "t", "-m", "a", "--trace", "--json",
    ]);
    assert!(
        ran.code == 1 && !format!("{ran:?}").contains("s3same"),
        "{ran:?}"
    );
}
