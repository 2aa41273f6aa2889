//! The words of a firmware: symbols of the section `.defmt` in its ELF file. In goes the file, out comes a [`Firmware`].

use std::{borrow::Cow, collections::BTreeMap};

use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
use serde::Deserialize;

/// How frames follow each other on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Each ends with a zero, and none is inside.
    Rzcobs,
    /// One behind the other.
    Raw,
}

/// How loud a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    /// `defmt::println`.
    Print,
}

/// The words that a firmware's frames are made of.
#[derive(Debug)]
pub struct Firmware {
    strings: BTreeMap<u16, (Option<Level>, String)>,
    timestamp: Option<String>,
    encoding: Encoding,
}

/// The wire format that is read here.
const VERSION: &str = "4";

/// What defmt writes into the name of a symbol.
#[derive(Deserialize)]
struct Symbol<'a> {
    #[serde(borrow)]
    tag: Cow<'a, str>,
    #[serde(borrow)]
    data: Cow<'a, str>,
}

impl Firmware {
    /// The words in this ELF file.
    ///
    /// # Errors
    /// Why it has none, as the end of a sentence about it.
    pub fn read(elf: &[u8]) -> Result<Self, String> {
        let file = object::File::parse(elf).map_err(|error| format!("no ELF file ({error})"))?;
        let sections: Vec<_> = file
            .sections()
            .filter(|section| {
                section
                    .name()
                    .is_ok_and(|name| name == ".defmt" || name.starts_with(".defmt."))
            })
            .map(|section| section.index())
            .collect();
        let mut version = None;
        let mut firmware = Self {
            strings: BTreeMap::new(),
            timestamp: None,
            encoding: Encoding::Rzcobs,
        };
        for symbol in file.symbols() {
            let Ok(name) = symbol.name() else { continue };
            let plain = name.trim_matches('"');
            if let Some(found) = plain.strip_prefix("_defmt_version_ = ") {
                version = Some(found.to_owned());
            } else if let Some(found) = plain.strip_prefix("_defmt_encoding_ = ") {
                firmware.encoding = match found {
                    "raw" => Encoding::Raw,
                    "rzcobs" => Encoding::Rzcobs,
                    other => return Err(format!("frames in an encoding that is unknown: {other}")),
                };
            } else if symbol
                .section_index()
                .is_some_and(|index| sections.contains(&index))
            {
                firmware.add(name, symbol.address());
            }
        }
        match version.as_deref() {
            Some(VERSION) => Ok(firmware),
            Some(other) => Err(format!(
                "frames of version {other} of defmt's wire format, and {VERSION} is read here: build with defmt 1"
            )),
            None => Err(
                "no words of defmt in it: it has to be the ELF file as it was linked, with -Tdefmt.x, not stripped"
                    .to_owned(),
            ),
        }
    }

    fn add(&mut self, name: &str, address: u64) {
        let Ok(symbol) = serde_json::from_str::<Symbol<'_>>(name) else {
            return;
        };
        let level = match &*symbol.tag {
            "defmt_trace" => Some(Level::Trace),
            "defmt_debug" => Some(Level::Debug),
            "defmt_info" => Some(Level::Info),
            "defmt_warn" => Some(Level::Warn),
            "defmt_error" => Some(Level::Error),
            "defmt_println" => Some(Level::Print),
            "defmt_timestamp" => {
                self.timestamp = Some(symbol.data.into_owned());
                return;
            }
            "defmt_bitflags_value" => return,
            _ => None,
        };
        if let Ok(index) = u16::try_from(address) {
            let data = symbol.data.into_owned();
            self.strings.insert(index, (level, data));
        }
    }

    pub(super) const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The format of the time in front of each frame.
    pub(super) fn timestamp(&self) -> Option<&str> {
        self.timestamp.as_deref()
    }

    /// The level and the format of a statement.
    pub(super) fn statement(&self, index: u16) -> Option<(Level, &str)> {
        let (level, format) = self.strings.get(&index)?;
        Some(((*level)?, format))
    }

    /// A string inside a frame.
    pub(super) fn string(&self, index: u16) -> Option<&str> {
        match self.strings.get(&index)? {
            (None, text) => Some(text),
            (Some(_), _) => None,
        }
    }
}
