//! An outbox in a file, written by a thread of its own: all pushes that wait go into one transaction.
//!
//! Takes in pushes, which wait for that thread, and removals, which don't; gives out messages from the part of the file
//! that is in memory, and reads the next part when it is passed. A file that failed is opened anew: what had been
//! accepted is in it.

use std::{
    collections::VecDeque,
    fmt, mem,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

use super::{
    Bounds, Counts,
    cache::Window,
    database::{self, Opener, Store},
    host::{Error, Stored},
    ledger::{Arrival, Leaving, Ledger, Why},
    record,
};

/// Bytes of pushes that may wait for the thread; more wait in their callers.
const WAITING: u32 = 1 << 20;
/// What a push counts at least, so that their number is bounded too.
const LEAST: u32 = 256;
/// Removals that are written at once.
const REMOVALS: usize = 256;
/// How long a removal waits for a push to be written with.
const LINGER: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Disk {
    shared: Arc<Shared>,
    /// Whose push is next. A semaphore alone lets a later one pass those that waited for room and were just woken.
    turn: tokio::sync::Mutex<()>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    bounds: Bounds,
    path: PathBuf,
    opener: Opener,
    changed: Arc<Notify>,
    /// Bytes for which there is room among those that wait.
    room: Arc<Semaphore>,
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    /// `None` while the file can't be opened, and once it is closed.
    store: Option<Arc<Store>>,
    /// As it is in the file.
    ledger: Ledger,
    window: Window,
    queue: VecDeque<Push>,
    leaving: Leaving,
    /// When the ledger or `leaving` changed first since the last writing.
    since: Option<Instant>,
    /// What went wrong last: the file is to be opened anew.
    trouble: Option<Error>,
    failed: Option<Failed>,
    /// No more pushes.
    closing: bool,
    /// The writer has ended.
    ended: bool,
    closed: Vec<oneshot::Sender<()>>,
}

/// The writer's end, however it comes: nobody waits for it any more, and the file is free.
struct Ending<'s>(&'s Shared);

struct Push {
    arrival: Arrival,
    answer: oneshot::Sender<(Result<u64, Error>, Unread)>,
    _room: OwnedSemaphorePermit,
}

/// With an answer that says that writing failed: as long as it is not read, its caller may yet push what must not
/// come before.
type Unread = Option<Arc<()>>;

/// The last time that writing failed.
struct Failed {
    /// Which time that was.
    time: u64,
    error: Error,
    unread: Arc<()>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Disk {
    pub(super) fn open(path: &Path, bounds: Bounds, changed: Arc<Notify>) -> Result<Self, Error> {
        Self::over(database::opener(path), path, bounds, changed)
    }

    pub(super) fn over(
        opener: Opener,
        path: &Path,
        bounds: Bounds,
        changed: Arc<Notify>,
    ) -> Result<Self, Error> {
        let (store, ledger) = Store::open(&opener, path)?;
        let window = Window::none(if ledger.len == 0 { ledger.last } else { 0 });
        let shared = Arc::new(Shared {
            bounds,
            path: path.to_owned(),
            opener,
            changed,
            room: Arc::new(Semaphore::new(WAITING as usize)),
            state: Mutex::new(State {
                store: Some(Arc::new(store)),
                ledger,
                window,
                queue: VecDeque::new(),
                leaving: Leaving::new(),
                since: None,
                trouble: None,
                failed: None,
                closing: false,
                ended: false,
                closed: Vec::new(),
            }),
            wake: Condvar::new(),
        });
        let own = Arc::clone(&shared);
        let writer = thread::Builder::new()
            .name("outbox".into())
            .spawn(move || own.write())
            .map_err(|error| Error::Storage {
                path: path.to_owned(),
                why: error.to_string(),
            })?;
        Ok(Self {
            shared,
            turn: tokio::sync::Mutex::new(()),
            writer: Mutex::new(Some(writer)),
        })
    }

    pub(super) async fn push(&self, arrival: Arrival) -> Result<u64, Error> {
        let size = arrival.properties.len().saturating_add(arrival.body.len());
        let size = u32::try_from(size).unwrap_or(WAITING).clamp(LEAST, WAITING);
        let begun = self.shared.state().begin()?;
        let turn = self.turn.lock().await;
        let room = Arc::clone(&self.shared.room).acquire_many_owned(size).await;
        let room = room.map_err(|_| Error::Closed)?;
        let (answer, told) = oneshot::channel();
        {
            let mut state = self.shared.state();
            if state.closing {
                return Err(Error::Closed);
            }
            if let Some(error) = state.would_pass(begun) {
                return Err(error);
            }
            state.queue.push_back(Push {
                arrival,
                answer,
                _room: room,
            });
        }
        drop(turn);
        self.shared.wake.notify_one();
        // A caller that polls once, to take its place, has not read the answer with that.
        tokio::task::yield_now().await;
        let told = told.await;
        told.map_or(Err(Error::Closed), |(result, _unread)| result)
    }

    pub(super) fn next_after(
        &self,
        after: Option<u64>,
        now: Option<u64>,
    ) -> Result<Option<Stored>, Error> {
        let mut state = self.shared.state();
        if state.closing {
            return Err(Error::Closed);
        }
        if now.is_some_and(|now| state.ledger.tell_time(now)) {
            self.changed(&mut state);
        }
        let mut from = after.unwrap_or(0);
        loop {
            if from >= state.ledger.last {
                return Ok(None);
            }
            if !state.window.reaches_beyond(from) {
                self.read(&mut state, from)?;
            }
            let State {
                window,
                ledger,
                leaving,
                ..
            } = &mut *state;
            let Some((sequence, row)) = window.after(from) else {
                from = window.to.max(from.saturating_add(1));
                continue;
            };
            from = sequence;
            if leaving.contains_key(&sequence) {
                continue;
            }
            // A row under another number than its own was moved by whatever damaged the file.
            let record = record::decode(row).filter(|record| record.sequence == sequence);
            let why = match record {
                None => Why::Damaged,
                Some(record) => match now {
                    Some(now) if ledger.is_over(&record, &self.shared.bounds, now) => Why::Expired,
                    _ => return Ok(Some(record.into())),
                },
            };
            self.leave(&mut state, sequence, why);
        }
    }

    fn read(&self, state: &mut State, from: u64) -> Result<(), Error> {
        let read = match &state.store {
            Some(store) => store.read(from, state.ledger.last),
            None => Err(state.trouble.clone().unwrap_or(Error::Closed)),
        };
        match read {
            Ok(window) => {
                state.window = window;
                Ok(())
            }
            Err(error) => {
                state.trouble = Some(error.clone());
                self.changed(state);
                Err(error)
            }
        }
    }

    pub(super) fn remove(&self, sequence: u64) {
        let mut state = self.shared.state();
        if !state.leaving.contains_key(&sequence) && state.holds(sequence) {
            self.leave(&mut state, sequence, Why::Delivered);
        }
    }

    fn leave(&self, state: &mut State, sequence: u64, why: Why) {
        state.window.take_out(sequence);
        state.leaving.insert(sequence, why);
        self.changed(state);
    }

    /// The writer is to know that there is something to write, not at once.
    fn changed(&self, state: &mut State) {
        if state.since.is_none() {
            state.since = Some(Instant::now());
            self.shared.wake.notify_one();
        } else if state.leaving.len() == REMOVALS {
            self.shared.wake.notify_one();
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let state = self.shared.state();
        state.ledger.counts(&state.leaving)
    }

    pub(super) fn len(&self) -> u64 {
        let state = self.shared.state();
        state.ledger.len.saturating_sub(state.leaving.len() as u64)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.shared.state().ledger.bytes
    }

    pub(super) async fn close(&self) {
        let (tell, told) = oneshot::channel();
        {
            let mut state = self.shared.state();
            if state.ended {
                return;
            }
            state.closed.push(tell);
        }
        self.shared.end();
        // The writer drops its side, which is an error here and all the same.
        let _ = told.await;
    }
}

impl State {
    /// How often writing has failed.
    fn failures(&self) -> u64 {
        self.failed.as_ref().map_or(0, |failed| failed.time)
    }

    /// A push begins: how often writing has failed before. An error while one that came before it failed, and its
    /// caller does not know yet.
    fn begin(&self) -> Result<u64, Error> {
        match &self.failed {
            Some(failed) if Arc::strong_count(&failed.unread) > 1 => Err(failed.error.clone()),
            _ => Ok(self.failures()),
        }
    }

    /// Why a push that began after so many failures can't be taken: one that came before it failed meanwhile. It fails
    /// with that, and so do those behind it.
    fn would_pass(&mut self, begun: u64) -> Option<Error> {
        let failed = self.failed.as_mut().filter(|failed| failed.time != begun)?;
        failed.time = failed.time.saturating_add(1);
        Some(failed.error.clone())
    }

    /// Writing failed for these, and with them for all that came after.
    fn fail(&mut self, pushes: VecDeque<Push>, error: &Error) {
        if pushes.is_empty() && self.queue.is_empty() {
            return;
        }
        let unread = Arc::new(());
        for push in pushes.into_iter().chain(mem::take(&mut self.queue)) {
            let answer = (Err(error.clone()), Some(Arc::clone(&unread)));
            // Whoever gave up waiting reads no answer, and drops it here.
            let _ = push.answer.send(answer);
        }
        self.failed = Some(Failed {
            time: self.failures().saturating_add(1),
            error: error.clone(),
            unread,
        });
    }

    /// Whether the row is in the file. Almost always the part in memory knows.
    fn holds(&self, sequence: u64) -> bool {
        let known = self.window.holds(sequence);
        known.unwrap_or_else(|| {
            let holds = self.store.as_ref().map(|store| store.holds(sequence));
            // Where reading fails, removing what is not there does no harm.
            sequence <= self.ledger.last && holds.is_none_or(|holds| holds.unwrap_or(true))
        })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.shared.end();
        let writer = self
            .writer
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writer.take() {
            // Its panic has been printed.
            let _ = writer.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        self.state().closing = true;
        self.room.close();
        self.wake.notify_one();
    }

    /// The writer's life.
    fn write(&self) {
        let _ending = Ending(self);
        loop {
            let mut state = self.due();
            let ending = state.closing;
            let pushes = mem::take(&mut state.queue);
            let writes = !pushes.is_empty() || state.since.is_some();
            drop(state);
            if writes {
                self.write_group(pushes, ending);
            }
            if ending && self.state().queue.is_empty() {
                break;
            }
        }
    }

    /// Waits until there is something to write.
    fn due(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        loop {
            let linger = state
                .since
                .map(|since| LINGER.saturating_sub(since.elapsed()));
            let full = state.leaving.len() >= REMOVALS && state.trouble.is_none();
            let now = full || linger == Some(Duration::ZERO);
            if state.closing || !state.queue.is_empty() || now {
                return state;
            }
            state = match linger {
                Some(span) => {
                    let waited = self.wake.wait_timeout(state, span);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self
                    .wake
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn write_group(&self, pushes: VecDeque<Push>, ending: bool) {
        let written = self.commit(&pushes);
        match written {
            Ok(answers) => {
                for (push, answer) in pushes.into_iter().zip(answers) {
                    // Whoever gave up waiting finds the message in the outbox.
                    let _ = push.answer.send((answer, None));
                }
            }
            Err(error) => {
                let mut state = self.state();
                state.fail(pushes, &error);
                state.trouble = Some(error);
                // Removals are tried again, when the file may be better.
                state.since = (!ending).then(Instant::now);
            }
        }
    }

    fn commit(&self, pushes: &VecDeque<Push>) -> Result<Vec<Result<u64, Error>>, Error> {
        let store = self.opened()?;
        let (ledger, leaving) = {
            let mut state = self.state();
            state.since = None;
            (state.ledger.clone(), state.leaving.clone())
        };
        let last = ledger.last;
        let arrivals = pushes.iter().map(|push| &push.arrival);
        let done = store.write(ledger, &self.bounds, &leaving, arrivals)?;
        let mut state = self.state();
        state.ledger = done.ledger;
        for sequence in leaving.keys() {
            state.leaving.remove(sequence);
            // It may have been read into the window since it was to leave.
            state.window.take_out(*sequence);
        }
        let mut before = last;
        let mut answers = Vec::new();
        for answer in done.answers {
            answers.push(match answer {
                Ok(written) => {
                    state.window.add(before, written.sequence, written.record);
                    before = written.sequence;
                    Ok(written.sequence)
                }
                Err(refused) => Err(Error::refused(refused, &self.bounds)),
            });
        }
        // Among them may be some of this very group, displaced by those behind them.
        for sequence in done.gone {
            state.window.take_out(sequence);
        }
        drop(state);
        if before > last {
            self.changed.notify_one();
        }
        Ok(answers)
    }

    /// The file, opened anew if it failed.
    fn opened(&self) -> Result<Arc<Store>, Error> {
        let mut state = self.state();
        if state.trouble.is_some() {
            // The old one has to let go of the file first.
            state.store = None;
        }
        if let Some(store) = &state.store {
            return Ok(Arc::clone(store));
        }
        drop(state);
        let (store, ledger) = Store::open(&self.opener, &self.path)?;
        let store = Arc::new(store);
        let mut state = self.state();
        state.ledger = ledger.after(state.ledger.last);
        state.window = Window::none(0);
        state.trouble = None;
        state.store = Some(Arc::clone(&store));
        Ok(store)
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.end();
        let mut state = self.0.state();
        // The file is let go of before anybody is told.
        state.store = None;
        state.ended = true;
        state.queue.clear();
        state.closed.clear();
    }
}
