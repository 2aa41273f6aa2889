//! From a TOML file to a [`Config`]: takes in text, gives out a config that was checked, or `file:line: key: why`.
//!
//! No error repeats a value of the file that might be a key: values are named by what they have to be.

use std::{fs, path::Path};

use serde::de::DeserializeOwned;
use toml::de::{DeTable, Deserializer};

use super::{
    Behaviour, BehindProxy, Config, Device, Enrollment, Hub, Limits, Listen, Module, Policy,
    Provisioning, Tls,
    places::{self, Place, Source},
};
use crate::{Error, fault, nearest::nearest};

/// A value of a file that is shown in an error is no longer than this: a symmetric key is.
const SHOWN: usize = 20;

impl Config {
    /// Reads a file. Relative paths in it begin at its folder.
    ///
    /// # Errors
    /// [`Error::File`] if it can't be read, [`Error::Config`] with the line and the key that are wrong.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let wrong = |source| Error::File {
            path: path.to_owned(),
            source,
        };
        let text = fs::read_to_string(path).map_err(wrong)?;
        Self::parse(&text, path)
    }

    /// Reads the text of a file. `file` names it in errors, and its folder is what relative paths begin from.
    ///
    /// # Errors
    /// [`Error::Config`] with the line and the key that are wrong.
    pub fn parse(text: &str, file: impl AsRef<Path>) -> Result<Self, Error> {
        let file = file.as_ref();
        let parsed = DeTable::parse(text).map_err(|error| malformed(file, text, &error))?;
        let root = parsed.get_ref().clone();
        let source = Source {
            file,
            text,
            root: &root,
        };
        if let Some((place, why)) = source.no_json(&["tags", "desired", "payload"]) {
            return Err(source.wrong(&place, why));
        }
        let mut config: Self = serde::Deserialize::deserialize(Deserializer::from(parsed))
            .map_err(|error| source.refused(&error))?;
        config.begin_paths_at(file.parent().unwrap_or_else(|| Path::new("")));
        config
            .found_wrong()
            .map_err(|(place, why)| source.wrong(&place, &why))?;
        Ok(config)
    }

    /// Whether the config can be, as far as that shows before anything is opened.
    ///
    /// # Errors
    /// [`Error::Config`] with the key that is wrong.
    pub fn check(&self) -> Result<(), Error> {
        self.found_wrong().map_err(|(place, why)| Error::Config {
            why: if place.0.is_empty() {
                why
            } else {
                format!("{place}: {why}")
            },
        })
    }

    /// Makes every relative path begin at this folder.
    fn begin_paths_at(&mut self, folder: &Path) {
        let hubs = self.hubs.iter_mut().flat_map(|hub| &mut hub.device_cas);
        let provisioning = self.provisioning.as_mut();
        let cas = provisioning.into_iter().flat_map(|dps| {
            let all = dps.enrollments.iter_mut().chain(&mut dps.groups);
            all.flat_map(|enrollment| &mut enrollment.cas)
        });
        let own = [&mut self.state, &mut self.tls.cert, &mut self.tls.key];
        let cas = hubs.chain(cas).filter(|path| !super::is_lab_ca(path));
        let paths = own.into_iter().flatten().chain(cas);
        for path in paths {
            *path = folder.join(&path);
        }
        let provisioning = self.provisioning.as_mut();
        let enrollments = provisioning
            .into_iter()
            .flat_map(|dps| dps.enrollments.iter_mut().chain(&mut dps.groups));
        let certificates = enrollments.flat_map(|enrollment| {
            [
                &mut enrollment.primary_certificate,
                &mut enrollment.secondary_certificate,
            ]
        });
        for certificate in certificates.flatten() {
            if !super::check::is_thumbprint(certificate) {
                *certificate = folder.join(&*certificate).to_string_lossy().into_owned();
            }
        }
    }
}

impl Source<'_> {
    fn wrong(&self, place: &Place, why: &str) -> Error {
        self.at(self.line(place), place, why)
    }

    fn at(&self, line: usize, place: &Place, why: &str) -> Error {
        let file = self.file.display();
        let why = if place.0.is_empty() {
            format!("{file}:{line}: {why}")
        } else {
            format!("{file}:{line}: {place}: {why}")
        };
        Error::Config { why }
    }

    /// What serde said, in words for who wrote the file.
    fn refused(&self, error: &toml::de::Error) -> Error {
        let span = error.span().unwrap_or_default();
        let place = self.place(&span);
        let line = places::line(self.text, span.start);
        self.at(line, &place, &in_words(error.message()))
    }
}

/// What is wrong with the form of the file. Not with a piece of it: that may hold a secret.
fn malformed(file: &Path, text: &str, error: &toml::de::Error) -> Error {
    let line = places::line(text, error.span().unwrap_or_default().start);
    let why = error.message().lines().next().unwrap_or_default();
    Error::Config {
        why: format!("{}:{line}: this is no TOML: {why}", file.display()),
    }
}

/// The texts between backticks.
fn quoted(message: &str) -> Vec<&str> {
    message.split('`').skip(1).step_by(2).collect()
}

fn in_words(message: &str) -> String {
    let names = quoted(message);
    let (given, known) = names
        .split_first()
        .map_or(("", &[][..]), |(first, rest)| (*first, rest));
    if message.starts_with("unknown field") {
        return unknown_key(given, known);
    }
    if message.starts_with("unknown variant") {
        return unknown_choice(given, known);
    }
    if message.starts_with("missing field") {
        return format!("{given} is missing");
    }
    if message.starts_with("duplicate field") {
        return format!("{given} stands here twice");
    }
    if let Some((begin, expected)) = message.rsplit_once("expected ")
        && begin.starts_with("invalid")
    {
        return format!("this has to be {}", kind(expected));
    }
    if message.contains("untagged enum Value") {
        return "a fault's value is a whole number of 0 or more, or text in quotes".into();
    }
    if message.contains("IP address") {
        return "this has to be an IP address in quotes".into();
    }
    message.lines().next().unwrap_or_default().to_owned()
}

/// What serde's name of a type is called in a file.
fn kind(expected: &str) -> &str {
    match expected.trim_end() {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number of 0 or more",
        "i32" | "i64" => "a whole number",
        "a boolean" => "true or false",
        "a string" | "path string" => "text in quotes",
        "IP address" => "an IP address in quotes",
        "a sequence" => "a list, as in [\"...\", \"...\"]",
        "a map" => "a table of NAME = value",
        other if other.starts_with("struct") => "a table",
        other => other,
    }
}

fn unknown_choice(given: &str, known: &[&str]) -> String {
    let names: Vec<_> = known.iter().map(|name| format!("{name:?}")).collect();
    let names = names.join(" or ");
    if given.chars().count() > SHOWN {
        return format!("this is not known; use {names}");
    }
    format!("{given:?} is not known; use {names}")
}

fn unknown_key(given: &str, own: &[&str]) -> String {
    if let Some(near) = nearest(given, own.iter().copied()) {
        return format!("this key is not known; is it {near}?");
    }
    if let Some((table, _)) = tables()
        .iter()
        .find(|(_, keys)| keys.iter().any(|key| key == given))
    {
        return format!("this key belongs into {table}");
    }
    match own {
        [] => "this key is not known".into(),
        own => format!("this key is not known; there are {}", own.join(", ")),
    }
}

/// Every table with its keys.
pub(crate) fn tables() -> Vec<(&'static str, Vec<String>)> {
    vec![
        (
            "the top of the file, before the first [table]",
            keys_of::<Config>(),
        ),
        ("[listen]", keys_of::<Listen>()),
        ("[listen.behind_proxy]", keys_of::<BehindProxy>()),
        ("[tls]", keys_of::<Tls>()),
        ("[[hub]]", keys_of::<Hub>()),
        ("[hub.limits]", keys_of::<Limits>()),
        ("[hub.behaviour]", keys_of::<Behaviour>()),
        ("[[hub.policy]]", keys_of::<Policy>()),
        ("[[hub.device]]", keys_of::<Device>()),
        ("[[hub.device.module]]", keys_of::<Module>()),
        ("[provisioning]", keys_of::<Provisioning>()),
        ("[[provisioning.policy]]", keys_of::<Policy>()),
        ("[[provisioning.enrollment]]", keys_of::<Enrollment>()),
        ("[[provisioning.group]]", keys_of::<Enrollment>()),
        ("[[fault]]", keys_of::<fault::Setting>()),
    ]
}

/// The keys that a table may have: what serde names when it meets one that is none.
fn keys_of<T: DeserializeOwned>() -> Vec<String> {
    let refused = toml::from_str::<T>("\"?\" = 0").err();
    let message = refused.map(|error| error.message().to_owned());
    let message = message.unwrap_or_default();
    let names = quoted(&message).into_iter().skip(1);
    names.map(str::to_owned).collect()
}
