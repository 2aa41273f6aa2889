//! The tap and the details it reads: no panic, and the same facts however the bytes are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use towpath_proto::{
    fault::Fault,
    text::Text,
    tls::{Seen, Side, Tap},
};

fuzz_target!(|input: &[u8]| {
    let Some(([how, cuts @ ..], bytes)) = input.split_first_chunk::<5>() else {
        return;
    };
    let side = if how & 1 == 0 {
        Side::Client
    } else {
        Side::Server
    };
    assert_eq!(watch(side, bytes, &[]), watch(side, bytes, cuts));
});

/// Takes `bytes` in pieces of the lengths in `cuts`, over and over; all at once if there are none.
fn watch(side: Side, bytes: &[u8], cuts: &[u8]) -> Vec<Seen> {
    let mut tap = Tap::new(side);
    let mut seen = Vec::new();
    let mut rest = bytes;
    let mut lengths = cuts.iter().cycle();
    while !rest.is_empty() {
        let n = lengths
            .next()
            .map_or(rest.len(), |n| usize::from(*n).clamp(1, rest.len()));
        let (piece, after) = rest.split_at(n);
        tap.observe(piece, &mut |what| seen.push(without_detail(what)));
        rest = after;
    }
    seen
}

/// How much of what is no TLS is there to be quoted depends on when it came.
fn without_detail(seen: Seen) -> Seen {
    match seen {
        Seen::Foreign(fault) => Seen::Foreign(Fault {
            detail: Text::EMPTY,
            ..fault
        }),
        seen => seen,
    }
}
