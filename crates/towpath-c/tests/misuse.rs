//! What C can do wrong gets a status, and nothing else happens.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    mem::{MaybeUninit, zeroed},
    ptr::{null, null_mut},
};

use towpath_c::{
    Client, Status,
    client::*,
    commands::*,
    drive::*,
    nat64::*,
    text::*,
    types::{
        Buffers, Bytes, Cause, Kind, Options, Outgoing, Output, Properties, Property, Random, Rung,
        Subscription, TOWPATH_MOST, TOWPATH_NEVER, TOWPATH_V311, Upgrade,
    },
};

unsafe extern "C" fn fill(_: *mut c_void, out: *mut u8, len: usize) -> c_int {
    // SAFETY: the library gives `len` bytes.
    unsafe { out.write_bytes(0x5a, len) };
    0
}

unsafe extern "C" fn fail(_: *mut c_void, _: *mut u8, _: usize) -> c_int {
    -5
}

/// A client with its memory, where it stays.
struct Kit {
    client: Box<Client>,
    _memory: [Box<[u8]>; 4],
}

impl Kit {
    fn with(random: Random) -> Self {
        let mut memory = [512, 512, 512, 0].map(|len| vec![0; len].into_boxed_slice());
        let [rx, tx, store, aliases] = &mut memory;
        let buffers = Buffers {
            rx: rx.as_mut_ptr(),
            rx_len: rx.len(),
            tx: tx.as_mut_ptr(),
            tx_len: tx.len(),
            store: store.as_mut_ptr(),
            store_len: store.len(),
            aliases: null_mut(),
            aliases_len: aliases.len(),
        };
        // SAFETY: a client of zeros is one that is not initialised.
        let mut client: Box<Client> = Box::new(unsafe { zeroed() });
        // SAFETY: all pointers lead to what they should.
        let status =
            unsafe { towpath_init(&raw mut *client, &raw const buffers, &raw const random) };
        assert_eq!(status, Status::Ok);
        Self {
            client,
            _memory: memory,
        }
    }

    fn new() -> Self {
        Self::with(Random {
            fill: Some(fill),
            context: null_mut(),
        })
    }

    fn at(&mut self) -> *mut Client {
        &raw mut *self.client
    }

    fn poll(&mut self) -> Output {
        let mut output = MaybeUninit::<Output>::uninit();
        // SAFETY: the client is initialised, and the place for the output is there.
        unsafe {
            assert_eq!(towpath_poll(self.at(), 0, output.as_mut_ptr()), Status::Ok);
            output.assume_init()
        }
    }

    fn start(&mut self, options: &Options) -> Status {
        // SAFETY: as above.
        unsafe { towpath_start(self.at(), 0, options) }
    }

    fn text(&mut self) -> String {
        let mut room = [0 as c_char; 400];
        // SAFETY: the room is as long as is said, and its end is a zero.
        unsafe {
            towpath_fault_text(self.at(), room.as_mut_ptr(), room.len());
            CStr::from_ptr(room.as_ptr()).to_str().unwrap().to_owned()
        }
    }
}

fn options() -> Options {
    let mut options = MaybeUninit::uninit();
    // SAFETY: the place is there.
    unsafe {
        assert_eq!(towpath_defaults(options.as_mut_ptr()), Status::Ok);
        options.assume_init()
    }
}

const NOTHING: Properties = Properties {
    list: null(),
    count: 0,
};

const NO_BYTES: Bytes = Bytes {
    data: null(),
    len: 0,
};

fn message(topic: &CStr) -> Outgoing {
    Outgoing {
        topic: topic.as_ptr(),
        payload: NO_BYTES,
        qos: 1,
        retain: 0,
        properties: NOTHING,
    }
}

#[test]
fn null_everywhere() {
    let (client, message, list) = (null_mut::<Client>(), null(), null());
    // SAFETY: null is allowed everywhere.
    unsafe {
        assert_eq!(towpath_init(client, null(), null()), Status::Null);
        assert_eq!(towpath_defaults(null_mut()), Status::Null);
        assert_eq!(towpath_start(client, 0, null()), Status::Null);
        assert_eq!(towpath_poll(client, 0, null_mut()), Status::Null);
        assert_eq!(
            towpath_rx_space(client, null_mut(), null_mut()),
            Status::Null
        );
        assert_eq!(towpath_commit(client, 0, 0), Status::Null);
        assert_eq!(towpath_transmitted(client, 0, 0), Status::Null);
        assert_eq!(towpath_timeout(client, 0), Status::Null);
        assert_eq!(towpath_entered(client, 0, 0), Status::Null);
        assert_eq!(towpath_reached(client, 0, 0), Status::Null);
        assert_eq!(towpath_closed(client, 0, 0, 0), Status::Null);
        assert_eq!(towpath_publish(client, message, null_mut()), Status::Null);
        assert_eq!(towpath_subscribe(client, list, 1, null_mut()), Status::Null);
        assert_eq!(
            towpath_unsubscribe(client, null(), 1, null_mut()),
            Status::Null
        );
        assert_eq!(towpath_acknowledge(client, 1, 1), Status::Null);
        assert_eq!(towpath_auth(client, 0, null()), Status::Null);
        assert_eq!(towpath_disconnect(client, 0), Status::Null);
        assert_eq!(towpath_abandon(client), Status::Null);
        assert_eq!(towpath_trace(client, 1), Status::Null);
        assert_eq!(towpath_property_at(client, 0, null_mut()), Status::Null);
        assert_eq!(towpath_deadline(client), TOWPATH_NEVER);
        assert_eq!(towpath_pause(client, 0, 1, 1, 1), 0);
        assert_eq!(towpath_fault_text(client, null_mut(), 5), 0);
        assert_eq!(towpath_unsettled(client), 0);
        assert!(!towpath_is_connected(client));
        assert_eq!(
            towpath_nat64_synthesise(null(), 96, null(), null_mut()),
            Status::Null
        );
        assert_eq!(
            towpath_nat64_discover(null(), null_mut(), null_mut()),
            Status::Null
        );
    }
}

#[test]
fn memory_of_zeros_is_no_client() {
    // SAFETY: it may be zeros; the functions check that.
    unsafe {
        let mut client: Box<Client> = Box::new(zeroed());
        let at = &raw mut *client;
        assert_eq!(towpath_timeout(at, 0), Status::NotInitialised);
        assert_eq!(towpath_start(at, 0, &options()), Status::NotInitialised);
    }
}

#[test]
fn buffers_that_are_not_there() {
    let random = Random {
        fill: Some(fill),
        context: null_mut(),
    };
    let mut room = [0; 64];
    let good = Buffers {
        rx: room.as_mut_ptr(),
        rx_len: 64,
        tx: null_mut(),
        tx_len: 0,
        store: null_mut(),
        store_len: 0,
        aliases: null_mut(),
        aliases_len: 0,
    };
    // SAFETY: a buffer that is refused is not touched.
    unsafe {
        let mut client: Box<Client> = Box::new(zeroed());
        let at = &raw mut *client;
        let init = |buffers: Buffers, random: Random| {
            towpath_init(at, &raw const buffers, &raw const random)
        };
        let missing = Buffers {
            rx: null_mut(),
            ..good
        };
        assert_eq!(init(missing, random), Status::Null);
        let endless = Buffers {
            rx_len: usize::MAX,
            ..good
        };
        assert_eq!(init(endless, random), Status::Argument);
        assert_eq!(
            init(
                good,
                Random {
                    fill: None,
                    ..random
                }
            ),
            Status::Null
        );
        assert_eq!(towpath_timeout(at, 0), Status::NotInitialised);
        assert_eq!(init(good, random), Status::Ok);
        // No room for CONNECT: said, not met.
        assert_eq!(towpath_start(at, 0, &options()), Status::Full);
    }
}

#[test]
fn numbers_and_texts_that_are_not_allowed() {
    let mut kit = Kit::new();
    let bad = |change: fn(&mut Options)| {
        let mut options = options();
        change(&mut options);
        options
    };
    assert_eq!(kit.start(&bad(|o| o.version = 3)), Status::Argument);
    assert_eq!(
        kit.start(&bad(|o| o.client_id = c"\xff".as_ptr())),
        Status::Text
    );
    assert_eq!(kit.start(&bad(|o| o.password.len = 4)), Status::Null);
    let far = |o: &mut Options| {
        o.properties.count = TOWPATH_MOST + 1;
    };
    assert_eq!(kit.start(&bad(far)), Status::TooMany);
    // SAFETY: all that is not null is there.
    unsafe {
        let at = kit.at();
        let publish = |message: Outgoing| towpath_publish(at, &raw const message, null_mut());
        assert_eq!(
            publish(Outgoing {
                qos: 3,
                ..message(c"a")
            }),
            Status::Argument
        );
        assert_eq!(publish(message(c"a/#")), Status::Invalid);
        assert_eq!(
            publish(Outgoing {
                topic: null(),
                ..message(c"a")
            }),
            Status::Null
        );
        assert_eq!(
            towpath_subscribe(at, null(), 0, null_mut()),
            Status::Argument
        );
        let wanted = Subscription {
            filter: c"a".as_ptr(),
            qos: 0,
            no_local: 0,
            retain_as_published: 0,
            retain_handling: 3,
        };
        assert_eq!(
            towpath_subscribe(at, &raw const wanted, 1, null_mut()),
            Status::Argument
        );
        assert_eq!(towpath_entered(at, 0, Rung::Mqtt as u8), Status::Argument);
        assert_eq!(towpath_closed(at, 0, 99, 0), Status::Argument);
        assert_eq!(towpath_commit(at, 0, 1), Status::Argument);
        assert_eq!(towpath_transmitted(at, 0, 1), Status::Argument);
        assert_eq!(towpath_acknowledge(at, 1, 0), Status::Argument);
        assert_eq!(towpath_acknowledge(at, 1, 1), Status::NotConnected);
    }
}

#[test]
fn more_is_committed_than_there_was_room_for() {
    let mut kit = Kit::new();
    assert_eq!(kit.start(&options()), Status::Ok);
    let (mut room, mut len) = (null_mut(), 0);
    // SAFETY: the pointers are good.
    unsafe {
        let at = kit.at();
        assert_eq!(
            towpath_rx_space(at, &raw mut room, &raw mut len),
            Status::Ok
        );
        assert_eq!(len, 512);
        assert_eq!(towpath_commit(at, 0, len + 1), Status::Argument);
        // Something else came between, so the room is not the caller's any more.
        assert_eq!(towpath_timeout(at, 0), Status::Ok);
        assert_eq!(towpath_commit(at, 0, 1), Status::Argument);
    }
}

#[test]
fn a_fault_has_its_rung_number_and_words() {
    let mut kit = Kit::new();
    assert_eq!(kit.start(&options()), Status::Ok);
    // SAFETY: the client is initialised.
    unsafe {
        towpath_entered(kit.at(), 0, Rung::Tcp as u8);
        towpath_closed(kit.at(), 5, Cause::Refused as u8, 111);
    }
    let output = kit.poll();
    assert_eq!(output.kind, Kind::Failed);
    // SAFETY: the kind says that this is the one.
    let fault = unsafe { output.data.fault };
    assert_eq!(
        (fault.rung, fault.number, fault.alert),
        (Rung::Tcp, 111, -1)
    );
    // SAFETY: it ends with a zero.
    let finding = unsafe { CStr::from_ptr(fault.finding.as_ptr()) };
    assert_eq!(finding, c"TP-TCP-010");
    assert!(
        kit.text().starts_with("tcp: connection refused"),
        "{}",
        kit.text()
    );
    let mut short = [1 as c_char; 8];
    // SAFETY: the room is as long as is said.
    let whole = unsafe { towpath_fault_text(kit.at(), short.as_mut_ptr(), short.len()) };
    assert_eq!(whole, kit.text().len());
    // SAFETY: it ends with a zero.
    assert_eq!(unsafe { CStr::from_ptr(short.as_ptr()) }, c"tcp: co");
    assert_eq!(kit.poll().kind, Kind::Ended);
}

#[test]
fn an_end_in_tls_is_told_as_such() {
    for (cause, number, words) in [
        (
            Cause::Closed,
            103,
            "tls: the connection ended inside the TLS handshake. ",
        ),
        (
            Cause::TimedOut,
            116,
            "tls: no answer in the TLS handshake. ",
        ),
        (
            Cause::CertificateExpired,
            0,
            "tls: the server's certificate has expired. ",
        ),
    ] {
        let mut kit = Kit::new();
        let secured = Options {
            secured: 1,
            ..options()
        };
        assert_eq!(kit.start(&secured), Status::Ok);
        // SAFETY: the client is initialised.
        unsafe {
            towpath_reached(kit.at(), 0, Rung::Tcp as u8);
            towpath_closed(kit.at(), 0, cause as u8, number);
        }
        assert_eq!(kit.poll().kind, Kind::Failed);
        assert!(kit.text().starts_with(words), "{}", kit.text());
    }
}

#[test]
fn without_random_numbers_nothing_leaves() {
    let mut kit = Kit::with(Random {
        fill: Some(fail),
        context: null_mut(),
    });
    let upgrade = Upgrade {
        host: c"h".as_ptr(),
        target: c"/".as_ptr(),
        subprotocols: null(),
        headers: null(),
        header_count: 0,
    };
    let framed = Options {
        upgrade: &raw const upgrade,
        ..options()
    };
    assert_eq!(kit.start(&framed), Status::Random);
    assert_eq!(kit.poll().kind, Kind::Ended);
}

/// The client that the callback calls, which is the one that called it.
unsafe extern "C" fn call_back(context: *mut c_void, out: *mut u8, len: usize) -> c_int {
    // SAFETY: the context is the client's own memory; the room is the library's.
    unsafe {
        out.write_bytes(1, len);
        let client = *context.cast::<*mut Client>();
        assert_eq!(towpath_timeout(client, 0), Status::Busy);
    }
    0
}

#[test]
fn a_callback_does_not_come_in_again() {
    let mut place: Box<*mut Client> = Box::new(null_mut());
    let mut kit = Kit::with(Random {
        fill: Some(call_back),
        context: (&raw mut *place).cast(),
    });
    *place = kit.at();
    // SAFETY: the client is initialised.
    assert!(unsafe { towpath_pause(kit.at(), 0, 1000, 1000, 1000) } > 0);
}

#[test]
fn version_311_has_no_properties() {
    let mut kit = Kit::new();
    let property = Property {
        id: 0x11,
        number: 60,
        data: NO_BYTES,
        value: NO_BYTES,
    };
    let old = Options {
        version: TOWPATH_V311,
        properties: Properties {
            list: &raw const property,
            count: 1,
        },
        ..options()
    };
    assert_eq!(kit.start(&old), Status::NeedsV5);
    let unknown = Property {
        id: 0x7f,
        ..property
    };
    let new = Options {
        properties: Properties {
            list: &raw const unknown,
            count: 1,
        },
        ..options()
    };
    assert_eq!(kit.start(&new), Status::Argument);
}

#[test]
fn addresses_through_nat64() {
    let mut prefix = [0; 16];
    prefix[..4].copy_from_slice(&[0, 0x64, 0xff, 0x9b]);
    let (mut made, mut found, mut len) = ([0; 16], [0; 16], 0);
    // SAFETY: the arrays are as long as they have to be.
    unsafe {
        let mut make = |len: u8, v4: [u8; 4]| {
            towpath_nat64_synthesise(prefix.as_ptr(), len, v4.as_ptr(), made.as_mut_ptr())
        };
        assert_eq!(make(95, [8, 8, 8, 8]), Status::Invalid);
        // RFC 6052 section 3.1.
        assert_eq!(make(96, [10, 0, 0, 1]), Status::Invalid);
        assert_eq!(make(96, [192, 0, 0, 170]), Status::Invalid);
        assert_eq!(make(96, [8, 8, 8, 8]), Status::Ok);
        assert_eq!(made[12..], [8, 8, 8, 8]);
        let mut aaaa = prefix;
        let mut discover = |aaaa: [u8; 16]| {
            towpath_nat64_discover(aaaa.as_ptr(), found.as_mut_ptr(), &raw mut len)
        };
        assert_eq!(discover(aaaa), Status::None);
        aaaa[12..].copy_from_slice(&[192, 0, 0, 170]);
        assert_eq!(discover(aaaa), Status::Ok);
    }
    assert_eq!((found, len), (prefix, 96));
}

#[test]
fn every_status_and_rung_has_words() {
    for number in (-40..1).chain([i32::MIN, i32::MAX]) {
        // SAFETY: it is a text with a zero at its end.
        let text = unsafe { CStr::from_ptr(towpath_status_text(number)) };
        assert!(!text.is_empty());
    }
    // SAFETY: as above.
    let names = [0, 4, 10, 11, 255].map(|rung| unsafe { CStr::from_ptr(towpath_rung_name(rung)) });
    assert_eq!(names, [c"link", c"tcp", c"hub", c"", c""]);
    assert_eq!(towpath_abi(), towpath_c::types::TOWPATH_ABI);
}
