//! TLS: handshakes of OpenSSL with itself, and what is put behind them.

use openssl::ssl::SslVersion;

use super::{Row, row};
use crate::{
    scene::{From, Scene},
    tls::{Setup, Wanted, alert, play, record},
};

const TLS12: SslVersion = SslVersion::TLS1_2;
const TLS13: SslVersion = SslVersion::TLS1_3;

/// A handshake set up so, on port 8883.
fn handshake(setup: &Setup) -> Scene {
    let mut scene = Scene::v4();
    scene.open(8883);
    play(&mut scene, &setup.run(&[]));
    scene
}

fn ended(mut scene: Scene) -> Scene {
    scene.server_fin();
    scene
}

fn hello(setup: &Setup) -> Vec<u8> {
    setup.run(&[]).first().expect("a hello").1.clone()
}

/// A ClientHello, and this in answer.
fn answered(name: Option<&'static str>, answer: &[u8]) -> Scene {
    let mut scene = Scene::v4();
    let setup = Setup {
        name,
        ..Setup::new(TLS12)
    };
    scene.open(8883).client(&hello(&setup)).server(answer);
    scene
}

/// A whole handshake of TLS 1.2, then data of the client, then this of the server.
fn after(records: &[(From, Vec<u8>)]) -> Scene {
    let mut scene = Scene::v4();
    scene.open(443);
    play(&mut scene, &Setup::new(TLS12).run(&[(From::Client, 300)]));
    play(&mut scene, records);
    scene
}

/// The client says this of the server's part of the handshake.
fn said_of(setup: &Setup, description: u8) -> Scene {
    let mut scene = Scene::v4();
    scene.open(8883);
    play(&mut scene, &setup.run(&[])[..2]);
    scene.client(&alert(description)).client_fin();
    scene
}

/// The client shows a certificate; the server says this of it, or nothing, and closes.
fn shown(description: Option<u8>) -> Scene {
    let setup = Setup::new(TLS12);
    let wants = Some(setup.root.clone());
    let has = Some(below(&setup.root, (-10, 100)));
    let mut scene = Scene::v4();
    scene.open(8883);
    play(
        &mut scene,
        &Setup {
            wants,
            has,
            ..setup
        }
        .run(&[])[..3],
    );
    if let Some(description) = description {
        scene.server(&alert(description));
    }
    ended(scene)
}

fn below(root: &crate::tls::Pair, days: (i64, i64)) -> crate::tls::Pair {
    Wanted {
        issuer: Some(root),
        days,
        ..Wanted::default()
    }
    .make()
}

pub(super) const ROWS: &[Row] = &[
    row("no-hello", "TP-DEV-039", || {
        let mut scene = Scene::v4();
        scene.open(8883).wait(500).client_fin().server_fin();
        scene
    }),
    row("hello-closed", "TP-TLS-001", || {
        ended(answered(Some("hub.example"), b""))
    }),
    row("hello-silent", "TP-TLS-002", || {
        let mut scene = answered(Some("hub.example"), b"");
        scene.later(5000);
        scene
    }),
    row("hello-plain", "TP-TLS-003", || {
        answered(Some("hub.example"), b"HTTP/1.1 400 Bad Request\r\n\r\n")
    }),
    row("certificate-close", "TP-TLS-004", || {
        let mut scene = Scene::v4();
        scene.open(8883);
        let talk = Setup::new(TLS12).run(&[]);
        play(&mut scene, &talk[..2]);
        ended(scene)
    }),
    row("handshake-close", "TP-TLS-005", || {
        ended(handshake(&Setup::new(TLS12)))
    }),
    row("handshake-close-13", "TP-TLS-005", || {
        ended(handshake(&Setup::new(TLS13)))
    }),
    row("tls-no-suite", "TP-TLS-020", || {
        handshake(&Setup {
            suites: Some((
                "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384",
                "ECDHE-ECDSA-AES128-GCM-SHA256",
            )),
            ..Setup::new(TLS12)
        })
    }),
    row("hello-without-suites", "TP-DEV-015", || {
        handshake(&Setup {
            suites: Some((
                "ECDHE-RSA-AES128-GCM-SHA256",
                "ECDHE-ECDSA-AES128-GCM-SHA256",
            )),
            ..Setup::new(TLS12)
        })
    }),
    row("tls-version", "TP-TLS-021", || {
        handshake(&Setup {
            server: (TLS13, TLS13),
            ..Setup::new(TLS12)
        })
    }),
    row("tls-older-server", "TP-TLS-022", || {
        handshake(&Setup {
            server: (TLS12, TLS12),
            ..Setup::new(TLS13)
        })
    }),
    row("tls-no-sni", "TP-TLS-047", || {
        ended(answered(None, &alert(112)))
    }),
    row("tls-no-sni-80", "TP-TLS-047", || {
        ended(answered(None, &alert(80)))
    }),
    row("tls-unknown-name", "TP-TLS-027", || {
        ended(answered(Some("hub.example"), &alert(112)))
    }),
    row("tls-no-alpn", "TP-TLS-049", || {
        ended(answered(Some("hub.example"), &alert(120)))
    }),
    row("tls-unknown-ca", "TP-TLS-013", || {
        handshake(&Setup {
            trusts: false,
            ..Setup::new(TLS12)
        })
    }),
    row("tls13-unknown-ca", "TP-TLS-013", || {
        handshake(&Setup {
            trusts: false,
            ..Setup::new(TLS13)
        })
    }),
    row("tls-leaf-only", "TP-TLS-015", || {
        handshake(&Setup {
            trusts: false,
            root_sent: false,
            ..Setup::new(TLS12)
        })
    }),
    row("tls-self-signed", "TP-TLS-014", || {
        let setup = Setup::new(TLS12);
        handshake(&Setup {
            identity: Wanted::default().make(),
            root_sent: false,
            ..setup
        })
    }),
    row("tls-expired", "TP-TLS-010", || {
        let setup = Setup::new(TLS12);
        let identity = below(&setup.root, (-300, -10));
        handshake(&Setup { identity, ..setup })
    }),
    row("tls-future", "TP-TLS-011", || {
        let setup = Setup::new(TLS12);
        let identity = below(&setup.root, (10, 300));
        handshake(&Setup { identity, ..setup })
    }),
    row("tls-clock", "TP-TLS-055", || {
        // The client of somebody whose clock is far ahead.
        let mut scene = Scene::v4();
        scene.open(8883);
        play(&mut scene, &Setup::new(TLS12).run(&[])[..2]);
        scene.client(&alert(45)).client_fin();
        scene
    }),
    row("tls-name", "TP-TLS-012", || {
        handshake(&Setup {
            name: Some("broker.example"),
            checks: "broker.example",
            ..Setup::new(TLS12)
        })
    }),
    row("tls-name-late", "TP-TLS-012", || {
        let mut scene = Scene::v4();
        scene.open(443);
        let setup = Setup {
            name: None,
            ..Setup::new(TLS12)
        };
        play(&mut scene, &setup.run(&[]));
        scene.client(&record(21, 26)).server_fin().client_fin();
        scene
    }),
    row("tls-inspected", "TP-PROXY-014", || {
        let setup = Setup::new(TLS12);
        let root = Wanted {
            name: "Zscaler Intermediate Root CA",
            ..Wanted::default()
        }
        .make();
        let identity = below(&root, (-10, 10));
        handshake(&Setup {
            identity,
            root_sent: false,
            ..setup
        })
    }),
    row("tls-weak", "TP-TLS-016", || {
        let setup = Setup::new(TLS12);
        let identity = Wanted {
            issuer: Some(&setup.root),
            rsa: Some(1024),
            ..Wanted::default()
        };
        let identity = identity.make();
        said_of(&Setup { identity, ..setup }, 43)
    }),
    row("tls-certificate-bad", "TP-TLS-019", || {
        said_of(&Setup::new(TLS12), 42)
    }),
    row("tls-record", "TP-TLS-045", || {
        said_of(&Setup::new(TLS12), 20)
    }),
    row("client-alert-80-early", "TP-DEV-025", || {
        let mut scene = Scene::v4();
        scene.open(8883).client(&alert(80)).client_fin();
        scene
    }),
    row("tls-alert", "TP-TLS-029", || {
        ended(answered(Some("hub.example"), &alert(80)))
    }),
    row("tls-client-refused", "TP-TLS-042", || shown(Some(42))),
    row("tls-client-unanswered", "TP-TLS-043", || shown(None)),
    row("reneg-again", "TP-TLS-037", || {
        let mut scene = after(&[
            (From::Server, record(22, 28)),
            (From::Client, record(22, 400)),
        ]);
        scene
            .server(&record(22, 3000))
            .client(&record(20, 1))
            .client(&record(22, 40));
        scene
            .server(&record(20, 1))
            .server(&record(22, 40))
            .server(&record(23, 90));
        scene
            .server(&record(22, 28))
            .client(&record(21, 26))
            .server_fin();
        scene
    }),
    row("client-alert-80", "TP-DEV-010", || {
        let mut scene = Scene::v4();
        scene.open(8883);
        play(&mut scene, &Setup::new(TLS12).run(&[])[..2]);
        scene.client(&alert(80)).client_fin();
        scene
    }),
    row("record-large", "TP-TLS-024", || {
        let mut scene = Scene::v4();
        scene.open(8883);
        play(&mut scene, &Setup::new(TLS12).run(&[])[..2]);
        scene.client(&alert(22)).client_fin();
        scene
    }),
    row("tls-client-required", "TP-TLS-026", || {
        let setup = Setup::new(TLS12);
        let wants = Some(setup.root.clone());
        handshake(&Setup { wants, ..setup })
    }),
    row("tls13-client-required", "TP-TLS-026", || {
        let setup = Setup::new(TLS13);
        let wants = Some(setup.root.clone());
        let mut scene = Scene::v4();
        scene.open(8883);
        play(&mut scene, &Setup { wants, ..setup }.run(&[]));
        ended(scene)
    }),
    row("tls-client-unknown-ca", "TP-TLS-040", || {
        let setup = Setup::new(TLS12);
        let wants = Some(setup.root.clone());
        let other = Wanted {
            name: "Other Root",
            ..Wanted::default()
        }
        .make();
        let has = Some(below(&other, (-10, 10)));
        handshake(&Setup {
            wants,
            has,
            ..setup
        })
    }),
    row("tls-client-expired", "TP-TLS-041", || {
        let setup = Setup::new(TLS12);
        let wants = Some(setup.root.clone());
        let has = Some(below(&setup.root, (-100, -10)));
        handshake(&Setup {
            wants,
            has,
            ..setup
        })
    }),
    row("tls-client-wrong-key", "TP-TLS-044", || {
        let setup = Setup::new(TLS12);
        let wants = Some(setup.root.clone());
        let has = Some(below(&setup.root, (-10, 100)));
        let mut scene = Scene::v4();
        scene.open(8883);
        // The server's last flight gives way to its complaint about the signature.
        let talk = Setup {
            wants,
            has,
            ..setup
        }
        .run(&[]);
        play(&mut scene, &talk[..3]);
        scene.server(&alert(51));
        ended(scene)
    }),
    row("slow-signature", "TP-DEV-021", || {
        let setup = Setup::new(TLS12);
        let wants = Some(setup.root.clone());
        let has = Some(below(&setup.root, (-10, 100)));
        let mut scene = Scene::v4();
        scene.open(8883);
        let talk = Setup {
            wants,
            has,
            ..setup
        }
        .run(&[]);
        play(&mut scene, &talk[..2]);
        scene.wait(5100).server_rst();
        scene
    }),
    row("reneg-refused", "TP-TLS-031", || {
        ended(after(&[
            (From::Server, record(22, 28)),
            (From::Client, record(21, 26)),
            (From::Server, record(21, 26)),
        ]))
    }),
    row("reneg-ignored", "TP-TLS-031", || {
        let mut scene = after(&[(From::Server, record(22, 28))]);
        scene.wait(50).client_fin();
        scene
    }),
    row("reneg-closed", "TP-TLS-034", || {
        ended(after(&[
            (From::Server, record(22, 28)),
            (From::Client, record(22, 400)),
            (From::Server, record(22, 3000)),
            (From::Client, record(22, 200)),
            (From::Server, record(21, 26)),
        ]))
    }),
    row("reneg-silent", "TP-TLS-035", || {
        let mut scene = after(&[
            (From::Server, record(22, 28)),
            (From::Client, record(22, 400)),
        ]);
        scene.later(8000);
        scene
    }),
    row("mqtt-hidden-closed", "TP-MQTT-001", || {
        let mut scene = Scene::v4();
        scene.open(8883);
        play(&mut scene, &Setup::new(TLS12).run(&[(From::Client, 60)]));
        ended(scene)
    }),
    row("mqtt-hidden-silent", "TP-MQTT-002", || {
        let mut scene = Scene::v4();
        scene.open(8883);
        play(&mut scene, &Setup::new(TLS13).run(&[(From::Client, 60)]));
        scene.later(9000);
        scene
    }),
    row("mqtt-hidden-refused", "TP-MQTT-016", || {
        let mut scene = Scene::v4();
        scene.open(8883);
        play(
            &mut scene,
            &Setup::new(TLS12).run(&[(From::Client, 60), (From::Server, 4)]),
        );
        ended(scene)
    }),
    row("aws-no-policy", "TP-MQTT-030", || {
        let setup = Setup::new(TLS12);
        let wants = Some(setup.root.clone());
        let has = Some(below(&setup.root, (-10, 100)));
        let mut scene = Scene::v4();
        scene.open(8883);
        play(
            &mut scene,
            &Setup {
                wants,
                has,
                ..setup
            }
            .run(&[(From::Client, 60)]),
        );
        ended(scene)
    }),
];
