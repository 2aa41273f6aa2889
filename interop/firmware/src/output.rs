//! What a board writes, as it comes.

use std::{
    io::Read,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How long a board may take to do what a test waits for. It is far more than any needs: it only ends what hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    /// How much of it was waited for already.
    seen: usize,
    ended: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// A pipe that is read to its end by a thread.
#[derive(Debug)]
pub(crate) struct Output {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Output {
    pub(crate) fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let mut room = [0; 4096];
                loop {
                    let len = pipe.read(&mut room).unwrap_or(0);
                    let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
                    state.bytes.extend_from_slice(&room[..len]);
                    state.ended = len == 0;
                    shared.changed.notify_all();
                    if len == 0 {
                        return;
                    }
                }
            }
        });
        Self {
            shared,
            thread: Some(thread),
        }
    }

    /// Waits for a whole line that contains all of `words`, behind those that were waited for before. `None` if there
    /// is none up to the end, or in time.
    pub(crate) fn line(&self, words: &[&str]) -> Option<String> {
        let until = Instant::now() + PATIENCE;
        let mut state = self
            .shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        loop {
            while let Some(len) = state.bytes[state.seen..]
                .iter()
                .position(|byte| *byte == b'\n')
            {
                let line = &state.bytes[state.seen..state.seen + len];
                let line = String::from_utf8_lossy(line).into_owned();
                state.seen += len + 1;
                if words.iter().all(|word| line.contains(word)) {
                    return Some(line);
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                return None;
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// All of it, once the pipe is closed.
    pub(crate) fn whole(mut self) -> Vec<u8> {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.so_far()
    }

    pub(crate) fn so_far(&self) -> Vec<u8> {
        let state = self.shared.state.lock();
        state.unwrap_or_else(PoisonError::into_inner).bytes.clone()
    }
}
