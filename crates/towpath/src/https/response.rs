//! The answer to a request, read as it comes.

use std::{fmt, sync::Arc};

use towpath_azure::http::{self, Answer, Problem, Step};
use towpath_proto::{Code, Fault};

use super::{client::Server, pipe::Pipe, plain::HTTP};
use crate::Error;

/// An answer. Its head has come; the body is read with [`chunk`](Self::chunk) or [`read_to_end`](Self::read_to_end).
/// Dropping it closes the connection.
pub struct Response {
    pipe: Pipe,
    machine: Box<http::Response>,
    answer: Answer,
    server: Arc<Server>,
    done: bool,
}

/// Without the body.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.answer.status)
            .field("content_length", &self.answer.content_length)
            .finish_non_exhaustive()
    }
}

impl Response {
    pub(super) fn new(
        pipe: Pipe,
        machine: Box<http::Response>,
        answer: Answer,
        server: Arc<Server>,
    ) -> Self {
        Self {
            pipe,
            machine,
            answer,
            server,
            done: false,
        }
    }

    /// The status code.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.answer.status
    }

    /// What the head says.
    #[must_use]
    pub const fn answer(&self) -> &Answer {
        &self.answer
    }

    /// The next piece of the body, at most 16 KiB; `None` behind the last one. The future may be dropped at any point
    /// without losing anything.
    ///
    /// # Errors
    /// A fault of the path, of [`Code::HttpTimeout`] when nothing came for the patience of the settings, of
    /// [`Code::HttpCut`] when the connection ended first.
    pub async fn chunk(&mut self) -> Result<Option<&[u8]>, Error> {
        let until = self.pipe.deadline();
        let len = loop {
            if self.done {
                return Ok(None);
            }
            let (taken, step) = self
                .machine
                .feed(self.pipe.plain.unread())
                .map_err(|problem| malformed(&problem))?;
            let found = match step {
                Step::Body(piece) => Some(piece.len()),
                Step::End => {
                    self.done = true;
                    None
                }
                Step::Head | Step::More => None,
            };
            self.pipe.plain.take(taken);
            match found {
                Some(len) => break len,
                None if self.done => self.pipe.finish(self.server.sessions()),
                None => self.more(until).await?,
            }
        };
        Ok(Some(self.pipe.plain.taken(len)))
    }

    async fn more(&mut self, until: tokio::time::Instant) -> Result<(), Error> {
        let Some(fault) = self.pipe.plain.end() else {
            return Ok(self.pipe.progress(until).await?);
        };
        match self.machine.closed() {
            // The end of the connection is the end of the body.
            Ok(()) if fault.code == Code::Closed => {
                self.done = true;
                self.pipe.finish(self.server.sessions());
                Ok(())
            }
            Ok(()) => Err(self.pipe.explain(fault).into()),
            Err(problem) => Err(ended(&self.pipe, fault, &problem).into()),
        }
    }

    /// The whole of the body, of at most `limit` bytes.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk), and [`Code::HttpTooLarge`] if there are more.
    pub async fn read_to_end(&mut self, limit: usize) -> Result<Vec<u8>, Error> {
        let too_large = || Fault::new(HTTP, Code::HttpTooLarge).number(number(limit));
        let announced = self.answer.content_length.unwrap_or(0);
        if usize::try_from(announced).map_or(true, |len| len > limit) {
            return Err(too_large().into());
        }
        let mut body = Vec::new();
        while let Some(piece) = self.chunk().await? {
            if body.len().saturating_add(piece.len()) > limit {
                return Err(too_large().into());
            }
            body.extend_from_slice(piece);
        }
        Ok(body)
    }
}

fn number(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// The connection ended with `fault` before the answer did.
pub(super) fn ended(pipe: &Pipe, fault: Fault, problem: &Problem) -> Fault {
    let Problem::Cut { missing } = problem else {
        return malformed(problem);
    };
    let explained = pipe.explain(fault);
    if explained.code != Code::Closed {
        return explained;
    }
    let missing = missing.map_or(0, |missing| u32::try_from(missing).unwrap_or(u32::MAX));
    Fault::new(HTTP, Code::HttpCut).number(missing)
}

pub(super) fn malformed(problem: &Problem) -> Fault {
    let words = problem.to_string();
    let what = words.split(". ").next().unwrap_or_default();
    let what = what.strip_prefix("the answer's ").unwrap_or(what);
    Fault::new(HTTP, Code::HttpMalformed).detail(what.as_bytes())
}
