//! TLS: its materials, one connection of it, and the session that the next one resumes.

use core::ffi::CStr;

use mps2_an505::{clock, random, settings};
use towpath::{
    Code, Fault, Rung,
    proto::tls::{Clock, Identity, Layer, Profile, Renegotiation, Roots},
};
use towpath_tls_mbed::{Connection, Context, set_random};

use crate::setup::Setup;

/// What is offered: with forward secrecy, and what a chip or 300 lines of C do in one pass.
const SUITES: [&str; 3] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
];

/// What every connection shares.
pub(crate) struct Materials {
    context: Context,
    /// Whether there is a certificate to show.
    has_identity: bool,
    renegotiation: Renegotiation,
}

/// The TLS of one TCP connection.
pub(crate) type Tls<'a> = Layer<Connection<&'a mut [u8]>>;

/// Reads the files into `room` and makes them ready for every connection.
#[inline(never)]
pub(crate) fn materials(setup: &Setup, room: &mut [u8]) -> Result<Materials, Fault> {
    set_random(|bytes| {
        random::fill(bytes);
        true
    });
    let made = made(setup, room);
    // There is a key in it.
    room.fill(0);
    made
}

fn made(setup: &Setup, room: &mut [u8]) -> Result<Materials, Fault> {
    let (root, rest) = file(c"root.der", room);
    let root = root.ok_or_else(|| missing(c"root.der"))?;
    let (chain, rest) = file(c"device.der", rest);
    let (key, _) = file(c"device.key", rest);
    let identity = chain.zip(key).map(|(chain, key)| Identity {
        chain,
        key,
        password: None,
    });
    let profile = Profile {
        server: setup.server,
        suites: &SUITES,
        roots: Roots::Given(&[root]),
        identity,
        renegotiation: setup.renegotiation,
        clock: Clock::Given(|| Some(clock::unix())),
        ..Profile::default()
    };
    Ok(Materials {
        context: Context::new(&profile)?,
        has_identity: identity.is_some(),
        renegotiation: setup.renegotiation,
    })
}

/// The file, and the room behind it.
fn file<'a>(name: &CStr, room: &'a mut [u8]) -> (Option<&'a [u8]>, &'a mut [u8]) {
    let len = settings::file(name, room).map(<[u8]>::len);
    match len.and_then(|len| room.split_at_mut_checked(len)) {
        Some((file, rest)) => (Some(file), rest),
        None => (None, &mut []),
    }
}

fn missing(name: &CStr) -> Fault {
    Fault::new(Rung::Tls, Code::TlsMaterial).detail(name.to_bytes())
}

/// TLS for another connection, which tells what it sees.
#[inline(never)]
pub(crate) fn layer<'a>(
    materials: &Materials,
    records: &'a mut [u8],
    session: Option<&[u8]>,
) -> Result<Tls<'a>, Fault> {
    let Materials {
        context,
        has_identity,
        renegotiation,
    } = materials;
    let (rx, tx) = records.split_at_mut(records.len() / 2);
    let tls = context.connect(rx, tx, session)?;
    Ok(Layer::with(tls, *renegotiation, *has_identity, true))
}

/// A session to resume, if there is one.
pub(crate) struct Kept {
    bytes: [u8; Self::ROOM],
    len: usize,
}

impl Kept {
    /// A session with its ticket and the server's certificate.
    const ROOM: usize = 2560;

    pub(crate) const NOTHING: Self = Self {
        bytes: [0; Self::ROOM],
        len: 0,
    };

    /// Takes the place of what was kept, if it fits.
    pub(crate) fn keep(&mut self, session: &[u8]) {
        let room = self.bytes.get_mut(..session.len());
        self.len = room.map_or(0, |room| {
            room.copy_from_slice(session);
            session.len()
        });
    }

    pub(crate) fn session(&self) -> Option<&[u8]> {
        self.bytes.get(..self.len).filter(|bytes| !bytes.is_empty())
    }
}
