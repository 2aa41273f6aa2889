//! Pages that change while they are looked at: a stream of server-sent events with the parts that changed.
//!
//! Takes in a page and the numbers up to which the browser has its lists; gives out `part` events with the HTML of
//! parts that are not as they were sent last, and `lines` events with what goes on top of a list. Sent four times a
//! second at most, however much happens, so that a hub with thousands of devices keeps neither the lab nor the browser
//! busy.

use std::{
    collections::HashMap,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    http::header,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use hyper::body::Frame;
use maud::Markup;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{broadcast, mpsc},
    time::{sleep, timeout},
};

use super::{Page, layout};
use crate::{log::Record, shared::Shared};

/// Time between two looks at what changed.
const PACE: Duration = Duration::from_millis(250);

/// Counters move without a record in the log.
const IDLE: Duration = Duration::from_secs(1);

/// What is in the browser's lists already.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct Since {
    /// The number of the newest message of a device.
    pub(super) messages: u64,
    /// The number of the newest record of the log.
    pub(super) records: u64,
}

/// What goes on top of a list.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) list: List,
    pub(super) number: u64,
    pub(super) html: Markup,
}

/// A list that grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum List {
    Messages,
    Records,
}

/// How many lines are sent at once; the rest is left out, and the browser is told.
pub(super) const AT_ONCE: usize = 200;

#[derive(Serialize)]
struct PartEvent<'a> {
    id: &'a str,
    html: &'a str,
}

#[derive(Serialize)]
struct LinesEvent {
    list: List,
    /// The newest number, which the browser asks from when it connects again.
    last: u64,
    html: String,
}

/// Answers with the stream. It ends with the lab, or when the browser goes.
pub(super) fn stream<P: Page>(page: P, lab: &Arc<Shared>, since: Since) -> Response {
    let (sender, receiver) = mpsc::channel(4);
    let records = lab.means.log.listen();
    tokio::spawn(follow(page, Arc::downgrade(lab), since, records, sender));
    let fields = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (fields, Body::new(Chunks(receiver))).into_response()
}

async fn follow<P: Page>(
    page: P,
    lab: Weak<Shared>,
    mut since: Since,
    mut records: broadcast::Receiver<Arc<Record>>,
    sender: mpsc::Sender<Bytes>,
) {
    let mut sent = HashMap::new();
    loop {
        // Not held while waiting: the lab can end under an open page.
        let Some(strong) = lab.upgrade() else { return };
        // Only that something happens from now on matters; what it was is read from the lab.
        records = records.resubscribe();
        let news = news(&page, &strong, &mut since, &mut sent);
        drop(strong);
        if sender.send(news.into()).await.is_err() {
            return;
        }
        let waited = async {
            sleep(PACE).await;
            let _ = timeout(IDLE, records.recv()).await;
        };
        tokio::select! {
            () = sender.closed() => return,
            () = waited => {}
        }
    }
}

/// The events of one look. Never empty: a comment shows a browser that has gone.
fn news<P: Page>(
    page: &P,
    lab: &Shared,
    since: &mut Since,
    sent: &mut HashMap<&'static str, String>,
) -> String {
    let mut text = String::from(":\n\n");
    if is_stale(lab, since) {
        event(&mut text, "stale", &());
    }
    let mut parts = page.parts(lab);
    parts.push(("faults-on", layout::faults_on(lab.means.faults.on().len())));
    for (id, html) in parts {
        let html = html.into_string();
        if sent.get(id) != Some(&html) {
            event(&mut text, "part", &PartEvent { id, html: &html });
            sent.insert(id, html);
        }
    }
    let lines = page.lines(lab, since);
    for list in [List::Messages, List::Records] {
        let last = match list {
            List::Messages => &mut since.messages,
            List::Records => &mut since.records,
        };
        let mine = || lines.iter().filter(|line| line.list == list);
        let Some(newest) = mine().map(|line| line.number).max() else {
            continue;
        };
        *last = newest;
        let html = mine().map(|line| line.html.0.as_str()).collect();
        let lines = LinesEvent {
            list,
            last: newest,
            html,
        };
        event(&mut text, "lines", &lines);
    }
    text
}

/// Whether the browser has seen records that this lab has not written: it was started anew, and counts from 1 again.
fn is_stale(lab: &Shared, since: &Since) -> bool {
    let before = since.records.checked_sub(1);
    before.is_some_and(|before| lab.means.log.since(before).is_empty())
}

/// JSON has no line ends of its own, so that an event is one `data` line.
fn event<T: Serialize>(text: &mut String, name: &str, data: &T) {
    if let Ok(data) = serde_json::to_string(data) {
        text.push_str("event: ");
        text.push_str(name);
        text.push_str("\ndata: ");
        text.push_str(&data);
        text.push_str("\n\n");
    }
}

/// A body of what comes through a channel.
struct Chunks(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(cx)
            .map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}
