//! Frames of defmt: what a firmware's ELF file and the bytes of a device come to. The file is made here, as a linker
//! makes it; that real ones are read the same is tested in `interop/firmware`.

use std::io::{self, Read};

use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
    write::{Object, Symbol, SymbolSection},
};
use proptest::prelude::*;
use towpath_doctor::explain::{self, Climb, Firmware, Frame, Frames};

/// Tag and text of each string; its index is its place and 1.
const STRINGS: &[(&str, &str)] = &[
    ("info", "{} {} at {=u64:us} s"),             // 1
    ("write", "tcp"),                             // 2
    ("derived", "started|reached|failed"),        // 3
    ("error", "tcp: {=istr}. [TP-TCP-010]"),      // 4
    ("str", "connection refused {and} 100 %"),    // 5
    ("println", "{=str} {=[u8]} {=[?]} {=bool}"), // 6
    ("prim", "{=u8}"),                            // 7
    ("prim", "{=__internal_FormatSequence}"),     // 8
    ("warn", "{=i8} {=u16:#06x} {0=..}"),         // 9: can't be read
    ("warn", "{=i8} {=u16:#06x} {=8..12}"),       // 10
    (
        "debug",
        "{=f32} {=char} {=__internal_Display} {=[u8;2]} {=u64:tms}",
    ), // 11
    ("trace", "{}"),                              // 12
];

/// An ELF file with these strings.
fn elf(encoding: &str, version: &str) -> Vec<u8> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Arm, Endianness::Little);
    let section = object.add_section(Vec::new(), b".defmt".to_vec(), SectionKind::ReadOnlyData);
    object.append_section_data(section, &[0; 64], 1);
    let mut add = |name: String, value, section| {
        object.add_symbol(Symbol {
            name: name.into_bytes(),
            value,
            size: 1,
            kind: SymbolKind::Data,
            scope: SymbolScope::Linkage,
            weak: false,
            section,
            flags: SymbolFlags::None,
        });
    };
    add(
        format!("_defmt_version_ = {version}"),
        0,
        SymbolSection::Absolute,
    );
    add(
        format!("_defmt_encoding_ = {encoding}"),
        0,
        SymbolSection::Absolute,
    );
    let named = |tag: &str, data: &str| {
        serde_json::json!({
            "package": "p", "tag": format!("defmt_{tag}"), "data": data, "disambiguator": "1", "crate_name": "c",
        })
        .to_string()
    };
    for (at, (tag, data)) in (1..).zip(STRINGS) {
        add(named(tag, data), at, SymbolSection::Section(section));
    }
    add(
        named("timestamp", "{=u32:ms}"),
        0,
        SymbolSection::Section(section),
    );
    object.write().unwrap()
}

fn firmware() -> Firmware {
    Firmware::read(&elf("rzcobs", "4")).unwrap()
}

/// The frame of a statement, at 1.5 s, with these arguments.
fn frame(statement: u16, arguments: &[u8]) -> Vec<u8> {
    let mut bytes = statement.to_le_bytes().to_vec();
    bytes.extend(1500_u32.to_le_bytes());
    bytes.extend(arguments);
    bytes
}

/// As rzCOBS puts it on the wire, by the rule of its description: seven bytes, then which of them were zeros.
fn stuffed(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = bytes.to_vec();
    // What is missing at the end is zeros, which the reader does not mind behind a frame.
    bytes.resize(bytes.len().next_multiple_of(7), 0);
    for seven in bytes.chunks(7) {
        let mut zeros = 0;
        for (place, byte) in seven.iter().enumerate() {
            match byte {
                0 => zeros |= 1 << place,
                byte => out.push(*byte),
            }
        }
        if zeros == 0 {
            // A run of at least seven that are not zero has a mark of another kind, up to the zero behind it; the
            // tests' frames have none.
            unreachable!("seven bytes without a zero: {seven:?}");
        }
        out.push(zeros);
    }
    out.push(0);
    out
}

fn read(firmware: &Firmware, input: impl Read) -> Vec<Frame> {
    let mut frames = Frames::new(firmware, input);
    std::iter::from_fn(|| frames.frame().unwrap()).collect()
}

fn line(text: &str) -> Frame {
    Frame::Line(text.into())
}

fn reached() -> Vec<u8> {
    frame(1, &[2, 0, 3, 0, 1, 0x40, 0xe2, 1, 0, 0, 0, 0, 0])
}

fn refused() -> Vec<u8> {
    frame(4, &[5, 0])
}

#[test]
fn frames_become_the_lines_of_the_device() {
    let wire = [stuffed(&reached()), vec![0], stuffed(&refused())].concat();
    assert_eq!(
        read(&firmware(), wire.as_slice()),
        [
            line("1.500 [INFO ] tcp reached at 0.123456 s"),
            line("1.500 [ERROR] tcp: connection refused {and} 100 %. [TP-TCP-010]"),
        ]
    );
}

#[test]
fn every_kind_of_argument_is_written() {
    let firmware = Firmware::read(&elf("raw", "4")).unwrap();
    let list = [
        1, 0, 0, 0, b'x', 2, 0, 0, 0, 8, 9, 2, 0, 0, 0, 7, 0, 1, 2, 1,
    ];
    let sequence = [8, 0, 2, 0, 7, 0, 9, 0, 0];
    let mut various = 1.5_f32.to_le_bytes().to_vec();
    various.extend(u32::from('ß').to_le_bytes());
    various.extend(b"two\nlines\xff\x01\x02");
    various.extend(3_723_004_u64.to_le_bytes());
    let wire = [
        frame(6, &list),
        frame(10, &[0xfe, 0x0b, 0xa0, 0xc3]),
        frame(11, &various),
        frame(12, &sequence),
    ]
    .concat();
    assert_eq!(
        read(&firmware, wire.as_slice()),
        [
            line("1.500 x [8, 9] [1, 2] true"),
            line("1.500 [WARN ] -2 0xa00b 3"),
            line("1.500 [DEBUG] 1.5 ß two lines [1, 2] 01:02:03.004"),
            line("1.500 [TRACE] tcp9"),
        ]
    );
}

#[test]
fn what_is_damaged_is_said_and_the_rest_is_read() {
    let good = stuffed(&refused());
    let fault = line("1.500 [ERROR] tcp: connection refused {and} 100 %. [TP-TCP-010]");
    let firmware = firmware();
    for (damage, len) in [
        (b"text of something else".to_vec(), 22),
        // A statement that is not there, one that can't be read, and a string in the place of a statement.
        (stuffed(&frame(99, &[])), 4),
        (stuffed(&frame(9, &[])), 4),
        (stuffed(&frame(5, &[])), 4),
        // A list with as many elements as fit into a number.
        (
            stuffed(&frame(6, &[0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 0x7f])),
            8,
        ),
        // A frame with no end.
        (vec![7; 100_000], 0),
    ] {
        let wire = [&good[..], &damage, &[0], &good].concat();
        let frames = read(&firmware, wire.as_slice());
        let [first, Frame::Damaged(lost), last] = frames.as_slice() else {
            panic!("{damage:02x?}: {frames:?}");
        };
        assert_eq!((first, last), (&fault, &fault));
        assert!(*lost >= len, "{damage:02x?}: {lost}");
    }
    // Without marks the next whole frame is looked for.
    let firmware = Firmware::read(&elf("raw", "4")).unwrap();
    let wire = [&refused()[..], &[0xff; 5], &refused()].concat();
    assert_eq!(
        read(&firmware, wire.as_slice()),
        [fault.clone(), Frame::Damaged(5), fault]
    );
}

#[test]
fn another_file_says_why_it_has_no_words() {
    for (elf, why) in [
        (b"no ELF".to_vec(), "no ELF file"),
        (elf("rzcobs", "3"), "version 3"),
        (elf("morse", "4"), "morse"),
        (
            Object::new(BinaryFormat::Elf, Architecture::Arm, Endianness::Little)
                .write()
                .unwrap(),
            "-Tdefmt.x",
        ),
    ] {
        let error = Firmware::read(&elf).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_ladder_is_drawn_of_them_and_the_finding_is_named() {
    let wire = [stuffed(&reached()), stuffed(&refused())].concat();
    let mut climb = Climb::default();
    let mut log = String::new();
    let mut drawn = Vec::new();
    for frame in read(&firmware(), wire.as_slice()) {
        let Frame::Line(line) = frame else {
            panic!("{frame:?}")
        };
        drawn.extend(climb.line(&line));
        log.push_str(&format!("{line}\n"));
    }
    assert_eq!(
        drawn,
        [
            "  tcp       reached",
            "  tcp       broke\ntcp: connection refused {and} 100 %. [TP-TCP-010]"
        ]
    );
    let answer = explain::log("device", log.as_bytes()).unwrap();
    assert_eq!(answer.found[0].finding.id, "TP-TCP-010");
}

/// Bytes that are frames in part.
fn wires() -> impl Strategy<Value = Vec<u8>> {
    let statement = (0..20_u16, prop::collection::vec(any::<u8>(), 0..24));
    let frame = statement.prop_map(|(statement, arguments)| frame(statement, &arguments));
    let piece = prop_oneof![
        frame.prop_map(|mut frame| {
            frame.push(0xff);
            frame.push(0);
            frame
        }),
        Just(stuffed(&reached())),
        prop::collection::vec(any::<u8>(), 0..40),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// Gives bytes in pieces of this length.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.1.min(buffer.len()).min(self.0.len());
        let (now, rest) = self.0.split_at(len);
        buffer[..len].copy_from_slice(now);
        self.0 = rest;
        Ok(len)
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_to_an_end_however_they_are_cut(wire in wires(), len in 1_usize..50) {
        for encoding in ["rzcobs", "raw"] {
            let firmware = Firmware::read(&elf(encoding, "4")).unwrap();
            let whole = read(&firmware, wire.as_slice());
            prop_assert!(whole.len() <= wire.len());
            // Where nothing marks the ends, damage is given up at different places.
            let cut = read(&firmware, Pieces(&wire, len));
            if encoding == "rzcobs" {
                prop_assert_eq!(whole, cut);
            }
        }
    }

    #[test]
    fn any_line_is_drawn(lines in prop::collection::vec(".{0,60}|(tcp|tls|dns|mqtt) (started|reached|failed|sent A|won [0-9a-f:]{0,9}) at [0-9]{1,3}\\.[0-9]{1,6} s", 0..20)) {
        let mut climb = Climb::default();
        for line in lines {
            let _ = climb.line(&line);
        }
    }
}
