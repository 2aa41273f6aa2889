//! A proxy against what the device's MQTT library can do.

use super::{Case, because_of, off};
use crate::diagnosis::Found;

pub(super) fn check(case: &Case<'_>, found: &mut Vec<Found>) {
    found.extend(ignored(case));
}

/// The library has no HTTP proxy, so the device goes past it, or nowhere. An application may do CONNECT itself.
fn ignored(case: &Case<'_>) -> Option<Found> {
    let proxy = case.target.proxy.as_ref()?;
    if !proxy.starts_with("http") {
        return None;
    }
    let library = off(case.profile.net.http_proxy.as_ref())?;
    let found = because_of("TP-DEV-034", library)?.warning();
    Some(found.because("proxy", proxy.clone()))
}
