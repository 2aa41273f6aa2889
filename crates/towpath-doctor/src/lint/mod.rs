//! What can't work, said before a packet is sent: settings of a build against the URL, the certificates and the keys.
//!
//! Takes in the target, the device's profile, what is brought along for TLS and login, and the time; gives out findings,
//! each with the setting or the file that it rests on. A finding breaks the path only where that is certain: what a
//! build merely assumes, and what the server decides, is a warning. What is not known is not mentioned.
//!
//! [`lint()`] comes before a climb, [`limits()`] after it: sizes of what the server sent against the build's.

mod build;
mod certificates;
mod hub;
mod limits;
mod material;
mod names;
mod proxy;
mod tls;

use std::{
    fmt::Display,
    time::{SystemTime, UNIX_EPOCH},
};

pub use self::limits::limits;
use self::material::{Certificates, PrivateKey};
use crate::{
    catalogue,
    diagnosis::Found,
    evidence::{Scheme, Service, Target},
    profile::{DeviceProfile, Set},
};

/// What is brought along for TLS and for the server's login. Nothing of it is kept or shown but dates, names and sizes.
#[derive(Clone, Copy, Default)]
pub struct Material<'a> {
    /// The CA certificates that are trusted, PEM; none: those of the system.
    pub roots: Option<&'a [u8]>,
    /// The client's certificate chain, PEM.
    pub chain: Option<&'a [u8]>,
    /// The client's key, PEM.
    pub key: Option<&'a [u8]>,
    /// Whether the key belongs to the first certificate of the chain, where the caller's TLS library knows; none: it is
    /// looked up here, as far as the key's form gives its public part.
    pub key_matches: Option<bool>,
    /// The certificates that the server is known to show, PEM, leaf first.
    pub server_chain: Option<&'a [u8]>,
    /// Whether the TLS library wants the chain to end in a self-signed root, as OpenSSL does and Mbed TLS does not.
    pub wants_self_signed: bool,
    /// The password as it is sent; of a hub a shared access signature.
    pub password: Option<&'a [u8]>,
    /// The registration identifier at a provisioning service.
    pub registration_id: Option<&'a str>,
    /// The name to verify instead of the URL's host.
    pub server_name: Option<&'a str>,
    /// The NAT64 prefix that was given, such as `64:ff9b::/96`.
    pub nat64_prefix: Option<&'a str>,
    /// Whether packets may have IPv6 addresses only.
    pub only_ipv6: bool,
    /// The keep-alive that is asked for, seconds.
    pub keep_alive: Option<u16>,
    /// The highest QoS that is published with.
    pub qos: Option<u8>,
}

/// What can be said without a packet, what breaks the path first.
#[must_use]
pub fn lint(
    target: &Target,
    profile: Option<&DeviceProfile>,
    material: Material<'_>,
    clock: SystemTime,
) -> Vec<Found> {
    let silent = DeviceProfile::default();
    let case = Case {
        target,
        profile: profile.unwrap_or(&silent),
        now: seconds(clock),
        roots: material.roots.map(material::certificates),
        chain: material.chain.map(material::certificates),
        key: material.key.map(material::private_key),
        server_chain: material.server_chain.map(material::certificates),
        material,
    };
    let mut found = Vec::new();
    build::check(&case, &mut found);
    names::check(&case, &mut found);
    proxy::check(&case, &mut found);
    certificates::check(&case, &mut found);
    tls::check(&case, &mut found);
    hub::check(&case, &mut found);
    // What breaks comes first, and of that what is lower on the ladder.
    found.sort_by_key(|found| (!found.breaks, found.rung));
    found
}

/// All that the rules look at.
struct Case<'a> {
    target: &'a Target,
    profile: &'a DeviceProfile,
    material: Material<'a>,
    /// Seconds since 1970.
    now: i64,
    roots: Option<Certificates>,
    chain: Option<Certificates>,
    key: Option<PrivateKey>,
    server_chain: Option<Certificates>,
}

impl Case<'_> {
    fn is_secured(&self) -> bool {
        self.target.scheme.is_secured()
    }

    fn is_wss(&self) -> bool {
        self.target.scheme == Scheme::Wss
    }

    /// Whether it is a hub or its provisioning service.
    fn is_azure(&self) -> bool {
        matches!(self.target.service, Service::Hub | Service::Provisioning)
    }

    /// Whether it is one that Microsoft runs, not one on somebody's desk.
    fn is_public_azure(&self) -> bool {
        let host = self.target.host.to_ascii_lowercase();
        let ends = [
            ".azure-devices.net",
            ".azure-devices.cn",
            ".azure-devices.us",
            ".azure-devices-provisioning.net",
        ];
        ends.iter().any(|end| host.ends_with(end))
    }

    /// Whether it is an endpoint of AWS IoT, which shares its addresses with many others.
    fn is_aws(&self) -> bool {
        let host = self.target.host.to_ascii_lowercase();
        host.contains(".iot.")
            && (host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn"))
    }

    /// The client's certificates, where there are any that can be read.
    fn own_chain(&self) -> &[material::Certificate] {
        of(self.chain.as_ref())
    }

    /// What the server is known to show.
    fn shown_chain(&self) -> &[material::Certificate] {
        of(self.server_chain.as_ref())
    }

    /// What is trusted, where the user said so.
    fn trusted(&self) -> &[material::Certificate] {
        of(self.roots.as_ref())
    }
}

fn of(certificates: Option<&Certificates>) -> &[material::Certificate] {
    match certificates {
        Some(Ok(list)) => list,
        _ => &[],
    }
}

/// The finding with this id; none where the catalogue does not have it.
fn finding(id: &str) -> Option<Found> {
    catalogue::find(id).map(Found::new)
}

/// The finding with this id because of a setting. Where nobody wrote the setting down, it is a warning.
fn because_of<T>(id: &str, setting: &Set<T>) -> Option<Found>
where
    Set<T>: Display,
{
    let found = finding(id)?.because("setting", setting.to_string());
    Some(if setting.is_assumed() {
        found.warning()
    } else {
        found
    })
}

/// Whether a switch is known to be off.
fn off(setting: Option<&Set<bool>>) -> Option<&Set<bool>> {
    setting.filter(|setting| !setting.value)
}

/// Whether a switch is known to be on.
fn on(setting: Option<&Set<bool>>) -> Option<&Set<bool>> {
    setting.filter(|setting| setting.value)
}

/// Seconds since 1970, also before it.
fn seconds(clock: SystemTime) -> i64 {
    match clock.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs())
            .map_or(i64::MIN, |seconds| seconds.saturating_neg()),
    }
}

/// The day of a time in seconds since 1970, such as `2026-11-02`.
fn day(seconds: i64) -> String {
    let time = x509_parser::time::ASN1Time::from_timestamp(seconds);
    match time {
        Ok(time) => {
            let date = time.to_datetime().date();
            let month = u8::from(date.month());
            format!("{:04}-{month:02}-{:02}", date.year(), date.day())
        }
        Err(_) => format!("{seconds} seconds since 1970"),
    }
}
