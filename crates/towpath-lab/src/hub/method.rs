//! Direct methods: calls that wait for a device's answer.
//!
//! Takes in calls from the service and answers from devices; gives out a message for the device and the answer for the
//! caller. A caller that goes away before takes its call along.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::Value as Json;
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, timeout_at},
};

use super::{Down, Hub, Name, State, identity::seed, session::Feature};
use crate::{
    config::MethodAnswer,
    fault::Kind,
    log::{Code, Level, Record},
};

/// How many calls of a hub may wait at once.
const WAITING: usize = 10_000;

/// Calls that wait.
#[derive(Debug)]
pub(crate) struct Methods {
    /// The next request id. It does not begin where an earlier start of the lab did: a device may still answer that one.
    next: u64,
    waiting: HashMap<(Name, String), oneshot::Sender<(i32, Bytes)>>,
    /// Told when a client subscribes to methods.
    pub(crate) ready: Arc<Notify>,
}

impl Default for Methods {
    fn default() -> Self {
        Self {
            next: seed(),
            waiting: HashMap::new(),
            ready: Arc::default(),
        }
    }
}

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    /// The caller's HTTP status.
    pub(crate) status: u16,
    pub(crate) code: Code,
    pub(crate) why: String,
}

impl Failed {
    fn new(status: u16, code: Code, why: impl Into<String>) -> Self {
        Self {
            status,
            code,
            why: why.into(),
        }
    }
}

/// A call that waits; taken off the list when it is dropped.
struct Waiting<'a> {
    hub: &'a Hub,
    key: (Name, String),
    /// It was answered, or failed: who asked is still there.
    over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.hub.lock().methods.waiting.remove(&self.key);
        if !self.over {
            let (name, rid) = &self.key;
            let text = format!("the caller of a method ($rid={rid}) went away before the answer");
            self.hub.means.tell(
                Record::warn(Code::ClientClosed, text)
                    .host(&self.hub.host)
                    .device(name.to_string()),
            );
        }
    }
}

impl Hub {
    /// Calls a method and waits for its answer: its status and payload. `connect` is how long to wait for a device that
    /// is away, `response` how long for its answer.
    ///
    /// # Errors
    /// 404 without such a device, or when it is away or has not subscribed (404103); 413 with a payload or an answer that
    /// is too large; 504 without an answer in time.
    pub(crate) async fn invoke(
        &self,
        name: &Name,
        method: &str,
        payload: Json,
        connect: Duration,
        response: Duration,
    ) -> Result<(i32, Json), Failed> {
        let result = self.call(name, method, &payload, connect, response).await;
        let (level, code, text) = match &result {
            Ok((status, _)) => (
                Level::Info,
                Code::Method,
                format!("method {method:?} was answered with {status}"),
            ),
            Err(failed) => (
                Level::Warn,
                failed.code,
                format!("method {method:?}: {}", failed.why),
            ),
        };
        self.means.tell(
            Record::new(level, code, text)
                .host(&self.host)
                .device(name.to_string()),
        );
        result
    }

    async fn call(
        &self,
        name: &Name,
        method: &str,
        payload: &Json,
        connect: Duration,
        response: Duration,
    ) -> Result<(i32, Json), Failed> {
        check_method(method)?;
        // Without a payload it is `null`: devices on the official Node SDK answer an empty body with 400.
        let body = Bytes::from(payload.to_string());
        if body.len() > self.limits.method_bytes {
            let why = format!(
                "the payload has {} bytes; {} are allowed",
                body.len(),
                self.limits.method_bytes
            );
            return Err(Failed::new(413, Code::TooLarge, why));
        }
        let by = Instant::now() + connect;
        let (mut waiting, answer) = loop {
            let ready = Arc::clone(&self.lock().methods.ready);
            let ready = ready.notified();
            tokio::pin!(ready);
            // From here on it hears of a subscription, so none is missed between the look and the wait.
            ready.as_mut().enable();
            if let Some(sent) = self.send_call(name, method, &body)? {
                break sent;
            }
            if timeout_at(by, ready).await.is_err() {
                let why =
                    format!("{name} is away, or has not subscribed to $iothub/methods/POST/#");
                return Err(Failed::new(404, Code::DeviceNotOnline, why));
            }
        };
        let answer = tokio::time::timeout(response, answer).await;
        waiting.over = true;
        drop(waiting);
        match answer {
            Ok(Ok((status, body))) => Ok((status, self.read_answer(&body)?)),
            Ok(Err(_)) => {
                let why = format!("{name} disconnected before it answered");
                Err(Failed::new(404, Code::DeviceNotOnline, why))
            }
            Err(_) => {
                let why = format!("{name} did not answer within {} s", response.as_secs());
                Err(Failed::new(504, Code::GatewayTimeout, why))
            }
        }
    }

    /// Sends a call to the device; `None` if it does not listen now.
    fn send_call(
        &self,
        name: &Name,
        method: &str,
        body: &Bytes,
    ) -> Result<Option<(Waiting<'_>, Answer)>, Failed> {
        let mut state = self.lock();
        let state = &mut *state;
        let Some(entry) = state.entries.get(name) else {
            return Err(Failed::new(
                404,
                Code::DeviceNotFound,
                format!("there is no device or module \"{name}\""),
            ));
        };
        let Some(live) = &entry.live else {
            return Ok(None);
        };
        let Some(&qos) = entry.session.subscriptions.get(&Feature::Methods) else {
            return Ok(None);
        };
        let methods = &mut state.methods;
        if methods.waiting.len() >= WAITING {
            return Err(Failed::new(
                429,
                Code::Throttled,
                format!("{WAITING} calls wait already"),
            ));
        }
        methods.next = methods.next.wrapping_add(1);
        let rid = format!("{:x}", methods.next);
        let lost = self
            .means
            .faults
            .strike(Kind::MethodLost, &live.connection)
            .is_some();
        let sent = lost
            || live.send(Down::Publish {
                topic: format!("$iothub/methods/POST/{method}/?$rid={rid}"),
                payload: body.clone(),
                qos,
                settles: None,
                redelivered: false,
            });
        if !sent {
            let why = format!("{name} is too slow to take the call");
            return Err(Failed::new(429, Code::Throttled, why));
        }
        let (answered, answer) = oneshot::channel();
        let key = (name.clone(), rid);
        methods.waiting.insert(key.clone(), answered);
        let waiting = Waiting {
            hub: self,
            key,
            over: false,
        };
        Ok(Some((waiting, answer)))
    }

    fn read_answer(&self, body: &[u8]) -> Result<Json, Failed> {
        let most = self.limits.method_bytes;
        if body.len() > most {
            let why = format!(
                "the device's answer has {} bytes; {most} are allowed",
                body.len()
            );
            return Err(Failed::new(413, Code::TooLarge, why));
        }
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Json::Null);
        }
        match (serde_json::from_slice(body), self.behaviour.method_answer) {
            (Ok(json), _) => Ok(json),
            (Err(_), MethodAnswer::Pass) => Ok(String::from_utf8_lossy(body).into_owned().into()),
            (Err(error), MethodAnswer::Error) => {
                let why = format!("the device's answer is no JSON: {error}");
                Err(Failed::new(400, Code::ArgumentInvalid, why))
            }
        }
    }

    /// A device answers a call. `false`: nobody waits for it (any more), which is no reason to close.
    pub(crate) fn method_answered(&self, name: &Name, rid: &str, status: i32, body: Bytes) -> bool {
        let key = (name.clone(), rid.to_owned());
        let waiting = self.lock().methods.waiting.remove(&key);
        let delivered = waiting.is_some_and(|waiting| waiting.send((status, body)).is_ok());
        if !delivered {
            let text =
                format!("an answer came for the method call {rid:?}, for which nobody waits");
            self.means.tell(
                Record::warn(Code::Method, text)
                    .host(&self.host)
                    .device(name.to_string()),
            );
        }
        delivered
    }
}

impl State {
    /// The device's connection is over: whoever waits for its answers is told.
    pub(super) fn lose_methods(&mut self, name: &Name) {
        let waiting = &mut self.methods.waiting;
        waiting.retain(|(waiting, _), _| waiting != name);
    }
}

/// What the device sends back.
type Answer = oneshot::Receiver<(i32, Bytes)>;

/// A method's name goes into a topic.
fn check_method(method: &str) -> Result<(), Failed> {
    let good =
        !method.is_empty() && method.len() <= 128 && !method.contains(['/', '#', '+', '?', '\0']);
    if good {
        return Ok(());
    }
    let why = "a method's name has 1 to 128 bytes, without / # + ?";
    Err(Failed::new(400, Code::ArgumentInvalid, why))
}
