//! The back-end against a real OpenSSL server, in memory: no socket, no time.

mod alerts;
mod authority;
mod extensions;
mod handshake;
mod later;
mod peer;
mod secrets;
mod sessions;
mod tokens;
mod trust;

use openssl::ssl::{SslContext, SslVersion};
use towpath_proto::{
    Fault,
    tls::{Identity, Profile, Roots, Tls as _, Version, Versions},
};
use towpath_tls_openssl::{Connection, Context};

use authority::{Issued, Wish};
use peer::Server;

pub(crate) const TLS12: Versions = Versions {
    min: Version::Tls12,
    max: Version::Tls12,
};
pub(crate) const TLS13: Versions = Versions {
    min: Version::Tls13,
    max: Version::Tls13,
};

/// A root, a server `localhost` under it, and a device under another root.
pub(crate) struct World {
    pub(crate) root: Issued,
    pub(crate) server: Issued,
    pub(crate) devices: Issued,
    pub(crate) device: Issued,
    root_pem: Vec<u8>,
    device_pem: Vec<u8>,
    device_key: Vec<u8>,
}

impl World {
    pub(crate) fn new() -> Self {
        let root = Issued::root("Test Root");
        let devices = Issued::root("Device Root");
        let device = devices.device("dev001");
        Self {
            server: root.sign(Wish::default()),
            root_pem: root.pem(),
            device_pem: device.pem(),
            device_key: device.key_pem(),
            root,
            devices,
            device,
        }
    }

    /// Calls `with` with a profile that trusts the root, for `localhost`.
    pub(crate) fn profile<T>(&self, with: impl FnOnce(Profile<'_>) -> T) -> T {
        with(Profile {
            roots: Roots::Given(&[&self.root_pem]),
            server: "localhost",
            ..Profile::default()
        })
    }

    pub(crate) fn identity(&self) -> Identity<'_> {
        Identity {
            chain: &self.device_pem,
            key: &self.device_key,
            password: None,
        }
    }

    /// A server of one version that takes the devices' certificates.
    pub(crate) fn context(&self, version: Option<SslVersion>) -> SslContext {
        let builder = peer::context(&self.server, &[], Some(&self.devices));
        match version {
            Some(version) => peer::only(builder, version).build(),
            None => builder.build(),
        }
    }

    /// Both sides after the first handshake.
    pub(crate) fn open(&self, versions: Versions, identity: bool) -> (Connection, Server) {
        let mut client = self.profile(|profile| {
            let profile = Profile {
                versions: Some(versions),
                identity: identity.then(|| self.identity()),
                post_handshake_auth: versions == TLS13,
                ..profile
            };
            connect(&profile).unwrap()
        });
        let mut server = Server::new(&self.context(None));
        peer::meet(&mut client, &mut server).unwrap();
        assert!(client.agreed().is_some() && server.open);
        (client, server)
    }
}

pub(crate) fn connect(profile: &Profile<'_>) -> Result<Connection, Fault> {
    Context::new(profile)?.connect(None)
}

/// The fault of a handshake with this profile and this server.
pub(crate) fn fault(profile: &Profile<'_>, context: &SslContext) -> Fault {
    let mut client = connect(profile).unwrap();
    let mut server = Server::new(context);
    let fault = peer::meet(&mut client, &mut server).unwrap_err();
    // Asked again it says the same, and nothing is taken any more.
    assert_eq!(client.handshake(), Err(fault));
    assert_eq!(client.write(b"x"), Err(fault));
    assert!(openssl::error::ErrorStack::get().errors().is_empty());
    fault
}
