//! A value, and where somebody can go to change it.

use std::{fmt, path::Path, sync::Arc};

use crate::Error;

/// A value with its origin: a line of a file, or a flag.
#[derive(Clone)]
pub struct Setting<T> {
    value: T,
    origin: Origin,
}

#[derive(Debug, Clone)]
enum Origin {
    Line {
        file: Arc<Path>,
        line: usize,
        key: String,
    },
    Flag(&'static str),
}

impl<T> Setting<T> {
    /// What a flag such as `--tls-min` says.
    #[must_use]
    pub const fn flag(name: &'static str, value: T) -> Self {
        Self {
            value,
            origin: Origin::Flag(name),
        }
    }

    pub(super) fn line(file: &Arc<Path>, line: usize, key: String, value: T) -> Self {
        let file = Arc::clone(file);
        Self {
            value,
            origin: Origin::Line { file, line, key },
        }
    }

    /// The value.
    #[must_use]
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// Another value at the same place.
    pub(super) fn map<U>(self, to: impl FnOnce(T) -> U) -> Setting<U> {
        Setting {
            value: to(self.value),
            origin: self.origin,
        }
    }

    /// The same setting with its value read as something else; what `read` says is wrong with it.
    pub(super) fn read<U>(
        self,
        read: impl FnOnce(&T) -> Result<U, String>,
    ) -> Result<Setting<U>, Error> {
        match read(&self.value) {
            Ok(value) => Ok(Setting {
                value,
                origin: self.origin,
            }),
            Err(why) => Err(self.wrong(why)),
        }
    }

    /// The error that says what is wrong with this value: `device.toml:7: tls.min: why`, or `--tls-min: why`.
    #[must_use]
    pub fn wrong(&self, why: impl fmt::Display) -> Error {
        Error::Config {
            why: match &self.origin {
                Origin::Line { file, line, key } => {
                    format!("{}:{line}: {key}: {why}", file.display())
                }
                Origin::Flag(name) => format!("{name}: {why}"),
            },
        }
    }
}

/// Says where it is from. The value may be a secret, such as a header.
impl<T> fmt::Debug for Setting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Line { file, line, .. } => write!(f, "{}:{line}", file.display()),
            Origin::Flag(name) => f.write_str(name),
        }
    }
}
