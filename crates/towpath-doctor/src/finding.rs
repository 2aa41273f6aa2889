//! One entry of the catalogue.

use towpath_proto::Rung;

/// Who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The device: its build, its settings, its files.
    Device,
    /// The network between: resolver, router, firewall.
    Network,
    /// A proxy or an inspecting middlebox.
    Proxy,
    /// The broker, the hub, or the front end before it.
    Server,
    /// The account at the broker or hub: credentials, enrolment, rights.
    Account,
}

impl Side {
    /// The lower-case name that text and JSON use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Network => "network",
            Self::Proxy => "proxy",
            Self::Server => "server",
            Self::Account => "account",
        }
    }
}

/// Where a remedy is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Platform {
    /// Zephyr and the nRF Connect SDK: Kconfig, in `prj.conf`.
    Zephyr,
    /// ESP-IDF: `sdkconfig.defaults`.
    EspIdf,
    /// Linux, and what `towpath` itself is told.
    Linux,
    /// The broker's, hub's or front end's configuration.
    Server,
    /// The proxy's, router's or resolver's configuration.
    Network,
}

impl Platform {
    /// Every platform, in the order of output.
    pub const ALL: &'static [Self] = &[
        Self::Zephyr,
        Self::EspIdf,
        Self::Linux,
        Self::Server,
        Self::Network,
    ];

    /// The name that text and JSON use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zephyr => "Zephyr / NCS",
            Self::EspIdf => "ESP-IDF",
            Self::Linux => "Linux",
            Self::Server => "server",
            Self::Network => "network",
        }
    }
}

/// What mends it on one platform: a sentence, or settings to paste.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remedy {
    /// Where.
    pub on: Platform,
    /// What to do, in a sentence or two. Names the file if `set` does not go where [`Platform`] says.
    pub what: &'static str,
    /// Lines to paste as they are; empty if there is nothing to paste.
    pub set: &'static str,
}

/// What produces a finding, and so proves that it is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// This fault of `towpath lab`, by its name on the switch; with `=VALUE` where it takes one.
    Lab(&'static str),
    /// A set-up of real programs, by its name in `interop/doctor`.
    SetUp(&'static str),
    /// A log in `tests/logs` of this crate, by its file name.
    Log(&'static str),
    /// A capture made by the tests of this crate, by its name.
    Capture(&'static str),
    /// Settings of a build or a config that the lint is given, by the name in `tests/lint` of this crate.
    Lint(&'static str),
    /// A code or message that `towpath explain` is given, as typed.
    Code(&'static str),
}

/// A cause that the doctor can name.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// The stable id, such as `TP-TLS-010`: the middle names the rung, `DEV` a device's own build, files and memory.
    pub id: &'static str,
    /// The rung on which it shows. Evidence may name another one, such as a closed connection on whichever rung it broke.
    pub rung: Rung,
    /// Who has to act.
    pub side: Side,
    /// The cause in one clause without a full stop, as behind `tls: `.
    pub cause: &'static str,
    /// The remedy in one short sentence, for the line of the verdict.
    pub fix: &'static str,
    /// What lies behind it, for somebody who has not met it before: a few sentences.
    pub about: &'static str,
    /// The evidence that decides, and what separates it from its neighbours.
    pub decided_by: &'static str,
    /// What mends it, by platform; at least one.
    pub remedies: &'static [Remedy],
    /// A sentence to send to the network's administrator; empty where there is nothing that they could do.
    pub administrator: &'static str,
    /// Error texts and codes that people meet with it, each as printed by some program.
    pub symptoms: &'static [&'static str],
    /// What produces it; at least one.
    pub proofs: &'static [Proof],
    /// Public threads and documents where somebody met it.
    pub sources: &'static [&'static str],
}
