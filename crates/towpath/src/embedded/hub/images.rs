//! The server that images come from, on a microcontroller: HTTPS over the same way as MQTT.
//!
//! Takes in what [`install`](towpath_azure::update::install()) asks for; gives out heads and bodies. [`Images`] is one end,
//! [`Images::carry`] the other one, which has the connection: both run beside each other, and meet in the memory between
//! them.

use core::{cell::RefCell, fmt::Write as _, time::Duration};

use embassy_futures::select::{Either4, select4};
use embassy_sync::{blocking_mutex::raw::NoopRawMutex, signal::Signal};
use towpath_azure::{
    http::{self, Answer, Problem, Url},
    update,
};
use towpath_proto::{
    Code, Fault, Instant, Rung,
    text::Text,
    tls::{Above as _, Layer, Tls},
};

use super::{
    super::{
        Timer,
        stream::{fault, receive, send},
    },
    Access, Opened, To,
    plain::{HTTP, Plain},
};

/// The longest name of a server.
const HOST: usize = 128;

/// How long one step may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What both ends share.
pub(super) struct Images<'b> {
    inside: RefCell<Inside<'b>>,
    /// For who carries: there is a request, or room.
    wanted: Signal<NoopRawMutex, ()>,
    /// For who reads: something came.
    came: Signal<NoopRawMutex, ()>,
}

struct Inside<'b> {
    plain: Plain<'b>,
    host: Text<HOST>,
    port: u16,
    /// A request waits for its connection.
    due: bool,
}

/// The end that reads.
pub(super) struct Reader<'i, 'b> {
    images: &'i Images<'b>,
    response: http::Response,
}

impl<'b> Images<'b> {
    /// Over this memory: a request has to fit, and a record of TLS is read in pieces of what is left.
    pub(super) const fn new(memory: &'b mut [u8]) -> Self {
        Self {
            inside: RefCell::new(Inside {
                plain: Plain::new(memory),
                host: Text::EMPTY,
                port: 0,
                due: false,
            }),
            wanted: Signal::new(),
            came: Signal::new(),
        }
    }

    /// The end that reads.
    pub(super) const fn reader(&self) -> Reader<'_, 'b> {
        Reader {
            images: self,
            response: http::Response::new(),
        }
    }

    /// Carries the bytes of one exchange after the other, for ever.
    pub(super) async fn carry(&self, access: &mut impl Access, timer: &impl Timer) {
        loop {
            while !self.inside.borrow().due {
                self.wanted.wait().await;
            }
            let (host, port) = {
                let mut inside = self.inside.borrow_mut();
                inside.due = false;
                (inside.host, inside.port)
            };
            let to = To {
                host: host.as_str(),
                port,
                shows_certificate: false,
            };
            let failed = match access.open(&to).await {
                Ok(Opened {
                    mut reader,
                    mut writer,
                    mut tls,
                }) => {
                    self.exchange(&mut tls, &mut reader, &mut writer, timer)
                        .await;
                    None
                }
                Err(fault) => Some(fault),
            };
            if let Some(fault) = failed {
                self.fail(fault);
            }
            access.close().await;
        }
    }

    fn fail(&self, fault: Fault) {
        self.inside.borrow_mut().plain.fail(fault);
        self.came.signal(());
    }

    /// Up to the end of the connection, or the next request.
    async fn exchange<T: Tls>(
        &self,
        layer: &mut Layer<T>,
        reader: &mut impl embedded_io_async::Read,
        writer: &mut impl embedded_io_async::Write,
        timer: &impl Timer,
    ) {
        let mut until = timer.now().after(PATIENCE);
        // Whoever reads the image may still be at what came before the end.
        let mut ended = false;
        loop {
            let carried = layer.carry(&mut self.inside.borrow_mut().plain, timer.now());
            while layer.next_trace().is_some() {}
            if carried {
                self.came.signal(());
                continue;
            }
            let (due, over, full) = {
                let inside = self.inside.borrow();
                (
                    inside.due,
                    inside.plain.end().is_some(),
                    inside.plain.is_paused(),
                )
            };
            if due || over {
                self.explain(layer);
                return;
            }
            let (space, bytes) = layer.both_ways();
            let bytes = if ended { &[][..] } else { bytes };
            let moved = select4(
                send(writer, bytes, false),
                receive(reader, space, !full && !ended),
                self.wanted.wait(),
                timer.sleep_until(until),
            )
            .await;
            ended |= matches!(
                moved,
                Either4::First(Err(_)) | Either4::Second(Ok(0) | Err(_))
            );
            let now = timer.now();
            let again = matches!(moved, Either4::First(Ok(1..)) | Either4::Second(Ok(1..)));
            self.moved(layer, now, moved);
            if again || full {
                // The patience is for the server's side, not for who writes the image.
                until = now.after(PATIENCE);
            }
        }
    }

    fn moved<T: Tls>(
        &self,
        layer: &mut Layer<T>,
        now: Instant,
        moved: Either4<
            Result<usize, embedded_io_async::ErrorKind>,
            Result<usize, embedded_io_async::ErrorKind>,
            (),
            (),
        >,
    ) {
        let rung = self.inside.borrow().plain.rung();
        match moved {
            Either4::First(Ok(n)) => layer.transmitted(now, n),
            Either4::Second(Ok(0)) => layer.ended(Fault::new(rung, Code::Closed)),
            Either4::Second(Ok(n)) => layer.commit(now, n),
            Either4::First(Err(kind)) | Either4::Second(Err(kind)) => {
                layer.ended(fault(rung, kind));
            }
            Either4::Third(()) => {}
            Either4::Fourth(()) => {
                let millis = u32::try_from(PATIENCE.as_millis()).unwrap_or(u32::MAX);
                let late = self.inside.borrow().plain.late(millis);
                self.fail(late);
            }
        }
    }

    /// Puts the cause that TLS knows in the place of the end.
    fn explain<T: Tls>(&self, layer: &Layer<T>) {
        let plain = &mut self.inside.borrow_mut().plain;
        if let Some(end) = plain.end() {
            plain.end_with(layer.explain(end));
        }
        self.came.signal(());
    }
}

impl update::Source for Reader<'_, '_> {
    async fn exchange(&mut self, request: &update::Request<'_>) -> Result<Answer, Fault> {
        self.response = http::Response::new();
        self.ask(request)?;
        loop {
            let end = {
                let mut inside = self.images.inside.borrow_mut();
                let unread = inside.plain.unread(usize::MAX);
                let (taken, step) = self.response.feed(unread).map_err(malformed)?;
                let complete = step == http::Step::Head;
                inside.plain.take(taken);
                if complete {
                    break;
                }
                inside.plain.end().filter(|_| taken == 0)
            };
            self.images.wanted.signal(());
            if let Some(end) = end {
                return Err(end);
            }
            self.images.came.wait().await;
        }
        let answer = self.response.answer().cloned();
        answer.ok_or(Fault::new(HTTP, Code::HttpCut))
    }

    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        loop {
            let end = {
                let mut inside = self.images.inside.borrow_mut();
                let unread = inside.plain.unread(buffer.len());
                let (taken, step) = self.response.feed(unread).map_err(malformed)?;
                let len = match step {
                    http::Step::Body(piece) => {
                        for (to, from) in buffer.iter_mut().zip(piece) {
                            *to = *from;
                        }
                        Some(piece.len())
                    }
                    http::Step::End => Some(0),
                    http::Step::Head | http::Step::More => None,
                };
                inside.plain.take(taken);
                if let Some(len) = len {
                    self.images.wanted.signal(());
                    return Ok(len);
                }
                inside.plain.end().filter(|_| taken == 0)
            };
            self.images.wanted.signal(());
            if let Some(end) = end {
                return self.ended(end);
            }
            self.images.came.wait().await;
        }
    }
}

impl Reader<'_, '_> {
    /// Leaves the request to the other end.
    fn ask(&self, request: &update::Request<'_>) -> Result<(), Fault> {
        let wrong = |words: &str| Fault::new(Rung::Link, Code::Io).detail(words.as_bytes());
        let url = Url::parse(request.url).map_err(|_| wrong("the image's address"))?;
        if !url.secure {
            return Err(wrong("an image comes by https only"));
        }
        if url.host.len() > HOST {
            return Err(wrong("the image's server has a long name"));
        }
        let if_range = request.if_range.map(|tag| ("If-Range", tag));
        let field = if_range.as_ref().map(|(name, tag)| {
            let tag: &dyn core::fmt::Display = tag;
            (*name, tag)
        });
        let mut head = http::Request::get(url.authority, &url.target);
        head.fields = field.as_slice();
        head.range = request.range;
        head.close = true;
        let mut inside = self.images.inside.borrow_mut();
        let written = inside.plain.begin(&head);
        written.map_err(|_| wrong("the request for the image"))?;
        inside.host = Text::from_bytes(url.host.as_bytes());
        inside.port = url.port;
        inside.due = true;
        self.images.wanted.signal(());
        Ok(())
    }

    /// The connection ended before the body did, or with it.
    fn ended(&mut self, end: Fault) -> Result<usize, Fault> {
        match self.response.closed() {
            Ok(()) if end.code == Code::Closed => Ok(0),
            Ok(()) => Err(end),
            Err(Problem::Cut { missing }) if end.code == Code::Closed => {
                let missing = missing.unwrap_or_default();
                let missing = u32::try_from(missing).unwrap_or(u32::MAX);
                Err(Fault::new(HTTP, Code::HttpCut).number(missing))
            }
            Err(Problem::Cut { .. }) => Err(end),
            Err(problem) => Err(malformed(problem)),
        }
    }
}

fn malformed(problem: Problem) -> Fault {
    let mut words = Text::<56>::EMPTY;
    // What does not fit is cut.
    let _ = write!(words, "{problem}");
    Fault::new(HTTP, Code::HttpMalformed).detail(words.as_str().as_bytes())
}
