//! Captures that are made here, and what `explain` says to each.

mod file;
mod mqtt;
mod scene;
mod scenes;
mod tls;

use proptest::prelude::*;
use towpath_doctor::{Diagnosis, Proof, catalogue, diagnosis::Verdict, explain};

use crate::{
    file::{FORMATS, Format, LINKS, Link, WPAN, write},
    scene::Scene,
};

fn explained(scene: &Scene, format: Format, link: Link) -> Diagnosis {
    let file = write(&scene.packets, format, link);
    assert!(explain::is_capture(&file));
    explain::capture("made", &file[..]).expect("a slice reads")
}

fn ids(diagnosis: &Diagnosis) -> Vec<&'static str> {
    diagnosis
        .found
        .iter()
        .map(|found| found.finding.id)
        .collect()
}

/// All that could be printed of it.
fn text(diagnosis: &Diagnosis) -> String {
    format!("{diagnosis:#?}")
}

#[test]
fn every_scene_has_its_finding() {
    let mut wrong = Vec::new();
    for row in scenes::all() {
        let diagnosis = explained(&(row.scene)(), Format::Pcapng, Link::Ethernet);
        let broken = diagnosis.verdict == Verdict::Broken;
        if ids(&diagnosis) != [row.id] || !broken {
            let notes = diagnosis.notes.join("; ");
            wrong.push(format!(
                "{}: {:?} instead of {} ({notes})",
                row.name,
                ids(&diagnosis),
                row.id
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_of_scenes_are_unique_and_prove_what_the_catalogue_says() {
    let mut wrong = Vec::new();
    let rows: Vec<_> = scenes::all().collect();
    for (place, row) in rows.iter().enumerate() {
        assert!(
            rows[..place].iter().all(|other| other.name != row.name),
            "{} twice",
            row.name
        );
    }
    for finding in catalogue::all() {
        for proof in finding.proofs {
            let Proof::Capture(name) = proof else {
                continue;
            };
            let row = rows.iter().find(|row| row.name == *name);
            if row.map(|row| row.id) != Some(finding.id) {
                wrong.push(format!("{}: no scene {name} that gives it", finding.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn healthy_scenes_have_no_finding() {
    let mut wrong = Vec::new();
    for (name, scene) in scenes::healthy::ALL {
        let diagnosis = explained(&scene(), Format::Pcap, Link::Ethernet);
        if !matches!(diagnosis.verdict, Verdict::Ready(_)) || !diagnosis.found.is_empty() {
            wrong.push(format!(
                "{name}: {:?} {:?} {:?}",
                diagnosis.verdict,
                ids(&diagnosis),
                diagnosis.notes
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What does not break the path is a warning.
#[test]
fn warnings_leave_the_path_standing() {
    let session = |scene: &mut Scene| {
        let hub = "hub.example/lock/?api-version=2021-04-12";
        scene.client(&mqtt::connect("lock", Some(hub), 60));
        scene.server(&mqtt::connack(0));
    };
    let family = {
        let mut scene = Scene::v6();
        let (v6, v4) = (scene.host, "198.51.100.7".parse().expect("an address"));
        scene
            .ask(28)
            .answer(28, 0, &[v6])
            .ask(1)
            .answer(1, 0, &[v4]);
        scene
            .connection(1883)
            .syn()
            .wait(1000)
            .syn()
            .wait(2000)
            .syn();
        let mut other = Scene::v4();
        other.now = scene.now;
        other.open(1883);
        session(&mut other);
        scene.packets.extend(other.packets);
        scene
    };
    let ecn = {
        let mut scene = Scene::v4();
        scene.connection(1883).ecn_syn().wait(1000).syn().syn_ack();
        session(&mut scene);
        scene
    };
    let twin = |status: &str| {
        let mut scene = Scene::v4();
        scene.open(1883);
        session(&mut scene);
        scene.server(&mqtt::publish(
            &format!("$iothub/twin/res/{status}/?$rid=1"),
            0,
            0,
            20,
        ));
        scene
    };
    let earlier = {
        let mut scene = Scene::v4();
        scene.connection(1883).syn().refuse();
        scene.open(1883);
        session(&mut scene);
        scene
    };
    let scenes = [
        ("TP-TCP-017", family),
        ("TP-TCP-016", ecn),
        ("TP-HUB-012", twin("400")),
        ("TP-HUB-013", twin("413")),
        ("TP-HUB-014", twin("429")),
        ("TP-HUB-015", twin("500")),
        ("TP-TCP-010", earlier),
    ];
    for (id, scene) in scenes {
        let diagnosis = explained(&scene, Format::Pcap, Link::Raw);
        assert_eq!(ids(&diagnosis), [id]);
        assert!(
            matches!(diagnosis.verdict, Verdict::Warning(_)),
            "{id}: {:?}",
            diagnosis.verdict
        );
    }
}

/// A few scenes of each kind, for what does not depend on the rule.
fn some() -> Vec<(&'static str, Scene)> {
    let wanted = [
        "refused",
        "tls-unknown-ca",
        "ws-text",
        "mqtt-connack-5",
        "dns-silent",
        "reneg-refused",
    ];
    scenes::all()
        .filter(|row| wanted.contains(&row.name))
        .map(|row| (row.id, (row.scene)()))
        .collect()
}

#[test]
fn the_format_and_the_link_layer_make_no_difference() {
    for (id, scene) in some() {
        let first = explained(&scene, Format::PcapNanoseconds, Link::Ethernet);
        assert_eq!(ids(&first), [id]);
        for format in FORMATS {
            for link in LINKS {
                let other = explained(&scene, *format, *link);
                assert_eq!(first.found, other.found, "{format:?} {link:?}");
                assert_eq!(first.ladder, other.ladder, "{format:?} {link:?}");
            }
        }
    }
}

/// Over 802.15.4 a packet is several frames, so only numbers and times of packets differ.
#[test]
fn six_lowpan_gives_the_same_answer() {
    let scenes: [(&[&str], Scene); 4] = [
        (&["TP-TCP-016"], {
            let mut scene = Scene::v6();
            scene
                .connection(8883)
                .ecn_syn()
                .wait(2000)
                .ecn_syn()
                .later(3000);
            scene
        }),
        (&["TP-DNS-002"], {
            let mut scene = Scene::v6();
            scene.ask(28).wait(2000).ask(28).later(3000);
            scene
        }),
        (&["TP-TLS-013"], {
            let mut scene = Scene::v6();
            scene.open(8883);
            let setup = tls::Setup {
                trusts: false,
                ..tls::Setup::new(openssl::ssl::SslVersion::TLS1_2)
            };
            tls::play(&mut scene, &setup.run(&[]));
            scene
        }),
        (&[], {
            let mut scene = Scene::v6();
            scene
                .open(1883)
                .client(&mqtt::connect("lock", None, 60))
                .server(&mqtt::connack(0));
            scene
        }),
    ];
    for (id, scene) in scenes {
        for link in WPAN {
            let diagnosis = explained(&scene, Format::Pcap, *link);
            assert_eq!(ids(&diagnosis), id, "{link:?} {:?}", diagnosis.notes);
        }
    }
}

#[test]
fn encrypted_frames_are_said_once() {
    let mut file = write(&[], Format::Pcap, Link::Wpan);
    for _ in 0..9 {
        file.extend_from_slice(&[0; 8]);
        let frame = [0x49, 0x98, 1, 0xcd, 0xab, 2, 0, 1, 0, 0x0d, 1, 2, 3, 4, 5];
        file.extend_from_slice(&(frame.len() as u32).to_le_bytes());
        file.extend_from_slice(&(frame.len() as u32).to_le_bytes());
        file.extend_from_slice(&frame);
    }
    let diagnosis = explain::capture("made", &file[..]).expect("a slice reads");
    assert_eq!(diagnosis.verdict, Verdict::Unknown);
    let told = diagnosis
        .notes
        .iter()
        .filter(|note| note.contains("9 of 9 802.15.4 data frames are encrypted"));
    assert_eq!(told.count(), 1, "{:?}", diagnosis.notes);
}

#[test]
fn evidence_names_the_packet_and_its_time() {
    let row = scenes::all()
        .find(|row| row.name == "mqtt-connack-5")
        .expect("a scene");
    let diagnosis = explained(&(row.scene)(), Format::Pcap, Link::Raw);
    let evidence = &diagnosis.found[0].evidence;
    let received = evidence
        .iter()
        .find(|evidence| evidence.what == "last received");
    assert_eq!(
        received.expect("evidence").seen,
        "packet 5 at 0.004 s: CONNACK 5"
    );
}

#[test]
fn no_secret_is_shown() {
    for row in scenes::all() {
        let said = text(&explained(&(row.scene)(), Format::Pcap, Link::Ethernet));
        for secret in [
            "SharedAccessSignature",
            "Secret",
            "token=",
            "Zm9vOmJhcg",
            "sig=",
        ] {
            assert!(!said.contains(secret), "{}: {secret}", row.name);
        }
    }
}

/// Something else that happened to be captured does not hide the attempt.
#[test]
fn what_lies_beside_it_does_not_matter() {
    for (id, mut scene) in some() {
        let mut busy = Scene::v4();
        for _ in 0..40 {
            busy.open(443)
                .client(b"\x16\x03\x01")
                .client_fin()
                .server_fin();
        }
        let mut packets = busy.packets;
        packets.append(&mut scene.packets);
        scene.packets = packets;
        let diagnosis = explained(&scene, Format::Pcap, Link::Ethernet);
        assert_eq!(ids(&diagnosis).first(), Some(&id));
    }
}

#[test]
fn a_file_cut_anywhere_is_read_as_far_as_it_goes() {
    for (_, scene) in some() {
        for format in [Format::Pcap, Format::PcapngOdd] {
            let file = write(&scene.packets, format, Link::Ethernet);
            for cut in 0..file.len() {
                let diagnosis = explain::capture("cut", &file[..cut]).expect("a slice reads");
                assert!(diagnosis.notes.iter().all(|note| note.len() < 300));
            }
        }
    }
}

#[test]
fn a_damaged_length_is_a_note() {
    let scene = (scenes::all().next().expect("a scene").scene)();
    for (format, at) in [(Format::Pcap, 24 + 8), (Format::Pcapng, 28 + 4)] {
        let mut file = write(&scene.packets, format, Link::Ethernet);
        file[at..at + 4].copy_from_slice(&[0xff; 4]);
        let diagnosis = explain::capture("damaged", &file[..]).expect("a slice reads");
        assert!(
            diagnosis.notes.iter().any(|note| note.contains("damaged")),
            "{:?}",
            diagnosis.notes
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_are_read(bytes: Vec<u8>, magic in 0usize..3, link in prop::sample::select(vec![0u8, 1, 9, 101, 113, 195, 230])) {
        let start: &[u8] = match magic {
            0 => &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, link, 0, 0, 0],
            1 => &[10, 13, 13, 10, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 28, 0, 0, 0],
            _ => &[],
        };
        let file = [start, &bytes].concat();
        let _ = explain::capture("noise", &file[..]).expect("a slice reads");
    }

    #[test]
    fn scenes_with_changed_bytes_are_read(
        which in 0usize..200,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        wpan: bool,
    ) {
        let rows: Vec<_> = scenes::all().filter(|row| !row.id.starts_with("TP-TLS")).collect();
        let scene = (rows[which % rows.len()].scene)();
        let link = if wpan && scene.device.is_ipv6() { Link::WpanMesh } else { Link::Ethernet };
        let mut file = write(&scene.packets, Format::Pcap, link);
        for (index, byte) in changes {
            let place = index.index(file.len());
            file[place] = byte;
        }
        let _ = explain::capture("changed", &file[..]).expect("a slice reads");
    }
}
