//! Words for people.

use core::{
    ffi::{CStr, c_char},
    fmt::{self, Write as _},
    slice,
};

use crate::{
    client::{Client, with},
    types::Status,
};

/// Writes into `room`, keeps the last byte for a zero, and counts what did not fit too.
struct Cut<'a> {
    room: &'a mut [u8],
    whole: usize,
}

impl fmt::Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let last = self.room.len().saturating_sub(1);
        if let Some(free) = self.room.get_mut(self.whole.min(last)..last) {
            for (to, from) in free.iter_mut().zip(text.bytes()) {
                *to = from;
            }
        }
        self.whole = self.whole.saturating_add(text.len());
        Ok(())
    }
}

/// Writes the fault that ended the last attempt in one line into `room`: rung, cause, numbers, what the peer said,
/// remedy, and the id of the finding. It is cut to `len` bytes with the zero at its end, as `snprintf` does.
///
/// Answers the bytes of the whole text without the zero; 0 if there was no fault, or no client.
///
/// # Safety
/// `client` is null or leads to a client; `room` is null or leads to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_fault_text(
    client: *const Client,
    room: *mut c_char,
    len: usize,
) -> usize {
    let fits = isize::try_from(len).is_ok() && !room.is_null() && len > 0;
    let room = if fits {
        // SAFETY: the caller's promise; bytes have no alignment, and the zeros make them readable.
        unsafe {
            room.write_bytes(0, len);
            slice::from_raw_parts_mut(room.cast::<u8>(), len)
        }
    } else {
        &mut []
    };
    let mut cut = Cut { room, whole: 0 };
    // SAFETY: the caller's promise.
    let fault = unsafe { with(client, |inner| inner.fault.ok_or(Status::None)) };
    if let Ok(fault) = fault {
        let _ = write!(cut, "{fault}");
    }
    cut.whole
}

/// The name of a `towpath_rung`, such as `tcp`; empty if there is none. It is never null and stays for ever.
#[unsafe(no_mangle)]
pub extern "C" fn towpath_rung_name(rung: u8) -> *const c_char {
    const NAMES: [&CStr; 11] = [
        c"link", c"address", c"dns", c"nat64", c"tcp", c"proxy", c"tls", c"upgrade", c"ws",
        c"mqtt", c"hub",
    ];
    NAMES.get(usize::from(rung)).unwrap_or(&c"").as_ptr()
}

/// What a `towpath_status` means, in English. It is never null and stays for ever.
#[unsafe(no_mangle)]
pub extern "C" fn towpath_status_text(status: i32) -> *const c_char {
    const TEXTS: [(Status, &CStr); 23] = [
        (Status::Ok, c"done"),
        (Status::Null, c"a pointer is null that may not be"),
        (Status::NotInitialised, c"towpath_init was not called"),
        (Status::Busy, c"a callback called its own client"),
        (Status::Argument, c"a number or length that is not allowed"),
        (Status::TooMany, c"more than TOWPATH_MOST of something"),
        (Status::Text, c"a text that is not UTF-8"),
        (Status::Random, c"the callback for random numbers failed"),
        (Status::None, c"there is none"),
        (Status::NotBuilt, c"the library was built without it"),
        (Status::NeedsV5, c"MQTT 3.1.1 can't say this; use MQTT 5"),
        (Status::Invalid, c"a topic, filter or property is not valid"),
        (Status::Qos, c"the server takes only a lower QoS"),
        (Status::Retain, c"the server keeps no retained messages"),
        (
            Status::PacketTooLarge,
            c"the packet is larger than the server takes",
        ),
        (
            Status::Wildcard,
            c"the server has no wildcard subscriptions",
        ),
        (Status::Shared, c"the server has no shared subscriptions"),
        (
            Status::SubscriptionIdentifier,
            c"the server has no subscription identifiers",
        ),
        (
            Status::Full,
            c"no room in the session store or the transmit buffer",
        ),
        (Status::NoPacketId, c"all packet identifiers are in use"),
        (Status::NotConnected, c"there is no connection"),
        (
            Status::Header,
            c"a host, path or header holds characters that HTTP does not allow",
        ),
        (Status::Refused, c"the command can't be taken"),
    ];
    let known = TEXTS.iter().find(|(known, _)| *known as i32 == status);
    known.map_or(c"unknown status", |(_, text)| *text).as_ptr()
}
