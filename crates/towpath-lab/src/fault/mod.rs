//! Faults on switches: which there are, which are on, and for whom.
//!
//! Takes in [`Setting`]s from the config, the API, the page or a test; tells each part of the lab whether a connection
//! is to suffer. A fault below CONNECT that is meant for one device is done to connections from the address that the
//! device was last seen at, because nothing else tells its connections apart by then.

mod catalogue;

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::catalogue::{Kind, Takes};
use crate::{
    Error,
    clock::Clock,
    connection::{Connection, Listener},
    log::{Code, Log, Record},
    nearest::nearest,
};

/// A fault that is to be on: which, how much, for whom and how often. `FromStr` reads `name` and `name=value`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// The fault, by its name; or by its finding, where no other fault has the same.
    pub fault: Kind,
    /// The number or word it takes; its own default if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Only on this hub or provisioning service, by its host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Only for this device, `device/module` or registration id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Only on this listener: `mqtts` or `https`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<String>,
    /// After so many times it switches itself off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

impl Setting {
    /// The fault for everybody, with its own default.
    #[must_use]
    pub const fn new(fault: Kind) -> Self {
        Self {
            fault,
            value: None,
            host: None,
            device: None,
            listener: None,
            times: None,
        }
    }

    /// Only for this device, `device/module` or registration id.
    #[must_use]
    pub fn device(mut self, device: impl Into<String>) -> Self {
        self.device = Some(device.into());
        self
    }

    /// With this number.
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        self.value = Some(Value::Number(number));
        self
    }

    /// So many times.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// What the fault's value is in effect.
    fn value(&self) -> Option<Value> {
        self.value.clone().or_else(|| match self.fault.takes() {
            Takes::Nothing => None,
            Takes::Number(number) => Some(Value::Number(number)),
            Takes::Word(word) => Some(Value::Word(word.into())),
        })
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let name = self.fault.name();
        let wrong = |why: String| {
            Err(Error::Fault {
                why: format!("{name}: {why}"),
            })
        };
        match (self.fault.takes(), &self.value) {
            (Takes::Nothing, Some(_)) => return wrong("this fault takes no value".into()),
            (Takes::Number(_), Some(Value::Word(_))) => {
                return wrong("its value has to be a number".into());
            }
            (Takes::Word(_), Some(Value::Number(_))) => {
                return wrong("its value has to be text".into());
            }
            _ => {}
        }
        match self.listener.as_deref() {
            None | Some("mqtts" | "https") => Ok(()),
            Some(other) => wrong(format!(
                "there is no listener {other:?}; use \"mqtts\" or \"https\""
            )),
        }
    }
}

impl FromStr for Setting {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let value = value.map(|value| {
            value
                .parse()
                .map_or_else(|_| Value::Word(value.into()), Value::Number)
        });
        let setting = Self {
            value,
            ..Self::new(name.parse()?)
        };
        setting.check()?;
        Ok(setting)
    }
}

/// A fault's number or word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// In the unit that the fault's text names.
    Number(u64),
    /// Such as a suite or a host.
    Word(String),
}

impl Value {
    /// The number; 0 of a word.
    #[must_use]
    pub const fn number(&self) -> u64 {
        match self {
            Self::Number(number) => *number,
            Self::Word(_) => 0,
        }
    }

    /// The word; empty of a number.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Number(_) => "",
            Self::Word(word) => word,
        }
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(kind) = Self::ALL.iter().find(|kind| kind.name() == text) {
            return Ok(*kind);
        }
        let found = |finding: &str| finding.eq_ignore_ascii_case(text);
        let alike = Self::ALL
            .iter()
            .filter(|kind| kind.finding().is_some_and(found));
        let why = match alike.collect::<Vec<_>>()[..] {
            [kind] => return Ok(*kind),
            [] => match nearest(text, Self::ALL.iter().map(|kind| kind.name())) {
                Some(near) => format!("there is no fault {text:?}; is it {near:?}?"),
                None => format!("there is no fault {text:?}; \"towpath lab faults\" lists them"),
            },
            ref several => {
                let names: Vec<_> = several.iter().map(|kind| kind.name()).collect();
                format!("several faults are found as {text:?}: {}", names.join(", "))
            }
        };
        Err(Error::Fault { why })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A switch that is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Switch {
    /// What it is switched off by.
    pub number: u64,
    /// What a client finds, by the id in the catalogue of findings.
    pub finding: Option<&'static str>,
    /// What it was set to; `times` counts down.
    #[serde(flatten)]
    pub setting: Setting,
    /// How often it was done.
    pub done: u64,
}

/// All switches that are on. A copy shares them.
#[derive(Debug, Clone)]
pub struct Faults {
    inner: Arc<Mutex<Inner>>,
    log: Arc<Log>,
    clock: Arc<Clock>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    on: Vec<Switch>,
    /// Where each device was last seen. Bounded: see [`SEEN`].
    seen: HashMap<String, IpAddr>,
}

/// How many devices' addresses are remembered.
const SEEN: usize = 100_000;

/// How many switches can be on at once.
const SWITCHES: usize = 1000;

impl Faults {
    /// Nothing is on.
    #[must_use]
    pub fn new(log: Arc<Log>, clock: Arc<Clock>) -> Self {
        Self {
            inner: Arc::default(),
            log,
            clock,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Switches a fault on; gives its number.
    ///
    /// # Errors
    /// [`Error::Fault`] if the value or the listener can't be, or if a thousand are on.
    pub fn switch_on(&self, setting: Setting) -> Result<u64, Error> {
        setting.check()?;
        let number = {
            let mut inner = self.lock();
            if inner.on.len() >= SWITCHES {
                return Err(Error::Fault {
                    why: format!("{SWITCHES} faults are on; switch some off"),
                });
            }
            inner.next += 1;
            let (number, finding) = (inner.next, setting.fault.finding());
            inner.on.push(Switch {
                number,
                finding,
                setting: setting.clone(),
                done: 0,
            });
            number
        };
        self.tell(
            Code::FaultOn,
            &setting,
            format!("{} is on: {}", setting.fault, setting.fault.what()),
        );
        Ok(number)
    }

    /// Switches one off; `false` if it was not on.
    pub fn switch_off(&self, number: u64) -> bool {
        let gone = {
            let mut inner = self.lock();
            let at = inner.on.iter().position(|switch| switch.number == number);
            at.map(|at| inner.on.remove(at))
        };
        if let Some(gone) = &gone {
            self.tell(
                Code::FaultOff,
                &gone.setting,
                format!("{} is off", gone.setting.fault),
            );
        }
        gone.is_some()
    }

    /// Switches all off.
    pub fn clear(&self) {
        let all: Vec<_> = self.lock().on.iter().map(|switch| switch.number).collect();
        for number in all {
            self.switch_off(number);
        }
    }

    /// What is on.
    #[must_use]
    pub fn on(&self) -> Vec<Switch> {
        self.lock().on.clone()
    }

    /// The device was let in from this address.
    pub(crate) fn saw(&self, device: &str, address: IpAddr) {
        let mut inner = self.lock();
        if inner.seen.len() < SEEN || inner.seen.contains_key(device) {
            inner.seen.insert(device.to_owned(), address);
        }
    }

    /// Whether the connection is to suffer this now: if so it is counted, told, and the fault's value given (0 if it
    /// takes none). The last one switched on wins.
    pub(crate) fn strike(&self, kind: Kind, connection: &Connection) -> Option<Value> {
        let (setting, gone) = {
            let mut inner = self.lock();
            // The usual case is quick.
            if inner.on.is_empty() {
                return None;
            }
            let at = inner.position(kind, connection)?;
            let switch = inner.on.get_mut(at)?;
            switch.done += 1;
            let setting = switch.setting.clone();
            let last = switch.setting.times.as_mut().is_some_and(|times| {
                *times = times.saturating_sub(1);
                *times == 0
            });
            if last {
                inner.on.remove(at);
            }
            (setting, last)
        };
        connection.suffered(kind.name());
        let mut record = Record::info(Code::FaultApplied, format!("{kind}: {}", kind.what()))
            .connection(connection.id)
            .fault(kind.name());
        record.host = connection.host();
        record.device = connection.device();
        self.log.add(self.clock.now(), record);
        if gone {
            self.tell(
                Code::FaultOff,
                &setting,
                format!("{kind} is off: it was done as often as asked"),
            );
        }
        Some(setting.value().unwrap_or(Value::Number(0)))
    }

    /// The value that [`Self::strike`] would give, for a fault that is not done each time. Not counted and not told.
    pub(crate) fn meant(&self, kind: Kind, connection: &Connection) -> Option<Value> {
        let inner = self.lock();
        if inner.on.is_empty() {
            return None;
        }
        let switch = inner.on.get(inner.position(kind, connection)?)?;
        Some(switch.setting.value().unwrap_or(Value::Number(0)))
    }

    /// The value of a fault that is on for all of a host or a device, where there is no connection: a clock that runs
    /// ahead. Not counted and not told.
    pub(crate) fn standing(&self, kind: Kind, host: &str, device: Option<&str>) -> Option<Value> {
        let inner = self.lock();
        let mut on = inner.on.iter().rev().map(|switch| &switch.setting);
        on.find(|setting| {
            setting.fault == kind
                && setting
                    .host
                    .as_deref()
                    .is_none_or(|wanted| wanted.eq_ignore_ascii_case(host))
                && setting
                    .device
                    .as_deref()
                    .is_none_or(|wanted| Some(wanted) == device)
        })
        .map(|setting| setting.value().unwrap_or(Value::Number(0)))
    }

    fn tell(&self, code: Code, setting: &Setting, text: String) {
        let mut record = Record::info(code, text).fault(setting.fault.name());
        record.host.clone_from(&setting.host);
        record.device.clone_from(&setting.device);
        self.log.add(self.clock.now(), record);
    }
}

impl Inner {
    /// Which switch does this to the connection.
    fn position(&self, kind: Kind, connection: &Connection) -> Option<usize> {
        let (host, device) = (connection.host(), connection.device());
        self.on.iter().rposition(|switch| {
            switch.setting.fault == kind
                && self.is_meant(
                    &switch.setting,
                    connection,
                    host.as_deref(),
                    device.as_deref(),
                )
        })
    }

    fn is_meant(
        &self,
        setting: &Setting,
        connection: &Connection,
        host: Option<&str>,
        device: Option<&str>,
    ) -> bool {
        let listener = setting
            .listener
            .as_deref()
            .is_none_or(|wanted| match connection.listener {
                Listener::Mqtts => wanted == "mqtts",
                Listener::Https => wanted == "https",
            });
        let host = match (&setting.host, host) {
            (Some(wanted), Some(host)) => wanted.eq_ignore_ascii_case(host),
            // Before the server name is known a fault of one host is not done.
            (Some(_), None) => false,
            (None, _) => true,
        };
        let device = match (&setting.device, device) {
            (Some(wanted), Some(device)) => wanted == device,
            (Some(wanted), None) => self.seen.get(wanted) == Some(&connection.peer.ip()),
            (None, _) => true,
        };
        listener && host && device
    }
}

#[cfg(test)]
mod tests;
