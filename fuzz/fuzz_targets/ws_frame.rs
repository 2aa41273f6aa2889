//! Frames, both roles: no panic, and the same comes out however the bytes are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use towpath_proto::{
    fault::Fault,
    ws::{Deframer, Opcode, Role, Step, frame::CONTROL_MAX},
};

/// What a receiver learns, free of how the bytes came.
#[derive(Debug, PartialEq)]
enum Seen {
    /// A payload byte of a message.
    Byte(Opcode, u8),
    EndOfMessage(Opcode),
    Control(Opcode, Vec<u8>),
    Fault(Fault),
}

fuzz_target!(|input: &[u8]| {
    let Some(([how, cuts @ ..], bytes)) = input.split_first_chunk::<5>() else {
        return;
    };
    let role = if how & 1 == 0 {
        Role::Client
    } else {
        Role::Server
    };
    let whole = receive(role, bytes, &[]);
    let cut = receive(role, bytes, cuts);
    assert_eq!(whole, cut);
});

/// Takes `bytes` in pieces of the lengths in `cuts`, over and over; all at once if there are none.
fn receive(role: Role, bytes: &[u8], cuts: &[u8]) -> Vec<Seen> {
    let mut deframer = Deframer::new(role);
    let mut seen = Vec::new();
    let mut raw = Vec::new();
    let mut rest = bytes;
    let mut lengths = cuts.iter().cycle();
    loop {
        if let Err(fault) = drain(&mut deframer, &mut raw, &mut seen) {
            seen.push(Seen::Fault(fault));
            return seen;
        }
        if rest.is_empty() {
            return seen;
        }
        let len = lengths
            .next()
            .map_or(rest.len(), |len| usize::from(*len).clamp(1, rest.len()));
        let (piece, behind) = rest.split_at(len);
        raw.extend_from_slice(piece);
        rest = behind;
    }
}

fn drain(deframer: &mut Deframer, raw: &mut Vec<u8>, seen: &mut Vec<Seen>) -> Result<(), Fault> {
    loop {
        match deframer.next(raw)? {
            Step::Need => return Ok(()),
            Step::Data {
                skip,
                take,
                opcode,
                end_of_message,
            } => {
                assert!(skip + take > 0, "a step without progress");
                let payload = &raw[skip..skip + take];
                seen.extend(payload.iter().map(|byte| Seen::Byte(opcode, *byte)));
                if end_of_message {
                    seen.push(Seen::EndOfMessage(opcode));
                }
                assert_eq!(deframer.between_messages(), end_of_message);
                raw.drain(..skip + take);
            }
            Step::Control { skip, take, opcode } => {
                assert!(opcode.is_control() && take <= CONTROL_MAX);
                seen.push(Seen::Control(opcode, raw[skip..skip + take].to_vec()));
                raw.drain(..skip + take);
            }
        }
    }
}
