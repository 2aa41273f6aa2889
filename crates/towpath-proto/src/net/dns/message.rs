//! DNS messages: a question as bytes, and what the bytes of an answer say about it.
//!
//! An answer is believed as far as it belongs to the question: same identifier, same question (RFC 5452 section 9.1),
//! and of its records only those that the name owns, or an alias that starts at the name.

use core::net::{IpAddr, Ipv6Addr};

use domain::{
    base::{
        Message, MessageBuilder, ParsedName, ParsedRecord, Ttl,
        iana::{Class, Opcode, OptRcode, Rcode, Rtype},
        message::RecordSection,
        name::ToName,
    },
    dep::octseq::array::Array,
    rdata::{A, Aaaa, Cname, Soa},
};

use super::{Record, name::Name};

/// Bytes that suffice for any question: header, name, type and class, and an OPT record.
pub const QUERY_ROOM: usize = 12 + super::name::MAX_LEN + 4 + 11;

/// The longest chain of aliases that is followed, over all answers to one question together.
pub const MAX_ALIASES: u8 = 8;

/// The longest time that an address is believed, in seconds, whatever its record says.
const MAX_TTL: u32 = 24 * 60 * 60;

/// The longest time that the lack of an address is believed, in seconds (RFC 2308 section 5).
const MAX_NEGATIVE_TTL: u32 = 3 * 60 * 60;

type Labels<'a> = ParsedName<&'a [u8]>;

/// Writes a question into `out` and says how long it is; `None` if it does not fit, for which [`QUERY_ROOM`] is enough.
/// It asks for recursion. With a `udp_size` other than zero it has an OPT record that announces this size in bytes
/// (RFC 6891 section 6.2.3).
pub fn encode(
    name: &Name,
    record: Record,
    id: u16,
    udp_size: u16,
    out: &mut [u8],
) -> Option<usize> {
    let mut message = MessageBuilder::from_target(Array::<QUERY_ROOM>::new()).ok()?;
    message.header_mut().set_id(id);
    message.header_mut().set_rd(true);
    let mut message = message.question();
    message
        .push((name.labels(), rtype(record), Class::IN))
        .ok()?;
    let mut message = message.additional();
    if udp_size != 0 {
        message
            .opt(|opt| {
                opt.set_udp_payload_size(udp_size);
                Ok(())
            })
            .ok()?;
    }
    let written = message.finish();
    let bytes: &[u8] = written.as_ref();
    crate::bytes::copy(out.get_mut(..bytes.len())?, bytes);
    Some(bytes.len())
}

/// What a message says about a question.
#[derive(Debug)]
pub enum Answer<'a> {
    /// It is no answer to this question: another identifier, another question, or no answer at all.
    Stray,
    /// The answer is cut off; the whole is to be had over TCP (RFC 2181 section 9).
    Truncated,
    /// The server could not or would not answer.
    Failed {
        /// The response code (RFC 6895 section 2.3), never 3. It is 0 for a referral: the server points to others
        /// instead of asking them.
        rcode: u8,
    },
    /// It belongs to the question but can't be read.
    Malformed,
    /// Addresses of the name, or of the last of its aliases.
    Addresses(Addresses<'a>),
    /// The name exists, but has no such record that could be a destination.
    NoData {
        /// For how long, in seconds (RFC 2308 section 5); 0 where the server does not say.
        ttl: u32,
    },
    /// The name does not exist.
    NoName {
        /// For how long, in seconds (RFC 2308 section 5); 0 where the server does not say.
        ttl: u32,
    },
    /// The name is an alias, and what for is not in this message.
    Alias {
        /// The name that is to be asked for.
        target: Name,
        /// For how long the alias is good, in seconds: the least along the chain.
        ttl: u32,
        /// The length of the chain so far.
        aliases: u8,
    },
    /// The name is an alias in a circle, or of more than [`MAX_ALIASES`] others.
    AliasLoop,
}

/// Reads `bytes` as an answer to the question of `encode`.
#[must_use]
pub fn decode<'a>(bytes: &'a [u8], id: u16, name: &Name, record: Record) -> Answer<'a> {
    let Ok(message) = Message::from_slice(bytes) else {
        return Answer::Stray;
    };
    let header = message.header();
    if header.id() != id || !header.qr() || header.opcode() != Opcode::QUERY {
        return Answer::Stray;
    }
    let failed = !matches!(header.rcode(), Rcode::NOERROR | Rcode::NXDOMAIN);
    let asked = match asked(message, name, record) {
        Asked::This(name) => Some(name),
        // Servers leave the question out where they did not read it.
        Asked::Nothing if failed => None,
        Asked::Other => return Answer::Stray,
        Asked::Nothing | Asked::Unreadable => return Answer::Malformed,
    };
    if failed {
        let rcode = header.rcode().to_int();
        return Answer::Failed { rcode };
    }
    if header.tc() {
        return Answer::Truncated;
    }
    if message.iter().any(|record| record.is_err()) {
        return Answer::Malformed;
    }
    let rcode = message.opt_rcode();
    if !matches!(rcode, OptRcode::NOERROR | OptRcode::NXDOMAIN) {
        let rcode = u8::try_from(rcode.to_int()).unwrap_or(u8::MAX);
        return Answer::Failed { rcode };
    }
    asked
        .and_then(|asked| follow(message, asked, record))
        .unwrap_or(Answer::Malformed)
}

enum Asked<'a> {
    /// The question is this one.
    This(Labels<'a>),
    /// The message has no question.
    Nothing,
    Other,
    Unreadable,
}

fn asked<'a>(message: &'a Message<[u8]>, name: &Name, record: Record) -> Asked<'a> {
    let mut questions = message.question();
    match (questions.next(), questions.next()) {
        (None, _) => Asked::Nothing,
        (Some(Ok(question)), None) => {
            let this = question.qname().name_eq(name.labels())
                && question.qtype() == rtype(record)
                && question.qclass() == Class::IN;
            if this {
                Asked::This(*question.qname())
            } else {
                Asked::Other
            }
        }
        // More than one question is no longer allowed (RFC 9619).
        _ => Asked::Unreadable,
    }
}

const fn rtype(record: Record) -> Rtype {
    match record {
        Record::A => Rtype::A,
        Record::Aaaa => Rtype::AAAA,
    }
}

/// Goes from alias to alias up to addresses or the end of what is in the message; `None` if a record can't be read.
fn follow<'a>(message: &'a Message<[u8]>, asked: Labels<'a>, record: Record) -> Option<Answer<'a>> {
    let answers = message.answer().ok()?;
    let mut owner = asked;
    let mut ttl = MAX_TTL;
    for aliases in 0..=MAX_ALIASES {
        let end = Addresses {
            records: answers,
            owner,
            record,
            ttl,
            aliases,
        };
        if message.header().rcode() == Rcode::NOERROR && end.check()? {
            return Some(if end.clone().next().is_some() {
                Answer::Addresses(end)
            } else {
                // All of them can't be a destination: what a filter answers instead of the truth.
                let ttl = end.least();
                Answer::NoData { ttl }
            });
        }
        let Some((target, alias_ttl)) = alias(answers, owner)? else {
            return without_addresses(message, owner, ttl, aliases);
        };
        owner = target;
        ttl = ttl.min(alias_ttl);
    }
    Some(Answer::AliasLoop)
}

/// Where `owner` is an alias, what for and for how long.
#[expect(
    clippy::option_option,
    reason = "a record that can't be read is not the same as none"
)]
fn alias<'a>(
    answers: RecordSection<'a, [u8]>,
    owner: Labels<'a>,
) -> Option<Option<(Labels<'a>, u32)>> {
    for record in answers.filter_map(Result::ok) {
        if record.rtype() != Rtype::CNAME || !is_owner(&record, owner) {
            continue;
        }
        let ttl = seconds(record.ttl());
        let alias = record.into_record::<Cname<Labels<'a>>>().ok()??;
        return Some(Some((*alias.data().cname(), ttl)));
    }
    Some(None)
}

/// What an answer says whose chain ends at `owner` without addresses.
fn without_addresses<'a>(
    message: &'a Message<[u8]>,
    owner: Labels<'a>,
    ttl: u32,
    aliases: u8,
) -> Option<Answer<'a>> {
    let authority = message.authority().ok()?;
    let negative = authority.filter_map(Result::ok).find_map(|record| {
        let record = record.into_record::<Soa<Labels<'a>>>().ok()??;
        // A zone speaks for the names below it only.
        let fits = record.class() == Class::IN && owner.ends_with(record.owner());
        fits.then(|| seconds(record.ttl()).min(seconds(record.data().minimum())))
    });
    let least = negative.map_or(0, |negative| negative.min(ttl).min(MAX_NEGATIVE_TTL));
    if message.header().rcode() == Rcode::NXDOMAIN {
        return Some(Answer::NoName { ttl: least });
    }
    if negative.is_some() {
        return Some(Answer::NoData { ttl: least });
    }
    if aliases > 0 {
        let target = Name::flatten(&owner)?;
        return Some(Answer::Alias {
            target,
            ttl,
            aliases,
        });
    }
    // RFC 2308 section 2.2: name servers without SOA and without an answer are a referral.
    let mut authority = authority.filter_map(Result::ok);
    let referral = !message.header().ra() && authority.any(|record| record.rtype() == Rtype::NS);
    Some(if referral {
        Answer::Failed { rcode: 0 }
    } else {
        Answer::NoData { ttl: 0 }
    })
}

fn is_owner(record: &ParsedRecord<'_, [u8]>, owner: Labels<'_>) -> bool {
    record.class() == Class::IN && record.owner().name_eq(&owner)
}

/// A time to live as RFC 2181 section 8 reads it: with the highest bit set it is zero.
fn seconds(ttl: Ttl) -> u32 {
    let seconds = ttl.as_secs();
    if seconds > i32::MAX as u32 {
        0
    } else {
        seconds.min(MAX_TTL)
    }
}

/// The addresses in an answer, each with its time to live in seconds: the least of its own and of the aliases that led
/// to it, and a day at most. What may never be a destination is left out.
#[derive(Clone)]
pub struct Addresses<'a> {
    records: RecordSection<'a, [u8]>,
    owner: Labels<'a>,
    record: Record,
    ttl: u32,
    aliases: u8,
}

impl core::fmt::Debug for Addresses<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl Addresses<'_> {
    /// How many aliases led to them.
    #[must_use]
    pub const fn aliases(&self) -> u8 {
        self.aliases
    }

    /// Whether there is at least one record, usable or not; `None` if one can't be read.
    fn check(&self) -> Option<bool> {
        let mut any = false;
        for record in self.mine() {
            address(&record)?;
            any = true;
        }
        Some(any)
    }

    fn least(&self) -> u32 {
        self.mine()
            .map(|record| seconds(record.ttl()))
            .fold(self.ttl, u32::min)
    }

    fn mine(&self) -> impl Iterator<Item = ParsedRecord<'_, [u8]>> {
        self.records
            .filter_map(Result::ok)
            .filter(|record| record.rtype() == rtype(self.record) && is_owner(record, self.owner))
    }
}

impl Iterator for Addresses<'_> {
    type Item = (IpAddr, u32);

    fn next(&mut self) -> Option<Self::Item> {
        let (owner, wanted) = (self.owner, rtype(self.record));
        self.records
            .by_ref()
            .filter_map(Result::ok)
            .filter(|record| record.rtype() == wanted && is_owner(record, owner))
            .filter_map(|record| Some((address(&record)?, seconds(record.ttl()))))
            .find(|(address, _)| may_be_destination(*address))
            .map(|(address, ttl)| (address, ttl.min(self.ttl)))
    }
}

fn address(record: &ParsedRecord<'_, [u8]>) -> Option<IpAddr> {
    match record.rtype() {
        Rtype::A => {
            let a = record.to_record::<A>().ok()??;
            Some(a.data().addr().into())
        }
        Rtype::AAAA => {
            let aaaa = record.to_record::<Aaaa>().ok()??;
            Some(aaaa.data().addr().into())
        }
        _ => None,
    }
}

/// Whether packets can be sent to `address` at all. IPv4-mapped addresses are left out as RFC 6147 section 5.1.4 asks:
/// on the wire they mean nothing.
fn may_be_destination(address: IpAddr) -> bool {
    let mapped = |address: Ipv6Addr| address.to_ipv4_mapped().is_some();
    match address {
        // All of 0.0.0.0/8 is "this network" (RFC 6890 section 2.2.2).
        IpAddr::V4(v4) => v4.octets()[0] != 0 && !v4.is_multicast() && !v4.is_broadcast(),
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast() && !mapped(v6),
    }
}
