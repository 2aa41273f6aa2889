//! Without OpenSSL nobody makes a request for a certificate here: the file may not ask for it.

use std::time::Duration;

use towpath::config::device::DeviceConfig;

use crate::exit::Failure;

pub(super) const LOOK: Duration = Duration::from_secs(3600);

/// There is none.
#[derive(Clone)]
pub(super) enum Renewal {}

impl Renewal {
    /// Refuses what is not done: better than to ignore it.
    pub(super) fn of(config: &DeviceConfig) -> Result<Option<Self>, Failure> {
        match &config.renewal.by_dps {
            Some(by_dps) if *by_dps.value() => {
                let why = "this build of towpath is without OpenSSL, which renewing takes; leave this out";
                Err(by_dps.wrong(why).into())
            }
            _ => Ok(None),
        }
    }

    pub(super) fn mend(&self) -> Result<bool, Failure> {
        match *self {}
    }

    pub(super) fn is_due(&self) -> Result<bool, Failure> {
        match *self {}
    }

    #[expect(clippy::unused_async, reason = "as the real one")]
    pub(super) async fn renew(&self, _: &DeviceConfig) -> Result<(), Failure> {
        match *self {}
    }
}
