//! The service's side of the first hub, for tests: what its devices sent, and what is sent to them.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::{Value as Json, json};
use tokio::sync::broadcast::error::RecvError;

use super::Lab;
use crate::{
    clock::Time,
    hub::{C2d, Hub, Message, Name},
    log::Code,
    store::Durable,
};

/// A message from a device, as the hub keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// Grows by one with each message to the hub.
    pub sequence: u64,
    /// When the hub had it.
    pub enqueued: Time,
    /// The device, or `device/module`.
    pub device: String,
    /// The application's properties.
    pub properties: BTreeMap<String, String>,
    /// The system's, by the names of the REST API, such as `message-id`.
    pub system: BTreeMap<String, String>,
    /// The payload.
    pub body: Bytes,
}

impl From<&Message> for Received {
    fn from(message: &Message) -> Self {
        let device = match &message.module {
            Some(module) => format!("{}/{module}", message.device),
            None => message.device.clone(),
        };
        Self {
            sequence: message.sequence,
            enqueued: message.enqueued,
            device,
            properties: message.properties.clone(),
            system: message.system.clone(),
            body: message.body.0.clone(),
        }
    }
}

/// The hub does not do what the service asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    /// The hub's code, such as [`Code::DeviceNotOnline`].
    pub code: Code,
    /// The cause in words.
    pub why: String,
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {}",
            self.code.number(),
            self.code.name(),
            self.why
        )
    }
}

impl std::error::Error for ServiceError {}

impl Lab {
    fn first_hub(&self) -> Result<&Arc<Hub>, ServiceError> {
        self.shared.hubs.first().ok_or_else(|| ServiceError {
            code: Code::HubNotFound,
            why: "this lab has no hub".into(),
        })
    }

    /// What a device, or `device/module`, of the first hub sent so far, oldest first.
    #[must_use]
    pub fn telemetry(&self, device: &str) -> Vec<Received> {
        let hub = self.first_hub();
        let kept = hub.map(|hub| hub.telemetry.since(0, Some(device), usize::MAX));
        let kept = kept.unwrap_or_default();
        kept.iter()
            .map(|message| Received::from(&**message))
            .collect()
    }

    /// The first message of a device, or `device/module`, of the first hub with a number above `after`; waits for it.
    ///
    /// # Errors
    /// If the lab has no hub.
    pub async fn next_telemetry(&self, device: &str, after: u64) -> Result<Received, ServiceError> {
        let hub = self.first_hub()?;
        // Before looking, so that nothing falls in between.
        let mut news = hub.telemetry.listen();
        loop {
            if let Some(message) = hub.telemetry.since(after, Some(device), 1).first() {
                return Ok(Received::from(&**message));
            }
            if let Err(RecvError::Closed) = news.recv().await {
                return Err(ServiceError {
                    code: Code::ServiceUnavailable,
                    why: "the lab has ended".into(),
                });
            }
        }
    }

    /// Puts a cloud-to-device message into the queue of a device of the first hub; gives its number.
    ///
    /// # Errors
    /// As the hub has them: no such device, a full queue, too large.
    pub async fn send_to_device(
        &self,
        device: &str,
        body: impl Into<Bytes>,
        properties: impl IntoIterator<Item = (&str, &str)>,
    ) -> Result<u64, ServiceError> {
        let properties = properties.into_iter();
        let message = C2d {
            properties: properties
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            payload: body.into(),
            ..C2d::default()
        };
        let queued = self.first_hub()?.enqueue(&name(device), message);
        let (sequence, durable) = queued.map_err(|rejected| ServiceError {
            code: rejected.code,
            why: rejected.why,
        })?;
        written(durable).await?;
        Ok(sequence)
    }

    /// Calls a method of a device, or `device/module`, of the first hub; gives its status and payload.
    ///
    /// # Errors
    /// [`Code::DeviceNotOnline`] when it is away or has not subscribed, [`Code::GatewayTimeout`] without an answer in
    /// time.
    pub async fn invoke(
        &self,
        device: &str,
        method: &str,
        payload: Json,
        patience: Duration,
    ) -> Result<(i32, Json), ServiceError> {
        let hub = self.first_hub()?;
        let device = name(device);
        let answer = hub.invoke(&device, method, payload, Duration::ZERO, patience);
        answer.await.map_err(|failed| ServiceError {
            code: failed.code,
            why: failed.why,
        })
    }

    /// Changes desired properties of a device, or `device/module`, of the first hub, by JSON merge patch; gives the twin
    /// afterwards.
    ///
    /// # Errors
    /// If there is no such device, or the properties break a rule of twins.
    pub async fn patch_desired(&self, device: &str, patch: &Json) -> Result<Json, ServiceError> {
        let change = json!({ "properties": { "desired": patch } });
        let changed = self
            .first_hub()?
            .patch_twin(&name(device), &change, None, false);
        let (twin, durable) = changed.map_err(|wrong| ServiceError {
            code: wrong.code,
            why: wrong.why,
        })?;
        written(durable).await?;
        Ok(twin)
    }

    /// The twin of a device, or `device/module`, of the first hub, as the REST API has it.
    #[must_use]
    pub fn twin(&self, device: &str) -> Option<Json> {
        self.first_hub().ok()?.twin_json(&name(device))
    }
}

fn name(device: &str) -> Name {
    match device.split_once('/') {
        Some((device, module)) => Name::module(device, module),
        None => Name::device(device),
    }
}

async fn written(durable: Durable) -> Result<(), ServiceError> {
    if durable.wait().await {
        return Ok(());
    }
    Err(ServiceError {
        code: Code::ServerError,
        why: "the state can't be written".into(),
    })
}
