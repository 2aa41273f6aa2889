//! Captures: no panic and no more said than people read, whatever the file, the frames or the bytes of a connection are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use towpath_doctor::explain;

/// The link types that are read.
const LINKS: [u8; 16] = [
    0, 1, 9, 12, 14, 50, 101, 108, 113, 195, 215, 228, 229, 230, 51, 147,
];

fuzz_target!(|input: &[u8]| {
    let Some((control, rest)) = input.split_first() else {
        return;
    };
    match control {
        // What begins a capture is one as it is.
        0x0a | 0xd4 | 0xa1 | 0x4d => explained(input),
        0..=0x7f => explained(&frames(LINKS[usize::from(control % 16)], rest)),
        _ => explained(&conversation(*control, rest)),
    }
});

fn explained(file: &[u8]) {
    let diagnosis = explain::capture("fuzz", file).expect("a slice reads");
    assert!(diagnosis.notes.len() <= 24);
    assert!(diagnosis.found.len() <= 16);
    for found in &diagnosis.found {
        assert!(!found.evidence.is_empty(), "{}", found.finding.id);
        assert!(
            found
                .evidence
                .iter()
                .all(|evidence| evidence.seen.len() < 4096)
        );
    }
}

fn head(link: u8) -> Vec<u8> {
    let mut file = vec![
        0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0,
    ];
    file.extend_from_slice(&[link, 0, 0, 0]);
    file
}

fn push(file: &mut Vec<u8>, millis: u32, frame: &[u8]) {
    file.extend_from_slice(&(1_700_000_000 + millis / 1000).to_le_bytes());
    file.extend_from_slice(&(millis % 1000 * 1000).to_le_bytes());
    for _ in 0..2 {
        file.extend_from_slice(&(frame.len() as u32).to_le_bytes());
    }
    file.extend_from_slice(frame);
}

/// The input cut into frames, each behind its length.
fn frames(link: u8, mut rest: &[u8]) -> Vec<u8> {
    let mut file = head(link);
    let mut millis = 0;
    while let Some((len, after)) = rest.split_first() {
        let (frame, after) = after.split_at(usize::from(*len).min(after.len()));
        push(&mut file, millis, frame);
        millis += 100;
        rest = after;
    }
    file
}

/// The input as what two sides say: each part behind a byte with its side and what is special, and its length.
fn conversation(control: u8, mut rest: &[u8]) -> Vec<u8> {
    let mut file = head(101);
    let port = [1883u16, 8883, 443, 80, 3128, 1080, 8080, 8084][usize::from(control & 7)];
    let mut next = [1u32, 1];
    let mut millis = 0u32;
    push(&mut file, 0, &segment(true, port, [0, 0], 2, &[]));
    push(&mut file, 1, &segment(false, port, [1, 0], 18, &[]));
    while let Some(([how, len], after)) = rest.split_first_chunk::<2>() {
        let (data, after) = after.split_at(usize::from(*len).min(after.len()));
        rest = after;
        let client = how & 1 == 0;
        millis += 1 << (how >> 4);
        let flags = match how >> 1 & 7 {
            7 => 17,
            6 => 20,
            _ => 16,
        };
        let numbers = if client { next } else { [next[1], next[0]] };
        push(
            &mut file,
            millis,
            &segment(client, port, numbers, flags, data),
        );
        let own = &mut next[usize::from(!client)];
        // Now and then the same once more, or a hole.
        match how >> 1 & 7 {
            1 => {}
            2 => *own = own.wrapping_add(data.len() as u32 + 700),
            _ => *own = own.wrapping_add(data.len() as u32),
        }
    }
    file
}

fn segment(client: bool, port: u16, numbers: [u32; 2], flags: u8, data: &[u8]) -> Vec<u8> {
    let len = data.len() as u16 + 40;
    let mut packet = vec![0x45, 0];
    packet.extend_from_slice(&len.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 0, 64, 6, 0, 0]);
    let (from, to) = if client { (1, 2) } else { (2, 1) };
    packet.extend_from_slice(&[10, 0, 0, from, 10, 0, 0, to]);
    let ports = if client {
        [50_000, port]
    } else {
        [port, 50_000]
    };
    for port in ports {
        packet.extend_from_slice(&port.to_be_bytes());
    }
    for number in numbers {
        packet.extend_from_slice(&number.to_be_bytes());
    }
    packet.extend_from_slice(&[0x50, flags, 255, 255, 0, 0, 0, 0]);
    packet.extend_from_slice(data);
    packet
}
