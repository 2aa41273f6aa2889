//! Registrations at work: one for each registrant, in memory, bounded.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::answer::Reply;
use crate::clock::Time;

/// How many are kept at once.
const KEPT: usize = 10_000;

/// How long one is kept after it was last asked for.
const LIFE_MS: i64 = 15 * 60 * 1000;

/// A registration at work.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) id: String,
    pub(super) asked: Time,
    pub(super) progress: Progress,
    pub(super) wanted: Wanted,
}

/// How far a registration is.
#[derive(Debug)]
pub(super) enum Progress {
    /// So many polls are still answered with `assigning`; the one after them does the work.
    Polls(u32),
    /// It is done, and on its way to the disk.
    Writing,
    /// The last answer, given again to who asks again.
    Done(Reply),
}

/// What the registrant said in its request.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Wanted {
    /// Its own payload, if it is small enough to keep.
    pub(super) payload: Option<Json>,
    pub(super) request: Option<Request>,
}

/// A request for a certificate, checked; in DER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) der: Vec<u8>,
    pub(super) form: Form,
}

/// How an issued certificate is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `clientCertificateCsr` and `issuedClientCertificate`, api-version 2021-11-01-preview.
    Single,
    /// `csr` and `issuedCertificateChain`, api-version 2025-07-01-preview.
    Chain,
}

/// All of them, by registration id in lower case.
#[derive(Debug, Default)]
pub(super) struct Operations(HashMap<String, Operation>);

impl Operations {
    /// Adds one, in place of the registrant's older one.
    pub(super) fn begin(&mut self, registrant: String, operation: Operation) {
        let now = operation.asked;
        if self.0.len() >= KEPT && !self.0.contains_key(&registrant) {
            self.0.retain(|_, one| now.since(one.asked) < LIFE_MS);
        }
        if self.0.len() >= KEPT && !self.0.contains_key(&registrant) {
            // The finished ones go first, then those that waited longest.
            let oldest = self
                .0
                .iter()
                .min_by_key(|(_, one)| (!matches!(one.progress, Progress::Done(_)), one.asked))
                .map(|(registrant, _)| registrant.clone());
            if let Some(oldest) = oldest {
                self.0.remove(&oldest);
            }
        }
        self.0.insert(registrant, operation);
    }

    /// The registrant's operation of this id, unless it is too old.
    pub(super) fn find(&mut self, registrant: &str, id: &str, now: Time) -> Option<&mut Operation> {
        let operation = self.0.get_mut(registrant)?;
        if operation.id != id || now.since(operation.asked) >= LIFE_MS {
            return None;
        }
        operation.asked = now;
        Some(operation)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
