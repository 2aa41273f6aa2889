//! Which hub a registrant gets.

use std::sync::Arc;

use openssl::sha::sha256;

use super::{Dps, State, enrollment::Enrollment};
use crate::{config::Allocation, hub::Hub};

impl Dps {
    /// Chooses the hub for a registration id, in lower case; `current` is where it is now. `None`: there is none to
    /// choose.
    pub(super) fn allocate(
        &self,
        state: &State,
        enrollment: &Enrollment,
        id: &str,
        current: Option<&str>,
    ) -> Option<Arc<Hub>> {
        let candidates: Vec<&Arc<Hub>> = if enrollment.hubs.is_empty() {
            self.hubs.iter().collect()
        } else {
            let listed = enrollment.hubs.iter();
            listed.filter_map(|host| self.hub(host)).collect()
        };
        let chosen = match enrollment.allocation.unwrap_or(self.allocation) {
            Allocation::Static => candidates.first().copied(),
            Allocation::Hashed => candidates.get(slot(id, candidates.len())?).copied(),
            Allocation::EvenlyWeighted => {
                let stays = |hub: &&&Arc<Hub>| {
                    current.is_some_and(|current| hub.host.eq_ignore_ascii_case(current))
                };
                let devices = |hub: &&&Arc<Hub>| {
                    let here = |host: &str| hub.host.eq_ignore_ascii_case(host);
                    let all = state.registrations.values();
                    all.filter(|one| here(&one.hub)).count()
                };
                let mut all = candidates.iter();
                all.clone()
                    .find(stays)
                    .or_else(|| all.by_ref().min_by_key(devices))
                    .copied()
            }
        };
        chosen.cloned()
    }
}

/// The same slot for the same id, whatever happened before. `None` if there are no slots.
fn slot(id: &str, slots: usize) -> Option<usize> {
    let first = *sha256(id.as_bytes()).first_chunk::<8>()?;
    let slots = u64::try_from(slots).ok()?;
    usize::try_from(u64::from_be_bytes(first).checked_rem(slots)?).ok()
}
