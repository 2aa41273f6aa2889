//! What the command does on the device, as NAT64 comes and goes.

use std::path::PathBuf;

use net::{Failed, Outcome, Prefix, address, towpath, url};
use thread::{Certificates, Control, Mesh, NAME, built};

/// The options that a device on Thread needs: who is asked for names, and what Network Data has for NAT64.
struct Known {
    resolver: String,
    prefix: String,
}

impl Known {
    fn of(mesh: &mut Mesh) -> Self {
        Self {
            resolver: mesh.router_address(),
            prefix: mesh.prefix().to_string(),
        }
    }

    fn run(&self, mesh: &Mesh, arguments: &[&str]) -> Outcome {
        let mut all = arguments.to_vec();
        all.extend(["--resolver", &self.resolver, "--nat64-prefix", &self.prefix]);
        all.extend(["--timeout", "3"]);
        towpath(&mesh.device, &all)
    }

    fn publish(&self, mesh: &Mesh, host: &str) -> Outcome {
        self.run(
            mesh,
            &[
                "pub",
                &url("mqtt", host),
                "t",
                "-m",
                "hello",
                "-q",
                "1",
                "--json",
            ],
        )
    }
}

/// A message goes to the broker and comes back by each scheme, with the default settings and those for Thread.
///
/// # Panics
/// If one does not.
pub(crate) fn by_all_schemes(mesh: &mut Mesh, certificates: &Certificates) {
    let known = Known::of(mesh);
    let root: PathBuf = certificates.root();
    let root = root.display().to_string();
    for scheme in ["mqtt", "mqtts", "ws", "wss"] {
        let server = url(scheme, NAME);
        let profiles: [&[&str]; 3] = [
            &[],
            &["--profile", "thread"],
            &["--profile", "thread", "--tls", "mbed"],
        ];
        let secured = matches!(scheme, "mqtts" | "wss");
        for profile in &profiles[..if secured { 3 } else { 2 }] {
            let text = format!("{scheme} {}", profile.len());
            let mut more = profile.to_vec();
            if secured {
                more.extend(["--cafile", &root]);
            }
            let kept = ["pub", &server, "kept", "-m", &text, "-q", "1", "--retain"];
            let _ = known.run(mesh, &[&kept, &more[..]].concat()).done();
            let asked = ["sub", &server, "kept", "-q", "1", "-C", "1", "-W", "30"];
            let came = known.run(mesh, &[&asked, &more[..]].concat()).done();
            assert_eq!(came.trim_end(), text);
        }
    }
}

/// The line of the README, word for word.
///
/// # Panics
/// If it does not do.
pub(crate) fn by_what_a_user_types(mesh: &mut Mesh) {
    let control = built("posix/src/posix/ot-ctl").display().to_string();
    let line = "ot-ctl netdata show | awk '$2 ~ /n/ && $1 ~ /::\\// {print $1}'";
    let script = line.replace("ot-ctl", &format!("{control} -I wpandev"));
    let printed = mesh.device.feed("sh", &["-c", &script], "");
    // The daemon hangs up on whoever was there before.
    mesh.device_control = Control::of(&mesh.device, "wpandev");
    let prefix: Prefix = printed.trim().parse().expect("a prefix");
    assert_eq!(prefix, mesh.prefix());
    let known = Known {
        prefix: printed.trim().to_owned(),
        ..Known::of(mesh)
    };
    // An IPv4 literal needs no name server, yet the prefix.
    for host in [NAME, &address::BROKER.to_string()] {
        let _ = known.publish(mesh, host).done();
    }
}

/// The name server's IPv4 address is given as such.
///
/// # Panics
/// If it is not asked.
pub(crate) fn through_a_resolver_behind_nat64(mesh: &mut Mesh) {
    let known = Known {
        resolver: address::NAMES.to_string(),
        ..Known::of(mesh)
    };
    let _ = known.publish(mesh, NAME).done();
}

/// Each of these ends in one line with its own cause.
///
/// # Panics
/// If it does not.
pub(crate) fn faults_have_names(mesh: &mut Mesh) {
    let known = Known::of(mesh);
    assert_failed(
        &known.publish(mesh, "nobody.lab.example"),
        "nat64",
        "Nat64Silent",
    );
    let closed = format!("{NAME}:1884");
    assert_failed(&known.publish(mesh, &closed), "tcp", "Refused");
    assert_failed(
        &known.publish(mesh, "missing.lab.example"),
        "dns",
        "NameNotFound",
    );
    // The border router has no DNS64 and no ipv4only.arpa, so there is nothing to find.
    let blind = Known {
        prefix: "auto".into(),
        ..known
    };
    assert_failed(&blind.publish(mesh, NAME), "nat64", "Nat64NoPrefix");
}

/// The border router takes its NAT64 away: the device's own stack has no route then. With the route the way is back.
///
/// # Panics
/// If it is not so.
pub(crate) fn nat64_withdrawn_and_back(mesh: &mut Mesh) {
    let known = Known::of(mesh);
    mesh.router_control.tell("nat64 disable");
    mesh.until_nat64(false);
    assert_failed(&known.publish(mesh, NAME), "nat64", "Nat64NoRoute");
    mesh.router_control.tell("nat64 enable");
    mesh.until_nat64(true);
    let _ = Known::of(mesh).publish(mesh, NAME).done();
}

fn assert_failed(outcome: &Outcome, rung: &str, code: &str) {
    let expected = Failed {
        rung: rung.into(),
        code: code.into(),
    };
    assert_eq!(outcome.failed(), expected);
}
