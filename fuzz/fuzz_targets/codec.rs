//! Length-prefixed fields, read from any bytes and written back: no panic, and what was read is what is written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use towpath_proto::bytes::{Reader, Writer};

fuzz_target!(|bytes: &[u8]| {
    let mut written = vec![0; bytes.len()];
    let mut writer = Writer::new(&mut written);
    let mut reader = Reader::new(bytes);
    while let Ok(length) = reader.u16() {
        let Ok(field) = reader.take(usize::from(length)) else {
            break;
        };
        writer.u16(length).expect("room for what was read");
        writer.put(field).expect("room for what was read");
    }
    let length = writer.written();
    assert_eq!(written[..length], bytes[..length]);
});
