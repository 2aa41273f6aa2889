//! The table of radio frames.

use std::{net::SocketAddr, sync::Arc};

use net::{address, url};
use thread::{BURST, Certificates, Climb, Frames, Mesh, NAME, climb};
use towpath::{
    Options, Profile, Rung,
    net::{Resolver, nat64},
    tls::{Sessions, TlsOptions},
};

/// How often a whole connection is measured: the median counts.
const TIMES: usize = 3;

/// What is compared.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    profile: Option<Profile>,
    topic: &'static str,
    /// What is set on top of the profile.
    segment: Option<u16>,
    fragment: Option<u16>,
}

const DEFAULT: Kind = Kind {
    name: "default",
    profile: None,
    topic: "devices/kitchen-1/telemetry",
    segment: None,
    fragment: None,
};
const THREAD: Kind = Kind {
    name: "thread",
    profile: Some(Profile::Thread),
    topic: "t",
    ..DEFAULT
};

/// Everything that was measured of one scheme.
struct Row {
    /// Rung by rung.
    apart: Climb,
    /// In one go.
    whole: Climb,
    /// The TLS rung, and the whole connection, with a session to resume.
    resumed: Option<(Frames, Frames)>,
}

/// Measures and prints, and sees that the profile saves what it is to save.
///
/// # Panics
/// If it does not.
pub(crate) fn print(mesh: &mut Mesh, certificates: &Certificates) {
    // No frames for names, but in the line that is about them.
    mesh.device.hosts(&format!(
        "127.0.0.1 localhost\n::1 localhost\n{} {NAME}\n",
        address::BROKER
    ));
    let scene = Scene {
        prefix: mesh.prefix().to_string(),
        resolver: SocketAddr::new(mesh.router_address().parse().expect("an address"), 53),
        certificates,
        mesh,
    };
    println!(
        "| | tcp | tls | tls, resumed | upgrade | mqtt | connect | connect, resumed | first message | next one \
         | {BURST} in a row |\n|-|-|-|-|-|-|-|-|-|-|-|"
    );
    for scheme in ["mqtt", "mqtts"] {
        for kind in [DEFAULT, THREAD] {
            scene.row(scheme, kind, 1).show(scheme, kind.name);
        }
    }
    let [plain, thread] = [DEFAULT, THREAD].map(|kind| {
        let row = scene.row("wss", kind, TIMES);
        row.show("wss", kind.name);
        row.whole
    });
    println!("\nwss, connect, with more settings:");
    let variants = [
        ("thread and an MSS of 428 bytes", Some(428), None),
        ("thread and an MSS of 474 bytes", Some(474), None),
        ("thread and fragments of 512 bytes", None, Some(512)),
    ];
    for (name, segment, fragment) in variants {
        let kind = Kind {
            segment,
            fragment,
            ..THREAD
        };
        let whole = scene.run("wss", kind, &Arc::default(), false);
        println!("- {name}: {}", whole.connect);
    }
    println!("\nA and AAAA, both schemes and profiles: {}", scene.names());
    let (before, after) = (plain.connect.all(), thread.connect.all());
    assert!(
        after * 3 <= before * 2,
        "{after} of {before} frames is no third saved"
    );
    let [_, next] = thread.messages;
    assert!(next.sent <= 3, "a message takes {next} frames");
}

impl Row {
    fn show(&self, scheme: &str, name: &str) {
        let of = |rung| text(Some(self.apart.of(rung)).filter(|frames| frames.all() > 0));
        let (tls, whole) = self.resumed.unzip();
        println!(
            "| {scheme}, {name} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            of(Rung::Tcp),
            of(Rung::Tls),
            text(tls),
            of(Rung::Upgrade),
            of(Rung::Mqtt),
            self.whole.connect,
            text(whole),
            self.whole.messages[0],
            self.whole.messages[1],
            self.whole.burst,
        );
    }
}

fn text(frames: Option<Frames>) -> String {
    frames.map_or_else(|| "-".into(), |frames| frames.to_string())
}

struct Scene<'a> {
    mesh: &'a Mesh,
    certificates: &'a Certificates,
    prefix: String,
    resolver: SocketAddr,
}

impl Scene<'_> {
    fn run(&self, scheme: &str, kind: Kind, sessions: &Arc<Sessions>, apart: bool) -> Climb {
        let options = self.options(scheme, kind, sessions);
        climb(self.mesh, options, kind.topic, apart)
    }

    /// `times`: how often the whole connection is measured; the median counts.
    fn row(&self, scheme: &str, kind: Kind, times: usize) -> Row {
        let sessions = Arc::default();
        let apart = self.run(scheme, kind, &sessions, true);
        let resumed = sessions.bytes().is_some().then(|| {
            let tls = self.run(scheme, kind, &sessions, true).of(Rung::Tls);
            (tls, self.run(scheme, kind, &sessions, false).connect)
        });
        let cold = (0..times).map(|_| self.run(scheme, kind, &Arc::default(), false));
        let mut cold: Vec<_> = cold.collect();
        cold.sort_by_key(|climb| climb.connect.all());
        Row {
            apart,
            whole: cold.swap_remove(times / 2),
            resumed,
        }
    }

    /// The frames that it takes to ask the border router for A and AAAA.
    fn names(&self) -> Frames {
        let options = self.options("mqtt", DEFAULT, &Arc::default());
        let asking = options
            .clone()
            .resolver(Resolver::Servers(vec![self.resolver]));
        let [with, without] =
            [asking, options].map(|options| climb(self.mesh, options, DEFAULT.topic, false));
        with.connect - without.connect
    }

    fn options(&self, scheme: &str, kind: Kind, sessions: &Arc<Sessions>) -> Options {
        let mut options = Options::new(&url(scheme, NAME)).expect("a URL");
        let mut tls = TlsOptions::new();
        if let Some(profile) = kind.profile {
            options = options.profile(profile);
            tls = tls.profile(profile);
        }
        if let Some(segment) = kind.segment {
            options = options.mss(segment);
        }
        if let Some(fragment) = kind.fragment {
            tls = tls.max_fragment(fragment);
        }
        let tls = tls.sessions(Arc::clone(sessions));
        options
            .client_id("dev1")
            .nat64(nat64(&self.prefix).expect("a prefix"))
            .tls(tls.ca_file(self.certificates.root()).expect("the root"))
    }
}
