//! What lines say by numbers: codes of Mbed TLS and esp-tls, errnos, getaddrinfo, alerts, CONNACK, HTTP, hubs. In goes a
//! line in lower case with who printed it; out come [`Says`].

use towpath_proto::fault::Code;

use super::{
    entry::Printer,
    fact::{
        Says::{self, Alert, Ended, Names, Step as Made},
        Step,
        Symptom::{Closed, Failed, NetUnreachable, NoName, Refused, Reset, Timeout, Unreachable},
        Weight::{Named, Root, Symptom as Weak},
    },
};

/// Calls `each` with everything that a number in this line says.
pub(super) fn says(line: &str, printer: Printer, mut each: impl FnMut(Says)) {
    alert(line, &mut each);
    if let Some(code) = mbedtls(line) {
        of_mbedtls(line, code, &mut each);
    }
    if let Some(bytes) = behind(line, "alloc(").filter(|_| line.contains("failed")) {
        // A TLS buffer is 16 kB and more; what is smaller ought to be found in a heap that is not in pieces.
        each(Names(
            if bytes >= 8192 {
                "TP-DEV-008"
            } else {
                "TP-DEV-009"
            },
            Root,
        ));
    }
    esp(line, &mut each);
    flags(line, &mut each);
    connack(line, &mut each);
    status(line, &mut each);
    hub(line, &mut each);
    lookup(line, &mut each);
    errno(line, printer, &mut each);
}

/// The id of a finding, or the name of a fault, as towpath itself prints them. The line is in lower case.
pub(super) fn own(line: &str) -> Option<&'static str> {
    if let Some((_, rest)) = line.split_once("[tp-").or_else(|| line.split_once("\"tp-")) {
        let (id, _) = rest.split_once([']', '"'])?;
        return crate::catalogue::find(&format!("TP-{id}")).map(|finding| finding.id);
    }
    let (_, rest) = line.split_once("\"rung\":\"")?;
    let (_, rest) = rest.split_once("\"code\":\"")?;
    let (name, _) = rest.split_once('"')?;
    let code = Code::ALL
        .iter()
        .find(|code| code.name().eq_ignore_ascii_case(name))?;
    Some(code.finding())
}

/// The number behind this word.
fn behind(line: &str, word: &str) -> Option<u32> {
    let (_, rest) = line.split_once(word)?;
    let rest = rest.trim_start_matches([' ', '=', ':', '(', '-', '#', '"']);
    leading(rest)
}

fn leading(text: &str) -> Option<u32> {
    if let Some(hex) = text.strip_prefix("0x") {
        let end = hex
            .find(|c: char| !c.is_ascii_hexdigit())
            .unwrap_or(hex.len());
        return u32::from_str_radix(hex.get(..end)?, 16).ok();
    }
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

/// Alerts as Mbed TLS, OpenSSL and others print them, with their direction.
fn alert(line: &str, each: &mut impl FnMut(Says)) {
    // "got an alert message, type: [2:40]"
    if let Some((_, rest)) = line.split_once("got an alert message, type: [") {
        let numbers = rest
            .split_once(']')
            .and_then(|(numbers, _)| numbers.split_once(':'));
        if let Some((level, number)) = numbers
            && let (Ok(2), Ok(number)) = (level.parse::<u8>(), number.parse::<u8>())
        {
            each(Alert(number, true));
        }
    }
    let sent = line.contains("send alert level=2");
    let told = [
        ("ssl alert number ", true),
        ("fatal alert message (msg ", true),
        ("message=", !sent),
    ];
    for (word, from_server) in told {
        let wanted = from_server || sent;
        if let Some(number) = behind(line, word).filter(|_| wanted && (word != "message=" || sent))
        {
            each(Alert(u8::try_from(number).unwrap_or(u8::MAX), from_server));
        }
    }
    if line.contains("alertreceived(handshakefailure)") {
        each(Alert(40, true));
    }
}

/// A code of Mbed TLS: `-0x7280`, `returned -29312`, and what Zephyr prints without 0x.
fn mbedtls(line: &str) -> Option<u32> {
    let mut rest = line;
    while let Some((_, after)) = rest.split_once("-0x") {
        let end = after
            .find(|c: char| !c.is_ascii_hexdigit())
            .unwrap_or(after.len());
        let code = after
            .get(..end)
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        if let Some(code @ 1..=0x7fff) = code {
            return Some(code);
        }
        rest = after;
    }
    for word in [
        "tls handshake error: -",
        "tls recv error: -",
        "tls send error: -",
    ] {
        if let Some((_, digits)) = line.split_once(word) {
            let end = digits
                .find(|c: char| !c.is_ascii_hexdigit())
                .unwrap_or(digits.len());
            return u32::from_str_radix(digits.get(..end)?, 16).ok();
        }
    }
    let is_tls = line.contains("mbedtls") || line.contains("ssl_") || line.contains("x509");
    let code = behind(line, "returned").filter(|_| is_tls && line.contains("returned -"))?;
    // Of errno's size are those of sockets below.
    (code > 0x1000 || line.contains("f_send") || line.contains("f_recv")).then_some(code)
}

fn of_mbedtls(line: &str, code: u32, each: &mut impl FnMut(Says)) {
    match code {
        0x7280 | 0x7880 => each(Ended(Closed)),
        0x6800 => each(Ended(Timeout)),
        0x004c | 0x004e | 0x0050 => each(Ended(Reset)),
        0x6900 | 0x6880 | 0x6680 => {}
        0x7780 => each(Names("TP-TLS-029", Weak)),
        // Only where an application reads: inside the library it is skipped.
        0x7b00 if line.contains("read") || line.contains("recv") => each(Names("TP-DEV-014", Root)),
        0x7b00 => {}
        0x2700 => each(Names("TP-TLS-056", Named)),
        0x7f00 => each(Names("TP-DEV-008", Named)),
        0x6c00 => each(Names("TP-DEV-013", Named)),
        _ => {
            let ids = crate::explain::code::mbedtls_ids(code);
            if let Some(id) = ids.first() {
                each(Names(id, Named));
            }
        }
    }
}

/// `0x8017` and its like.
fn esp(line: &str, each: &mut impl FnMut(Says)) {
    let Some(at) = line.find("0x80").filter(|_| line.contains("esp")) else {
        return;
    };
    let Some(code) = line.get(at..).and_then(leading) else {
        return;
    };
    match code {
        0x8001 => each(Ended(NoName)),
        0x8003 => each(Names("TP-DEV-005", Named)),
        0x8002 => each(Names("TP-DEV-007", Named)),
        0x8006 | 0x8009 => each(Ended(Timeout)),
        0x8008 => each(Ended(Closed)),
        0x8004 => each(Ended(Failed)),
        0x8011 => each(Names("TP-DEV-039", Named)),
        0x8015 => each(Names("TP-DEV-012", Named)),
        0x8017 => each(Names("TP-DEV-011", Named)),
        0x8019 => each(Names("TP-DEV-027", Named)),
        _ => {}
    }
}

/// The flags of a failed verification.
fn flags(line: &str, each: &mut impl FnMut(Says)) {
    let word = [
        "verify_flags",
        "verify flags",
        "cert flags",
        "cert_verify_flags",
    ];
    let found = word.into_iter().find_map(|word| behind(line, word));
    if let Some(id) = found.and_then(crate::explain::code::flag_id) {
        each(Names(id, Root));
    }
}

/// CONNACK by its code.
fn connack(line: &str, each: &mut impl FnMut(Says)) {
    let words = [
        "received connack (",
        "connack, result",
        "connack result",
        "connack error",
        "connack code",
        "connack return code",
        "connection refused, return code",
        "connected with result code",
        "connection rejected, return code",
        "connect return code",
        "mqtt connect failed",
        "mqtt_client: connection refused, code",
        "connack:",
        "connack",
    ];
    let is_connack = line.contains("connack") || line.contains("connect");
    let Some(code) = words
        .into_iter()
        .find_map(|word| behind(line, word))
        .filter(|_| is_connack)
    else {
        return;
    };
    let named = match code {
        0 => return each(Made(Step::Accepted)),
        1 | 0x84 => "TP-MQTT-003",
        2 | 0x85 => "TP-MQTT-004",
        3 | 0x88 | 0x89 => "TP-MQTT-005",
        4 | 0x86 => "TP-MQTT-006",
        5 | 0x87 => "TP-MQTT-007",
        0x80..=0xa2 => "TP-MQTT-016",
        _ => return,
    };
    each(Names(named, Root));
}

/// An HTTP status that is not 101.
fn status(line: &str, each: &mut impl FnMut(Says)) {
    let words = [
        "http/1.1",
        "http/1.0",
        "unexpected response code",
        "handshake resp",
        "http status",
        "unexpected server response",
    ];
    let Some(code) = words.into_iter().find_map(|word| behind(line, word)) else {
        return;
    };
    // A proxy's answer to CONNECT has the same first line; its lines name it.
    if line.contains("proxy") && code != 407 {
        return;
    }
    let id = match code {
        101 => return each(Made(Step::Upgraded)),
        200 => "TP-UPG-003",
        300..=399 => "TP-UPG-017",
        400 => "TP-UPG-011",
        401 => "TP-UPG-012",
        403 => "TP-UPG-013",
        404 => "TP-UPG-014",
        407 => "TP-PROXY-013",
        426 => "TP-UPG-016",
        500..=599 => "TP-UPG-018",
        _ => return,
    };
    each(Names(id, Root));
}

/// Error codes of hubs and of DPS, six digits that stand alone.
fn hub(line: &str, each: &mut impl FnMut(Says)) {
    let is_hub = ["error", "code", "hub", "dps", "azure", "provision"]
        .into_iter()
        .any(|word| line.contains(word));
    if !is_hub {
        return;
    }
    for word in line.split(|c: char| !c.is_ascii_alphanumeric() && c != '.') {
        let six = word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit());
        if let Some(id) = word
            .parse()
            .ok()
            .filter(|_| six)
            .and_then(crate::explain::code::hub_id)
        {
            each(Names(id, Root));
        }
    }
}

/// What a lookup returned.
fn lookup(line: &str, each: &mut impl FnMut(Says)) {
    let words = ["getaddrinfo", "resolve", "dns"];
    if !words.into_iter().any(|word| line.contains(word)) || line.contains("recv error") {
        return;
    }
    let returned = [
        "returns ",
        "returned ",
        "error ",
        "error: ",
        "failed: ",
        "failed ",
        "err ",
        "err: ",
        "ret ",
        "rc ",
    ];
    let Some((value, negative)) = returned.into_iter().find_map(|word| signed(line, word)) else {
        if line.contains("enoent") || line.contains("eai_noname") {
            each(Names("TP-DEV-002", Named));
        }
        return;
    };
    match (value, negative) {
        (2, true) => each(Names("TP-DEV-002", Named)),
        (11, true) => each(Names("TP-DEV-003", Named)),
        (5, true) => each(Names("TP-DNS-006", Named)),
        (4, true) => each(Names("TP-DNS-004", Named)),
        (3 | 101, true) => each(Names("TP-DNS-002", Named)),
        (116, true) => each(Ended(Timeout)),
        (200..=204, false) => each(Ended(NoName)),
        _ => {}
    }
}

/// A number with its sign behind a word.
fn signed(line: &str, word: &str) -> Option<(u32, bool)> {
    let (_, rest) = line.split_once(word)?;
    let rest = rest.trim_start_matches([' ', '(', '=', ':', '[']);
    let negative = rest.starts_with('-');
    leading(rest.trim_start_matches('-')).map(|value| (value, negative))
}

/// Errnos of sockets.
fn errno(line: &str, printer: Printer, each: &mut impl FnMut(Says)) {
    let network = [
        "connect",
        "socket",
        "transport",
        "mqtt",
        "tls",
        "websocket",
        "http",
        "tcp",
        "sock",
        "send",
        "recv",
        "read",
        "write",
    ];
    let names = ["getaddrinfo", "resolv", "dns", "connack", "reconnect"];
    let about = |words: &[&str]| words.iter().any(|word| line.contains(word));
    if !about(&network) || about(&names) {
        return;
    }
    let words = [
        "errno=",
        "errno: ",
        "errno ",
        "error: ",
        "error code: ",
        "error ",
        "failed: ",
        "failed, ",
        "failed (",
        "err: ",
        "err ",
        "ret ",
        "ret: ",
        "returned ",
        "disconnected ",
        "mqtt_connect ",
        "mqtt_connect: ",
        "(",
    ];
    let found = words.into_iter().find_map(|word| {
        let bare = word.starts_with("errno");
        signed(line, word).filter(|(_, negative)| bare || *negative)
    });
    let Some((value, _)) = found.filter(|(value, _)| *value < 200) else {
        return;
    };
    if printer == Printer::Other && !line.contains('-') {
        linux(value, each);
    } else {
        newlib(line, value, each);
    }
}

fn newlib(line: &str, value: u32, each: &mut impl FnMut(Says)) {
    let opens =
        line.contains("socket") || line.contains("mqtt_connect") || line.contains("connect");
    let is_socket =
        line.contains("socket(") || line.contains("create socket") || line.contains("socket creat");
    each(match value {
        12 if is_socket => Names("TP-DEV-007", Named),
        23 | 24 => Names("TP-DEV-007", Named),
        41 if opens => Names("TP-DEV-001", Named),
        45 if opens => Names("TP-DEV-018", Named),
        96 | 106 => Names("TP-DEV-005", Named),
        107 if opens => Names("TP-DEV-001", Named),
        123 => Names("TP-DEV-004", Named),
        104 => Ended(Reset),
        111 => Ended(Refused),
        113 | 128 | 32 => Ended(Closed),
        5 if line.contains("transport") || line.contains("mqtt") => Ended(Closed),
        114 | 115 => Ended(NetUnreachable),
        116 | 119 => Ended(Timeout),
        118 => Ended(Unreachable),
        _ => return,
    });
}

fn linux(value: u32, each: &mut impl FnMut(Says)) {
    each(match value {
        23 | 24 => Names("TP-DEV-007", Named),
        104 => Ended(Reset),
        111 => Ended(Refused),
        32 => Ended(Closed),
        100 | 101 => Ended(NetUnreachable),
        110 => Ended(Timeout),
        113 => Ended(Unreachable),
        _ => return,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str, printer: Printer) -> Vec<Says> {
        let mut all = Vec::new();
        says(line, printer, |says| all.push(says));
        all
    }

    #[test]
    fn numbers_are_read_by_what_stands_before_them() {
        use Printer::{Esp, Other, Zephyr};
        for (line, printer, says) in [
            (
                "mbedtls_ssl_fetch_input() returned -29312 (-0x7280)",
                Zephyr,
                Ended(Closed),
            ),
            ("ssl->f_send() returned -80 (-0x0050)", Esp, Ended(Reset)),
            (
                "tls handshake error: -2700",
                Zephyr,
                Names("TP-TLS-056", Named),
            ),
            ("tls recv error: -4e", Zephyr, Ended(Reset)),
            ("mqtt_connect, error: -116", Zephyr, Ended(Timeout)),
            ("mqtt_connect, error: -111", Zephyr, Ended(Refused)),
            (
                "mqtt_connect failed: -107",
                Zephyr,
                Names("TP-DEV-001", Named),
            ),
            ("getaddrinfo failed: -2", Zephyr, Names("TP-DEV-002", Named)),
            (
                "getaddrinfo() returns 202, addrinfo=0x0",
                Esp,
                Ended(NoName),
            ),
            (
                "got an alert message, type: [2:40]",
                Zephyr,
                Alert(40, true),
            ),
            ("send alert level=2 message=48", Zephyr, Alert(48, false)),
            (
                "error: ssl routines: tlsv1 alert unknown ca: ssl alert number 48",
                Other,
                Alert(48, true),
            ),
            ("received connack (5)", Other, Names("TP-MQTT-007", Root)),
            ("http/1.1 404 not found", Other, Names("TP-UPG-014", Root)),
            ("alloc(16717 bytes) failed", Esp, Names("TP-DEV-008", Root)),
            ("alloc(4437 bytes) failed", Esp, Names("TP-DEV-009", Root)),
        ] {
            assert!(
                said(line, printer).contains(&says),
                "{line}: {:?}",
                said(line, printer)
            );
        }
    }

    #[test]
    fn findings_are_read_where_towpath_prints_them() {
        for (line, id) in [
            ("tcp: connection refused [tp-tcp-010]", Some("TP-TCP-010")),
            (
                r#"{"rung":"mqtt","code":"connacktimeout"}"#,
                Some("TP-MQTT-002"),
            ),
            ("an array [tp-1]", None),
        ] {
            assert_eq!(own(line), id, "{line}");
        }
    }

    #[test]
    fn other_numbers_say_nothing() {
        for line in [
            "temperature -116",
            "mqtt keepalive: 60s",
            "sent 404 bytes",
            "send alert level=1 message=0",
        ] {
            assert_eq!(said(line, Printer::Zephyr), [], "{line}");
        }
    }
}
