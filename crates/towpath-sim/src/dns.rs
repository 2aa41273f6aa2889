//! DNS messages as a server has them: reads a question, writes an answer, a false one too.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Type codes of records.
pub const A: u16 = 1;
/// A name server.
pub const NS: u16 = 2;
/// An alias.
pub const CNAME: u16 = 5;
/// The start of a zone.
pub const SOA: u16 = 6;
/// An IPv6 address.
pub const AAAA: u16 = 28;
/// What EDNS is carried in.
pub const OPT: u16 = 41;

/// A question as a server reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The identifier.
    pub id: u16,
    /// The name with dots, without the last one, in small letters.
    pub name: String,
    /// The type code of the records that are asked for.
    pub kind: u16,
    /// The size of answers that the OPT record announces, if there is one.
    pub udp_size: Option<u16>,
}

impl Question {
    /// Reads a question that asks for recursion and has at most an OPT record beside it.
    ///
    /// # Panics
    /// If the message is anything else.
    #[must_use]
    pub fn read(message: &[u8]) -> Self {
        let word = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
        assert_eq!(word(2), 0x0100, "a question, recursion desired");
        let (mut at, mut labels) = (12, Vec::new());
        while message[at] != 0 {
            let end = at + 1 + usize::from(message[at]);
            let label = String::from_utf8(message[at + 1..end].to_vec());
            labels.push(label.expect("ASCII").to_ascii_lowercase());
            at = end;
        }
        let (kind, class) = (word(at + 1), word(at + 3));
        assert_eq!((word(4), word(6), word(8), class), (1, 0, 0, 1));
        let rest = &message[at + 5..];
        let udp_size = match word(10) {
            0 => {
                assert!(rest.is_empty(), "nothing behind the question");
                None
            }
            _ => {
                assert_eq!(rest[..3], [0, 0, OPT as u8], "an OPT record");
                assert_eq!((rest.len(), &rest[5..]), (11, &[0; 6][..]));
                Some(u16::from_be_bytes([rest[3], rest[4]]))
            }
        };
        Self {
            id: word(0),
            name: labels.join("."),
            kind,
            udp_size,
        }
    }
}

/// An answer in the making: a response with recursion available, NOERROR, and the question.
#[derive(Debug, Clone)]
pub struct Reply {
    id: u16,
    flags: u16,
    question: Option<(String, u16)>,
    counts: [u16; 3],
    records: Vec<u8>,
}

impl Reply {
    /// An answer to `question`.
    #[must_use]
    pub fn to(question: &Question) -> Self {
        Self {
            id: question.id,
            flags: 0x8180,
            question: Some((question.name.clone(), question.kind)),
            counts: [0; 3],
            records: Vec::new(),
        }
    }

    /// With another identifier.
    #[must_use]
    pub const fn id(mut self, id: u16) -> Self {
        self.id = id;
        self
    }

    /// With another question, or none.
    #[must_use]
    pub fn question(mut self, question: Option<(&str, u16)>) -> Self {
        self.question = question.map(|(name, kind)| (name.to_owned(), kind));
        self
    }

    /// With other flags (RFC 1035 section 4.1.1), the response code in the lowest four bits.
    #[must_use]
    pub const fn flags(mut self, flags: u16) -> Self {
        self.flags = flags;
        self
    }

    /// With this response code.
    #[must_use]
    pub const fn rcode(self, rcode: u16) -> Self {
        let flags = (self.flags & !0xf) | rcode;
        self.flags(flags)
    }

    /// Cut off.
    #[must_use]
    pub const fn truncated(self) -> Self {
        let flags = self.flags | 0x0200;
        self.flags(flags)
    }

    /// With an IPv4 address.
    #[must_use]
    pub fn a(self, owner: &str, ttl: u32, address: Ipv4Addr) -> Self {
        self.record(0, owner, A, ttl, &address.octets())
    }

    /// With an IPv6 address.
    #[must_use]
    pub fn aaaa(self, owner: &str, ttl: u32, address: Ipv6Addr) -> Self {
        self.record(0, owner, AAAA, ttl, &address.octets())
    }

    /// With an alias.
    #[must_use]
    pub fn cname(self, owner: &str, ttl: u32, target: &str) -> Self {
        self.record(0, owner, CNAME, ttl, &wire(target))
    }

    /// With the start of a zone in the authority section, whose last number is the time to live of what is not there
    /// (RFC 2308 section 4).
    #[must_use]
    pub fn soa(self, owner: &str, ttl: u32, minimum: u32) -> Self {
        let mut data = [wire("ns"), wire("admin")].concat();
        for number in [1, 7200, 900, 86_400, minimum] {
            data.extend(u32::to_be_bytes(number));
        }
        self.record(1, owner, SOA, ttl, &data)
    }

    /// With a name server in the authority section.
    #[must_use]
    pub fn ns(self, owner: &str, target: &str) -> Self {
        self.record(1, owner, NS, 300, &wire(target))
    }

    /// With an OPT record that has the upper bits of the response code (RFC 6891 section 6.1.3).
    #[must_use]
    pub fn opt(self, upper: u8) -> Self {
        let ttl = u32::from(upper) << 24;
        self.record(2, "", OPT, ttl, &[])
    }

    /// With any record, in section 0 (answer), 1 (authority) or 2 (additional), which have to be filled in this order.
    ///
    /// # Panics
    /// If they are not.
    #[must_use]
    pub fn record(mut self, section: usize, owner: &str, kind: u16, ttl: u32, data: &[u8]) -> Self {
        let later = self.counts.iter().skip(section + 1).sum::<u16>();
        assert_eq!(later, 0, "answers before authority before the rest");
        self.counts[section] += 1;
        // The name of the question is written once, as servers do it (RFC 1035 section 4.1.4).
        let asked = self
            .question
            .as_ref()
            .is_some_and(|(name, _)| name == owner);
        if asked {
            self.records.extend([0xc0, 12]);
        } else {
            self.records.extend(wire(owner));
        }
        self.records.extend(kind.to_be_bytes());
        // The class of OPT is a size.
        let class: u16 = if kind == OPT { 1232 } else { 1 };
        self.records.extend(class.to_be_bytes());
        self.records.extend(ttl.to_be_bytes());
        self.records.extend((data.len() as u16).to_be_bytes());
        self.records.extend(data);
        self
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let [answers, authority, additional] = self.counts;
        let questions = u16::from(self.question.is_some());
        let mut bytes = Vec::new();
        for word in [
            self.id, self.flags, questions, answers, authority, additional,
        ] {
            bytes.extend(word.to_be_bytes());
        }
        if let Some((name, kind)) = &self.question {
            bytes.extend(wire(name));
            bytes.extend(kind.to_be_bytes());
            bytes.extend([0, 1]);
        }
        bytes.extend(&self.records);
        bytes
    }
}

/// A name as the wire has it.
fn wire(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}
