//! Scenes in which nothing is wrong.

use openssl::ssl::SslVersion;

use crate::{
    mqtt::{
        DISCONNECT, PINGREQ, PINGRESP, SWITCHES, answer, connack, connack5, connect, connect5,
        frame, puback, publish, suback, subscribe, upgrade,
    },
    scene::{From, Scene, pref64, rdnss},
    tls::{Setup, Wanted, play, record},
};

/// What makes a scene.
type Make = fn() -> Scene;

/// Scenes with their names.
pub(crate) const ALL: &[(&str, Make)] = &[
    ("mqtt", || {
        let mut scene = Scene::v4();
        session(&mut scene);
        scene.client(DISCONNECT).client_fin().server_fin();
        scene
    }),
    ("mqtt still open", || {
        let mut scene = Scene::v6();
        session(&mut scene);
        scene
    }),
    ("mqtt 5", || {
        let mut scene = Scene::v4();
        scene
            .open(1883)
            .client(&connect5("lock"))
            .server(&connack5(0));
        scene
    }),
    ("ws", || {
        let mut scene = Scene::v4();
        scene.open(80).client(&upgrade("/mqtt")).server(SWITCHES);
        scene.client(&frame(2, true, &connect("lock", None, 60)));
        scene.server(&frame(2, false, &connack(0)));
        scene
            .client(&frame(2, true, DISCONNECT))
            .client(&frame(8, true, &[3, 232]));
        scene
            .server(&frame(8, false, &[3, 232]))
            .client_fin()
            .server_fin();
        scene
    }),
    ("ws with a packet in two frames", || {
        let mut scene = Scene::v4();
        scene.open(80).client(&upgrade("/mqtt")).server(SWITCHES);
        scene.client(&frame(2, true, &connect("lock", None, 60)));
        scene
            .server(&frame(2, false, &connack(0)[..1]))
            .server(&frame(2, false, &connack(0)[1..]));
        scene
    }),
    ("tls 1.2", || secured(&Setup::new(SslVersion::TLS1_2))),
    ("tls 1.3", || secured(&Setup::new(SslVersion::TLS1_3))),
    ("tls 1.2 with a client certificate", || {
        mutual(SslVersion::TLS1_2)
    }),
    ("tls 1.3 with a client certificate", || {
        mutual(SslVersion::TLS1_3)
    }),
    ("renegotiation taken up", || {
        let mut scene = Scene::v4();
        scene.open(443);
        play(
            &mut scene,
            &Setup::new(SslVersion::TLS1_2).run(&[(From::Client, 300)]),
        );
        scene
            .server(&record(22, 28))
            .client(&record(22, 400))
            .server(&record(22, 3000));
        scene
            .client(&record(22, 900))
            .client(&record(20, 1))
            .client(&record(22, 40));
        scene
            .server(&record(20, 1))
            .server(&record(22, 40))
            .server(&record(23, 200));
        scene.client(&record(23, 100)).server(&record(23, 30));
        scene
    }),
    ("renegotiation refused, and life goes on", || {
        let mut scene = Scene::v4();
        scene.open(443);
        play(
            &mut scene,
            &Setup::new(SslVersion::TLS1_2).run(&[(From::Client, 300)]),
        );
        scene
            .server(&record(22, 28))
            .client(&record(21, 26))
            .server(&record(23, 200));
        scene
    }),
    ("proxy with a password on the second try", || {
        let mut scene = Scene::v4();
        let connect = "CONNECT hub.example:1883 HTTP/1.1\r\nHost: hub.example:1883\r\n";
        scene.open(3128).client(format!("{connect}\r\n").as_bytes());
        scene.server(&answer(
            "407 Proxy Authentication Required",
            "Proxy-Authenticate: Basic\r\n",
        ));
        scene.client(format!("{connect}Proxy-Authorization: Basic eA==\r\n\r\n").as_bytes());
        scene.server(b"HTTP/1.1 200 Connection established\r\n\r\n");
        talk(&mut scene);
        scene
    }),
    ("socks", || {
        let mut scene = Scene::v4();
        scene.open(1080).client(&[5, 1, 0]).server(&[5, 0]);
        scene.client(b"\x05\x01\x00\x03\x0bhub.example\x07\x5b");
        scene.server(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        talk(&mut scene);
        scene
    }),
    ("nat64 with its announced prefix", || {
        let mut scene = Scene::v6().to("fd00:64::c633:6407");
        scene.advertise(&[pref64("fd00:64::"), rdnss("2001:db8::1")].concat());
        let host = scene.host;
        scene.ask(28).answer(28, 0, &[host]);
        session(&mut scene);
        scene
    }),
    ("a name without an address of one family", || {
        let mut scene = Scene::v4();
        let host = scene.host;
        scene
            .ask(28)
            .answer(28, 0, &[])
            .ask(1)
            .answer(1, 0, &[host]);
        session(&mut scene);
        scene
    }),
    ("segments sent again, and out of order", || {
        let mut scene = Scene::v4();
        scene
            .open(1883)
            .lost(From::Client, &connect("lock", None, 60), 1);
        scene.client(&connect("lock", None, 60)).server(&connack(0));
        scene
    }),
    ("an unused second connection", || {
        let mut scene = Scene::v4();
        scene.connection(8883).syn();
        scene.connection(8883).syn().syn_ack();
        scene.on(0).syn_ack().client_fin().server_fin();
        scene.on(1);
        play(
            &mut scene,
            &Setup::new(SslVersion::TLS1_2).run(&[(From::Client, 60), (From::Server, 4)]),
        );
        scene
    }),
    ("a web request beside it", || {
        let mut scene = Scene::v4();
        session(&mut scene);
        scene
            .open(80)
            .client(b"GET /firmware HTTP/1.1\r\nHost: x\r\n\r\n");
        scene.server(&answer("404 Not Found", ""));
        scene
    }),
];

fn session(scene: &mut Scene) {
    scene.open(1883);
    talk(scene);
}

fn talk(scene: &mut Scene) {
    scene
        .client(&connect("lock", Some("user"), 60))
        .server(&connack(0));
    scene.client(&subscribe("down/#")).server(&suback(1));
    scene.client(&publish("up", 1, 1, 3000)).server(&puback(1));
    scene.server(&publish("down/1", 0, 0, 9000));
    scene.wait(60_000).client(PINGREQ).server(PINGRESP);
}

fn secured(setup: &Setup) -> Scene {
    let mut scene = Scene::v4();
    scene.open(8883);
    let says = [
        (From::Client, 60),
        (From::Server, 4),
        (From::Client, 500),
        (From::Server, 4),
        (From::Server, 9000),
    ];
    play(&mut scene, &setup.run(&says));
    scene
}

fn mutual(version: SslVersion) -> Scene {
    let setup = Setup::new(version);
    let has = Wanted {
        issuer: Some(&setup.root),
        ..Wanted::default()
    };
    secured(&Setup {
        wants: Some(setup.root.clone()),
        has: Some(has.make()),
        ..setup
    })
}
