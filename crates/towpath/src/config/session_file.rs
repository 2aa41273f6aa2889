//! A TLS session in a file, so that the next process resumes it.
//!
//! A resumed session is not verified again: the file says for which server and under which rules it was, and is left
//! alone under others.

use std::{
    fmt, fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{Error, tls::Sessions};

/// The file of [`Tls::session_file`](super::Tls::session_file). Its bytes are secret: only the owner may read it.
#[derive(Clone)]
pub struct SessionFile {
    path: PathBuf,
    /// The first line: what the session is good for.
    label: String,
    began: Option<Vec<u8>>,
    sessions: Arc<Sessions>,
}

impl SessionFile {
    /// Reads the file if there is one and it has this label.
    pub(super) fn open(path: &Path, label: String) -> Result<Self, Error> {
        let began = match fs::read(path) {
            Ok(bytes) => after_label(&bytes, &label),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::file(path, &error)),
        };
        let sessions = began
            .clone()
            .map_or_else(Sessions::new, Sessions::from_bytes);
        Ok(Self {
            path: path.to_owned(),
            label,
            began,
            sessions: Arc::new(sessions),
        })
    }

    pub(super) fn sessions(&self) -> Arc<Sessions> {
        Arc::clone(&self.sessions)
    }

    /// Which file it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the newest session, if there is a new one. To be called after the connection, because a TLS 1.3 server
    /// gives sessions at any time.
    ///
    /// # Errors
    /// That of the file.
    pub fn save(&self) -> io::Result<()> {
        let Some(bytes) = self.sessions.bytes() else {
            return Ok(());
        };
        if self.began.as_ref() == Some(&bytes) {
            return Ok(());
        }
        // Another process may read at the same time: it finds the old file or the new one.
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{}", std::process::id()));
        let beside = PathBuf::from(name);
        let written =
            write(&beside, &self.label, &bytes).and_then(|()| fs::rename(&beside, &self.path));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written
    }
}

/// The bytes are secret.
impl fmt::Debug for SessionFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

fn write(path: &Path, label: &str, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(label.as_bytes())?;
    file.write_all(b"\n")?;
    file.write_all(bytes)
}

fn after_label(bytes: &[u8], label: &str) -> Option<Vec<u8>> {
    let rest = bytes.strip_prefix(label.as_bytes())?;
    rest.strip_prefix(b"\n").map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_only_for_those_who_have_its_label() {
        assert_eq!(
            after_label(b"one\nsession\nbytes", "one"),
            Some(b"session\nbytes".to_vec())
        );
        assert_eq!(after_label(b"one\nsession", "two"), None);
        assert_eq!(after_label(b"one more\nsession", "one"), None);
        assert_eq!(after_label(b"", "one"), None);
    }
}
