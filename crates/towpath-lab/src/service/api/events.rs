//! Streams of server-sent events (HTML standard, section 9.2) and the event log. The id of an event is its number, so
//! that a reader who comes back with `Last-Event-ID` misses nothing that is still kept.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use hyper::body::Frame;
use serde::Serialize;
use serde_json::json;
use tokio::sync::broadcast::{self, error::RecvError};

use super::{super::call::At, Answer, Asked, Wrong, hub, ok};
use crate::{
    hub::{Hub, Message},
    log::Record,
    shared::Shared,
};

/// After so much silence a comment is sent, so that a reader that is gone is noticed.
const SILENCE: Duration = Duration::from_secs(15);

/// How many kept ones are looked at in one go.
const AT_ONCE: usize = 500;

/// `?after=&limit=`: records behind the number `after`, or the newest.
pub(super) async fn events(State(lab): State<Arc<Shared>>, asked: Asked) -> Answer {
    let limit = asked.limit(500, 2000)?;
    let mut records = lab.means.log.since(asked.number("after")?.unwrap_or(0));
    match asked.number("after")? {
        Some(_) => records.truncate(limit),
        None => {
            records.drain(..records.len().saturating_sub(limit));
        }
    }
    let records: Vec<_> = records.iter().map(AsRef::as_ref).collect();
    Ok(ok(&json!({ "events": records })))
}

pub(super) async fn event_stream(
    State(lab): State<Arc<Shared>>,
    asked: Asked,
    headers: HeaderMap,
) -> Answer {
    let heard = lab.means.log.listen();
    let last = || {
        lab.means
            .log
            .since(0)
            .last()
            .map_or(0, |record| record.sequence)
    };
    let after = after(&asked, &headers)?.unwrap_or_else(last);
    let source = Events { lab, after };
    Ok(stream(Stream::new(source, heard)))
}

/// `?device=&after=`
pub(super) async fn telemetry_stream(
    State(lab): State<Arc<Shared>>,
    At(host): At<String>,
    asked: Asked,
    headers: HeaderMap,
) -> Answer {
    let hub = Arc::clone(hub(&lab, &host)?);
    let heard = hub.telemetry.listen();
    let last = || hub.telemetry.last();
    let after = after(&asked, &headers)?.unwrap_or_else(last);
    let device = asked.text("device").map(str::to_owned);
    let source = Messages { hub, device, after };
    Ok(stream(Stream::new(source, heard)))
}

/// A browser that comes back says it in a field; others in the query. Without either the stream begins now.
fn after(asked: &Asked, headers: &HeaderMap) -> Result<Option<u64>, Wrong> {
    let field = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    match field.and_then(|id| id.trim().parse().ok()) {
        Some(id) => Ok(Some(id)),
        None => asked.number("after"),
    }
}

/// Where events come from: what is kept, and what is told as it happens.
trait Source: Send + 'static {
    type Item: Serialize + Send + Sync + 'static;

    /// Some kept ones behind the last, which moves on; empty if there are no more.
    fn kept(&mut self) -> Vec<(u64, Arc<Self::Item>)>;

    /// The number of a told one if it is wanted and new; the last moves on.
    fn told(&mut self, item: &Self::Item) -> Option<u64>;
}

struct Events {
    lab: Arc<Shared>,
    after: u64,
}

impl Source for Events {
    type Item = Record;

    fn kept(&mut self) -> Vec<(u64, Arc<Record>)> {
        let records = self.lab.means.log.since(self.after);
        let records = records.into_iter().take(AT_ONCE);
        let records: Vec<_> = records.map(|record| (record.sequence, record)).collect();
        self.after = records.last().map_or(self.after, |(number, _)| *number);
        records
    }

    fn told(&mut self, record: &Record) -> Option<u64> {
        (record.sequence > self.after).then(|| {
            self.after = record.sequence;
            record.sequence
        })
    }
}

struct Messages {
    hub: Arc<Hub>,
    device: Option<String>,
    after: u64,
}

impl Source for Messages {
    type Item = Message;

    fn kept(&mut self) -> Vec<(u64, Arc<Message>)> {
        let device = self.device.as_deref();
        let messages = self.hub.telemetry.since(self.after, device, AT_ONCE);
        let messages: Vec<_> = messages
            .into_iter()
            .map(|message| (message.sequence, message))
            .collect();
        self.after = messages.last().map_or(self.after, |(number, _)| *number);
        messages
    }

    fn told(&mut self, message: &Message) -> Option<u64> {
        if message.sequence <= self.after {
            return None;
        }
        self.after = message.sequence;
        let wanted = self
            .device
            .as_deref()
            .is_none_or(|device| message.is_of(device));
        wanted.then_some(message.sequence)
    }
}

/// Events one after the other.
struct Stream<S: Source> {
    source: S,
    heard: broadcast::Receiver<Arc<S::Item>>,
    /// Some kept ones have to be sent before what is told.
    behind: bool,
    begun: bool,
}

impl<S: Source> Stream<S> {
    const fn new(source: S, heard: broadcast::Receiver<Arc<S::Item>>) -> Self {
        Self {
            source,
            heard,
            behind: true,
            begun: false,
        }
    }

    /// The next piece of the body; `None` at the end of the lab.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.begun {
            self.begun = true;
            // Browsers come back after so many milliseconds.
            return Some(Bytes::from_static(b"retry: 1000\n\n"));
        }
        loop {
            if self.behind {
                let kept = self.source.kept();
                if !kept.is_empty() {
                    let text = kept
                        .iter()
                        .map(|(number, item)| event(*number, item.as_ref()));
                    return Some(text.collect::<String>().into());
                }
                self.behind = false;
            }
            match tokio::time::timeout(SILENCE, self.heard.recv()).await {
                Err(_) => return Some(Bytes::from_static(b":\n\n")),
                Ok(Ok(item)) => {
                    if let Some(number) = self.source.told(&item) {
                        return Some(event(number, item.as_ref()).into());
                    }
                }
                // A slow reader finds what it missed among what is kept.
                Ok(Err(RecvError::Lagged(_))) => self.behind = true,
                Ok(Err(RecvError::Closed)) => return None,
            }
        }
    }
}

/// JSON has no line ends outside of its texts, so one `data` line holds it.
fn event(number: u64, item: &impl Serialize) -> String {
    let data = serde_json::to_string(item).unwrap_or_default();
    format!("id: {number}\ndata: {data}\n\n")
}

/// A response that goes on until the reader is gone.
fn stream<S: Source>(stream: Stream<S>) -> Response {
    let mut response = Response::new(Body::new(Endless {
        next: Box::pin(step(stream)),
    }));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

type Step<S> = (Stream<S>, Option<Bytes>);

async fn step<S: Source>(mut stream: Stream<S>) -> Step<S> {
    let piece = stream.next().await;
    (stream, piece)
}

/// A body that is made piece by piece, without a task of its own: it ends with its connection.
struct Endless<S: Source> {
    next: Pin<Box<dyn Future<Output = Step<S>> + Send>>,
}

impl<S: Source> hyper::body::Body for Endless<S> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let (stream, piece) = ready!(self.next.as_mut().poll(context));
        self.next = Box::pin(step(stream));
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }
}
