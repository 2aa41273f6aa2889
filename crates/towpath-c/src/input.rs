//! From what C hands over to the core's values: each pointer, length, number and text is looked at once, here.

use core::{
    ffi::{CStr, c_char},
    num::NonZeroU16,
    slice,
};

use towpath_proto::{
    Code, Fault,
    client::Outgoing as Message,
    mqtt::{
        QoS, Version,
        packet::{PacketId, RetainHandling, Subscription as Wanted, Will},
        property::{Properties as List, Property as Item, VarInt},
        session::Refusal,
        topic::{TopicFilter, TopicName},
    },
    rung,
};

#[cfg(feature = "ws")]
use crate::types::Header;
use crate::types::{
    Bytes, Cause, Outgoing, Properties, Property, Rung, Status, Subscription, TOWPATH_MOST,
    TOWPATH_V5, TOWPATH_V311,
};

/// Room for a list of properties, which the core takes as a slice.
pub(crate) type Items<'a> = [Item<'a>; TOWPATH_MOST];

/// Before anything is read into it.
pub(crate) const NO_ITEMS: Items<'static> = [Item::PayloadFormatIndicator(0); TOWPATH_MOST];

/// # Safety
/// `data` is null or leads to `len` bytes that stay for `'a`.
pub(crate) unsafe fn bytes<'a>(given: Bytes) -> Result<&'a [u8], Status> {
    // SAFETY: the caller says so.
    unsafe { array(given.data, given.len) }
}

/// # Safety
/// `first` is null or leads to `count` values that stay for `'a`.
pub(crate) unsafe fn array<'a, T>(first: *const T, count: usize) -> Result<&'a [T], Status> {
    if count == 0 {
        return Ok(&[]);
    }
    if first.is_null() {
        return Err(Status::Null);
    }
    let fits = count
        .checked_mul(size_of::<T>())
        .is_some_and(|len| isize::try_from(len).is_ok());
    if !fits || !first.is_aligned() {
        return Err(Status::Argument);
    }
    // SAFETY: the caller says that they are there; number and alignment are good.
    Ok(unsafe { slice::from_raw_parts(first, count) })
}

/// As [`array()`], of at most [`TOWPATH_MOST`].
///
/// # Safety
/// As [`array()`].
pub(crate) unsafe fn short_array<'a, T>(first: *const T, count: usize) -> Result<&'a [T], Status> {
    if count > TOWPATH_MOST {
        return Err(Status::TooMany);
    }
    // SAFETY: the caller says so.
    unsafe { array(first, count) }
}

/// A text, `None` where the pointer is null.
///
/// # Safety
/// `first` is null or leads to bytes with a zero at their end, which stay for `'a`.
pub(crate) unsafe fn text<'a>(first: *const c_char) -> Result<Option<&'a str>, Status> {
    if first.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller says that there is a zero.
    let text = unsafe { CStr::from_ptr(first) };
    text.to_str().map(Some).map_err(|_| Status::Text)
}

/// A text that has to be there.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn needed<'a>(first: *const c_char) -> Result<&'a str, Status> {
    // SAFETY: the caller says so.
    unsafe { text(first) }?.ok_or(Status::Null)
}

/// Headers, into `room`; those that were given.
///
/// # Safety
/// `first` is null or leads to `count` headers whose texts stay for `'a`.
#[cfg(feature = "ws")]
pub(crate) unsafe fn headers<'a, 'r>(
    first: *const Header,
    count: usize,
    room: &'r mut [(&'a str, &'a str); TOWPATH_MOST],
) -> Result<&'r [(&'a str, &'a str)], Status> {
    // SAFETY: the caller says so.
    let given = unsafe { short_array(first, count) }?;
    for (to, from) in room.iter_mut().zip(given) {
        // SAFETY: as above, their texts too.
        *to = unsafe { (needed(from.name)?, needed(from.value)?) };
    }
    Ok(room.get(..given.len()).unwrap_or(&[]))
}

/// Properties, into `room`.
///
/// # Safety
/// The list is null or leads to as many properties as is said, and what they lead to stays for `'a`.
pub(crate) unsafe fn properties<'a>(
    given: Properties,
    room: &'a mut Items<'a>,
) -> Result<List<'a>, Status> {
    // SAFETY: the caller says so.
    let list = unsafe { short_array(given.list, given.count) }?;
    for (to, from) in room.iter_mut().zip(list) {
        // SAFETY: as above, what they lead to as well.
        *to = unsafe { property(from) }?;
    }
    Ok(List::new(room.get(..list.len()).unwrap_or(&[])))
}

/// # Safety
/// What it leads to stays for `'a`.
unsafe fn property<'a>(given: &Property) -> Result<Item<'a>, Status> {
    // SAFETY: the caller says so.
    let (data, value) = unsafe { (bytes(given.data)?, bytes(given.value)?) };
    let text = || core::str::from_utf8(data).map_err(|_| Status::Text);
    let small = || u8::try_from(given.number).map_err(|_| Status::Argument);
    let short = || u16::try_from(given.number).map_err(|_| Status::Argument);
    Ok(match given.id {
        0x01 => Item::PayloadFormatIndicator(small()?),
        0x02 => Item::MessageExpiryInterval(given.number),
        0x03 => Item::ContentType(text()?),
        0x08 => Item::ResponseTopic(text()?),
        0x09 => Item::CorrelationData(data),
        0x0B => Item::SubscriptionIdentifier(VarInt(given.number)),
        0x11 => Item::SessionExpiryInterval(given.number),
        0x15 => Item::AuthenticationMethod(text()?),
        0x16 => Item::AuthenticationData(data),
        0x17 => Item::RequestProblemInformation(small()?),
        0x18 => Item::WillDelayInterval(given.number),
        0x19 => Item::RequestResponseInformation(small()?),
        0x1F => Item::ReasonString(text()?),
        0x21 => Item::ReceiveMaximum(short()?),
        0x22 => Item::TopicAliasMaximum(short()?),
        0x26 => Item::UserProperty((
            text()?,
            core::str::from_utf8(value).map_err(|_| Status::Text)?,
        )),
        0x27 => Item::MaximumPacketSize(given.number),
        // What only a server says, or the client itself.
        _ => return Err(Status::Argument),
    })
}

/// # Safety
/// What it leads to stays for `'a`.
pub(crate) unsafe fn message<'a>(
    given: &Outgoing,
    room: &'a mut Items<'a>,
) -> Result<Message<'a>, Status> {
    // SAFETY: the caller says so.
    let (topic, payload, properties) = unsafe {
        (
            needed(given.topic)?,
            bytes(given.payload)?,
            properties(given.properties, room)?,
        )
    };
    Ok(Message {
        topic: TopicName::new(topic).map_err(|_| Status::Invalid)?,
        payload,
        qos: qos(given.qos)?,
        retain: given.retain != 0,
        properties,
    })
}

/// # Safety
/// As [`message`].
pub(crate) unsafe fn will<'a>(
    given: &Outgoing,
    room: &'a mut Items<'a>,
) -> Result<Will<'a>, Status> {
    // SAFETY: the caller says so.
    let message = unsafe { message(given, room) }?;
    Ok(Will {
        topic: message.topic,
        payload: message.payload,
        qos: message.qos,
        retain: message.retain,
        properties: message.properties,
    })
}

/// # Safety
/// The filter's text stays for `'a`.
pub(crate) unsafe fn filter<'a>(given: *const c_char) -> Result<TopicFilter<'a>, Status> {
    // SAFETY: the caller says so.
    TopicFilter::new(unsafe { needed(given) }?).map_err(|_| Status::Invalid)
}

/// # Safety
/// The filter's text stays for `'a`.
pub(crate) unsafe fn subscription<'a>(given: &Subscription) -> Result<Wanted<'a>, Status> {
    Ok(Wanted {
        // SAFETY: the caller says so.
        filter: unsafe { filter(given.filter) }?,
        qos: qos(given.qos)?,
        no_local: given.no_local != 0,
        retain_as_published: given.retain_as_published != 0,
        retain_handling: match given.retain_handling {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err(Status::Argument),
        },
    })
}

pub(crate) fn version(given: u8) -> Result<Version, Status> {
    match given {
        TOWPATH_V311 => Ok(Version::V311),
        // Zero is what an option has that nobody has set.
        TOWPATH_V5 | 0 => Ok(Version::V5),
        _ => Err(Status::Argument),
    }
}

pub(crate) fn qos(given: u8) -> Result<QoS, Status> {
    QoS::from_bits(given).ok_or(Status::Argument)
}

pub(crate) fn packet_id(given: u16) -> Result<PacketId, Status> {
    NonZeroU16::new(given).ok_or(Status::Argument)
}

/// The rungs that a driver may speak of.
pub(crate) fn rung(given: u8) -> Result<rung::Rung, Status> {
    Ok(match given {
        n if n == Rung::Link as u8 => rung::Rung::Link,
        n if n == Rung::Address as u8 => rung::Rung::Address,
        n if n == Rung::Dns as u8 => rung::Rung::Dns,
        n if n == Rung::Nat64 as u8 => rung::Rung::Nat64,
        n if n == Rung::Tcp as u8 => rung::Rung::Tcp,
        n if n == Rung::Proxy as u8 => rung::Rung::Proxy,
        n if n == Rung::Tls as u8 => rung::Rung::Tls,
        _ => return Err(Status::Argument),
    })
}

/// The fault for the end of a byte stream on `rung`.
pub(crate) fn ended(rung: rung::Rung, cause: u8, number: u32) -> Result<Fault, Status> {
    const CAUSES: [(Cause, Code); 23] = [
        (Cause::Closed, Code::Closed),
        (Cause::Reset, Code::Reset),
        (Cause::Refused, Code::Refused),
        (Cause::HostUnreachable, Code::HostUnreachable),
        (Cause::NetUnreachable, Code::NetUnreachable),
        (Cause::TimedOut, Code::ConnectTimeout),
        (Cause::NoSourceAddress, Code::NoSourceAddress),
        (Cause::NoResolver, Code::NoResolver),
        (Cause::ResolverSilent, Code::ResolverSilent),
        (Cause::ResolverFailed, Code::ResolverFailed),
        (Cause::NameNotFound, Code::NameNotFound),
        (Cause::NoAddress, Code::NoAddress),
        (
            Cause::CertificateUntrusted,
            Code::ServerCertificateUntrusted,
        ),
        (Cause::CertificateExpired, Code::ServerCertificateExpired),
        (Cause::CertificateFuture, Code::ServerCertificateFuture),
        (Cause::CertificateName, Code::ServerCertificateName),
        (Cause::CertificateBad, Code::ServerCertificateBad),
        (Cause::ClientCertificate, Code::ClientCertificateRefused),
        (Cause::Alert, Code::TlsAlert),
        (Cause::Material, Code::TlsMaterial),
        (Cause::Library, Code::TlsInternal),
        (Cause::RenegotiationOff, Code::RenegotiationOff),
        (Cause::Profile, Code::TlsProfile),
    ];
    let known = CAUSES.iter().find(|(known, _)| *known as u8 == cause);
    let code = match known {
        Some((_, code)) => *code,
        None if cause == Cause::Other as u8 => Code::Io,
        None => return Err(Status::Argument),
    };
    // What a byte stream's end means where only TLS speaks; its certificates are TLS's wherever they are told.
    let tls = Cause::CertificateUntrusted as u8..=Cause::Profile as u8;
    Ok(match code {
        Code::Closed if rung == rung::Rung::Tls => Fault::new(rung, Code::TlsClosed),
        Code::ConnectTimeout if rung == rung::Rung::Tls => Fault::new(rung, Code::TlsTimeout),
        // Their numbers are response codes and spans, which a platform has not.
        Code::ConnectTimeout | Code::ResolverSilent | Code::ResolverFailed | Code::NameNotFound => {
            Fault::new(rung, code)
        }
        _ if tls.contains(&cause) => Fault::new(rung::Rung::Tls, code).number(number),
        _ => Fault::new(rung, code).number(number),
    })
}

pub(crate) const fn refused(refusal: &Refusal) -> Status {
    match refusal {
        Refusal::NeedsV5 => Status::NeedsV5,
        Refusal::Invalid(_) => Status::Invalid,
        Refusal::QoS(_) => Status::Qos,
        Refusal::Retain => Status::Retain,
        Refusal::PacketTooLarge(_) => Status::PacketTooLarge,
        Refusal::Wildcard => Status::Wildcard,
        Refusal::Shared => Status::Shared,
        Refusal::SubscriptionIdentifier => Status::SubscriptionIdentifier,
        Refusal::Full => Status::Full,
        Refusal::NoPacketId => Status::NoPacketId,
        Refusal::NotConnected => Status::NotConnected,
        Refusal::Header => Status::Header,
        _ => Status::Refused,
    }
}
