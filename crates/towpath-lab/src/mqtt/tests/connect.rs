//! CONNECT: who is let in, what CONNACK says, and what the log says about it.

use super::{captures::*, *};

/// What the lab sends and then ends.
async fn answer(bench: &Bench, connect: &[u8]) -> (Vec<u8>, String) {
    let mut client = bench.dial();
    client.send(connect).await;
    client.rest().await
}

#[tokio::test(start_paused = true)]
async fn clients_of_others_are_let_in() {
    let bench = Bench::new();
    // All of them with clean session 0, so that the second one finds the first one's.
    for (capture, present) in [(PYTHON_SAS, 0), (NODE_SAS, 1), (PYTHON_MODEL, 1)] {
        let mut client = bench.dial();
        client.send(&unhex(capture)).await;
        client.expect(&[0x20, 2, present, 0]).await;
        assert!(bench.is_connected(&Name::device("dev1")));
        client.send(&[0xE0, 0]).await;
        assert_eq!(client.end().await, "the client sent DISCONNECT");
        assert!(!bench.is_connected(&Name::device("dev1")));
    }
    assert_eq!(bench.told(Code::DeviceConnected).len(), 3);
    assert_eq!(bench.told(Code::DeviceDisconnected).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn every_way_to_cut_connect_is_the_same() {
    let bench = Bench::new();
    // The pieces in which Node sends it, each a WebSocket frame of its own.
    let connect = unhex(NODE_SAS);
    let pieces = [1, 2, 2, 4, 1, 1, 2, 2, 4, 2, 127, 2, 122];
    assert_eq!(pieces.iter().sum::<usize>(), connect.len());
    let mut client = bench.dial();
    let mut rest = &connect[..];
    for piece in pieces {
        client.send(&rest[..piece]).await;
        tokio::task::yield_now().await;
        rest = &rest[piece..];
    }
    client.expect(&[0x20, 2, 0, 0]).await;
    client.disconnect().await;

    // A byte at a time, with what follows at once behind it.
    let mut client = bench.dial_with(None, 1);
    let mut all = connect;
    all.extend([0xC0, 0, 0xE0, 0]);
    client.send(&all).await;
    let (rest, why) = client.rest().await;
    assert_eq!(rest, [0x20, 2, 1, 0, 0xD0, 0]);
    assert_eq!(why, "the client sent DISCONNECT");
}

#[tokio::test(start_paused = true)]
async fn a_certificate_instead_of_a_token() {
    let bench = Bench::new();
    let now = bench.shared.means.clock.now();
    let identity = bench.shared.pki.device("x1", now).expect("a certificate");
    let certificate = ClientCertificate {
        leaf: identity.leaf,
        chain: identity.chain,
    };
    let mut client = bench.dial_with(Some(certificate), 1024);
    let connect = bench.connect("x1", |connect| connect.password = None);
    client.send(&connect).await;
    client.expect(&[0x20, 2, 0, 0]).await;
    client.disconnect().await;

    // The captured one is of a device that has keys.
    let (rest, _) = answer(&bench, &unhex(PYTHON_X509)).await;
    assert_eq!(rest, [0x20, 2, 0, 5]);
}

#[tokio::test(start_paused = true)]
async fn refusals_name_their_cause() {
    let bench = Bench::new();
    let nobody = bench.connect("nobody", |_| {});
    assert_eq!(answer(&bench, &nobody).await.0, [0x20, 2, 0, 5]);
    let (rung, why) = bench.broken_rung().expect("a broken rung");
    assert_eq!(rung, "mqtt");
    assert!(
        why.starts_with("CONNACK 5 (not authorized): 404001"),
        "{why}"
    );
    assert!(bench.why(Code::DeviceNotFound).contains("nobody"));

    let wrong = bench.connect("dev1", |connect| connect.password = Some(b"secret"));
    assert_eq!(answer(&bench, &wrong).await.0[..2], [0x20, 2]);
    for record in bench.shared.means.log.since(0) {
        assert!(!record.text.contains("secret"), "{record:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_is_not_there() {
    let bench = Bench::new();
    let user_name = Some("other.azure-devices.net/dev1/?api-version=2021-04-12");
    let connect = bench.connect("dev1", |connect| connect.user_name = user_name);
    let (rest, why) = answer(&bench, &connect).await;
    assert_eq!(rest, [0x20, 2, 0, 3]);
    assert!(
        why.contains("other.azure-devices.net") && why.contains("localhost"),
        "{why}"
    );
    assert_eq!(bench.why(Code::HubNotFound), why);

    // Without a user name the hub that was dialled says what is missing.
    let connect = bench.connect("dev1", |connect| {
        (connect.user_name, connect.password) = (None, None);
    });
    let (rest, why) = answer(&bench, &connect).await;
    assert_eq!(rest[..3], [0x20, 2, 0]);
    assert!(
        matches!(rest[3], 4 | 5) && why.contains("user name"),
        "{why}"
    );
}

#[tokio::test(start_paused = true)]
async fn other_versions_of_mqtt() {
    let bench = Bench::new();
    let fives = bench.connect("dev1", |connect| connect.version = Version::V5);
    let old = [
        0x10, 13, 0, 6, b'M', b'Q', b'I', b's', b'd', b'p', 3, 2, 0, 60, 0, 0,
    ];
    // What stands behind the level may have a form of its own.
    let strange = [0x10, 7, 0, 4, b'M', b'Q', b'T', b'T', 6];
    let old = [&[0x10, 14], &old[2..]].concat();
    assert_eq!(answer(&bench, &fives).await.0, [0x20, 2, 0, 1]);
    assert_eq!(answer(&bench, &old).await.0, [0x20, 2, 0, 1]);
    assert_eq!(answer(&bench, &strange).await.0, [0x20, 2, 0, 1]);
    let told = bench.told(Code::InvalidProtocolVersion);
    let texts: Vec<_> = told.iter().map(|record| record.text.as_str()).collect();
    assert!(
        texts[0].contains("MQTT 5") && texts[1].contains("MQIsdp"),
        "{texts:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_no_connect() {
    let bench = Bench::new();
    for (bytes, text) in [
        (&b"GET / HTTP/1.1\r\n"[..], "HTTP"),
        (&[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3], "TLS"),
        (&[0xC0, 0], "PINGREQ, not CONNECT"),
        (&[0x30, 3, 0, 1, b't'], "PUBLISH, not CONNECT"),
        (&[0x10, 0xFF, 0xFF, 0xFF, 0xFF, 1], "four bytes"),
        (&[0x10, 0xFF, 0xFF, 0xFF, 0x7F], "too large"),
        (&[0x10, 6, 0, 4, b'm', b'q', b't', b't'], "[MQTT-3.1.2-1]"),
        (&[0x10, 7, 0, 4, b'M', b'Q', b'T', b'T', 4], "too short"),
        (
            &[0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 4, 3, 0, 0, 0, 0],
            "[MQTT-3.1.2-3]",
        ),
    ] {
        let mut client = bench.dial();
        client.send(bytes).await;
        let why = client.end().await;
        assert!(why.contains(text), "{why} for {bytes:02x?}");
    }
    let empty_id = [0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 4, 0, 0, 0, 0, 0];
    assert_eq!(answer(&bench, &empty_id).await.0, [0x20, 2, 0, 2]);
}

#[tokio::test(start_paused = true)]
async fn connect_has_to_come_in_time_and_once() {
    let bench = Bench::new();
    let mut client = bench.dial();
    client.send(&[0x10]).await;
    client.silent(29).await;
    assert_eq!(client.end().await, "no CONNECT came within 30 s");

    let client = bench.dial();
    assert!(
        client
            .vanish()
            .await
            .ends_with("before CONNECT was answered")
    );

    let mut client = bench.connected("dev1").await;
    client.send(&bench.connect("dev1", |_| {})).await;
    assert!(client.end().await.contains("[MQTT-3.1.0-2]"));
}

#[tokio::test(start_paused = true)]
async fn the_second_of_two_connections_takes_over() {
    let bench = Bench::new();
    let first = bench.connected("dev1").await;
    let second = bench.connected("dev1").await;
    first.end().await;
    assert_eq!(bench.told(Code::LinkStolen).len(), 1);
    assert!(bench.is_connected(&Name::device("dev1")));
    second.disconnect().await;
    assert!(!bench.is_connected(&Name::device("dev1")));
}

#[tokio::test(start_paused = true)]
async fn a_lab_that_ends_leaves_nobody_connected() {
    let bench = Bench::new();
    let client = bench.connected("dev1").await;
    client.task.abort();
    assert!(client.task.await.is_err_and(|error| error.is_cancelled()));
    assert!(!bench.is_connected(&Name::device("dev1")));
}

/// What the secrets of the next tests have in them.
const SECRET: &str = "c2VjcmV0";

#[track_caller]
fn shows_no_secret(bench: &Bench) {
    let ladder = bench.shared.connections.ladders(None, 1).remove(0);
    assert!(ladder.device.as_ref().is_none_or(|device| device == "dev1"));
    let records = bench.shared.means.log.since(0);
    let shown = format!("{ladder:?} {records:?}");
    let found = shown.find(SECRET);
    assert_eq!(found.map(|at| &shown[at.saturating_sub(300)..at]), None);
}

/// Who swaps fields sends a secret where something stands that everybody may see.
#[tokio::test(start_paused = true)]
async fn secrets_that_stand_in_the_wrong_place_are_not_shown() {
    let bench = Bench::new();
    let string = "HostName=localhost;DeviceId=dev1;SharedAccessKey=c2VjcmV0/c2VjcmV0";
    let token = "SharedAccessSignature sr=localhost%2Fdevices%2Fdev1&sig=c2VjcmV0&se=1";
    let user_name = "localhost/dev1/?api-version=2021-04-12";
    let dps = "SharedAccessKey=c2VjcmV0/registrations/dev1/api-version=2019-03-31";
    for (id, user_name, named) in [
        ("dev1", string, true),
        ("dev1", token, true),
        ("dev1", "localhost/SharedAccessKey=c2VjcmV0", true),
        ("dev1", "localhost/bGFi/c2VjcmV0ZGV2aWNlLWtleS0wMTI=", true),
        ("dev1", "bGFic2VjcmV0ZGV2aWNlLWtleS0wMTI=", true),
        ("dev1", dps, true),
        (string, user_name, false),
        (token, user_name, false),
        ("SharedAccessKey=c2VjcmV0", user_name, false),
    ] {
        let connect = bench.connect("dev1", |connect| {
            (connect.client_id, connect.user_name) = (id, Some(user_name));
        });
        let (rest, why) = answer(&bench, &connect).await;
        assert_eq!(rest[..3], [0x20, 2, 0], "{why}");
        assert!(why.contains("a token or connection string"), "{why}");
        assert_eq!(why.contains("where the user name belongs"), named, "{why}");
        assert!(!why.contains(SECRET), "{why}");
        shows_no_secret(&bench);
    }

    // The provisioning service may refuse the registration instead of CONNECT.
    let mut client = bench.dial();
    let connect = bench.connect("dev1", |connect| {
        connect.client_id = "SharedAccessKey=c2VjcmV0";
        connect.user_name = Some("0ne00000000/registrations/dev1/api-version=2019-03-31");
    });
    client.send(&connect).await;
    let register = "$dps/registrations/PUT/iotdps-register/?$rid=1";
    client
        .publish(register, 1, br#"{"registrationId":"dev1"}"#)
        .await;
    client.packet().await;
    client.vanish().await;
    assert!(!bench.told(Code::DeviceDisconnected).is_empty());
    shows_no_secret(&bench);
}

#[tokio::test(start_paused = true)]
async fn who_can_not_be_a_device_is_not_taken_for_one() {
    let bench = Bench::new();
    let long: &str = "a".repeat(129).leak();
    for id in ["a\u{7}b", "a/b/c", "/b", long] {
        let connect = bench.connect("dev1", |connect| {
            (connect.client_id, connect.user_name) = (id, Some("other/dev1/?api-version=1"));
        });
        answer(&bench, &connect).await;
        let ladder = bench.shared.connections.ladders(None, 1).remove(0);
        assert_eq!(ladder.device, None, "{id:?}");
    }
}
