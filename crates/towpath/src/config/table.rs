//! A table of a TOML file: takes in keys and what they have to be, gives out values that know their line.

use std::{
    borrow::Cow,
    net::IpAddr,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Given, nearest::nearest, setting::Setting};
use crate::{Error, QoS, tls::is_key_uri};

/// The text of a file.
pub(super) struct Source<'a> {
    pub(super) file: Arc<Path>,
    pub(super) text: &'a str,
}

impl Source<'_> {
    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        before.matches('\n').count() + 1
    }

    /// A value of this key at this place.
    fn setting<T>(&self, key: String, span: &Range<usize>, value: T) -> Setting<T> {
        Setting::line(&self.file, self.line(span), key, value)
    }

    /// What is wrong with the form of the file. Not with a piece of it: that may hold a secret.
    pub(super) fn malformed(&self, error: &toml::de::Error) -> Error {
        let line = self.line(&error.span().unwrap_or_default());
        let file = self.file.display();
        let why = error.message().lines().next().unwrap_or_default();
        Error::Config {
            why: format!("{file}:{line}: this is no TOML: {why}"),
        }
    }

    /// What a relative path in the file means.
    fn beside(&self, path: &str) -> PathBuf {
        self.file
            .parent()
            .unwrap_or_else(|| Path::new(""))
            .join(path)
    }
}

/// A table whose keys are known.
pub(super) struct Table<'a, 't> {
    source: &'a Source<'a>,
    /// Before each key: empty, or the table's name and a dot.
    prefix: Cow<'static, str>,
    /// The table's entry in [`Known`]: its prefix, but for a table whose name is the author's choice.
    kind: &'static str,
    /// Where it begins; `None` for the file itself and for a table that is not there.
    at: Given<()>,
    table: Option<&'a DeTable<'t>>,
}

/// Keys by the table that they belong into.
pub(super) type Known = &'static [(&'static str, &'static [&'static str])];

impl<'a, 't> Table<'a, 't> {
    pub(super) const fn root(source: &'a Source<'a>, table: &'a DeTable<'t>) -> Self {
        Self {
            source,
            prefix: Cow::Borrowed(""),
            kind: "",
            at: None,
            table: Some(table),
        }
    }

    /// The table below `key`; empty if there is none. `prefix` is `key` and a dot.
    pub(super) fn below(&self, key: &'static str, prefix: &'static str) -> Result<Self, Error> {
        let table = self.take(key, "a table", |value, _| value.as_table())?;
        Ok(Self {
            source: self.source,
            prefix: Cow::Borrowed(prefix),
            kind: prefix,
            at: table.as_ref().map(|setting| setting.clone().map(|_| ())),
            table: table.map(|setting| *setting.value()),
        })
    }

    /// The tables below this one, by names that are the author's choice, in the order of the file. `kind` is their entry
    /// in [`Known`].
    #[cfg(feature = "azure")]
    pub(super) fn each(&self, kind: &'static str) -> Result<Vec<(String, Self)>, Error> {
        let mut entries: Vec<_> = self
            .table
            .into_iter()
            .flat_map(|table| table.iter())
            .collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let mut tables = Vec::with_capacity(entries.len());
        for (name, value) in entries {
            let name = name.get_ref().clone().into_owned();
            let full = format!("{}{name}", self.prefix);
            let at = self.source.setting(full.clone(), &value.span(), ());
            let Some(table) = value.get_ref().as_table() else {
                return Err(at.wrong("this has to be a table"));
            };
            let table = Self {
                source: self.source,
                prefix: Cow::Owned(format!("{full}.")),
                kind,
                at: Some(at),
                table: Some(table),
            };
            tables.push((name, table));
        }
        Ok(tables)
    }

    /// Where the table begins, if it is there.
    #[cfg(feature = "azure")]
    pub(super) fn at(&self) -> Given<()> {
        self.at.clone()
    }

    /// Refuses keys that have a meaning elsewhere, each with the reason why it has none here.
    #[cfg(feature = "azure")]
    pub(super) fn refuse(&self, keys: &[(&str, &str)]) -> Result<(), Error> {
        let mut found: Vec<_> = self
            .table
            .iter()
            .flat_map(|table| table.keys())
            .filter_map(|key| {
                let name = key.get_ref().as_ref();
                let (_, why) = keys.iter().find(|(refused, _)| *refused == name)?;
                Some((key, *why))
            })
            .collect();
        found.sort_by_key(|(key, _)| key.span().start);
        let Some((key, why)) = found.first() else {
            return Ok(());
        };
        let full = format!("{}{}", self.prefix, key.get_ref());
        Err(self.source.setting(full, &key.span(), ()).wrong(why))
    }

    /// Refuses keys that nobody knows.
    pub(super) fn check(&self, known: Known) -> Result<(), Error> {
        let own = known.iter().find(|(prefix, _)| *prefix == self.kind);
        let own = own.map_or(&[][..], |(_, keys)| keys);
        let mut unknown: Vec<_> = self
            .table
            .iter()
            .flat_map(|table| table.keys())
            .filter(|key| !own.contains(&key.get_ref().as_ref()))
            .collect();
        unknown.sort_by_key(|key| key.span().start);
        match unknown.first() {
            None => Ok(()),
            Some(key) => {
                let name = key.get_ref().as_ref();
                let full = format!("{}{name}", self.prefix);
                let setting = self.source.setting(full, &key.span(), ());
                Err(setting.wrong(why_unknown(name, own, known)))
            }
        }
    }

    /// The value of `key` as `read` understands it; `kind` is what it has to be.
    fn take<T>(
        &self,
        key: &str,
        kind: &str,
        read: impl FnOnce(&'a DeValue<'t>, &Source<'_>) -> Option<T>,
    ) -> Result<Given<T>, Error> {
        let Some(value) = self.table.and_then(|table| table.get(key)) else {
            return Ok(None);
        };
        let at = self
            .source
            .setting(format!("{}{key}", self.prefix), &value.span(), ());
        match read(value.get_ref(), self.source) {
            Some(read) => {
                let key = format!("{}{key}", self.prefix);
                Ok(Some(self.source.setting(key, &value.span(), read)))
            }
            None => Err(at.wrong(format!("this has to be {kind}"))),
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<Given<String>, Error> {
        let kind = format!("text in quotes, as in {key} = \"...\"");
        self.take(key, &kind, |value, _| value.as_str().map(str::to_owned))
    }

    pub(super) fn path(&self, key: &str) -> Result<Given<PathBuf>, Error> {
        self.take(key, "the path of a file, in quotes", |value, source| {
            value.as_str().map(|path| source.beside(path))
        })
    }

    /// The path of a private key, or its URI as it is; see [`is_key_uri`].
    pub(super) fn key(&self, key: &str) -> Result<Given<PathBuf>, Error> {
        let kind = "the path of a file, or the URI of a key (pkcs11:...), in quotes";
        self.take(key, kind, |value, source| {
            value.as_str().map(|text| {
                if is_key_uri(text.as_bytes()) {
                    text.into()
                } else {
                    source.beside(text)
                }
            })
        })
    }

    /// A program and its arguments. A program with a slash is a path that begins at the file's folder; one without is
    /// searched for in `PATH`.
    #[cfg(feature = "azure")]
    pub(super) fn program(&self, key: &str) -> Result<Given<super::device::Program>, Error> {
        let kind =
            format!("a program and its arguments, as in {key} = [\"program\", \"argument\"]");
        self.take(key, &kind, |value, source| {
            let items = value.as_array()?.iter();
            let texts: Option<Vec<_>> = items
                .map(|item| item.get_ref().as_str().map(str::to_owned))
                .collect();
            let mut texts = texts?.into_iter();
            let program = texts.next().filter(|program| !program.is_empty())?;
            Some(super::device::Program {
                path: if program.contains('/') {
                    source.beside(&program)
                } else {
                    program.into()
                },
                args: texts.collect(),
            })
        })
    }

    pub(super) fn switch(&self, key: &str) -> Result<Given<bool>, Error> {
        self.take(key, "true or false", |value, _| value.as_bool())
    }

    pub(super) fn number<T: TryFrom<i64>>(&self, key: &str, kind: &str) -> Result<Given<T>, Error> {
        self.take(key, kind, |value, _| T::try_from(integer(value)?).ok())
    }

    pub(super) fn seconds(&self, key: &str) -> Result<Given<Duration>, Error> {
        self.take(
            key,
            "a number of seconds above 0, such as 10 or 0.5",
            |value, _| {
                let seconds = value
                    .as_float()
                    .and_then(|float| float.as_str().replace('_', "").parse().ok())
                    .or_else(|| Some(integer(value)? as f64))?;
                let span = Duration::try_from_secs_f64(seconds).ok()?;
                (!span.is_zero() && span.as_secs() < 1 << 32).then_some(span)
            },
        )
    }

    pub(super) fn address(&self, key: &str) -> Result<Given<IpAddr>, Error> {
        self.take(key, "an IP address in quotes", |value, _| {
            value.as_str()?.parse().ok()
        })
    }

    pub(super) fn qos(&self, key: &str) -> Result<Given<QoS>, Error> {
        self.take(key, "0, 1 or 2", |value, _| {
            QoS::from_bits(u8::try_from(integer(value)?).ok()?)
        })
    }

    pub(super) fn list(&self, key: &str) -> Result<Given<Vec<String>>, Error> {
        let kind = format!("a list of texts, as in {key} = [\"...\", \"...\"]");
        self.take(key, &kind, |value, _| {
            value
                .as_array()?
                .iter()
                .map(|item| item.get_ref().as_str().map(str::to_owned))
                .collect()
        })
    }

    /// A list, or one text instead.
    pub(super) fn texts(&self, key: &str) -> Result<Given<Vec<String>>, Error> {
        let kind = format!("text in quotes, or a list of them, as in {key} = [\"...\", \"...\"]");
        self.take(key, &kind, |value, _| {
            if let Some(text) = value.as_str() {
                return Some(vec![text.to_owned()]);
            }
            let items = value.as_array()?.iter();
            items
                .map(|item| item.get_ref().as_str().map(str::to_owned))
                .collect()
        })
    }

    pub(super) fn pairs(&self, key: &str) -> Result<Given<Vec<(String, String)>>, Error> {
        self.take(key, "a table of NAME = \"value\"", |value, _| {
            let mut entries: Vec<_> = value.as_table()?.iter().collect();
            entries.sort_by_key(|(name, _)| name.span().start);
            let pair = |(name, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
                let name: &Cow<'_, str> = name.get_ref();
                let value = value.get_ref().as_str()?;
                Some((name.clone().into_owned(), value.to_owned()))
            };
            entries.into_iter().map(pair).collect()
        })
    }

    /// One of `choices` by its name.
    pub(super) fn choice<T: Copy>(
        &self,
        key: &str,
        choices: &[(&str, T)],
    ) -> Result<Given<T>, Error> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        let given = text.value();
        match choices.iter().find(|(name, _)| name == given) {
            Some((_, choice)) => self.take(key, "", |_, _| Some(*choice)),
            None => Err(text.wrong(not_known(given, choices))),
        }
    }
}

/// `"1.1" is not known; use "1.2" or "1.3"`
fn not_known<T>(given: &str, choices: &[(&str, T)]) -> String {
    let names: Vec<_> = choices
        .iter()
        .map(|(name, _)| format!("{name:?}"))
        .collect();
    match names.as_slice() {
        [] => format!("{given:?} is not known, nor is anything else in this build"),
        _ => format!("{given:?} is not known; use {}", names.join(" or ")),
    }
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn why_unknown(name: &str, own: &[&str], known: Known) -> String {
    let plain: String = name
        .to_ascii_lowercase()
        .chars()
        .filter(|char| char.is_ascii_alphanumeric())
        .collect();
    if ["password", "passwd", "pass", "pw"].contains(&plain.as_str()) {
        return "a password does not belong into this file, which is copied and shown to others. Put it into a file of \
                its own and name that with password_file, or use the environment variable TOWPATH_PASSWORD"
            .into();
    }
    if ["keypassword", "keypass", "passphrase"].contains(&plain.as_str()) {
        return "a key's password does not belong into this file, which is copied and shown to others. Put it into a \
                file of its own and name that with key_password_file, or use the environment variable \
                TOWPATH_KEY_PASSWORD"
            .into();
    }
    if ["insecure", "verify", "verifypeer", "noverify", "skipverify"].contains(&plain.as_str()) {
        return "the server's certificate is always verified; name the CA to trust with cafile"
            .into();
    }
    let elsewhere = known.iter().find(|(_, keys)| keys.contains(&name));
    if let Some((prefix, _)) = elsewhere {
        return match prefix.strip_suffix('.') {
            Some(table) => format!("this key belongs into [{table}]"),
            None => "this key belongs to the top of the file, before the first [table]".into(),
        };
    }
    match nearest(name, own) {
        Some(near) => format!("this key is not known; is it {near}?"),
        None => format!("this key is not known; there are {}", own.join(", ")),
    }
}
