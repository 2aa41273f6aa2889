//! The dialogue with a proxy: no panic, the same outcome however the answers are cut, and what is asked for is enough.
#![no_main]

use libfuzzer_sys::fuzz_target;
use towpath_proto::{
    fault::{Code, Fault},
    proxy::{Ask, Credentials, Output, ROOM, Scheme, Tunnel},
    text::Text,
};

fuzz_target!(|input: &[u8]| {
    let Some(([kind, cuts @ ..], bytes)) = input.split_first_chunk::<4>() else {
        return;
    };
    let ask = Ask {
        scheme: if kind & 1 == 0 {
            Scheme::Http
        } else {
            Scheme::Socks5
        },
        host: "broker.example",
        port: 443,
        credentials: (kind & 2 == 0).then_some(Credentials {
            user: "an\"na",
            password: b"secret",
        }),
    };
    let whole = play(&ask, bytes, |left, _| left);
    let mut lengths = cuts.iter().cycle();
    let cut = play(&ask, bytes, |left, _| {
        lengths
            .next()
            .map_or(left, |len| usize::from(*len).clamp(1, left))
    });
    assert_eq!(whole, cut);
    let asked = play(&ask, bytes, |left, most| most.min(left));
    assert_eq!(whole, asked);
});

/// What a dialogue comes to, and how many bytes of it were the proxy's where that matters.
#[derive(Debug, PartialEq)]
enum Outcome {
    Open(usize),
    Fault(Fault),
    Waits(usize),
}

/// `bytes` is all that the proxy says, whatever it hears. `next` says how many of the bytes that are left, and that are
/// asked for, are handed over.
fn play(ask: &Ask<'_>, bytes: &[u8], mut next: impl FnMut(usize, usize) -> usize) -> Outcome {
    let mut tunnel = Tunnel::new(*ask).expect("a good request");
    let mut counter = 0;
    let mut random = || {
        counter += 1;
        counter
    };
    let mut out = [0; ROOM];
    let mut taken = 0;
    let mut turns = 0;
    loop {
        turns += 1;
        assert!(turns <= 8 * bytes.len() + 64, "no end");
        match tunnel.poll_output(&mut random, &mut out) {
            Output::Transmit(len) => assert!(len > 0 && len <= ROOM),
            Output::Reconnect => {}
            Output::Read { most } => {
                assert!(most > 0);
                let left = bytes.len() - taken;
                if left == 0 {
                    return Outcome::Waits(taken);
                }
                let some = next(left, most);
                let absorbed = tunnel.absorb(&bytes[taken..taken + some]);
                assert!(absorbed > 0 && absorbed <= some);
                taken += absorbed;
            }
            Output::Done => {
                assert_eq!(tunnel.absorb(&bytes[taken..]), 0);
                return Outcome::Open(taken);
            }
            Output::Failed(fault) => return Outcome::Fault(without_noise(fault)),
        }
    }
}

/// How much noise is there to be quoted depends on when it came; what it is called does not.
fn without_noise(fault: Fault) -> Fault {
    let detail = match fault.code {
        Code::NotProxy => Text::EMPTY,
        _ => fault.detail,
    };
    Fault { detail, ..fault }
}
