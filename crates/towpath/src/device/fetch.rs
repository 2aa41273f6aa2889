//! Where an update agent's images come from: HTTPS over the same path as MQTT.
//!
//! Takes in what [`update::install`](towpath_azure::update::install()) asks for; gives out heads and bodies of
//! [`https::Client`]. The client's certificate is not shown to servers of images.

use std::fmt;

use towpath_azure::{http::Answer, update};
use towpath_proto::{Code, Fault, Rung};

use crate::{Error, https};

/// A source of images over an HTTPS client.
pub struct Images {
    client: https::Client,
    response: Option<https::Response>,
    /// What came and has not been taken.
    piece: Vec<u8>,
    taken: usize,
}

impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Images").finish_non_exhaustive()
    }
}

impl Images {
    /// A source over this client.
    #[must_use]
    pub const fn new(client: https::Client) -> Self {
        Self {
            client,
            response: None,
            piece: Vec::new(),
            taken: 0,
        }
    }
}

impl update::Source for Images {
    async fn exchange(&mut self, request: &update::Request<'_>) -> Result<Answer, Fault> {
        self.response = None;
        self.piece.clear();
        self.taken = 0;
        let if_range = request.if_range.map(|tag| ("If-Range", tag));
        let mut asked = https::Request::new("GET", request.url);
        asked.fields = if_range.as_slice();
        asked.range = request.range;
        let response = self
            .client
            .exchange(asked)
            .await
            .map_err(|error| fault(&error))?;
        let answer = response.answer().clone();
        self.response = Some(response);
        Ok(answer)
    }

    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        if self.taken == self.piece.len() {
            let Some(response) = &mut self.response else {
                return Ok(0);
            };
            self.piece.clear();
            self.taken = 0;
            match response.chunk().await.map_err(|error| fault(&error))? {
                Some(piece) => self.piece.extend_from_slice(piece),
                None => {
                    self.response = None;
                    return Ok(0);
                }
            }
        }
        let rest = self.piece.get(self.taken..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        self.taken += len;
        Ok(len)
    }
}

/// What is no fault of the path is one of this side's settings.
fn fault(error: &Error) -> Fault {
    match error {
        Error::Path(fault) => *fault,
        other => Fault::new(Rung::Link, Code::Io).detail(other.to_string().as_bytes()),
    }
}
