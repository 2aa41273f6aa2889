//! Sessions: resumed in both versions, also by another process, and only with what they were made with.

use std::{
    io::{Read as _, Write as _},
    process::{Command, Stdio},
};

use openssl::ssl::{SslContext, SslVersion};
use towpath_proto::tls::{Clock, Fact, Profile, Roots, Tls as _};
use towpath_tls_openssl::{Connection, Context};

use crate::{TLS12, TLS13, World, authority::Wish, peer, peer::Server};

fn open(context: &Context, server: &SslContext, session: Option<&[u8]>) -> Connection {
    let mut client = context.connect(session).unwrap();
    let mut server = Server::new(server);
    peer::meet(&mut client, &mut server).unwrap();
    // In TLS 1.3 a ticket comes with the first data.
    server.send(b"x");
    peer::meet(&mut client, &mut server).unwrap();
    client
}

fn session_of(client: &mut Connection) -> Vec<u8> {
    let mut kept = Vec::new();
    client.take_session(&mut |bytes| kept = bytes.to_vec());
    kept
}

fn is_resumed(client: &Connection) -> bool {
    client.agreed().unwrap().resumed
}

#[test]
fn a_session_is_resumed_from_its_bytes() {
    let world = World::new();
    for (versions, version) in [(TLS12, SslVersion::TLS1_2), (TLS13, SslVersion::TLS1_3)] {
        let server = world.context(Some(version));
        let context = |server_name| {
            world.profile(|profile| {
                Context::new(&Profile {
                    versions: Some(versions),
                    server_name,
                    ..profile
                })
                .unwrap()
            })
        };
        let mut first = open(&context(None), &server, None);
        assert!(!is_resumed(&first));
        let session = session_of(&mut first);
        assert!(session.len() > 100);
        assert_eq!(session_of(&mut first), b"", "once");
        let mut tickets = 0;
        while let Some(fact) = first.next_fact() {
            tickets += usize::from(fact == Fact::Ticket);
        }
        assert!(tickets > 0);
        // Another context of the same profile.
        let mut second = open(&context(None), &server, Some(&session));
        assert!(is_resumed(&second));
        // And once more with what the second gave, if it gave one.
        let newer = session_of(&mut second);
        if !newer.is_empty() {
            assert!(is_resumed(&open(&context(None), &server, Some(&newer))));
        }
        // A context of another profile does not take it, and does without.
        let other = open(&context(Some("other.test")), &server, Some(&session));
        assert!(!is_resumed(&other));
        // Nor does a server with other ticket keys.
        let stranger = world.context(Some(version));
        assert!(!is_resumed(&open(
            &context(None),
            &stranger,
            Some(&session)
        )));
    }
}

#[test]
fn a_resumed_session_renegotiates_with_the_same_server_only() {
    let world = World::new();
    let server = world.context(Some(SslVersion::TLS1_2));
    let context = world.profile(|profile| {
        Context::new(&Profile {
            identity: Some(world.identity()),
            ..profile
        })
        .unwrap()
    });
    let session = session_of(&mut open(&context, &server, None));
    for same in [true, false] {
        let mut client = context.connect(Some(&session)).unwrap();
        let mut server = Server::new(&server);
        peer::meet(&mut client, &mut server).unwrap();
        assert!(is_resumed(&client));
        client.allow_renegotiation(true);
        if !same {
            let twin = world.root.sign(Wish::default());
            let other = peer::context(&twin, &[], Some(&world.devices)).build();
            towpath_tls_openssl::server::switch_context(&mut server.stream, &other);
        }
        server.renegotiate();
        let met = peer::meet(&mut client, &mut server);
        assert_eq!(met.is_ok(), same);
        if let Err(fault) = met {
            assert_eq!(fault.code, towpath_proto::Code::RenegotiationIdentity);
        }
    }
}

#[test]
fn bytes_that_are_no_session_are_left_out() {
    let world = World::new();
    let server = world.context(None);
    let context = world.profile(|profile| Context::new(&profile).unwrap());
    let session = session_of(&mut open(&context, &server, None));
    let cut: Vec<_> = (0..session.len()).step_by(17).collect();
    for len in cut {
        let client = open(&context, &server, Some(&session[..len]));
        assert!(!is_resumed(&client), "{len}");
    }
    let mut changed = session.clone();
    changed[40] ^= 0xff;
    assert!(!is_resumed(&open(&context, &server, Some(&changed))));
    assert!(openssl::error::ErrorStack::get().errors().is_empty());
    assert!(is_resumed(&open(&context, &server, Some(&session))));
}

#[test]
fn what_a_full_handshake_would_refuse_is_not_resumed() {
    fn later() -> Option<u64> {
        u64::try_from(crate::authority::now() + 86_400 * 40).ok()
    }
    fn now() -> Option<u64> {
        u64::try_from(crate::authority::now()).ok()
    }
    let world = World::new();
    let server = world.context(Some(SslVersion::TLS1_2));
    let root = world.root.pem();
    let make = |clock, roots| {
        Context::new(&Profile {
            clock,
            roots,
            server: "localhost",
            ..Profile::default()
        })
        .unwrap()
    };
    let roots = Roots::Given(&[&root]);
    let session = session_of(&mut open(&make(Clock::Given(now), roots), &server, None));
    let take = |context: &Context, session: &[u8]| {
        let mut client = context.connect(Some(session)).unwrap();
        let met = peer::meet(&mut client, &mut Server::new(&server));
        (
            met.is_ok(),
            client.agreed().is_some_and(|agreed| agreed.resumed),
        )
    };
    assert_eq!(take(&make(Clock::System, roots), &session), (true, true));
    // The certificate has expired since.
    assert_eq!(
        take(&make(Clock::Given(later), roots), &session),
        (false, false)
    );
    // Other roots.
    assert_eq!(
        take(&make(Clock::System, Roots::System), &session),
        (false, false)
    );
    // Made without looking at dates.
    let unchecked = make(Clock::Unchecked, roots);
    let session = session_of(&mut open(&unchecked, &server, None));
    assert_eq!(take(&make(Clock::System, roots), &session), (true, false));
    assert_eq!(take(&unchecked, &session), (true, true));
}

const CHILD: &str = "TOWPATH_TEST_CHILD";

/// The other process: records go to the standard error and come from the standard input, since the test's own words go
/// to the standard output. Without the variable it is no test.
#[test]
fn child() {
    let Ok(version) = std::env::var(CHILD) else {
        return;
    };
    let mut input = std::io::stdin().lock();
    let mut block = || {
        let mut len = [0; 4];
        input.read_exact(&mut len).unwrap();
        let mut bytes = vec![0; u32::from_be_bytes(len) as usize];
        input.read_exact(&mut bytes).unwrap();
        bytes
    };
    let root = block();
    let session = block();
    let context = Context::new(&Profile {
        versions: Some(if version == "1.2" { TLS12 } else { TLS13 }),
        roots: Roots::Given(&[&root]),
        server: "localhost",
        ..Profile::default()
    })
    .unwrap();
    let mut client = context.connect(Some(&session)).unwrap();
    while !client.handshake().unwrap() {
        flush(&mut client);
        let bytes = block();
        client.rx_space()[..bytes.len()].copy_from_slice(&bytes);
        client.commit(bytes.len());
    }
    flush(&mut client);
    assert!(is_resumed(&client));
}

fn flush(client: &mut Connection) {
    let mut out = std::io::stderr().lock();
    out.write_all(client.sendable()).unwrap();
    out.flush().unwrap();
    let n = client.sendable().len();
    client.transmitted(n);
}

#[test]
fn another_process_resumes_the_session() {
    let world = World::new();
    for (name, versions) in [("1.2", TLS12), ("1.3", TLS13)] {
        let server = world.context(None);
        let context = world.profile(|profile| {
            Context::new(&Profile {
                versions: Some(versions),
                ..profile
            })
            .unwrap()
        });
        let session = session_of(&mut open(&context, &server, None));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "sessions::child", "--nocapture"])
            .env(CHILD, name)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut send = |bytes: &[u8]| {
            let len = u32::try_from(bytes.len()).unwrap().to_be_bytes();
            input.write_all(&len)?;
            input.write_all(bytes)
        };
        send(&world.root.pem()).unwrap();
        send(&session).unwrap();
        let mut output = child.stderr.take().unwrap();
        let mut server = Server::new(&server);
        let mut space = [0; 4096];
        while !server.open {
            let n = output.read(&mut space).unwrap();
            assert!(n > 0, "the child ended: {:?}", server.ended);
            server.stream.get_mut().incoming.extend(&space[..n]);
            server.turn();
            let flight = std::mem::take(&mut server.stream.get_mut().outgoing);
            // A child that has finished its handshake does not wait for tickets.
            if !flight.is_empty() && send(&flight).is_err() {
                assert!(server.open);
            }
        }
        drop(input);
        assert!(child.wait().unwrap().success());
        assert!(server.stream.ssl().session_reused());
    }
}
