//! What a lab is: listeners, certificates, hubs with their devices, provisioning, faults. From a TOML file or by hand.
//!
//! Keys and times have the units that their names end in. Where the real service's behaviour is not documented or the
//! sources contradict each other, [`Behaviour`] has both, with the reason for the default.

mod build;
mod check;
mod load;
mod places;
#[cfg(test)]
mod tests;

pub(crate) use self::check::is_thumbprint;
#[cfg(test)]
pub(crate) use self::load::tables;

use std::{
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value as Json};

use crate::{fault, key::Key};

/// A lab.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the state is kept; `None`: in memory only.
    pub state: Option<PathBuf>,
    /// Sockets.
    pub listen: Listen,
    /// Certificates, versions, and when 443 asks for the client's certificate.
    pub tls: Tls,
    /// The hubs.
    #[serde(rename = "hub")]
    pub hubs: Vec<Hub>,
    /// The provisioning service.
    pub provisioning: Option<Provisioning>,
    /// Faults that are on from the start.
    #[serde(rename = "fault")]
    pub faults: Vec<fault::Setting>,
}

/// Sockets. Port 0 takes a free one.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// The address of `mqtts` and `https`.
    pub address: IpAddr,
    /// MQTT over TLS.
    pub mqtts: u16,
    /// HTTPS: WebSocket and REST.
    pub https: u16,
    /// The page and the lab's own API, in plain HTTP on loopback only. `None`, in a file `false`: no page.
    #[serde(deserialize_with = "port_or_false")]
    pub page: Option<u16>,
    /// `https` is plain HTTP behind a proxy that ended TLS and has checked the client's certificate already.
    pub behind_proxy: Option<BehindProxy>,
    /// At most so many connections at once; more are closed at accept.
    pub connections: usize,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            mqtts: 8883,
            https: 443,
            page: Some(8080),
            behind_proxy: None,
            connections: 20_000,
        }
    }
}

/// TOML has no word for nothing.
fn port_or_false<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Page {
        Port(u16),
        Switch(bool),
    }
    match Page::deserialize(deserializer) {
        Ok(Page::Port(port)) => Ok(Some(port)),
        Ok(Page::Switch(false)) => Ok(None),
        _ => Err(serde::de::Error::custom(
            "this has to be a port, or false for no page",
        )),
    }
}

/// A proxy in front that ends TLS and hands the client's certificate on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BehindProxy {
    /// The addresses that are believed; all others are refused.
    pub trusted: Vec<IpAddr>,
    /// The header field with the client's certificate: PEM, with its line ends as spaces or percent-encoded.
    #[serde(default = "client_cert")]
    pub certificate_header: String,
}

fn client_cert() -> String {
    "X-Client-Cert".into()
}

/// TLS of both listeners.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// When 443 asks for the client's certificate.
    pub front: Front,
    /// Milliseconds of pause inside the renegotiation with `front = "delay"`.
    pub front_delay_ms: u64,
    /// Own certificate with its chain, PEM, instead of the lab's.
    pub cert: Option<PathBuf>,
    /// Its key, PEM.
    pub key: Option<PathBuf>,
    /// The oldest version taken.
    pub min: TlsVersion,
    /// The newest version taken. The documents of the service name 1.2 only.
    pub max: TlsVersion,
    /// Suites of TLS 1.2, by OpenSSL's names; empty: the four (eight with ECDSA) that the service takes today.
    pub suites: Vec<String>,
    /// Sessions can be taken up again.
    pub resumption: bool,
    /// Further names in the lab's own certificate.
    pub names: Vec<String>,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            front: Front::Renegotiate,
            front_delay_ms: 15_000,
            cert: None,
            key: None,
            min: TlsVersion::V12,
            max: TlsVersion::V12,
            suites: Vec::new(),
            resumption: true,
            names: Vec::new(),
        }
    }
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub enum TlsVersion {
    /// RFC 5246.
    #[serde(rename = "1.2")]
    V12,
    /// RFC 8446.
    #[serde(rename = "1.3")]
    V13,
}

/// When 443 asks for the client's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Front {
    /// Never.
    None,
    /// By renegotiation after the GET, unless it says `iothub-no-client-cert=true`; a client may have none.
    Renegotiate,
    /// The same, and a client without one is refused.
    Require,
    /// The same as `Renegotiate`, without secure renegotiation (RFC 5746).
    Legacy,
    /// The same as `Renegotiate`; when the client refuses, the connection is cut without an alert.
    Drop,
    /// The same as `Renegotiate`, with a pause inside the renegotiation.
    Delay,
}

/// An IoT hub.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hub {
    /// Its host name, such as `lab-hub.azure-devices.net` or `localhost`.
    pub host: String,
    /// Shared access policies. Empty: `iothubowner`, `service`, `device`, `registryRead`, `registryReadWrite` with keys
    /// of their own, which `towpath lab` prints.
    #[serde(rename = "policy")]
    pub policies: Vec<Policy>,
    /// CAs whose certificates devices may have, PEM files. The lab's own, `lab`, is among them in any case.
    pub device_cas: Vec<PathBuf>,
    /// Devices that exist from the start.
    #[serde(rename = "device")]
    pub devices: Vec<Device>,
    /// Sizes and rates.
    pub limits: Limits,
    /// Where the real service is not known for sure.
    pub behaviour: Behaviour,
}

/// A shared access policy of a hub.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Its name, `skn` in a token.
    pub name: String,
    /// Made on first start if not given.
    pub primary_key: Option<Key>,
    /// Made on first start if not given.
    pub secondary_key: Option<Key>,
    /// What it permits.
    pub rights: Vec<Right>,
}

/// What a policy permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Right {
    /// Reading identities, twins.
    RegistryRead,
    /// Changing identities.
    RegistryWrite,
    /// Methods, twins, cloud-to-device, telemetry.
    ServiceConnect,
    /// Acting as any device.
    DeviceConnect,
}

/// A device that exists from the start. Without key, thumbprint or `x509_ca` it gets keys of its own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Device {
    /// Its id, case-sensitive.
    pub id: String,
    /// It may not connect.
    pub disabled: bool,
    /// Symmetric key, base64.
    pub primary_key: Option<Key>,
    /// Symmetric key, base64.
    pub secondary_key: Option<Key>,
    /// SHA-1 (40 digits) or SHA-256 (64 digits) of the certificate, hexadecimal.
    pub primary_thumbprint: Option<String>,
    /// The same of the next certificate.
    pub secondary_thumbprint: Option<String>,
    /// A certificate of a CA in `device_cas`, or of the lab's own, with the device's id as common name.
    pub x509_ca: bool,
    /// It is an IoT Edge device.
    pub edge: bool,
    /// Tags of the twin.
    pub tags: Map<String, Json>,
    /// Desired properties of the twin.
    pub desired: Map<String, Json>,
    /// Modules.
    #[serde(rename = "module")]
    pub modules: Vec<Module>,
}

/// A module of a device; without keys, thumbprints or `x509_ca` it gets keys of its own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Module {
    /// Its id.
    pub id: String,
    /// It may not connect.
    pub disabled: bool,
    /// Symmetric key, base64.
    pub primary_key: Option<Key>,
    /// Symmetric key, base64.
    pub secondary_key: Option<Key>,
    /// As of a device.
    pub primary_thumbprint: Option<String>,
    /// As of a device.
    pub secondary_thumbprint: Option<String>,
    /// As of a device, with `device/module` as common name.
    pub x509_ca: bool,
    /// Tags of the twin.
    pub tags: Map<String, Json>,
    /// Desired properties of the twin.
    pub desired: Map<String, Json>,
}

/// Sizes and rates; the defaults are those of the real service's documents.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a message from a device, with properties.
    pub telemetry_bytes: usize,
    /// Bytes of a message to a device.
    pub c2d_bytes: usize,
    /// Messages in a device's queue.
    pub c2d_queue: usize,
    /// Seconds until a message to a device expires, where it does not say so.
    pub c2d_ttl_s: u64,
    /// Seconds that a message received over HTTP is locked for; over MQTT it is until its connection ends.
    pub c2d_lock_s: u64,
    /// How often a message may be abandoned before it is dropped; MQTT has no word for abandoning.
    pub c2d_deliveries: u32,
    /// Bytes of a method's payload.
    pub method_bytes: usize,
    /// Bytes of desired or of reported properties.
    pub twin_bytes: usize,
    /// Bytes of tags.
    pub tag_bytes: usize,
    /// Levels of a twin's properties.
    pub twin_depth: usize,
    /// Subscriptions of a connection.
    pub subscriptions: usize,
    /// Seconds of silence after which any connection is closed.
    pub keep_alive_cap_s: u64,
    /// Seconds within which CONNECT has to come.
    pub connect_s: u64,
    /// Seconds that a token may be from the hub's clock.
    pub skew_s: i64,
    /// Seconds that a connection outlives its token.
    pub token_grace_s: i64,
    /// Connections a second; 0: no limit. More are refused with return code 3.
    pub connects_per_s: u32,
    /// Messages from devices a second; 0: no limit.
    pub telemetry_per_s: u32,
    /// Twin reads and updates a second; 0: no limit.
    pub twins_per_s: u32,
    /// Messages of a day; 0: no limit.
    pub messages_per_day: u64,
    /// Messages from devices that are kept for readers; the oldest go first.
    pub telemetry_kept: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            telemetry_bytes: 256 << 10,
            c2d_bytes: 64 << 10,
            c2d_queue: 50,
            c2d_ttl_s: 3600,
            c2d_lock_s: 60,
            c2d_deliveries: 10,
            method_bytes: 128 << 10,
            twin_bytes: 32 << 10,
            tag_bytes: 8 << 10,
            twin_depth: 10,
            subscriptions: 5,
            keep_alive_cap_s: 1767,
            connect_s: 30,
            skew_s: 300,
            token_grace_s: 600,
            connects_per_s: 0,
            telemetry_per_s: 0,
            twins_per_s: 0,
            messages_per_day: 0,
            telemetry_kept: 10_000,
        }
    }
}

/// Where the real service's behaviour is not documented, or the sources contradict each other.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// A PUBLISH of QoS 2. Default `close`: the documents say so; a report of 2025 saw a PUBACK.
    pub qos2: Qos2,
    /// A subscription to a filter that is none of the hub's. Default `refuse`: what MQTT has a word for.
    pub unknown_filter: UnknownFilter,
    /// A PUBLISH to a topic that is none of the hub's. Default `close`: there is no other word in MQTT 3.1.1.
    pub unknown_topic: UnknownTopic,
    /// The return code for credentials that are not accepted. Default 5; alternating 5 and 3 has been reported.
    pub refusal: Refusal,
    /// The return code where X.509 is expected on 443 and no certificate came. Default 3, as reported; 5 is what the
    /// other refusals have.
    pub certificate_missing: u8,
    /// Keep-alive 0. Default `cap`: the load balancer in front closes idle connections anyway.
    pub keep_alive_0: KeepAlive0,
    /// A method's answer that is no JSON. Default `error`: the caller gets an error; `pass` gives it on as text.
    pub method_answer: MethodAnswer,
    /// The user name without `api-version`. Default `accept`, as older clients send it.
    pub no_api_version: NoApiVersion,
    /// A telemetry message that is too large. Default `close`; `drop` acknowledges and loses it.
    pub oversize: Oversize,
    /// Seconds that a method's caller may wait for at most. Default 300, as the service's SDKs say; its documents say
    /// 3600 in one place.
    pub method_timeout_s: u64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            qos2: Qos2::Close,
            unknown_filter: UnknownFilter::Refuse,
            unknown_topic: UnknownTopic::Close,
            refusal: Refusal::Five,
            certificate_missing: 3,
            keep_alive_0: KeepAlive0::Cap,
            method_answer: MethodAnswer::Error,
            no_api_version: NoApiVersion::Accept,
            oversize: Oversize::Close,
            method_timeout_s: 300,
        }
    }
}

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$vdoc])* $variant),* }
    )*};
}

choices! {
    /// What becomes of a PUBLISH of QoS 2.
    Qos2 {
        /// The connection is closed.
        Close,
        /// It is acknowledged with PUBACK.
        Puback,
    }
    /// What becomes of a subscription to an unknown filter.
    UnknownFilter {
        /// 0x80 in SUBACK.
        Refuse,
        /// The connection is closed.
        Close,
    }
    /// What becomes of a PUBLISH to an unknown topic.
    UnknownTopic {
        /// The connection is closed.
        Close,
        /// It is acknowledged and lost.
        Drop,
    }
    /// The return code for credentials that are not accepted.
    Refusal {
        /// Always 5.
        Five,
        /// 5 and 3 in turn.
        Alternating,
    }
    /// What keep-alive 0 means.
    KeepAlive0 {
        /// The cap holds.
        Cap,
        /// Never closed.
        Never,
    }
    /// What becomes of a method's answer that is no JSON.
    MethodAnswer {
        /// The caller gets an error.
        Error,
        /// The caller gets it as text.
        Pass,
    }
    /// What becomes of a user name without `api-version`.
    NoApiVersion {
        /// It is accepted.
        Accept,
        /// Return code 4.
        Refuse,
    }
    /// What becomes of a message that is too large.
    Oversize {
        /// The connection is closed.
        Close,
        /// It is acknowledged and lost.
        Drop,
    }
    /// Where a registrant's wrong credentials show.
    RefusedAt {
        /// In CONNACK, return code 5.
        Connack,
        /// In the answer to the registration: 401002.
        Response,
    }
    /// How a hub is chosen for a registrant.
    Allocation {
        /// The hub with the fewest devices of this service.
        EvenlyWeighted,
        /// By a hash of the registration id: always the same one.
        Hashed,
        /// The first one that is listed.
        Static,
    }
    /// What becomes of a device that registers again.
    Reprovision {
        /// Its twin and queue move along.
        Migrate,
        /// It starts over.
        Reset,
        /// It stays where it is.
        Never,
    }
}

/// The provisioning service.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Provisioning {
    /// Its host name.
    pub host: String,
    /// The ID scope, such as `0ne00000001`.
    pub id_scope: String,
    /// How many polls are answered with `assigning` before the assignment.
    pub polls: u32,
    /// Seconds between polls.
    pub retry_after_s: u32,
    /// Where wrong credentials show. Default `response`: HTTP's answers have 401002 there; for MQTT it is not known.
    pub refused_at: RefusedAt,
    /// How a hub is chosen, where an enrolment does not say.
    pub allocation: Allocation,
    /// Shared access policies of the service API. Empty: `provisioningserviceowner` with keys of its own.
    #[serde(rename = "policy")]
    pub policies: Vec<Policy>,
    /// Enrolments of one device each.
    #[serde(rename = "enrollment")]
    pub enrollments: Vec<Enrollment>,
    /// Enrolments of many devices each.
    #[serde(rename = "group")]
    pub groups: Vec<Enrollment>,
    /// Days that an issued certificate is valid for, 1 to 90.
    pub issued_days: u32,
}

impl Default for Provisioning {
    fn default() -> Self {
        Self {
            host: "global.azure-devices-provisioning.net".into(),
            id_scope: "0ne00000001".into(),
            polls: 1,
            retry_after_s: 1,
            refused_at: RefusedAt::Response,
            allocation: Allocation::EvenlyWeighted,
            policies: Vec::new(),
            enrollments: Vec::new(),
            groups: Vec::new(),
            issued_days: 30,
        }
    }
}

/// An enrolment of one device, or of a group. Without key, thumbprint or CA it gets keys of its own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Enrollment {
    /// The registration id, or the group's name. Case-insensitive.
    pub id: String,
    /// No registration is allowed.
    pub disabled: bool,
    /// Symmetric key, base64. In a group the devices' keys are derived from it.
    pub primary_key: Option<Key>,
    /// Symmetric key, base64.
    pub secondary_key: Option<Key>,
    /// The device's certificate (of one device), PEM file or thumbprint of 40 or 64 digits.
    pub primary_certificate: Option<String>,
    /// The next one.
    pub secondary_certificate: Option<String>,
    /// The CA or intermediate whose certificates the devices of a group have, PEM files; `lab` is the lab's device CA.
    pub cas: Vec<PathBuf>,
    /// The device's id in the hub, of one device; else the registration id.
    pub device_id: Option<String>,
    /// The hubs to choose from, by host name; empty: all.
    pub hubs: Vec<String>,
    /// How to choose.
    pub allocation: Option<Allocation>,
    /// What becomes of a device that registers again. Default `migrate`.
    pub reprovision: Option<Reprovision>,
    /// Tags of a new device's twin.
    pub tags: Map<String, Json>,
    /// Desired properties of a new device's twin.
    pub desired: Map<String, Json>,
    /// Given to the device with its assignment.
    pub payload: Option<Json>,
    /// Certificates are issued for the devices' requests.
    pub issue_certificates: bool,
    /// The devices are IoT Edge devices.
    pub edge: bool,
}

/// Whether the path of a CA is the word for the lab's own, whose file need not be there: an ephemeral lab has none. A
/// file of this name is `./lab`.
pub(crate) fn is_lab_ca(path: &Path) -> bool {
    path.as_os_str() == "lab"
}
