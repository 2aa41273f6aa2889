//! What the application asks for.

use core::{ptr, time::Duration};

#[cfg(feature = "ws")]
use towpath_proto::Upgrade as Asked;
use towpath_proto::{
    client::Start,
    mqtt::{
        packet::{Connect, RetainHandling, Subscription as Wanted},
        property::Properties as List,
        reason::ReasonCode,
        session::Refusal,
        topic::TopicFilter,
    },
};

#[cfg(feature = "ws")]
use crate::types::Upgrade;
use crate::{
    client::{Client, Inner, with},
    drive::{at, status},
    input::{self, NO_ITEMS},
    output::EMPTY,
    types::{Options, Outgoing, Properties, Status, Subscription, TOWPATH_MOST, TOWPATH_V5},
};

/// Fills in the defaults: MQTT 5, clean start, keep alive of 60 s, ten seconds a rung, nothing else.
///
/// # Safety
/// `options` is null or leads to room for options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_defaults(options: *mut Options) -> Status {
    if options.is_null() {
        return Status::Null;
    }
    let defaults = Options {
        version: TOWPATH_V5,
        clean_start: 1,
        secured: 0,
        pipeline: 0,
        manual_acks: 0,
        keep_alive: 60,
        window: 0,
        patience_ms: 10_000,
        client_id: ptr::null(),
        user_name: ptr::null(),
        password: EMPTY,
        will: ptr::null(),
        upgrade: ptr::null(),
        properties: Properties {
            list: ptr::null(),
            count: 0,
        },
    };
    // SAFETY: the caller's promise; the pointer is not null.
    unsafe { options.write(defaults) };
    Status::Ok
}

/// Begins an attempt: writes the HTTP request, if there is one, and CONNECT, which leave as their rungs are reached.
/// Nothing of `options` is needed after the call.
///
/// # Safety
/// Each pointer is null or leads to what its type says; so does each in what it leads to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_start(
    client: *mut Client,
    now_ms: u64,
    options: *const Options,
) -> Status {
    // SAFETY: the caller's promise.
    status(unsafe {
        with(client, |inner| {
            let options = options.as_ref().ok_or(Status::Null)?;
            inner.lend_no_more();
            inner.fault = None;
            inner.since = None;
            start(inner, now_ms, options)
        })
    })
}

/// # Safety
/// As [`towpath_start`].
unsafe fn start(inner: &mut Inner, now_ms: u64, options: &Options) -> Result<(), Status> {
    let (mut items, mut will_items) = (NO_ITEMS, NO_ITEMS);
    // SAFETY: the caller's promise, for all that these lead to.
    let connect = unsafe {
        Connect {
            version: input::version(options.version)?,
            clean_start: options.clean_start != 0,
            keep_alive: options.keep_alive,
            client_id: input::text(options.client_id)?.unwrap_or(""),
            will: match options.will.as_ref() {
                Some(will) => Some(input::will(will, &mut will_items)?),
                None => None,
            },
            user_name: input::text(options.user_name)?,
            password: match options.password.data.is_null() && options.password.len == 0 {
                true => None,
                false => Some(input::bytes(options.password)?),
            },
            properties: input::properties(options.properties, &mut items)?,
        }
    };
    #[cfg_attr(
        not(feature = "ws"),
        expect(unused_mut, reason = "what is not built is not set")
    )]
    let mut start = Start {
        secured: options.secured != 0,
        patience: Duration::from_millis(options.patience_ms.into()),
        pipeline: options.pipeline != 0,
        manual_acks: options.manual_acks != 0,
        window: options.window,
        ..Start::new(connect)
    };
    #[cfg(feature = "ws")]
    let mut headers = [("", ""); TOWPATH_MOST];
    // SAFETY: as above.
    if let Some(asked) = unsafe { options.upgrade.as_ref() } {
        #[cfg(not(feature = "ws"))]
        {
            let _ = asked;
            return Err(Status::NotBuilt);
        }
        #[cfg(feature = "ws")]
        {
            // SAFETY: as above.
            start.upgrade = Some(unsafe { upgrade(asked, &mut headers) }?);
        }
    }
    inner.core.start(at(now_ms), &start).map_err(refused)?;
    if core::mem::take(&mut inner.core.random().failed) {
        inner.core.abandon();
        return Err(Status::Random);
    }
    Ok(())
}

/// # Safety
/// What it leads to stays for `'a`.
#[cfg(feature = "ws")]
unsafe fn upgrade<'a>(
    given: &Upgrade,
    room: &'a mut [(&'a str, &'a str); TOWPATH_MOST],
) -> Result<Asked<'a>, Status> {
    // SAFETY: the caller's promise.
    unsafe {
        Ok(Asked {
            host: input::needed(given.host)?,
            target: input::needed(given.target)?,
            subprotocols: input::text(given.subprotocols)?.unwrap_or("mqtt"),
            headers: input::headers(given.headers, given.header_count, room)?,
        })
    }
}

fn refused(refusal: Refusal) -> Status {
    input::refused(&refusal)
}

/// Publishes. Without a connection the message waits in the session store.
///
/// `packet_id`, which may be null, gets the identifier by which `TOWPATH_KIND_SETTLED` reports; 0 with QoS 0.
///
/// # Safety
/// Each pointer is null or leads to what its type says; so does each in what it leads to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_publish(
    client: *mut Client,
    message: *const Outgoing,
    packet_id: *mut u16,
) -> Status {
    // SAFETY: the caller's promise.
    status(unsafe {
        with(client, |inner| {
            let message = message.as_ref().ok_or(Status::Null)?;
            inner.lend_no_more();
            let mut items = NO_ITEMS;
            let message = input::message(message, &mut items)?;
            let id = inner.core.publish(&message).map_err(refused)?;
            answer(packet_id, id.map_or(0, core::num::NonZeroU16::get));
            Ok(())
        })
    })
}

/// # Safety
/// `place` is null or leads to a number.
unsafe fn answer(place: *mut u16, packet_id: u16) {
    if !place.is_null() {
        // SAFETY: the caller's promise.
        unsafe { place.write(packet_id) };
    }
}

/// Subscribes, now or as soon as there is a connection. `TOWPATH_KIND_SUBSCRIBED` reports with the identifier that
/// `packet_id`, which may be null, gets.
///
/// # Safety
/// Each pointer is null or leads to what its type says; so does each in what it leads to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_subscribe(
    client: *mut Client,
    list: *const Subscription,
    count: usize,
    packet_id: *mut u16,
) -> Status {
    // SAFETY: the caller's promise.
    status(unsafe {
        with(client, |inner| {
            inner.lend_no_more();
            let given = some(input::short_array(list, count)?)?;
            let mut wanted = [nothing_wanted()?; TOWPATH_MOST];
            for (to, from) in wanted.iter_mut().zip(given) {
                *to = input::subscription(from)?;
            }
            let wanted = wanted.get(..given.len()).unwrap_or(&[]);
            let id = inner.core.subscribe(wanted, List::NONE).map_err(refused)?;
            answer(packet_id, id.get());
            Ok(())
        })
    })
}

/// A list that is not empty.
const fn some<T>(list: &[T]) -> Result<&[T], Status> {
    if list.is_empty() {
        Err(Status::Argument)
    } else {
        Ok(list)
    }
}

/// Before anything is read into it.
fn nothing_wanted() -> Result<Wanted<'static>, Status> {
    Ok(Wanted {
        filter: any_filter()?,
        qos: input::qos(0)?,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::Send,
    })
}

fn any_filter() -> Result<TopicFilter<'static>, Status> {
    TopicFilter::new("#").map_err(|_| Status::Invalid)
}

/// Unsubscribes, now or as soon as there is a connection. `filters` leads to `count` texts.
/// `TOWPATH_KIND_UNSUBSCRIBED` reports with the identifier that `packet_id`, which may be null, gets.
///
/// # Safety
/// Each pointer is null or leads to what its type says; so does each in what it leads to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_unsubscribe(
    client: *mut Client,
    filters: *const *const core::ffi::c_char,
    count: usize,
    packet_id: *mut u16,
) -> Status {
    // SAFETY: the caller's promise.
    status(unsafe {
        with(client, |inner| {
            inner.lend_no_more();
            let given = some(input::short_array(filters, count)?)?;
            let mut list = [any_filter()?; TOWPATH_MOST];
            for (to, from) in list.iter_mut().zip(given) {
                *to = input::filter(*from)?;
            }
            let list = list.get(..given.len()).unwrap_or(&[]);
            let id = inner.core.unsubscribe(list, List::NONE).map_err(refused)?;
            answer(packet_id, id.get());
            Ok(())
        })
    })
}

/// Acknowledges a received message of QoS 1 or 2 where `towpath_options.manual_acks` is set.
///
/// # Safety
/// `client` is null or leads to a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_acknowledge(
    client: *mut Client,
    qos: u8,
    packet_id: u16,
) -> Status {
    // SAFETY: the caller's promise.
    status(unsafe {
        with(client, |inner| {
            inner.lend_no_more();
            let (qos, id) = (input::qos(qos)?, input::packet_id(packet_id)?);
            inner.core.acknowledge(qos, id).map_err(refused)
        })
    })
}

/// Sends AUTH, a step of enhanced authentication of MQTT 5 (section 4.12). `properties` may be null.
///
/// # Safety
/// Each pointer is null or leads to what its type says; so does each in what it leads to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_auth(
    client: *mut Client,
    reason: u8,
    properties: *const Properties,
) -> Status {
    // SAFETY: the caller's promise.
    status(unsafe {
        with(client, |inner| {
            inner.lend_no_more();
            let mut items = NO_ITEMS;
            let list = match properties.as_ref() {
                Some(given) => input::properties(*given, &mut items)?,
                None => List::NONE,
            };
            inner.core.auth(ReasonCode(reason), list).map_err(refused)
        })
    })
}

/// Says farewell. `TOWPATH_KIND_DISCONNECTED` follows when it has left. `reason` is a reason code of MQTT 5: 0, or 4 to
/// let the server publish the will; 0 with MQTT 3.1.1.
///
/// # Safety
/// `client` is null or leads to a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_disconnect(client: *mut Client, reason: u8) -> Status {
    // SAFETY: the caller's promise.
    status(unsafe {
        with(client, |inner| {
            inner.lend_no_more();
            let reason = ReasonCode(reason);
            inner.core.disconnect(reason, List::NONE).map_err(refused)
        })
    })
}

/// Lets the connection go as it is, without a farewell and without an event. The session is kept.
///
/// # Safety
/// `client` is null or leads to a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_abandon(client: *mut Client) -> Status {
    // SAFETY: the caller's promise.
    status(unsafe {
        with(client, |inner| {
            inner.lend_no_more();
            inner.core.abandon();
            Ok(())
        })
    })
}
