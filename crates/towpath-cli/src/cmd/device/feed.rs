//! Telemetry on its way into the outbox: lines of standard input, or what a program writes at an interval.
//!
//! Many messages are handed over at once, so that one write of the disk does for all, in the order in which they came.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    io::{self, BufRead as _, Read as _},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
    thread,
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};
use towpath::{
    config::device::{DeviceConfig, Format, Full, Program},
    device::{Device, Telemetry, bag::Bag},
    outbox,
};

use super::{
    prepare::{self, or},
    program::Runner,
    tell::Teller,
};
use crate::{exit::Failure, text::plural};

/// The largest message that the hub takes, bytes.
const LARGEST: usize = 256 << 10;

/// Messages that are handed over at once.
const AT_ONCE: usize = 256;

/// How often room is looked for while the outbox is full, and a disk that failed is tried again.
const LOOK: Duration = Duration::from_millis(100);
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// How long a line that was read already may take from the thread that read it.
const IN_HAND: Duration = Duration::from_millis(200);

/// The end of a feed, from outside: no more is read, and what was read is still taken.
#[derive(Debug, Default)]
pub(super) struct Closing {
    asked: Notify,
    is_asked: AtomicBool,
    /// Lines that were read and are not in the outbox.
    in_hand: AtomicU64,
}

impl Closing {
    /// Ends the reading.
    pub(super) fn ask(&self) {
        self.is_asked.store(true, Ordering::Release);
        self.asked.notify_one();
    }

    fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Acquire)
    }

    /// Lines that were read and are not in the outbox.
    pub(super) fn in_hand(&self) -> u64 {
        self.in_hand.load(Ordering::Acquire)
    }

    fn took(&self, lines: u64) {
        self.in_hand.fetch_add(lines, Ordering::AcqRel);
    }

    fn gave(&self) {
        self.in_hand.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What every message is like.
#[derive(Debug, Clone)]
pub(super) struct Like {
    content_type: Option<String>,
    content_encoding: Option<String>,
    properties: Vec<(String, String)>,
    component: Option<String>,
    format: Format,
}

impl Like {
    pub(super) fn of(config: &DeviceConfig) -> Self {
        let telemetry = &config.telemetry;
        let format = or(&telemetry.format, Format::default());
        // So that the hub can route by what is in the body.
        let (kind, encoding) = match format {
            Format::Json => ("application/json", "utf-8"),
            Format::Text => ("", ""),
        };
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            content_type: some(or(&telemetry.content_type, kind.into())),
            content_encoding: some(or(&telemetry.content_encoding, encoding.into())),
            properties: or(&telemetry.properties, Vec::new()),
            component: None,
            format,
        }
    }

    /// With what is said for one message.
    pub(super) fn with(
        mut self,
        properties: &[(String, String)],
        content_type: Option<&str>,
        component: Option<&str>,
    ) -> Self {
        self.properties.extend_from_slice(properties);
        if let Some(kind) = content_type {
            self.content_type = Some(kind.to_owned()).filter(|kind| !kind.is_empty());
            self.content_encoding = None;
            self.format = Format::Text;
        }
        self.component = component.map(str::to_owned);
        self
    }

    /// Why this is no message.
    pub(super) fn fault(&self, body: &[u8]) -> Option<String> {
        if body.len() > LARGEST {
            return Some(format!(
                "it has more than {LARGEST} bytes, the most that the hub takes"
            ));
        }
        if self.format == Format::Json
            && let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(body)
        {
            // The message names a place, not what stands there.
            return Some(format!(
                "this is no JSON: {error}. With format = \"text\" in [telemetry] anything is sent"
            ));
        }
        None
    }

    async fn push(&self, device: &Device, body: &[u8]) -> Result<u64, outbox::Error> {
        let properties: Vec<_> = self
            .properties
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let telemetry = Telemetry {
            bag: Bag {
                content_type: self.content_type.as_deref(),
                content_encoding: self.content_encoding.as_deref(),
                component: self.component.as_deref(),
                properties: &properties,
                ..Bag::NONE
            },
            body,
            expires: None,
        };
        device.send(&telemetry).await
    }

    /// About what a message takes in the outbox.
    fn weight(&self, body: &[u8]) -> u64 {
        let texts = [&self.content_type, &self.content_encoding, &self.component];
        let texts = texts.into_iter().flatten().map(String::len);
        let pairs = self
            .properties
            .iter()
            .map(|(name, value)| name.len() + value.len());
        // Percent-encoding makes three of one, and names of system properties are short.
        let properties: usize = texts.chain(pairs).map(|len| 3 * len + 12).sum();
        (body.len() + properties + outbox::OVERHEAD) as u64
    }
}

type Push = Pin<Box<dyn Future<Output = Result<u64, outbox::Error>> + Send>>;

/// A message that is being handed over.
struct Under {
    message: Message,
    push: Push,
}

struct Message {
    body: Arc<[u8]>,
    weight: u64,
}

/// Hands messages to the outbox.
pub(super) struct Feed {
    device: Device,
    like: Arc<Like>,
    full: Full,
    bound: u64,
    under: VecDeque<Under>,
    /// What the disk failed to take, in order, and when it is tried again: all of it, before anything that came later.
    failed: VecDeque<Message>,
    again: Option<Instant>,
    closing: Arc<Closing>,
    /// What was taken, and what was left out because it is no message or there was no room.
    taken: u64,
    left_out: u64,
    /// A complaint that is not repeated.
    complained: bool,
    /// Whether messages are lines, which are counted while they are in hand.
    reads_stdin: bool,
    teller: Arc<Teller>,
}

impl Feed {
    pub(super) fn new(
        config: &DeviceConfig,
        device: Device,
        like: Like,
        teller: Arc<Teller>,
    ) -> Self {
        Self {
            device,
            like: Arc::new(like),
            full: prepare::full(config),
            bound: prepare::bounds(config).bytes,
            under: VecDeque::new(),
            failed: VecDeque::new(),
            again: None,
            closing: Arc::default(),
            taken: 0,
            left_out: 0,
            complained: false,
            reads_stdin: false,
            teller,
        }
    }

    /// One for which nothing is dropped.
    pub(super) const fn waiting(mut self) -> Self {
        self.full = Full::Wait;
        self
    }

    /// What ends it.
    pub(super) fn closing(&self) -> Arc<Closing> {
        Arc::clone(&self.closing)
    }

    fn is_idle(&self) -> bool {
        self.under.is_empty() && self.failed.is_empty()
    }

    /// Sends each line of standard input until its end.
    pub(super) async fn stdin(mut self) -> Result<(), Failure> {
        self.reads_stdin = true;
        let closing = self.closing();
        let mut lines = read_lines(Arc::clone(&closing));
        let mut number = 0_u64;
        loop {
            let takes = self.under.len() < AT_ONCE && self.failed.is_empty();
            let line = tokio::select! {
                biased;
                line = next_of(&mut lines, &closing), if takes => line,
                () = self.settle_one(), if !self.is_idle() => continue,
            };
            let Some(line) = line else { break };
            let line = line.map_err(|error| Failure::Io {
                what: "cannot read standard input",
                error,
            })?;
            number += 1;
            if line.trim_ascii().is_empty() {
                closing.gave();
                continue;
            }
            match self.like.fault(&line) {
                Some(why) => {
                    closing.gave();
                    self.leave_out(&format!("line {number} of standard input: {why}"));
                }
                None => self.begin(line).await,
            }
        }
        self.finish().await
    }

    /// Waits until everything is taken.
    pub(super) async fn finish(mut self) -> Result<(), Failure> {
        while !self.is_idle() {
            self.settle_one().await;
        }
        if self.left_out > 0 {
            let (left, taken) = (plural(self.left_out, "message"), self.taken);
            return Err(Failure::LeftOut(format!(
                "{left} left out, {taken} sent; why stands above"
            )));
        }
        Ok(())
    }

    /// Sends what a program writes, again and again.
    pub(super) async fn program(
        mut self,
        runner: Runner,
        program: Program,
        every: Duration,
        limit: Duration,
    ) -> Result<(), Failure> {
        let mut ticks = interval(every);
        // A run that took long is not followed by several at once.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let name = program.path.display().to_string();
        loop {
            ticks.tick().await;
            let ran = match runner.run(&program, b"", &[], limit).await {
                Ok(ran) if ran.is_success() => ran,
                Ok(ran) => {
                    self.leave_out(&format!("{name}: {}", ran.words()));
                    continue;
                }
                Err(broken) => {
                    self.leave_out(&format!("{name}: {broken}"));
                    continue;
                }
            };
            let body = ran.out.trim_ascii_end();
            if body.is_empty() {
                continue;
            }
            match self.like.fault(body) {
                Some(why) => self.leave_out(&format!("{name}: {why}")),
                None => self.begin(body.to_vec()).await,
            }
            while !self.is_idle() {
                self.settle_one().await;
            }
        }
    }

    fn leave_out(&mut self, why: &str) {
        self.left_out += 1;
        self.teller.complain("left_out", why);
    }

    /// Begins to hand over a message, and waits for room first where that is wanted.
    pub(super) async fn begin(&mut self, body: Vec<u8>) {
        let weight = self.like.weight(&body);
        loop {
            if self.full == Full::Wait {
                self.room_for(weight).await;
            }
            if self.failed.is_empty() {
                break;
            }
            self.settle_one().await;
        }
        let body = body.into();
        self.hand_over(Message { body, weight }).await;
    }

    /// Never waits.
    async fn hand_over(&mut self, message: Message) {
        let push = handed_over(
            self.device.clone(),
            Arc::clone(&self.like),
            Arc::clone(&message.body),
        )
        .await;
        self.under.push_back(Under { message, push });
    }

    async fn room_for(&mut self, weight: u64) {
        loop {
            let under = self.under.iter().map(|under| &under.message);
            let under: u64 = under
                .chain(&self.failed)
                .map(|message| message.weight)
                .sum();
            let bytes = self.device.outbox().bytes();
            // A message that never fits is refused by the outbox itself.
            if weight > self.bound || bytes + under + weight <= self.bound {
                return;
            }
            if self.is_idle() {
                sleep(LOOK).await;
            } else {
                self.settle_one().await;
            }
        }
    }

    /// Waits until the first message under way is taken, or until those that failed are under way again. May be dropped
    /// and called again.
    async fn settle_one(&mut self) {
        let Some(first) = self.under.front_mut() else {
            return self.try_again().await;
        };
        let result = poll_fn(|context| first.push.as_mut().poll(context)).await;
        let Some(first) = self.under.pop_front() else {
            return;
        };
        match result {
            Ok(_) => {
                self.taken += 1;
                self.complained = false;
            }
            Err(
                error @ (outbox::Error::Full { .. }
                | outbox::Error::TooLarge { .. }
                | outbox::Error::NotForHub { .. }),
            ) => {
                self.left_out += 1;
                if !std::mem::replace(&mut self.complained, true) {
                    self.teller.complain("left_out", &error.to_string());
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.complained, true) {
                    let text = format!("{error}. It is tried again every second");
                    self.teller.complain("outbox", &text);
                }
                self.failed.push_back(first.message);
                self.again.get_or_insert_with(|| Instant::now() + TRY_AGAIN);
                return;
            }
        }
        if self.reads_stdin {
            self.closing.gave();
        }
    }

    /// Hands over again what failed.
    async fn try_again(&mut self) {
        if let Some(at) = self.again {
            sleep_until(at).await;
        }
        while let Some(message) = self.failed.pop_front() {
            self.hand_over(message).await;
        }
        self.again = None;
    }
}

/// A message in the queue of the outbox: it takes its place there with the first poll.
async fn handed_over(device: Device, like: Arc<Like>, body: Arc<[u8]>) -> Push {
    let mut ended = None;
    let mut push: Push = Box::pin(async move { like.push(&device, &body).await });
    poll_fn(|context| {
        if let Poll::Ready(result) = push.as_mut().poll(context) {
            ended = Some(result);
        }
        Poll::Ready(())
    })
    .await;
    match ended {
        Some(result) => Box::pin(std::future::ready(result)),
        None => push,
    }
}

/// Lines of standard input without their ends. Reading blocks, so that it has a thread of its own; it stops while
/// nobody takes the lines.
fn read_lines(closing: Arc<Closing>) -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel(64);
    thread::spawn(move || {
        let mut input = io::BufReader::with_capacity(64 << 10, io::stdin());
        // After the end was asked for, what is here as whole lines is given out and nothing more is read.
        while !closing.is_asked() || input.buffer().contains(&b'\n') {
            let line = match next_line(&mut input) {
                Ok(None) => return,
                Ok(Some(line)) => {
                    closing.took(1);
                    Ok(line)
                }
                Err(error) => Err(error),
            };
            let last = line.is_err();
            if sender.blocking_send(line).is_err() || last {
                return;
            }
        }
        // The beginning of a line, without its end.
        closing.took(u64::from(!input.buffer().is_empty()));
    });
    receiver
}

/// The next line; `None` at the end, or when the end was asked for and everything that was read has been given out.
async fn next_of(
    lines: &mut mpsc::Receiver<io::Result<Vec<u8>>>,
    closing: &Closing,
) -> Option<io::Result<Vec<u8>>> {
    if !closing.is_asked() {
        tokio::select! {
            biased;
            () = closing.asked.notified() => {}
            line = lines.recv() => return line,
        }
    }
    // The thread may be waiting for input that never comes, which nothing ends.
    timeout(IN_HAND, lines.recv()).await.unwrap_or(None)
}

/// The next line. One that is too long for a message is cut behind what shows that it is.
fn next_line(input: &mut impl io::BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let most = LARGEST as u64 + 2;
    if input.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    } else if line.len() as u64 == most {
        skip_line(input)?;
    }
    Ok(Some(line))
}

fn skip_line(input: &mut impl io::BufRead) -> io::Result<()> {
    loop {
        let block = input.fill_buf()?;
        let end = block.iter().position(|byte| *byte == b'\n');
        let (used, last) = match end {
            Some(end) => (end + 1, true),
            None => (block.len(), block.is_empty()),
        };
        input.consume(used);
        if last {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_no_ends_and_a_bound() {
        let long = vec![b'x'; 3 * LARGEST];
        let text = [b"one\r\n\ntwo\n".as_slice(), &long, b"\nlast"].concat();
        let mut input = io::BufReader::with_capacity(100, text.as_slice());
        let mut next = || next_line(&mut input).unwrap();
        assert_eq!(next().as_deref(), Some(&b"one"[..]));
        assert_eq!(next().as_deref(), Some(&b""[..]));
        assert_eq!(next().as_deref(), Some(&b"two"[..]));
        assert!(next().unwrap().len() > LARGEST);
        assert_eq!(next().as_deref(), Some(&b"last"[..]));
        assert_eq!(next(), None);
    }

    fn like(more: &str) -> Like {
        let text = format!("[hub]\nhost = \"h\"\ndevice_id = \"d\"\nkey_file = \"k\"\n{more}");
        Like::of(&DeviceConfig::parse(&text, "device.toml").unwrap())
    }

    #[test]
    fn what_is_no_message_is_known_beforehand() {
        let json = like("[telemetry]\nfrom = \"stdin\"");
        assert_eq!(json.content_type.as_deref(), Some("application/json"));
        assert_eq!(json.fault(b"{\"a\":1}"), None);
        let why = json.fault(b"{\"a\": s3same}").unwrap();
        assert!(
            why.starts_with("this is no JSON") && !why.contains("s3same"),
            "{why}"
        );
        assert!(
            json.fault(&vec![b'1'; LARGEST + 1])
                .unwrap()
                .contains("262144")
        );
        let text = like("[telemetry]\nfrom = \"stdin\"\nformat = \"text\"");
        assert_eq!(text.fault(b"s3same"), None);
        assert_eq!(text.content_type, None);
    }
}
