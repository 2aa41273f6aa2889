//! Messages byte by byte.

use std::net::IpAddr;

use towpath_proto::net::dns::{
    Answer, Name, QUERY_ROOM, Record,
    message::{decode, encode},
};
use towpath_sim::{
    dns::{self, Question, Reply},
    hex, show,
};

use crate::{ip, name};

fn question(text: &str, record: Record, udp_size: u16) -> Vec<u8> {
    let mut room = [0; QUERY_ROOM];
    let len = encode(&name(text), record, 0x1234, udp_size, &mut room);
    room[..len.expect("room enough")].to_vec()
}

#[test]
fn questions() {
    let plain = "1234 0100 0001 0000 0000 0000  04'mqtt'07'example'00";
    for (record, kind) in [(Record::A, "0001"), (Record::Aaaa, "001c")] {
        let wanted = hex(&format!("{plain} {kind} 0001"));
        assert_eq!(question("mqtt.example", record, 0), wanted);
    }
    let edns = "1234 0100 0001 0000 0000 0001  04'mqtt'07'example'00 001c 0001
                00 0029 04d0 00000000 0000";
    assert_eq!(question("mqtt.example", Record::Aaaa, 1232), hex(edns));
}

#[test]
fn the_longest_question_fits_and_a_short_buffer_is_refused() {
    let label = "a".repeat(63);
    let long = name(&format!("{label}.{label}.{label}.{}", "b".repeat(61)));
    let mut room = [0; QUERY_ROOM];
    let len = encode(&long, Record::A, 1, 512, &mut room);
    assert_eq!(len, Some(QUERY_ROOM));
    assert_eq!(Question::read(&room).name, long.to_string());
    for short in 0..QUERY_ROOM {
        assert_eq!(encode(&long, Record::A, 1, 512, &mut room[..short]), None);
    }
}

/// What an answer comes to, comparable.
#[derive(Debug, PartialEq)]
pub(crate) enum Told {
    Stray,
    Truncated,
    Failed(u8),
    Malformed,
    Addresses(Vec<(IpAddr, u32)>),
    NoData(u32),
    NoName(u32),
    Alias(String, u32, u8),
    AliasLoop,
}

pub(crate) fn told(bytes: &[u8], id: u16, name: &Name, record: Record) -> Told {
    match decode(bytes, id, name, record) {
        Answer::Stray => Told::Stray,
        Answer::Truncated => Told::Truncated,
        Answer::Failed { rcode } => Told::Failed(rcode),
        Answer::Malformed => Told::Malformed,
        Answer::Addresses(addresses) => Told::Addresses(addresses.collect()),
        Answer::NoData { ttl } => Told::NoData(ttl),
        Answer::NoName { ttl } => Told::NoName(ttl),
        Answer::Alias {
            target,
            ttl,
            aliases,
        } => Told::Alias(target.to_string(), ttl, aliases),
        Answer::AliasLoop => Told::AliasLoop,
    }
}

/// Reads a message as an answer to the A question 1234 about `mqtt.example`.
fn reads(bytes: &[u8]) -> Told {
    told(bytes, 0x1234, &name("mqtt.example"), Record::A)
}

fn addresses(of: &[(&str, u32)]) -> Told {
    Told::Addresses(of.iter().map(|(text, ttl)| (ip(text), *ttl)).collect())
}

/// Header with these numbers of answer and authority records, and the question.
fn head(flags: &str, answers: u8, authority: u8) -> String {
    format!("1234 {flags} 0001 {answers:04x} {authority:04x} 0000 04'mqtt'07'example'00 0001 0001 ")
}

const CHAIN: &str = "
    c00c 0005 0001 0000012c 0007 04'edge'c011
    c02a 0001 0001 0000003c 0004 c6336407
    c02a 0001 0001 0000003d 0004 c6336408";

#[test]
fn answers_with_addresses() {
    let one = head("8180", 1, 0) + "c00c 0001 0001 00000e10 0004 c6336407";
    assert_eq!(reads(&hex(&one)), addresses(&[("198.51.100.7", 3600)]));
    // Compression: of the alias's target, and of the owners behind it.
    let chain = hex(&(head("8180", 3, 0) + CHAIN));
    let wanted = addresses(&[("198.51.100.7", 60), ("198.51.100.8", 61)]);
    assert_eq!(reads(&chain), wanted);
    // The least along the chain counts: here that of the alias.
    let brief = CHAIN.replace("0000012c", "00000005");
    let wanted = addresses(&[("198.51.100.7", 5), ("198.51.100.8", 5)]);
    assert_eq!(reads(&hex(&(head("8180", 3, 0) + &brief))), wanted);

    let six = "1234 8180 0001 0001 0000 0000 04'MQTT'07'EXAMPLE'00 001c 0001
               c00c 001c 0001 00000000 0010 20010db8 00000000 00000000 00000001";
    let six = told(&hex(six), 0x1234, &name("mqtt.example"), Record::Aaaa);
    assert_eq!(six, addresses(&[("2001:db8::1", 0)]));
}

#[test]
fn a_message_cut_anywhere_is_no_answer() {
    let whole = hex(&(head("8180", 3, 0) + CHAIN));
    for cut in 0..whole.len() {
        let told = reads(&whole[..cut]);
        // Without a whole header it is nobody's.
        let wanted = if cut < 12 {
            Told::Stray
        } else {
            Told::Malformed
        };
        assert_eq!(told, wanted, "cut at {cut}");
    }
    let more = [&whole[..], b"more"].concat();
    assert_eq!(reads(&more), reads(&whole), "what follows does not count");
}

/// One bit changed: whatever it says then, it says no address that is not in the message.
#[test]
fn a_message_with_a_flipped_bit_tells_no_other_name() {
    let whole = hex(&(head("8180", 3, 0) + CHAIN));
    let records = hex(&head("8180", 3, 0)).len();
    let mut strays = 0;
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        match reads(&bytes) {
            Told::Stray => {
                strays += 1;
                assert!(
                    bit / 8 < records,
                    "only the header and the question can do that"
                );
            }
            Told::Addresses(found) => {
                assert!(found.len() <= 2);
                for (address, _) in found {
                    let IpAddr::V4(address) = address else {
                        panic!("{address} for A");
                    };
                    let octets = address.octets();
                    let there = bytes.windows(4).any(|window| window == octets);
                    assert!(there, "{address} in {}", show(&bytes));
                }
            }
            _ => {}
        }
    }
    // Identifier, QR and opcode; the question except for the case bit of its eleven letters.
    assert!(strays > 16 + 5 + 11 * 7, "{strays}");
}

#[test]
fn names_that_point_in_circles() {
    for (what, record) in [
        ("at itself", "c01e 0001 0001 00000001 0004 01020304"),
        (
            "forward",
            "c030 0001 0001 00000001 0004 01020304 04'mqtt'00",
        ),
        ("behind the end", "ffff 0001 0001 00000001 0004 01020304"),
        (
            "into a label of a reserved type",
            "8000 0001 0001 00000001 0004 01020304",
        ),
        (
            "at a label and round",
            "01'a'c01e 0001 0001 00000001 0004 01020304",
        ),
        (
            "forward, in an alias",
            "c00c 0005 0001 00000001 0002 c02c c02a",
        ),
        (
            "at itself, in an alias",
            "c00c 0005 0001 00000001 0002 c02a",
        ),
        (
            "behind the end, in an alias",
            "c00c 0005 0001 00000001 0002 c0ff",
        ),
        ("past its record", "c00c 0005 0001 00000001 0002 04'ab'"),
    ] {
        let bytes = hex(&(head("8180", 1, 0) + record));
        assert_eq!(reads(&bytes), Told::Malformed, "{what}");
    }
    // Each label is followed by a pointer to the one before: 214 bytes of name are read, 414 are too many.
    for (labels, wanted) in [(100u16, Told::NoData(0)), (200, Told::Malformed)] {
        let mut bytes = hex(&(head("8180", 2, 0) + "c00c 000a 0001 00000001"));
        bytes.extend((labels * 4).to_be_bytes());
        let mut last = 12;
        for _ in 0..labels {
            let at = bytes.len() as u16;
            bytes.extend([1, b'a']);
            bytes.extend((0xc000u16 | last).to_be_bytes());
            last = at;
        }
        bytes.extend((0xc000 | last).to_be_bytes());
        bytes.extend(hex("0001 0001 00000001 0004 01020304"));
        assert_eq!(reads(&bytes), wanted);
    }
}

#[test]
fn records_of_the_wrong_length() {
    for (record, wanted) in [
        (
            "c00c 0001 0001 00000001 0004 c6336407",
            addresses(&[("198.51.100.7", 1)]),
        ),
        ("c00c 0001 0001 00000001 0003 c63364", Told::Malformed),
        ("c00c 0001 0001 00000001 0005 c633640700", Told::Malformed),
        ("c00c 0001 0001 00000001 0000", Told::Malformed),
        ("c00c 0001 0001 00000001 ffff c6336407", Told::Malformed),
        ("c00c 0005 0001 00000001 0000", Told::Malformed),
        ("c00c 0005 0001 00000001 0003 c00cff", Told::Malformed),
    ] {
        let bytes = hex(&(head("8180", 1, 0) + record));
        assert_eq!(reads(&bytes), wanted, "{record}");
    }
    // More records announced than there are.
    let bytes = hex(&(head("8180", 2, 0) + "c00c 0001 0001 00000001 0004 c6336407"));
    assert_eq!(reads(&bytes), Told::Malformed);
}

fn asked() -> Question {
    Question::read(&question("mqtt.example", Record::A, 1232))
}

/// A good answer that is spoilt in one way.
fn good() -> Reply {
    Reply::to(&asked()).a("mqtt.example", 60, [198, 51, 100, 7].into())
}

fn reads_reply(reply: &Reply) -> Told {
    reads(&reply.bytes())
}

#[test]
fn what_belongs_to_another_question_is_stray() {
    assert_eq!(reads_reply(&good()), addresses(&[("198.51.100.7", 60)]));
    for (what, reply) in [
        ("another identifier", good().id(0x1235)),
        ("a question", good().flags(0x0180)),
        ("a NOTIFY", good().flags(0xa180)),
        (
            "another name",
            good().question(Some(("mqtt.exampla", dns::A))),
        ),
        (
            "a name below",
            good().question(Some(("a.mqtt.example", dns::A))),
        ),
        (
            "another type",
            good().question(Some(("mqtt.example", dns::AAAA))),
        ),
        (
            "another name, cut off",
            good().question(Some(("a.b", dns::A))).truncated(),
        ),
        (
            "another name, refused",
            good().question(Some(("a.b", dns::A))).rcode(5),
        ),
    ] {
        assert_eq!(reads_reply(&reply), Told::Stray, "{what}");
    }
    // Class CH.
    let mut chaos = good().bytes();
    chaos[29] = 3;
    assert_eq!(reads(&chaos), Told::Stray);
    assert_eq!(reads(b""), Told::Stray);
    assert_eq!(reads_reply(&good().question(None)), Told::Malformed);
    // Two questions (RFC 9619).
    let mut two = good().question(None).bytes();
    two[5] = 2;
    two.splice(12..12, hex("04'mqtt'07'example'00 0001 0001").repeat(2));
    assert_eq!(reads(&two), Told::Malformed);
}

#[test]
fn response_codes() {
    let empty = || Reply::to(&asked());
    for rcode in 1..16 {
        let wanted = match rcode {
            3 => Told::NoName(0),
            _ => Told::Failed(rcode as u8),
        };
        assert_eq!(reads_reply(&empty().rcode(rcode)), wanted);
        // A server that did not read the question can't repeat it; that a name does not exist takes having read it.
        let without = reads_reply(&empty().question(None).rcode(rcode));
        let wanted = if rcode == 3 { Told::Malformed } else { wanted };
        assert_eq!(without, wanted);
    }
    // BADVERS is 16: its upper bits are in OPT (RFC 6891 section 6.1.3).
    assert_eq!(reads_reply(&good().opt(1)), Told::Failed(16));
    assert_eq!(
        reads_reply(&good().opt(0)),
        addresses(&[("198.51.100.7", 60)])
    );
    assert_eq!(reads_reply(&good().truncated()), Told::Truncated);
    assert_eq!(reads_reply(&good().truncated().rcode(2)), Told::Failed(2));
    // Whatever else it says.
    assert_eq!(reads_reply(&good().rcode(3)), Told::NoName(0));
}

#[test]
fn how_long_nothing_is_nothing() {
    let empty = || Reply::to(&asked());
    for (ttl, minimum, wanted) in [
        (300, 60, 60),
        (60, 300, 60),
        (0, 300, 0),
        (1 << 31, 300, 0),
        (1_000_000, 1_000_000, 10_800),
    ] {
        let negative = empty().soa("example", ttl, minimum);
        assert_eq!(reads_reply(&negative), Told::NoData(wanted));
        assert_eq!(reads_reply(&negative.rcode(3)), Told::NoName(wanted));
    }
    assert_eq!(reads_reply(&empty()), Told::NoData(0));
    // A zone says nothing about names outside of it.
    let foreign = empty().soa("elsewhere", 300, 300);
    assert_eq!(reads_reply(&foreign), Told::NoData(0));
    let root = empty().soa("", 300, 300).rcode(3);
    assert_eq!(reads_reply(&root), Told::NoName(300));
    // An alias that is good for a shorter time.
    let alias = empty().cname("mqtt.example", 7, "edge.example");
    let alias = alias.soa("example", 300, 300);
    assert_eq!(reads_reply(&alias), Told::NoData(7));
    assert_eq!(reads_reply(&alias.rcode(3)), Told::NoName(7));
}

#[test]
fn a_referral_is_no_answer() {
    let referral = Reply::to(&asked())
        .flags(0x8100)
        .ns("example", "ns.example");
    assert_eq!(reads_reply(&referral), Told::Failed(0));
    // With recursion the same is the third kind of "no data" (RFC 2308 section 2.2).
    assert_eq!(reads_reply(&referral.flags(0x8180)), Told::NoData(0));
}

#[test]
fn aliases_within_a_message() {
    let alias = |from: usize, to: usize| {
        let owner = |n: usize| match n {
            0 => "mqtt.example".to_owned(),
            n => format!("n{n}.example"),
        };
        (owner(from), owner(to))
    };
    let chain = |reply: Reply, links: usize| {
        // Backwards: their order means nothing.
        (0..links).rev().fold(reply, |reply, n| {
            let (from, to) = alias(n, n + 1);
            reply.cname(&from, 100 + n as u32, &to)
        })
    };
    let empty = || Reply::to(&asked());
    let end = chain(empty(), 8).a("n8.example", 500, [192, 0, 2, 8].into());
    assert_eq!(reads_reply(&end), addresses(&[("192.0.2.8", 100)]));
    let long = chain(empty(), 9).a("n9.example", 500, [192, 0, 2, 9].into());
    assert_eq!(reads_reply(&long), Told::AliasLoop);
    let leaves = Told::Alias("n3.example".to_owned(), 100, 3);
    assert_eq!(reads_reply(&chain(empty(), 3)), leaves);

    let circle =
        empty()
            .cname("mqtt.example", 1, "b.example")
            .cname("b.example", 1, "mqtt.example");
    assert_eq!(reads_reply(&circle), Told::AliasLoop);
    let itself = empty().cname("mqtt.example", 1, "mqtt.example");
    assert_eq!(reads_reply(&itself), Told::AliasLoop);
}

#[test]
fn records_of_others_count_for_nothing() {
    let addresses_of = |reply: Reply| reads_reply(&reply);
    let lie = good()
        .a("bank.example", 60, [203, 0, 113, 66].into())
        .aaaa(
            "mqtt.example",
            60,
            "2001:db8::66".parse().expect("an address"),
        )
        .cname("bank.example", 60, "evil.example");
    assert_eq!(addresses_of(lie), addresses(&[("198.51.100.7", 60)]));
    let only = Reply::to(&asked()).a("bank.example", 60, [203, 0, 113, 66].into());
    assert_eq!(addresses_of(only), Told::NoData(0));
    // In another section.
    let section = Reply::to(&asked()).record(2, "mqtt.example", dns::A, 60, &[203, 0, 113, 66]);
    assert_eq!(addresses_of(section), Told::NoData(0));
    // Class CH.
    let mut chaos = good().bytes();
    let class = chaos.len() - 4 - 2 - 4 - 1;
    assert_eq!(chaos[class], 1);
    chaos[class] = 3;
    assert_eq!(reads(&chaos), Told::NoData(0));
}

#[test]
fn what_can_be_no_destination_is_left_out() {
    let empty = || Reply::to(&asked());
    let four = ["0.0.0.0", "0.1.2.3", "224.0.0.251", "255.255.255.255"];
    let spoilt = four.iter().fold(empty(), |reply, text| {
        reply.a("mqtt.example", 9, text.parse().expect("an address"))
    });
    assert_eq!(reads_reply(&spoilt), Told::NoData(9));
    let with_one = spoilt.a("mqtt.example", 8, [127, 0, 0, 1].into());
    assert_eq!(reads_reply(&with_one), addresses(&[("127.0.0.1", 8)]));

    let six = question("mqtt.example", Record::Aaaa, 0);
    let six = Reply::to(&Question::read(&six));
    let six = ["::", "ff02::fb", "::ffff:192.0.2.1", "::1", "2001:db8::1"]
        .iter()
        .fold(six, |reply, text| {
            reply.aaaa("mqtt.example", 9, text.parse().expect("an address"))
        });
    let told = told(&six.bytes(), 0x1234, &name("mqtt.example"), Record::Aaaa);
    assert_eq!(told, addresses(&[("::1", 9), ("2001:db8::1", 9)]));
}

#[test]
fn how_long_an_address_is_good() {
    for (ttl, wanted) in [
        (0, 0),
        (1, 1),
        (86_400, 86_400),
        (86_401, 86_400),
        (i32::MAX as u32, 86_400),
        (1 << 31, 0),
        (u32::MAX, 0),
    ] {
        let reply = Reply::to(&asked()).a("mqtt.example", ttl, [192, 0, 2, 1].into());
        assert_eq!(reads_reply(&reply), addresses(&[("192.0.2.1", wanted)]));
    }
}
