//! What stands in for HTTPS where it is not built in (feature `device`): nothing is asked.

use std::{future::Future, pin::Pin, time::Instant};

use towpath_doctor::evidence::{Climb, Evidence};

use super::{probe::unasked, subject::Subject};
use crate::exit::Failure;

type Asking = Pin<Box<dyn Future<Output = Climb> + Send>>;

pub(super) fn date(_: &Subject, _: Instant) -> Asking {
    Box::pin(async { unasked(&Failure::usage("built without HTTPS (feature device)")) })
}

pub(super) fn rest(subject: &Subject, _: &Evidence, until: Instant) -> Asking {
    date(subject, until)
}
