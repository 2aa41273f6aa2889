//! Where the TLS session to resume is kept.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

/// The last TLS session of an endpoint, to be resumed by the next connection: one round trip less with TLS 1.2, and no
/// signature in any version.
///
/// A connection resumes its own sessions anyway. Share one of these between connections, or keep its
/// [`bytes`](Self::bytes) in a file, to resume across them and across processes. The bytes hold secrets: keep them like a
/// key.
#[derive(Default)]
pub struct Sessions(Mutex<Option<Vec<u8>>>);

impl Sessions {
    /// Nothing to resume.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Begins with bytes that were kept. Bytes that the back-end can't use are ignored.
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(Mutex::new(Some(bytes)))
    }

    /// The last session, if there is one.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn keep(&self, bytes: &[u8]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes.to_vec());
    }
}

/// The bytes are secret.
impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}
