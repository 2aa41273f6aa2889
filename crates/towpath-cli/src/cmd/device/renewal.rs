//! A new certificate in time: whether it is due, asking the provisioning service, putting it into the files of `[tls]`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use towpath::{
    config::device::DeviceConfig,
    device::{
        Wants,
        azure::renewal::{Due, Validity},
        certificate::{self, Curve, Facts, Mended, Paths},
        provision,
    },
};

use super::prepare;
use crate::{exit::Failure, text::base64};

/// How often the dates are looked at, and how long after a failure it is tried again.
pub(super) const LOOK: Duration = Duration::from_secs(3600);

/// The files of a certificate that is renewed, and its name.
#[derive(Clone)]
pub(super) struct Renewal {
    paths: Paths,
    name: String,
}

impl Renewal {
    /// As the file says; `None` if it says nothing. What a crash left of an installation is brought to its end.
    pub(super) fn of(config: &DeviceConfig) -> Result<Option<Self>, Failure> {
        let Some(by_dps) = config
            .renewal
            .by_dps
            .as_ref()
            .filter(|given| *given.value())
        else {
            return Ok(None);
        };
        let tls = &config.connection.tls;
        let (Some(cert), Some(key)) = (&tls.cert, &tls.key) else {
            return Ok(None);
        };
        let Some(id) = &config.provisioning.registration_id else {
            return Ok(None);
        };
        if towpath::tls::is_key_uri(key.value().as_os_str().as_encoded_bytes()) {
            let why = "the key in [tls] is not in a file, so that a new one can't take its place";
            return Err(by_dps.wrong(why).into());
        }
        Ok(Some(Self {
            paths: Paths {
                cert: cert.value().clone(),
                key: key.value().clone(),
            },
            name: id.value().clone(),
        }))
    }

    /// Brings to its end what a crash left of an installation. Before the files are read.
    pub(super) fn mend(&self) -> Result<bool, Failure> {
        Ok(certificate::mend(&self.paths, None)? == Mended::Installed)
    }

    /// Whether a new one is due.
    pub(super) fn is_due(&self) -> Result<bool, Failure> {
        let chain = std::fs::read(&self.paths.cert)
            .map_err(|error| crate::setup::unreadable(&self.paths.cert, &error))?;
        let facts = certificate::facts(&chain).map_err(Failure::Fault)?;
        let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
        let validity = Validity {
            not_before: seconds(facts.not_before),
            not_after: seconds(facts.not_after),
        };
        Ok(validity.due(now(), &self.name) != Due::No)
    }

    /// Asks for a new one and installs it.
    pub(super) async fn renew(&self, config: &DeviceConfig) -> Result<Facts, Failure> {
        let (options, _) = prepare::options(config, Wants::default(), false)?;
        let (key, request) =
            certificate::new_key_and_csr(&self.name, Curve::P384).map_err(Failure::Fault)?;
        let registered = provision(&options, Some(&base64(&request))).await?;
        let Some(issued) = registered.issued else {
            let why = "the provisioning service issues no certificates for this enrolment";
            return Err(Failure::Hub(why.into()));
        };
        let chain = certificate::issued_chain(&issued)?;
        let facts = certificate::facts(&chain).map_err(Failure::Fault)?;
        let name = facts.common_name.as_deref().unwrap_or_default();
        if !name.eq_ignore_ascii_case(&self.name) {
            let why =
                format!("the certificate that was issued is for {name:?}, not for this device");
            return Err(Failure::Hub(why));
        }
        if u64::try_from(facts.not_after).unwrap_or(0) <= now() {
            return Err(Failure::Hub(
                "the certificate that was issued has ended".into(),
            ));
        }
        // That the key fits is looked at there.
        certificate::install(&chain, &key, &self.paths)?;
        Ok(facts)
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
