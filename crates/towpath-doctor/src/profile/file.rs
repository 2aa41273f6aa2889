//! A device's profile in TOML: what `--as` reads, and what [`write()`] gives back of a build so that it can be kept.
//!
//! Keys have the names of towpath's own configuration file where that has them. A key that is not there is not known.
//!
//! ```toml
//! name = "nRF7002 DK, our firmware 1.4"
//! platform = "Zephyr / NCS"     # or "ESP-IDF", "Linux"
//!
//! [tls]
//! sockets = true                # there is TLS at all
//! min = "1.2"
//! max = "1.2"
//! ciphers = ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]
//! groups = ["secp256r1"]
//! sni = true                    # the server's name can be told
//! alpn = false                  # protocols can be offered
//! renegotiation = "never"       # or "once"
//! mfl = 2048
//! in_buffer = 4096              # bytes
//! out_buffer = 2048             # bytes
//! max_number = 256              # bytes; RSA with 4096 bits needs 512
//! rsa = true
//! ecdsa = true
//! sha384 = false
//! heap = 60000                  # bytes
//! contexts = 2
//! bundle = false                # roots are in the build
//! dates = true                  # certificates are checked for their dates
//! legacy_crypto = false
//!
//! [network]
//! tcp = true
//! families = "6"                # or "4", "any"; where one is known only: ipv4 = true or ipv6 = true
//! dns = true                    # there is a resolver
//! resolver = ["fd00::53"]       # DNS servers in the build
//! rdnss = false                 # DNS servers of router advertisements are taken
//! dhcp = false                  # DNS servers of DHCP are taken
//! other_resolver = true         # a second DNS client, such as OpenThread's
//! contexts = 6
//! descriptors = 16
//! thread = true
//! mss = 1220
//! http_proxy = false
//!
//! [mqtt]
//! tls = true
//! websocket = false
//! v5 = false
//! keepalive = 60                # seconds
//! rx_buffer = 1024              # bytes
//! tx_buffer = 1024              # bytes
//! http_buffer = 1024            # bytes
//! ```

use std::{fmt::Write as _, ops::Range};

use toml::de::{DeTable, DeValue};
use towpath_proto::tls::{Version, suite_like, suite_number};

use super::{
    DeviceProfile, MqttProfile, NetProfile, ProfileError, Set, TlsProfile, nearest::nearest,
    settings::text_of,
};
use crate::Platform;

/// The keys of each table; the first is the file itself.
const KNOWN: &[(&str, &[&str])] = &[
    ("", &["name", "platform", "tls", "network", "mqtt"]),
    (
        "tls",
        &[
            "sockets",
            "min",
            "max",
            "ciphers",
            "groups",
            "sni",
            "alpn",
            "renegotiation",
            "mfl",
            "in_buffer",
            "out_buffer",
            "max_number",
            "rsa",
            "ecdsa",
            "sha384",
            "heap",
            "contexts",
            "bundle",
            "dates",
            "legacy_crypto",
        ],
    ),
    (
        "network",
        &[
            "tcp",
            "families",
            "ipv4",
            "ipv6",
            "dns",
            "resolver",
            "rdnss",
            "dhcp",
            "other_resolver",
            "contexts",
            "descriptors",
            "thread",
            "mss",
            "http_proxy",
        ],
    ),
    (
        "mqtt",
        &[
            "tls",
            "websocket",
            "v5",
            "keepalive",
            "rx_buffer",
            "tx_buffer",
            "http_buffer",
        ],
    ),
];

/// The device that this file describes. `name` names the file in what is shown.
///
/// # Errors
/// The file, the line and the key that are wrong.
pub fn read(name: &str, bytes: &[u8]) -> Result<DeviceProfile, ProfileError> {
    let text = text_of(name, bytes)?;
    let source = Source { file: name, text };
    let parsed = DeTable::parse(text).map_err(|error| {
        let line = source.line(&error.span().unwrap_or_default());
        let why = error.message().lines().next().unwrap_or_default();
        ProfileError::at(name, line, format!("this is no TOML: {why}"))
    })?;
    let root = Table::root(&source, parsed.get_ref())?;
    let called = root.text("name")?;
    let tls = root.below("tls")?;
    let network = root.below("network")?;
    let mqtt = root.below("mqtt")?;
    Ok(DeviceProfile {
        name: called.map_or_else(|| name.to_owned(), |called| called.value),
        platform: root.choice("platform", PLATFORMS)?.map(|set| set.value),
        tls: tls_of(&tls)?,
        net: net_of(&network)?,
        mqtt: mqtt_of(&mqtt)?,
    })
}

const PLATFORMS: &[(&str, Platform)] = &[
    (Platform::Zephyr.name(), Platform::Zephyr),
    (Platform::EspIdf.name(), Platform::EspIdf),
    (Platform::Linux.name(), Platform::Linux),
];

fn tls_of(table: &Table<'_, '_>) -> Result<TlsProfile, ProfileError> {
    let versions = &[("1.2", Version::Tls12), ("1.3", Version::Tls13)];
    Ok(TlsProfile {
        sockets: table.switch("sockets")?,
        min: table.choice("min", versions)?,
        max: table.choice("max", versions)?,
        suites: table.suites("ciphers")?,
        groups: table.list("groups")?,
        server_name: table.switch("sni")?,
        alpn: table.switch("alpn")?,
        renegotiation: table.choice("renegotiation", &[("never", false), ("once", true)])?,
        in_buffer: table.number("in_buffer")?,
        out_buffer: table.number("out_buffer")?,
        max_fragment: table.number("mfl")?,
        max_number: table.number("max_number")?,
        rsa: table.switch("rsa")?,
        ecdsa: table.switch("ecdsa")?,
        sha384: table.switch("sha384")?,
        heap: table.number("heap")?,
        contexts: table.number("contexts")?,
        bundle: table.switch("bundle")?,
        dates: table.switch("dates")?,
        legacy_crypto: table.switch("legacy_crypto")?,
    })
}

fn net_of(table: &Table<'_, '_>) -> Result<NetProfile, ProfileError> {
    let families = &[
        ("any", (true, true)),
        ("4", (true, false)),
        ("6", (false, true)),
    ];
    let families = table.choice("families", families)?;
    let ipv4 = families.as_ref().map(|set| set.with(set.value.0));
    let ipv6 = families.as_ref().map(|set| set.with(set.value.1));
    Ok(NetProfile {
        tcp: table.switch("tcp")?,
        ipv4: ipv4.or(table.switch("ipv4")?),
        ipv6: ipv6.or(table.switch("ipv6")?),
        resolver: table.switch("dns")?,
        dns_servers: table.list("resolver")?,
        rdnss: table.switch("rdnss")?,
        contexts: table.number("contexts")?,
        descriptors: table.number("descriptors")?,
        thread: table.switch("thread")?,
        mss: table.number("mss")?,
        dhcp: table.switch("dhcp")?,
        other_resolver: table.switch("other_resolver")?,
        http_proxy: table.switch("http_proxy")?,
    })
}

fn mqtt_of(table: &Table<'_, '_>) -> Result<MqttProfile, ProfileError> {
    Ok(MqttProfile {
        tls: table.switch("tls")?,
        websocket: table.switch("websocket")?,
        v5: table.switch("v5")?,
        keep_alive: table.number("keepalive")?,
        rx_buffer: table.number("rx_buffer")?,
        tx_buffer: table.number("tx_buffer")?,
        http_buffer: table.number("http_buffer")?,
    })
}

/// The profile as a file that [`read`] takes. Where a value was read is a comment beside it.
#[must_use]
pub fn write(profile: &DeviceProfile) -> String {
    let mut out = Out::default();
    out.line("name", &quoted(&profile.name), "");
    if let Some(platform) = profile.platform {
        out.line("platform", &quoted(platform.name()), "");
    }
    write_tls(&mut out, &profile.tls);
    write_net(&mut out, &profile.net);
    write_mqtt(&mut out, &profile.mqtt);
    out.text
}

fn write_tls(out: &mut Out, tls: &TlsProfile) {
    out.table("tls");
    out.switch("sockets", tls.sockets.as_ref());
    out.shown("min", tls.min.as_ref(), |version| quoted(version.name()));
    out.shown("max", tls.max.as_ref(), |version| quoted(version.name()));
    out.shown("ciphers", tls.suites.as_ref(), |names| list(names));
    out.shown("groups", tls.groups.as_ref(), |names| list(names));
    out.switch("sni", tls.server_name.as_ref());
    out.switch("alpn", tls.alpn.as_ref());
    out.shown("renegotiation", tls.renegotiation.as_ref(), |on| {
        quoted(if *on { "once" } else { "never" })
    });
    out.number("mfl", tls.max_fragment.as_ref());
    out.number("in_buffer", tls.in_buffer.as_ref());
    out.number("out_buffer", tls.out_buffer.as_ref());
    out.number("max_number", tls.max_number.as_ref());
    out.switch("rsa", tls.rsa.as_ref());
    out.switch("ecdsa", tls.ecdsa.as_ref());
    out.switch("sha384", tls.sha384.as_ref());
    out.number("heap", tls.heap.as_ref());
    out.number("contexts", tls.contexts.as_ref());
    out.switch("bundle", tls.bundle.as_ref());
    out.switch("dates", tls.dates.as_ref());
    out.switch("legacy_crypto", tls.legacy_crypto.as_ref());
}

fn write_net(out: &mut Out, net: &NetProfile) {
    out.table("network");
    out.switch("tcp", net.tcp.as_ref());
    let both = net.ipv4.as_ref().zip(net.ipv6.as_ref());
    let families = both.and_then(|(ipv4, ipv6)| {
        let word = match (ipv4.value, ipv6.value) {
            (true, true) => "any",
            (true, false) => "4",
            (false, true) => "6",
            (false, false) => return None,
        };
        Some(ipv4.with(word))
    });
    match &families {
        Some(word) => out.shown("families", Some(word), |word| quoted(word)),
        None => {
            out.switch("ipv4", net.ipv4.as_ref());
            out.switch("ipv6", net.ipv6.as_ref());
        }
    }
    out.switch("dns", net.resolver.as_ref());
    out.shown("resolver", net.dns_servers.as_ref(), |names| list(names));
    out.switch("rdnss", net.rdnss.as_ref());
    out.switch("dhcp", net.dhcp.as_ref());
    out.switch("other_resolver", net.other_resolver.as_ref());
    out.number("contexts", net.contexts.as_ref());
    out.number("descriptors", net.descriptors.as_ref());
    out.switch("thread", net.thread.as_ref());
    out.number("mss", net.mss.as_ref());
    out.switch("http_proxy", net.http_proxy.as_ref());
}

fn write_mqtt(out: &mut Out, mqtt: &MqttProfile) {
    out.table("mqtt");
    out.switch("tls", mqtt.tls.as_ref());
    out.switch("websocket", mqtt.websocket.as_ref());
    out.switch("v5", mqtt.v5.as_ref());
    out.number("keepalive", mqtt.keep_alive.as_ref());
    out.number("rx_buffer", mqtt.rx_buffer.as_ref());
    out.number("tx_buffer", mqtt.tx_buffer.as_ref());
    out.number("http_buffer", mqtt.http_buffer.as_ref());
}

/// Text that grows by lines of TOML.
#[derive(Default)]
struct Out {
    text: String,
}

impl Out {
    fn table(&mut self, name: &str) {
        let _ = writeln!(self.text, "\n[{name}]");
    }

    fn line(&mut self, key: &str, value: &str, at: &str) {
        let comment: String = at.chars().filter(|char| !char.is_control()).collect();
        let _ = match comment.is_empty() {
            true => writeln!(self.text, "{key} = {value}"),
            false => writeln!(self.text, "{key} = {value}  # {comment}"),
        };
    }

    fn shown<T>(&mut self, key: &str, set: Option<&Set<T>>, show: impl FnOnce(&T) -> String) {
        if let Some(set) = set {
            let value = show(&set.value);
            self.line(key, &value, &format!("{}, {}", set.key, set.at));
        }
    }

    fn switch(&mut self, key: &str, set: Option<&Set<bool>>) {
        self.shown(key, set, bool::to_string);
    }

    fn number(&mut self, key: &str, set: Option<&Set<u32>>) {
        self.shown(key, set, u32::to_string);
    }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => {
                out.push('\\');
                out.push(char);
            }
            char if char.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(char));
            }
            char => out.push(char),
        }
    }
    out.push('"');
    out
}

fn list(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| quoted(name)).collect();
    format!("[{}]", names.join(", "))
}

struct Source<'a> {
    file: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        before.matches('\n').count().saturating_add(1)
    }
}

/// A table of the file whose keys are known.
struct Table<'a, 't> {
    source: &'a Source<'a>,
    name: &'static str,
    table: Option<&'a DeTable<'t>>,
}

impl<'a, 't> Table<'a, 't> {
    fn root(source: &'a Source<'a>, table: &'a DeTable<'t>) -> Result<Self, ProfileError> {
        let root = Self {
            source,
            name: "",
            table: Some(table),
        };
        root.check()?;
        Ok(root)
    }

    fn below(&self, name: &'static str) -> Result<Self, ProfileError> {
        let table = self.take(name, "a table", |value| value.as_table())?;
        let table = Self {
            source: self.source,
            name,
            table: table.map(|set| set.value),
        };
        table.check()?;
        Ok(table)
    }

    /// Refuses keys that nobody knows, the first of the file first.
    fn check(&self) -> Result<(), ProfileError> {
        let own = KNOWN.iter().find(|(name, _)| *name == self.name);
        let own = own.map_or(&[][..], |(_, keys)| keys);
        let keys = self.table.iter().flat_map(|table| table.keys());
        let unknown = keys
            .filter(|key| !own.contains(&key.get_ref().as_ref()))
            .min_by_key(|key| key.span().start);
        let Some(key) = unknown else { return Ok(()) };
        let given = key.get_ref().as_ref();
        let elsewhere = KNOWN.iter().find(|(_, keys)| keys.contains(&given));
        let why = match (nearest(given, own), elsewhere) {
            (_, Some(("", _))) => {
                "this key belongs to the top of the file, before the first [table]".to_owned()
            }
            (_, Some((table, _))) => format!("this key belongs into [{table}]"),
            (Some(near), None) => format!("this key is not known; is it {near}?"),
            (None, None) => format!("this key is not known; there are {}", own.join(", ")),
        };
        Err(self.wrong(given, &key.span(), &why))
    }

    fn wrong(&self, key: &str, span: &Range<usize>, why: &str) -> ProfileError {
        let key: String = self.full(key).chars().take(80).collect();
        ProfileError::at(
            self.source.file,
            self.source.line(span),
            format!("{key}: {why}"),
        )
    }

    fn full(&self, key: &str) -> String {
        match self.name {
            "" => key.to_owned(),
            name => format!("{name}.{key}"),
        }
    }

    fn take<T>(
        &self,
        key: &str,
        kind: &str,
        read: impl FnOnce(&'a DeValue<'t>) -> Option<T>,
    ) -> Result<Option<Set<T>>, ProfileError> {
        let Some(value) = self.table.and_then(|table| table.get(key)) else {
            return Ok(None);
        };
        let span = value.span();
        match read(value.get_ref()) {
            Some(read) => Ok(Some(Set {
                value: read,
                key: self.full(key),
                at: format!("{} line {}", self.source.file, self.source.line(&span)),
            })),
            None => Err(self.wrong(key, &span, &format!("this has to be {kind}"))),
        }
    }

    fn text(&self, key: &str) -> Result<Option<Set<String>>, ProfileError> {
        self.take(key, "text in quotes", |value| {
            value.as_str().map(str::to_owned)
        })
    }

    fn switch(&self, key: &str) -> Result<Option<Set<bool>>, ProfileError> {
        self.take(key, "true or false", DeValue::as_bool)
    }

    fn number(&self, key: &str) -> Result<Option<Set<u32>>, ProfileError> {
        self.take(key, "a number from 0 to 4294967295", |value| {
            let integer = value.as_integer()?;
            u32::from_str_radix(integer.as_str(), integer.radix()).ok()
        })
    }

    fn list(&self, key: &str) -> Result<Option<Set<Vec<String>>>, ProfileError> {
        let kind = format!("a list of texts, as in {key} = [\"...\", \"...\"]");
        self.take(key, &kind, |value| {
            let items = value.as_array()?.iter();
            items
                .map(|item| item.get_ref().as_str().map(str::to_owned))
                .collect()
        })
    }

    /// A list of cipher suites by their names in IANA's registry.
    fn suites(&self, key: &str) -> Result<Option<Set<Vec<String>>>, ProfileError> {
        let Some(set) = self.list(key)? else {
            return Ok(None);
        };
        for name in &set.value {
            if suite_number(name).is_some() {
                continue;
            }
            let shown: String = name.chars().take(80).collect();
            let why = match suite_like(name) {
                Some(iana) => {
                    format!("{shown:?} is not the name in the IANA registry; write it as {iana}")
                }
                None => format!("{shown:?} is no cipher suite in the IANA registry"),
            };
            let value = self.table.and_then(|table| table.get(key));
            let span = value.map_or(0..0, |value| value.span());
            return Err(self.wrong(key, &span, &why));
        }
        Ok(Some(set))
    }

    /// One of `choices` by its name.
    fn choice<T: Copy>(
        &self,
        key: &str,
        choices: &[(&str, T)],
    ) -> Result<Option<Set<T>>, ProfileError> {
        let names: Vec<_> = choices
            .iter()
            .map(|(name, _)| format!("{name:?}"))
            .collect();
        let kind = names.join(" or ");
        self.take(key, &kind, |value| {
            let given = value.as_str()?;
            let found = choices.iter().find(|(name, _)| *name == given);
            found.map(|(_, choice)| *choice)
        })
    }
}
