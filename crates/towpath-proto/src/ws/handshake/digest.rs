//! SHA-1 of the one length that a handshake has (RFC 3174), and base64 (RFC 4648 4).
//!
//! Written out here because libraries are made for speed and any length: `sha1_smol` and `base64ct` take 3.3 KB of a
//! device's flash for one handshake, this 0.5. Nothing here is a secret, so no time has to be constant.

/// How many bytes are hashed: a key in base64 and the identifier of the protocol.
const HASHED: u16 = 24 + 36;

const START: [u32; 5] = [
    0x6745_2301,
    0xEFCD_AB89,
    0x98BA_DCFE,
    0x1032_5476,
    0xC3D2_E1F0,
];

/// The digest of a key and, behind it, the identifier.
pub(super) fn sha1(key: &[u8; 24], identifier: &[u8; 36]) -> [u8; 20] {
    // Two blocks, since the bit that ends the text still fits the first and its length does not.
    let mut blocks = [0; 128];
    let text = key.iter().chain(identifier).chain(&[0x80]);
    for (to, from) in blocks.iter_mut().zip(text) {
        *to = *from;
    }
    [blocks[126], blocks[127]] = (HASHED * 8).to_be_bytes();
    let mut state = START;
    for block in blocks.as_chunks::<64>().0 {
        compress(&mut state, block);
    }
    let mut digest = [0; 20];
    for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(&state) {
        *bytes = word.to_be_bytes();
    }
    digest
}

/// RFC 3174 6.2, by the method that keeps sixteen words.
fn compress(state: &mut [u32; 5], block: &[u8; 64]) {
    let mut words = [0; 16];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for t in 0..80_usize {
        let word = |back: usize| words[t.wrapping_sub(back) % 16];
        let mut w = word(16);
        if t >= 16 {
            w = (word(3) ^ word(8) ^ word(14) ^ w).rotate_left(1);
            words[t % 16] = w;
        }
        let (f, k) = match t {
            0..20 => (d ^ b & (c ^ d), 0x5A82_7999),
            20..40 => (b ^ c ^ d, 0x6ED9_EBA1),
            40..60 => (b & c | d & (b | c), 0x8F1B_BCDC_u32),
            _ => (b ^ c ^ d, 0xCA62_C1D6),
        };
        let next = a
            .rotate_left(5)
            .wrapping_add(f)
            .wrapping_add(e)
            .wrapping_add(k)
            .wrapping_add(w);
        (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
    }
    for (sum, part) in state.iter_mut().zip(&[a, b, c, d, e]) {
        *sum = sum.wrapping_add(*part);
    }
}

/// Writes `bytes` in base64, padded, over the whole of `text`.
pub(super) fn base64(bytes: &[u8], text: &mut [u8]) {
    let mut bytes = bytes.iter();
    let (mut bits, mut held) = (0_u32, 0_u32);
    for to in text {
        if held < 6 {
            let Some(byte) = bytes.next() else {
                // What is held is the start of the last character that stands for something.
                *to = if held == 0 {
                    b'='
                } else {
                    character(bits << (6 - held))
                };
                held = 0;
                continue;
            };
            bits = bits << 8 | u32::from(*byte);
            held += 8;
        }
        held -= 6;
        *to = character(bits >> held);
    }
}

/// The character of the lowest six bits.
const fn character(bits: u32) -> u8 {
    match bits as u8 & 0x3F {
        six @ 0..=25 => b'A' + six,
        six @ 26..=51 => b'a' - 26 + six,
        six @ 52..=61 => six - (52 - b'0'),
        62 => b'+',
        _ => b'/',
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{string::String, vec::Vec};

    use base64ct::Encoding;
    use proptest::prelude::*;

    use super::*;

    /// SHA-1 of any length, by the same steps.
    fn of_any(text: &[u8]) -> [u8; 20] {
        let mut padded = [text, &[0x80]].concat();
        padded.resize((padded.len() + 8).next_multiple_of(64), 0);
        let end = padded.len() - 8;
        padded[end..].copy_from_slice(&(text.len() as u64 * 8).to_be_bytes());
        let mut state = START;
        for block in padded.as_chunks::<64>().0 {
            compress(&mut state, block);
        }
        let digest: Vec<u8> = state.into_iter().flat_map(u32::to_be_bytes).collect();
        digest.try_into().unwrap()
    }

    fn hex(digest: [u8; 20]) -> String {
        digest
            .iter()
            .map(|byte| std::format!("{byte:02x}"))
            .collect()
    }

    #[test]
    fn the_examples_of_rfc_3174_7_3() {
        let cases = [
            ("abc", 1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                1,
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            ),
            ("a", 1_000_000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
            (
                "0123456701234567012345670123456701234567012345670123456701234567",
                10,
                "dea356a2cddd90c7a7ecedc5ebb563934f460452",
            ),
        ];
        for (text, times, digest) in cases {
            assert_eq!(hex(of_any(text.repeat(times).as_bytes())), digest, "{text}");
        }
    }

    proptest! {
        #[test]
        fn digests_are_those_of_openssl(text: Vec<u8>, key in proptest::array::uniform24(any::<u8>()), fill: u8) {
            prop_assert_eq!(of_any(&text), openssl::sha::sha1(&text));
            let identifier = [fill; 36];
            let whole = [&key[..], &identifier].concat();
            prop_assert_eq!(sha1(&key, &identifier), openssl::sha::sha1(&whole));
        }

        #[test]
        fn base64_is_that_of_base64ct(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut text = [0; 136];
            let len = bytes.len().div_ceil(3) * 4;
            base64(&bytes, &mut text[..len]);
            let mut theirs = [0; 136];
            let theirs = base64ct::Base64::encode(&bytes, &mut theirs).unwrap();
            prop_assert_eq!(std::str::from_utf8(&text[..len]).unwrap(), theirs);
        }
    }
}
