//! The opening handshake, both roles: no panic, and the same outcome however the bytes are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use towpath_proto::{
    fault::{Code, Fault},
    http::head,
    text::Text,
    ws::handshake::{Answer, Upgrade},
};

fuzz_target!(|input: &[u8]| {
    let Some((cuts, bytes)) = input.split_first_chunk::<4>() else {
        return;
    };
    let whole = answer(bytes, &[]);
    assert_eq!(whole, answer(bytes, cuts));
    small_buffer(bytes, usize::from(cuts[0]) + 1);
    request(bytes);
});

/// What an answer comes to: where frames begin, a fault, or what its end would mean.
#[derive(Debug, PartialEq)]
enum Outcome {
    Open(usize),
    Fault(Fault),
    Unfinished(Option<Fault>),
}

fn answer(bytes: &[u8], cuts: &[u8]) -> Outcome {
    // The key of RFC 6455 section 1.3; its accept value is in the dictionary.
    let mut answer = Answer::new(b"the sample nonce", "mqtt");
    let (mut from, mut to) = (0, 0);
    let mut lengths = cuts.iter().cycle();
    while to < bytes.len() {
        let left = bytes.len() - to;
        to += lengths
            .next()
            .map_or(left, |len| usize::from(*len).clamp(1, left));
        match answer.absorb(&bytes[from..to], false) {
            Ok(progress) => {
                from += progress.consumed;
                if progress.done {
                    return Outcome::Open(from);
                }
            }
            Err(fault) => return Outcome::Fault(without_detail(fault)),
        }
    }
    Outcome::Unfinished(answer.eof().map(without_detail))
}

/// How much noise is there to be quoted depends on when it came; what it is called does not.
fn without_detail(fault: Fault) -> Fault {
    let detail = match fault.code {
        Code::NotHttp => Text::EMPTY,
        _ => fault.detail,
    };
    Fault { detail, ..fault }
}

/// A buffer too small for lines: every call takes something, or ends it.
fn small_buffer(bytes: &[u8], size: usize) {
    let mut answer = Answer::new(b"the sample nonce", "mqtt");
    let mut from = 0;
    while from < bytes.len() {
        let to = bytes.len().min(from + size);
        match answer.absorb(&bytes[from..to], to - from == size) {
            Ok(progress) if progress.done => return,
            Ok(progress) => {
                assert!(progress.consumed <= to - from);
                if progress.consumed == 0 {
                    assert!(to - from < size, "stuck with a full buffer");
                    return;
                }
                from += progress.consumed;
            }
            Err(_) => return,
        }
    }
}

fn request(bytes: &[u8]) {
    let Some(len) = head::len(bytes) else {
        assert!(Upgrade::parse(bytes, &["mqtt"]).is_err());
        return;
    };
    assert_eq!(head::len(&bytes[..len]), Some(len));
    assert_eq!(head::len(&bytes[..len - 1]), None);
    let mut out = [0; 512];
    match (
        Upgrade::parse(bytes, &["mqtt"]),
        Upgrade::parse(&bytes[..len], &["mqtt"]),
    ) {
        (Ok(upgrade), Ok(alone)) => {
            assert_eq!(upgrade.target, alone.target);
            let written = upgrade.encode(&mut out).expect("room enough");
            assert_eq!(head::len(&out[..written]), Some(written));
        }
        (Err(rejection), Err(alone)) => {
            assert_eq!(rejection, alone);
            rejection.encode(&mut out).expect("room enough");
        }
        (whole, alone) => panic!("{whole:?} but {alone:?}"),
    }
}
