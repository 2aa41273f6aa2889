//! Reads what was typed: numbers with and without sign, in hex and decimal, bytes of a packet, words in front of a number
//! that say of what kind it is, and names.

use super::{Meaning, errno, esp, mbedtls, names, of_system, peer, row, tables};

/// Without what is around it when it is copied out of a log or a sentence.
pub(super) fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || "\"'`.,;:()[]<>=".contains(c))
}

/// What it may mean, the likeliest first.
pub(super) fn meanings(text: &str) -> Vec<Meaning> {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || "=:,()".contains(c))
        .filter(|word| !word.is_empty())
        .collect();
    if let Some(meanings) = packet(text) {
        return meanings;
    }
    if let [only] = words.as_slice() {
        return match number(only) {
            Some(number) => bare_number(number),
            None => name(only),
        };
    }
    kind(&words)
}

/// A number as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Number {
    value: u32,
    negative: bool,
    hex: bool,
}

fn number(text: &str) -> Option<Number> {
    let (negative, digits) = match text.strip_prefix(['-', '\u{2212}', '\u{2013}']) {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let bytes = digits.as_bytes();
    let (hex, value) = match digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        Some(hex) => (true, u32::from_str_radix(hex, 16).ok()?),
        None if bytes.iter().all(u8::is_ascii_digit) => (false, digits.parse().ok()?),
        // Half of all logs of Mbed TLS leave the 0x out: -7280, or with a letter in it.
        None if negative && bytes.len() == 4 => (true, u32::from_str_radix(digits, 16).ok()?),
        None => return None,
    };
    // -0x7280 printed as an unsigned word.
    if !negative && value > 0xffff_0000 {
        return Some(Number {
            value: value.wrapping_neg(),
            negative: true,
            hex,
        });
    }
    Some(Number {
        value,
        negative,
        hex,
    })
}

/// A number that stands alone.
fn bare_number(number: Number) -> Vec<Meaning> {
    let value = number.value;
    let mut found = Vec::new();
    let mut add = |more: Vec<Meaning>| {
        for meaning in more {
            let known = |known: &Meaning| known.name == meaning.name && known.ids == meaning.ids;
            if !found.iter().any(known) {
                found.push(meaning);
            }
        }
    };
    if number.hex {
        hex(value, number.negative, &mut add);
    } else {
        decimal(value, number.negative, &mut add);
    }
    found
}

fn hex(value: u32, negative: bool, add: &mut impl FnMut(Vec<Meaning>)) {
    if negative {
        add(mbedtls::code(value));
        return;
    }
    match value {
        0x8000..=0x80ff => {
            add(of_system(esp::SYSTEM, value));
            add(of_system(esp::OLDER, value));
        }
        0x80..=0xa2 => {
            add(of_system(peer::REASON, value));
        }
        0..=0x7f => {
            add(of_system(peer::CONNACK, value));
            add(mbedtls::code(value));
            add(of_system(peer::ALERT, value));
        }
        _ => {
            add(of_system("ESP-IDF", value));
            add(mbedtls::code(value));
        }
    }
}

fn decimal(value: u32, negative: bool, add: &mut impl FnMut(Vec<Meaning>)) {
    if negative {
        match value {
            0..=200 => {
                add(errno_or_name(value));
                add(mbedtls::code(value));
            }
            // As hex without its 0x: -7280 is no code in decimal.
            1000..=9999 if mbedtls::code(value).is_empty() => {
                let hex = u32::from_str_radix(&value.to_string(), 16);
                add(hex.map(mbedtls::code).unwrap_or_default());
            }
            _ => add(mbedtls::code(value)),
        }
        return;
    }
    match value {
        0..=199 => {
            let systems = [peer::CONNACK, peer::PAHO, peer::ALERT, peer::HTTP];
            if value == 200 {
                add(of_system(names::SYSTEM_LWIP, value));
            }
            for system in systems {
                add(of_system(system, value));
            }
            add(errno::number(value));
            add(of_system(names::SYSTEM_OPENTHREAD, value));
            add(of_system(peer::REASON, value));
        }
        200..=599 => {
            add(of_system(names::SYSTEM_LWIP, value));
            add(of_system(peer::HTTP, value));
        }
        1000..=1015 => add(of_system(peer::CLOSE, value)),
        0x8000..=0x80ff => {
            add(of_system(esp::SYSTEM, value));
            add(of_system(esp::OLDER, value));
        }
        400_000..=599_999 => add(of_system(peer::HUB, value)),
        _ => {
            add(of_system("ESP-IDF", value));
            add(mbedtls::code(value));
        }
    }
}

/// A small negative number: of a socket, or of a lookup.
fn errno_or_name(value: u32) -> Vec<Meaning> {
    let mut found = Vec::new();
    // What getaddrinfo says is printed as it is; a socket's -2 or -11 is rare beside it.
    if matches!(value, 2..=12 | 101 | 103) {
        found.extend(of_system(names::SYSTEM_ZEPHYR, value));
        found.extend(errno::number(value));
        found.extend(of_system(names::SYSTEM_GLIBC, value));
    } else {
        found.extend(errno::number(value));
        found.extend(of_system(names::SYSTEM_ZEPHYR, value));
    }
    found
}

/// The first bytes of an MQTT packet that says no: `20 02 00 05`, `0x20 0x02 0x00 0x05`, `20020005`.
fn packet(text: &str) -> Option<Vec<Meaning>> {
    let digits: String = text
        .split(|c: char| c.is_whitespace() || c == ',')
        .map(|byte| byte.strip_prefix("0x").unwrap_or(byte))
        .collect();
    let bytes: Option<Vec<u8>> = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
        .collect();
    let reason = |code: &u8| (*code >= 0x80).then(|| of_system(peer::REASON, u32::from(*code)));
    match bytes?.as_slice() {
        [0x20, _, 0 | 1, code, ..] => Some(connack(u32::from(*code))),
        // PUBACK, PUBREC and SUBACK, which have an identifier before the code.
        [0x40 | 0x50, 3 | 4, _, _, code, ..] | [0x90, _, _, _, code, ..] => reason(code),
        [0xe0, _, code, ..] => reason(code),
        [0x15, 3, 1..=4, 0, 2, 1 | 2, code] => Some(of_system(peer::ALERT, u32::from(*code))),
        _ => None,
    }
}

fn connack(code: u32) -> Vec<Meaning> {
    if code < 0x80 {
        of_system(peer::CONNACK, code)
    } else {
        of_system(peer::REASON, code)
    }
}

/// Words of which one says what kind of number it is.
fn kind(words: &[&str]) -> Vec<Meaning> {
    let lower: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
    let has = |word: &str| lower.iter().any(|lower| lower.contains(word));
    let numbers: Vec<Number> = words.iter().filter_map(|word| number(word)).collect();
    let value = numbers.first().map(|number| number.value);
    let Some(value) = value else {
        return named(words);
    };
    let of = |system: &str| of_system(system, value);
    if has("flag") {
        return mbedtls::flags(value);
    }
    if has("connack") {
        return connack(value);
    }
    if has("alert") || has("msg") && has("fatal") {
        return of(peer::ALERT);
    }
    if has("puback") || has("suback") || has("disconnect") || has("reason") {
        return of(peer::REASON);
    }
    if has("http") || has("status") {
        return of(peer::HTTP);
    }
    if has("close") {
        return of(peer::CLOSE);
    }
    if has("getaddrinfo") || has("dns") || has("gai") || has("resolv") {
        return lookup(value);
    }
    if has("errno") {
        return errno::number(value);
    }
    if has("openthread") || has("error") && value == 28 {
        return of(names::SYSTEM_OPENTHREAD);
    }
    if has("esp") && (0x8000..=0x80ff).contains(&value) {
        return of(esp::SYSTEM);
    }
    if (has("rc") || has("return") || has("result")) && value <= 7 {
        let mut found = of(peer::CONNACK);
        found.extend(of(peer::PAHO));
        return found;
    }
    if has("mqtt_connect") || has("socket") || has("connect") && value <= 200 {
        return errno::number(value);
    }
    let meanings = named(words);
    if !meanings.is_empty() {
        return meanings;
    }
    // The number behind some function's name, as in "mbedtls_ssl_handshake returned -0x7280".
    numbers
        .into_iter()
        .map(bare_number)
        .find(|found| !found.is_empty())
        .unwrap_or_default()
}

/// What a lookup returned.
fn lookup(value: u32) -> Vec<Meaning> {
    let mut found = of_system(names::SYSTEM_ZEPHYR, value);
    found.extend(of_system(names::SYSTEM_GLIBC, value));
    found.extend(of_system(names::SYSTEM_LWIP, value));
    found
}

/// A word that is a name in some table.
fn named(words: &[&str]) -> Vec<Meaning> {
    let whole = words.join(" ");
    let found = name(&whole);
    if !found.is_empty() {
        return found;
    }
    // Not any word: "timeout" is a word of people.
    let mut found = words
        .iter()
        .filter(|word| word.contains('_') || is_errno(word));
    found
        .find_map(|word| Some(name(word)).filter(|found| !found.is_empty()))
        .unwrap_or_default()
}

fn is_errno(word: &str) -> bool {
    let word = word.trim_start_matches('-');
    word.len() > 3
        && word.starts_with('E')
        && word
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// A name of some table, with or without what all names there begin with.
fn name(text: &str) -> Vec<Meaning> {
    let wanted = plain(text.trim_start_matches('-'));
    if wanted.len() < 3 {
        return Vec::new();
    }
    let mut found: Vec<Meaning> = Vec::new();
    for (system, rows) in tables() {
        for entry in rows
            .iter()
            .filter(|entry| plain(entry.1) == wanted || short(entry.1) == wanted)
        {
            match found.iter_mut().find(|known| known.name == entry.1) {
                Some(known) => {
                    if known.system != system {
                        known.also(system);
                    }
                }
                None => found.push(row(system, entry)),
            }
        }
    }
    found
}

/// Letters and digits in lower case.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric())
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// A name without what all of its table begin with.
fn short(name: &str) -> String {
    let prefixes = [
        "MBEDTLS_ERR_",
        "MBEDTLS_X509_",
        "ESP_ERR_ESP_TLS_",
        "ESP_ERR_",
        "DNS_",
    ];
    let prefix = prefixes
        .into_iter()
        .find_map(|prefix| name.strip_prefix(prefix));
    plain(prefix.unwrap_or(name))
}
