//! The body of a request: it stays where it is until the caller has proved who it is, and then takes its share of the
//! memory that the lab has for bodies.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Bytes, HttpBody as _},
    extract::{FromRequest, Request, rejection::BytesRejection},
};
use serde_json::Value as Json;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{BODY, answer::Refusal};
use crate::{log::Code, shared::Shared};

/// Bytes of all bodies at once, of callers who have proved who they are.
const PROVEN: usize = 64 << 20;

/// The same of those who prove it with the body or behind it. They must not take the others' room.
const UNPROVEN: usize = 8 << 20;

/// How long a body may take, if it is short.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes that a longer one brings in each further second at least.
const SPEED: usize = 64 << 10;

/// The room for the bodies of a router's requests; an extension of each request.
#[derive(Debug, Clone)]
pub(super) struct Bodies {
    proven: Arc<Semaphore>,
    unproven: Arc<Semaphore>,
}

impl Default for Bodies {
    fn default() -> Self {
        Self {
            proven: Arc::new(Semaphore::new(PROVEN)),
            unproven: Arc::new(Semaphore::new(UNPROVEN)),
        }
    }
}

/// A body that has not been read.
pub(super) struct Unread {
    request: Request,
    bodies: Bodies,
}

impl FromRequest<Arc<Shared>> for Unread {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &Arc<Shared>) -> Result<Self, Refusal> {
        let bodies = request.extensions().get::<Bodies>().cloned();
        let bodies = bodies
            .ok_or_else(|| Refusal::new(Code::ServerError, "the router has no room for bodies"))?;
        Ok(Self { request, bodies })
    }
}

impl Unread {
    /// The body of a caller who may, of at most so many bytes.
    pub(super) async fn read(self, most: usize) -> Result<Content, Refusal> {
        let room = Arc::clone(&self.bodies.proven);
        self.taken(most, room).await
    }

    /// The body of a caller of whom nothing is known yet.
    pub(super) async fn read_unproven(self, most: usize) -> Result<Content, Refusal> {
        let room = Arc::clone(&self.bodies.unproven);
        self.taken(most, room).await
    }

    async fn taken(self, most: usize, room: Arc<Semaphore>) -> Result<Content, Refusal> {
        let too_large = || Refusal::new(Code::TooLarge, "the body is too large");
        let declared = self.request.body().size_hint().upper();
        let bytes = match declared.map(usize::try_from) {
            None => most,
            Some(Ok(bytes)) if bytes <= most => bytes,
            Some(_) => return Err(too_large()),
        };
        let seconds = u64::try_from(bytes / SPEED).unwrap_or(0);
        let patience = PATIENCE + Duration::from_secs(seconds);
        // What is not there in time is not waited for, wherever it hangs.
        let mut share = None;
        let reading = async {
            let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
            share = room.acquire_many_owned(permits).await.ok();
            Bytes::from_request(self.request, &()).await
        };
        let read = timeout(patience, reading).await;
        match (read, share) {
            (Ok(Ok(body)), _) if body.len() > most => Err(too_large()),
            (Ok(Ok(bytes)), _room) => Ok(Content { bytes, _room }),
            (Ok(Err(BytesRejection::FailedToBufferBody(error))), _) if error.status() == 413 => {
                Err(too_large())
            }
            (Ok(Err(error)), _) => Err(Refusal::invalid(format!("the body: {error}"))),
            (Err(_), Some(_)) => {
                let why = format!("the body did not come within {} s", patience.as_secs());
                Err(Refusal::with_status(408, Code::ArgumentInvalid, why))
            }
            (Err(_), None) => Err(Refusal::new(
                Code::ServiceUnavailable,
                "other requests take all the room that the lab has for bodies",
            )),
        }
    }
}

/// A body, and the room that it takes until it is done with.
pub(super) struct Content {
    pub(super) bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// For the lab's own API, whose callers are on this machine.
impl FromRequest<Arc<Shared>> for Content {
    type Rejection = Refusal;

    async fn from_request(request: Request, lab: &Arc<Shared>) -> Result<Self, Refusal> {
        Unread::from_request(request, lab).await?.read(BODY).await
    }
}

impl Content {
    pub(super) fn json(&self) -> Result<Json, Refusal> {
        serde_json::from_slice(&self.bytes)
            .map_err(|error| Refusal::invalid(format!("the body is no JSON: {error}")))
    }

    pub(super) fn object(&self) -> Result<Json, Refusal> {
        let json = self.json()?;
        if json.is_object() {
            return Ok(json);
        }
        Err(Refusal::invalid("the body has to be an object of JSON"))
    }
}
