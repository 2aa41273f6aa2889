//! The options of `towpath explain`.

use std::{ffi::OsString, path::PathBuf};

use super::OUTPUT;

/// Explain an error code, a finding, a device's log or a capture
///
/// Takes what a device printed and answers as towpath doctor does: which rung broke, why, what it rests on, and the
/// setting that mends it. A log may be of Zephyr, the nRF Connect SDK, ESP-IDF, Mbed TLS, OpenThread, mosquitto_pub,
/// paho or towpath, as text or as frames of defmt (--elf, or already decoded by defmt-print or probe-rs); a capture is .pcap or .pcapng. A code is given as it was printed, sign and prefix and all; where it
/// means different things on different systems, all of them are told, and what separates them. Nothing is sent
/// anywhere.
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLES,
    override_usage = "towpath explain [OPTIONS] <CODE|ID>...\n       \
        towpath explain [OPTIONS] <FILE|->\n       \
        towpath explain [OPTIONS] --elf <FIRMWARE> [FILE|-]\n       \
        towpath explain --list [--json]"
)]
pub(crate) struct Explain {
    /// A code or error text (several words are one), the id of a finding, a file with a log or a capture, or - for
    /// standard input
    #[arg(
        value_name = "WHAT",
        required_unless_present_any = ["list", "elf"],
        conflicts_with = "list",
        allow_hyphen_values = true
    )]
    pub(crate) what: Vec<OsString>,

    /// What is read is defmt's frames, as a device sends them, of the firmware in this ELF file. The ladder is drawn as it
    /// is climbed, the answer follows at the end. Without FILE it is standard input
    #[arg(long, value_name = "FIRMWARE", conflicts_with = "list")]
    pub(crate) elf: Option<PathBuf>,

    /// Every finding, one line each
    #[arg(long)]
    pub(crate) list: bool,

    /// Write a page with the ladder drawn to this file, for a support ticket; secrets are left out
    #[arg(long, value_name = "FILE", conflicts_with = "list", help_heading = OUTPUT)]
    pub(crate) report: Option<PathBuf>,

    /// Everything that was seen, also where nothing broke
    #[arg(short, long, conflicts_with = "json", help_heading = OUTPUT)]
    pub(crate) verbose: bool,

    /// JSON: one object on standard output
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) json: bool,
}

impl Explain {
    /// Codes may begin with a hyphen, so that options behind one are read as if they were part of it.
    ///
    /// # Errors
    /// What is wrong, as a usage names it.
    pub(crate) fn settle(&mut self) -> Result<(), Unsettled> {
        let mut words = std::mem::take(&mut self.what).into_iter();
        while let Some(word) = words.next() {
            match word.to_str() {
                Some("--json") => self.json = true,
                Some("--verbose" | "-v") => self.verbose = true,
                Some("--help" | "-h") => return Err(Unsettled::Help),
                Some("--report") => {
                    let file = words.next().ok_or(Unsettled::Missing("--report <FILE>"))?;
                    self.report = Some(file.into());
                }
                Some(text) if text.starts_with("--report=") => {
                    self.report = text.strip_prefix("--report=").map(PathBuf::from);
                }
                Some("--elf") => {
                    let file = words.next().ok_or(Unsettled::Missing("--elf <FIRMWARE>"))?;
                    self.elf = Some(file.into());
                }
                Some(text) if text.starts_with("--elf=") => {
                    self.elf = text.strip_prefix("--elf=").map(PathBuf::from);
                }
                // No code begins so.
                Some(text) if text.starts_with("--") && text.len() > 2 => {
                    return Err(Unsettled::Unknown(text.to_owned()));
                }
                _ => self.what.push(word),
            }
        }
        if self.json && self.verbose {
            return Err(Unsettled::Both);
        }
        if self.what.is_empty() && self.elf.is_some() {
            self.what.push("-".into());
        }
        if self.what.is_empty() && !self.list {
            return Err(Unsettled::Missing("<WHAT>"));
        }
        Ok(())
    }
}

/// Why what was typed can't be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unsettled {
    /// The help is asked for.
    Help,
    /// This is missing.
    Missing(&'static str),
    /// There is no such option.
    Unknown(String),
    /// `--json` and `--verbose` at once.
    Both,
}

const EXAMPLES: &str = "\
Examples:
  What a device said, as it said it:
    towpath explain -0x7280
    towpath explain -29312
    towpath explain errno -116
    towpath explain CONNACK 5
    towpath explain ESP_ERR_ESP_TLS_CANNOT_RESOLVE_HOSTNAME
  Everything about a finding that doctor, pub or a log has named:
    towpath explain TP-TLS-031
  The log of a device; with a page for the support:
    towpath explain serial.log --report report.html
  Straight from the port:
    timeout 60 cat /dev/ttyACM0 | towpath explain -
  A device with towpath on it, whose log is frames of defmt; and the same decoded by another tool:
    towpath explain --elf firmware.elf /dev/ttyACM0
    probe-rs run firmware.elf | towpath explain -
  A capture made by tcpdump, Wireshark or a Thread sniffer:
    towpath explain device.pcapng
  All that can be named:
    towpath explain --list

Exit status: 0 named or healthy; 1 nothing in it is known here; 2 wrong usage.";
