//! The driver law: tell what happened below, then drain `towpath_poll`.

use core::{mem::transmute, time::Duration};

use towpath_proto::{
    Blame, Code, Event, Fault, Instant, Ready, Reason, Reconnect, mqtt::property::Properties,
};

use crate::{
    client::{Client, Inner, with},
    input, output,
    types::{Output, Property, Status, TOWPATH_NEVER},
};

/// The status for C.
pub(crate) fn status(answer: Result<(), Status>) -> Status {
    answer.map_or_else(|status| status, |()| Status::Ok)
}

pub(crate) const fn at(now_ms: u64) -> Instant {
    Instant::from_millis(now_ms)
}

/// The driver begins to climb `rung` (a `towpath_rung`), one below the byte stream: `TOWPATH_RUNG_DNS`,
/// `TOWPATH_RUNG_TCP`.
///
/// # Safety
/// `client` is null or leads to a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_entered(client: *mut Client, now_ms: u64, rung: u8) -> Status {
    // SAFETY: the caller's promise.
    status(unsafe {
        with(client, |inner| {
            inner.lend_no_more();
            inner.core.entered(at(now_ms), input::rung(rung)?);
            Ok(())
        })
    })
}

/// The driver has reached `rung` (a `towpath_rung`). With `TOWPATH_RUNG_TCP` the byte stream is open and bytes may
/// leave; where it is secured, with `TOWPATH_RUNG_TLS`.
///
/// # Safety
/// `client` is null or leads to a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_reached(client: *mut Client, now_ms: u64, rung: u8) -> Status {
    // SAFETY: the caller's promise.
    status(unsafe {
        with(client, |inner| {
            inner.lend_no_more();
            inner.core.reached(at(now_ms), input::rung(rung)?);
            Ok(())
        })
    })
}

/// The byte stream ended, or could not be opened. `cause` is a `towpath_cause`, `number` an errno, with the causes
/// of TLS the number of its library without sign, 0 if there is none. What was received before is still read; then the attempt fails.
///
/// # Safety
/// `client` is null or leads to a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_closed(
    client: *mut Client,
    now_ms: u64,
    cause: u8,
    number: u32,
) -> Status {
    // SAFETY: the caller's promise.
    status(unsafe {
        with(client, |inner| {
            inner.lend_no_more();
            let fault = input::ended(inner.core.rung(), cause, number)?;
            inner.core.closed(at(now_ms), fault);
            Ok(())
        })
    })
}

/// Room for received bytes; report with `towpath_commit` how many were put there. It is empty while the buffer is full
/// of what was not polled out.
///
/// # Safety
/// Each pointer is null or leads to what its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_rx_space(
    client: *mut Client,
    room: *mut *mut u8,
    len: *mut usize,
) -> Status {
    if room.is_null() || len.is_null() {
        return Status::Null;
    }
    // SAFETY: the caller's promise; neither pointer is null.
    status(unsafe {
        with(client, |inner| {
            inner.lend_no_more();
            let space = inner.core.rx_space();
            len.write(space.len());
            room.write(space.as_mut_ptr());
            inner.room = space.len();
            Ok(())
        })
    })
}

/// `n` bytes were received into what `towpath_rx_space` gave. No other call may come between.
///
/// # Safety
/// `client` is null or leads to a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_commit(client: *mut Client, now_ms: u64, n: usize) -> Status {
    // SAFETY: the caller's promise.
    status(unsafe {
        with(client, |inner| {
            if n > inner.room {
                return Err(Status::Argument);
            }
            inner.lend_no_more();
            inner.core.commit(at(now_ms), n);
            Ok(())
        })
    })
}

/// `n` bytes of the last `TOWPATH_KIND_TRANSMIT` were sent.
///
/// # Safety
/// `client` is null or leads to a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_transmitted(client: *mut Client, now_ms: u64, n: usize) -> Status {
    // SAFETY: the caller's promise.
    status(unsafe {
        with(client, |inner| {
            if n > inner.core.sendable().len() {
                return Err(Status::Argument);
            }
            inner.lend_no_more();
            inner.core.transmitted(at(now_ms), n);
            Ok(())
        })
    })
}

/// The time of `towpath_wait.until_ms`, or of `towpath_deadline`, has come. Too early or too often does no harm.
///
/// # Safety
/// `client` is null or leads to a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_timeout(client: *mut Client, now_ms: u64) -> Status {
    // SAFETY: the caller's promise.
    status(unsafe {
        with(client, |inner| {
            inner.lend_no_more();
            inner.core.handle_timeout(at(now_ms));
            Ok(())
        })
    })
}

/// When to call `towpath_timeout` also while there are bytes to send: a peer that takes none is noticed by this.
/// `TOWPATH_NEVER` if there is no deadline, or no client.
///
/// # Safety
/// `client` is null or leads to a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_deadline(client: *const Client) -> u64 {
    // SAFETY: the caller's promise.
    let deadline = unsafe { with(client, |inner| Ok(inner.core.deadline())) };
    match deadline {
        Ok(Some(until)) => until.as_micros().div_ceil(1000),
        _ => TOWPATH_NEVER,
    }
}

/// What the driver has to do next, into `output`. Call it after every other call, until it says `TOWPATH_KIND_WAIT` or
/// `TOWPATH_KIND_ENDED`. What `output` leads to stays until the next call; a message counts as received then.
///
/// # Safety
/// Each pointer is null or leads to what its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_poll(
    client: *mut Client,
    now_ms: u64,
    output: *mut Output,
) -> Status {
    if output.is_null() {
        return Status::Null;
    }
    // SAFETY: the caller's promise; the output is not null, and may hold anything before.
    status(unsafe {
        with(client, |inner| {
            output.write(poll(inner, at(now_ms)));
            Ok(())
        })
    })
}

fn poll(inner: &mut Inner, now: Instant) -> Output {
    inner.lend_no_more();
    end_without_random(inner, now);
    let mut ready = inner.core.poll(now);
    if ready == Ready::Transmit && end_without_random(inner, now) {
        ready = inner.core.poll(now);
    }
    match ready {
        Ready::Transmit => output::transmit(inner.core.sendable()),
        Ready::Trace(trace) => output::fact(&trace),
        Ready::Wait { until, reason } => output::waiting(until, reason),
        Ready::Event => event(inner, now),
    }
}

/// Ends the attempt if the callback failed, so that nothing leaves that is masked with what anybody could guess.
fn end_without_random(inner: &mut Inner, now: Instant) -> bool {
    if !core::mem::take(&mut inner.core.random().failed) {
        return false;
    }
    let fault = Fault::new(inner.core.rung(), Code::Io).detail(b"no random numbers");
    inner.core.closed(now, fault.blame(Blame::Local));
    true
}

fn event(inner: &mut Inner, now: Instant) -> Output {
    let Some(event) = inner.core.take_event() else {
        return output::waiting(None, Reason::Idle);
    };
    let (output, properties) = output::event(&event);
    let fault = match event {
        Event::Failed(fault) => Some(fault),
        _ => None,
    };
    let connected = matches!(event, Event::Connected(_));
    // SAFETY: they lie in the client's own buffers, which the caller has given away. They are let go of at the next
    // call, before anything is written there.
    inner.properties = unsafe { transmute::<Properties<'_>, Properties<'static>>(properties) };
    if connected {
        inner.since = Some(now);
    }
    if fault.is_some() {
        inner.fault = fault;
    }
    output
}

/// The property number `index` of the last event, into `property`; `TOWPATH_STATUS_NONE` if it has fewer. What it leads
/// to stays until the next call that is not this one.
///
/// # Safety
/// Each pointer is null or leads to what its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_property_at(
    client: *const Client,
    index: usize,
    property: *mut Property,
) -> Status {
    if property.is_null() {
        return Status::Null;
    }
    // SAFETY: the caller's promise; the pointer is not null.
    status(unsafe {
        with(client, |inner| {
            let item = inner.properties.iter().nth(index).ok_or(Status::None)?;
            property.write(output::property(&item));
            Ok(())
        })
    })
}

/// Switches `TOWPATH_KIND_FACT` on (not 0) or off.
///
/// # Safety
/// `client` is null or leads to a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_trace(client: *mut Client, on: u8) -> Status {
    // SAFETY: the caller's promise.
    status(unsafe {
        with(client, |inner| {
            inner.core.trace(on != 0);
            Ok(())
        })
    })
}

/// How long to wait before the next attempt, milliseconds: doubling from `first_ms` to `longest_ms` with each failure,
/// half of it by chance; it starts over once a connection has held for `stable_ms`. Call it once after each end. 0 if
/// there is no client.
///
/// # Safety
/// `client` is null or leads to a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_pause(
    client: *mut Client,
    now_ms: u64,
    first_ms: u32,
    longest_ms: u32,
    stable_ms: u32,
) -> u64 {
    let policy = Reconnect::Backoff {
        first: Duration::from_millis(first_ms.into()),
        longest: Duration::from_millis(longest_ms.into()),
        stable: Duration::from_millis(stable_ms.into()),
    };
    // SAFETY: the caller's promise.
    let pause = unsafe {
        with(client, |inner| {
            inner.lend_no_more();
            let held = inner.since.take().map(|since| at(now_ms).since(since));
            let random = inner.core.random();
            let pause = inner
                .backoff
                .pause(policy, held.unwrap_or(Duration::ZERO), random);
            Ok(pause.unwrap_or(Duration::ZERO))
        })
    };
    pause.map_or(0, |pause| {
        u64::try_from(pause.as_micros())
            .unwrap_or(u64::MAX)
            .div_ceil(1000)
    })
}

/// Whether CONNACK has accepted the connection and nothing has ended it.
///
/// # Safety
/// `client` is null or leads to a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_is_connected(client: *const Client) -> bool {
    // SAFETY: the caller's promise.
    unsafe { with(client, |inner| Ok(inner.core.is_connected())) }.unwrap_or(false)
}

/// Messages of QoS 1 and 2 that are accepted and not settled, sent or not.
///
/// # Safety
/// `client` is null or leads to a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_unsettled(client: *const Client) -> usize {
    // SAFETY: the caller's promise.
    unsafe { with(client, |inner| Ok(inner.core.unsettled())) }.unwrap_or(0)
}
