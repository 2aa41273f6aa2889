//! What the application asks a device for: telemetry, reported properties, answers to methods, the end.
//!
//! Takes in calls of any future of the device's task; gives them to the driver, which takes them as it has room.

use core::{cell::RefCell, fmt};

use embassy_sync::{blocking_mutex::raw::NoopRawMutex, mutex::Mutex, signal::Signal};
use heapless::{Deque, Vec};
use towpath_azure::{Reported, hub::RequestId};
use towpath_proto::text::Text;

use super::Outbox;

/// Answers that wait at most.
const ANSWERS: usize = 4;

/// Why reported properties did not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportError {
    /// The change is too large for the memory or for a packet.
    TooLarge,
    /// The hub said no.
    Refused {
        /// Its status.
        status: u16,
        /// Its words, the beginning of them.
        message: Text<56>,
    },
    /// The device has stopped.
    Stopped,
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("the change of reported properties is too large"),
            Self::Refused { status, message } => {
                write!(
                    f,
                    "the hub refused the reported properties: {status} {}",
                    message.as_str()
                )
            }
            Self::Stopped => f.write_str("the device has stopped"),
        }
    }
}

impl core::error::Error for ReportError {}

/// An answer can't be taken: too many wait, or it is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no room for the answer")
    }
}

impl core::error::Error for Full {}

/// The commands of one device, and the memory they wait in: a change of reported properties of `REPORT` bytes, four
/// answers to methods of `ANSWER` bytes, and the outbox. For the futures of one task.
pub struct Commands<O, const REPORT: usize = 2048, const ANSWER: usize = 128> {
    pub(super) outbox: Mutex<NoopRawMutex, O>,
    /// Whose turn it is to report.
    turn: Mutex<NoopRawMutex, ()>,
    waiting: RefCell<Waiting<REPORT, ANSWER>>,
    /// For the driver: there is something to do.
    driver: Signal<NoopRawMutex, ()>,
    /// For who reports: there is an answer.
    reported: Signal<NoopRawMutex, ()>,
}

impl<O, const REPORT: usize, const ANSWER: usize> fmt::Debug for Commands<O, REPORT, ANSWER> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without what is reported and answered, which is the application's.
        f.debug_struct("Commands").finish_non_exhaustive()
    }
}

struct Waiting<const REPORT: usize, const ANSWER: usize> {
    report: Report,
    patch: Vec<u8, REPORT>,
    answers: Deque<Answer<ANSWER>, ANSWERS>,
    asked: Asked,
    /// The device has stopped.
    over: bool,
}

/// What is asked for once.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    pub(super) twin: bool,
    pub(super) reconnect: bool,
    pub(super) stop: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Report {
    None,
    Due,
    /// With this number it was sent.
    Sent(u32),
    Answered(Result<u64, ReportError>),
}

pub(super) struct Answer<const ANSWER: usize> {
    pub(super) request: RequestId,
    pub(super) status: u32,
    pub(super) payload: Vec<u8, ANSWER>,
}

impl<O: Outbox, const REPORT: usize, const ANSWER: usize> Commands<O, REPORT, ANSWER> {
    /// No commands yet, and the telemetry that waits in this outbox.
    pub const fn new(outbox: O) -> Self {
        Self {
            outbox: Mutex::new(outbox),
            turn: Mutex::new(()),
            waiting: RefCell::new(Waiting {
                report: Report::None,
                patch: Vec::new(),
                answers: Deque::new(),
                asked: Asked {
                    twin: false,
                    reconnect: false,
                    stop: false,
                },
                over: false,
            }),
            driver: Signal::new(),
            reported: Signal::new(),
        }
    }

    /// Puts telemetry into the outbox, from where it goes to the hub; its number. `properties` are as
    /// [`Bag`](towpath_azure::bag::Bag) writes them; times are seconds since 1970.
    ///
    /// # Errors
    /// Why the outbox did not take it.
    pub async fn send(
        &self,
        now: Option<u64>,
        expires: Option<u64>,
        properties: &str,
        body: &[u8],
    ) -> Result<u64, O::Error> {
        let mut outbox = self.outbox.lock().await;
        let sequence = outbox.push(now, expires, properties, body).await;
        drop(outbox);
        self.driver.signal(());
        sequence
    }

    /// How many messages wait in the outbox.
    pub async fn waiting(&self) -> u64 {
        self.outbox.lock().await.len()
    }

    /// Changes reported properties: a JSON object, `null` deletes. Ready when the hub has answered; the version then.
    /// Dropped before, it is not sent any more, or was made all the same.
    ///
    /// # Errors
    /// Why they did not change.
    pub async fn report(&self, patch: &[u8]) -> Result<u64, ReportError> {
        self.report_with(|room| {
            room.extend_from_slice(patch)
                .map_err(|_| ReportError::TooLarge)
        })
        .await
    }

    /// Changes reported properties to what is displayed, otherwise as [`report`](Self::report).
    ///
    /// # Errors
    /// As [`report`](Self::report).
    pub async fn report_text(&self, patch: impl fmt::Display) -> Result<u64, ReportError> {
        self.report_with(|room| {
            fmt::write(room, format_args!("{patch}")).map_err(|fmt::Error| ReportError::TooLarge)
        })
        .await
    }

    async fn report_with(
        &self,
        write: impl FnOnce(&mut Vec<u8, REPORT>) -> Result<(), ReportError>,
    ) -> Result<u64, ReportError> {
        let _turn = self.turn.lock().await;
        let _withdrawn = Withdraw(self);
        {
            let mut waiting = self.waiting.borrow_mut();
            if waiting.over {
                return Err(ReportError::Stopped);
            }
            waiting.patch.clear();
            write(&mut waiting.patch)?;
            waiting.report = Report::Due;
        }
        self.reported.reset();
        self.driver.signal(());
        loop {
            if let Report::Answered(answer) = self.waiting.borrow().report {
                return answer;
            }
            self.reported.wait().await;
        }
    }

    /// Answers a method with a status and JSON, which may be empty.
    ///
    /// # Errors
    /// [`Full`] if four others wait for the connection to take them, or it is too long.
    pub fn respond(&self, request: &RequestId, status: u32, payload: &[u8]) -> Result<(), Full> {
        let answer = Answer {
            request: request.clone(),
            status,
            payload: Vec::from_slice(payload).map_err(|_| Full)?,
        };
        let mut waiting = self.waiting.borrow_mut();
        waiting.answers.push_back(answer).map_err(|_| Full)?;
        self.driver.signal(());
        Ok(())
    }

    /// Asks for the whole twin; an event brings it.
    pub fn request_twin(&self) {
        self.ask(|asked| asked.twin = true);
    }

    /// Leaves the hub to come back at once, such as with a new certificate.
    pub fn reconnect(&self) {
        self.ask(|asked| asked.reconnect = true);
    }

    /// Stops the device, once what is under way has settled.
    pub fn stop(&self) {
        self.ask(|asked| asked.stop = true);
    }

    fn ask(&self, change: impl FnOnce(&mut Asked)) {
        change(&mut self.waiting.borrow_mut().asked);
        self.driver.signal(());
    }

    /// Is ready when something was asked for.
    pub(super) async fn changed(&self) {
        self.driver.wait().await;
    }

    /// Is ready when the device is to stop. What it takes notice of is looked at again by the driver.
    pub(super) async fn stopping(&self) {
        while !self.waiting.borrow().asked.stop {
            self.driver.wait().await;
        }
    }

    /// What was asked for since the last call.
    pub(super) fn take_asked(&self) -> Asked {
        core::mem::take(&mut self.waiting.borrow_mut().asked)
    }

    /// The next answer; [`keep_answer`](Self::keep_answer) puts it back.
    pub(super) fn take_answer(&self) -> Option<Answer<ANSWER>> {
        self.waiting.borrow_mut().answers.pop_front()
    }

    pub(super) fn keep_answer(&self, answer: Answer<ANSWER>) {
        // Its place is still free: nothing was awaited in between.
        let _ = self.waiting.borrow_mut().answers.push_front(answer);
    }

    /// The answers lost their connection.
    pub(super) fn forget_answers(&self) {
        self.waiting.borrow_mut().answers.clear();
    }

    /// Sends the change that is due with `send`, which answers its number; `None`: later; an error: not this one.
    pub(super) fn send_report(&self, send: impl FnOnce(&[u8]) -> Result<Option<u32>, ReportError>) {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.report != Report::Due {
            return;
        }
        match send(&waiting.patch) {
            Ok(Some(request)) => waiting.report = Report::Sent(request),
            Ok(None) => {}
            Err(error) => {
                waiting.report = Report::Answered(Err(error));
                self.reported.signal(());
            }
        }
    }

    /// The hub answered a change.
    pub(super) fn answered(&self, reported: &Reported) {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.report != Report::Sent(reported.request) {
            return;
        }
        waiting.report = match reported.outcome {
            Ok(version) => Report::Answered(Ok(version)),
            // No answer: it is asked again. Reported properties are a state, so twice is as good as once.
            Err((0, _)) => Report::Due,
            Err((status, message)) => {
                Report::Answered(Err(ReportError::Refused { status, message }))
            }
        };
        self.reported.signal(());
    }

    /// Nothing is taken any more.
    pub(super) fn stopped(&self) {
        let mut waiting = self.waiting.borrow_mut();
        waiting.over = true;
        if matches!(waiting.report, Report::Due | Report::Sent(_)) {
            waiting.report = Report::Answered(Err(ReportError::Stopped));
            self.reported.signal(());
        }
    }
}

/// Takes a report back when its future goes.
struct Withdraw<'c, O, const REPORT: usize, const ANSWER: usize>(&'c Commands<O, REPORT, ANSWER>);

impl<O, const REPORT: usize, const ANSWER: usize> Drop for Withdraw<'_, O, REPORT, ANSWER> {
    fn drop(&mut self) {
        self.0.waiting.borrow_mut().report = Report::None;
    }
}
