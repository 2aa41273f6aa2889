//! `towpath device check`: the file, the key, the dates of the certificate. Nothing is sent.

use std::io::{self, Write as _};

use towpath::{
    config::device::{DeviceConfig, Proof},
    device::Wants,
};

use super::{prepare, renewal, update};
use crate::{exit::Failure, report::Report, text::Object};

/// Days before the end of a certificate from which on it is warned of.
const WARN_DAYS: u16 = 30;

/// The same for one that is renewed by itself: time enough for that is over then.
const WARN_DAYS_RENEWED: u16 = 7;

const DAY: i64 = 24 * 3600;

/// A certificate, and how long it is good for.
struct Certificate {
    name: String,
    /// Seconds since 1970.
    from: i64,
    until: i64,
    now: i64,
}

impl Certificate {
    const fn days_left(&self) -> i64 {
        (self.until - self.now).div_euclid(DAY)
    }

    /// Why it should be looked after.
    fn warning(&self, days: u16) -> Option<String> {
        let name = &self.name;
        if self.now < self.from {
            return Some(format!(
                "the certificate of {name} is not valid before {}; is the clock right?",
                date(self.from)
            ));
        }
        if self.now > self.until {
            return Some(format!(
                "the certificate of {name} ended at {}. Put a new one into the files of [tls]",
                date(self.until)
            ));
        }
        (self.days_left() < i64::from(days)).then(|| {
            format!(
                "the certificate of {name} ends in {} days, at {}. Put a new one into the files of [tls]",
                self.days_left(),
                date(self.until)
            )
        })
    }
}

#[cfg(feature = "openssl")]
fn certificate(config: &DeviceConfig) -> Result<Option<Certificate>, Failure> {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        });
    Ok(config.certificate()?.map(|facts| Certificate {
        name: facts.common_name.unwrap_or_else(|| "this device".into()),
        from: facts.not_before,
        until: facts.not_after,
        now,
    }))
}

/// Without OpenSSL nobody reads it here.
#[cfg(not(feature = "openssl"))]
fn certificate(_: &DeviceConfig) -> Result<Option<Certificate>, Failure> {
    Ok(None)
}

fn warn_days(config: &DeviceConfig) -> u16 {
    let usual = if prepare::or(&config.renewal.by_dps, false) {
        WARN_DAYS_RENEWED
    } else {
        WARN_DAYS
    };
    prepare::or(&config.renewal.warn_days, usual)
}

/// A warning if the certificate ends soon.
pub(super) fn dates(config: &DeviceConfig) -> Result<(), Failure> {
    let warning = certificate(config)?.and_then(|found| found.warning(warn_days(config)));
    warning.map_or(Ok(()), |why| Err(Failure::Warning(why)))
}

pub(super) fn run(config: &DeviceConfig, report: Report) -> Result<(), Failure> {
    // Reads everything that a connection needs.
    prepare::options(config, Wants::default(), false)?;
    update::updates(config)?;
    renewal::Renewal::of(config)?;
    let by = match config.proof()? {
        Proof::Key(_) => "key",
        Proof::Certificate => "certificate",
    };
    let certificate = certificate(config)?;
    let text = if report.json {
        let mut object = Object::new().text("host", config.host()).text("proof", by);
        if let Some(found) = &certificate {
            let members = Object::new()
                .text("name", &found.name)
                .text("not_before", &date(found.from))
                .text("not_after", &date(found.until))
                .raw("days_left", found.days_left());
            object = object.raw("certificate", members.end());
        }
        object.end()
    } else {
        let mut text = format!("host         {}\nproof        {by}", config.host());
        if let Some(found) = &certificate {
            text.push_str(&format!(
                "\ncertificate  {}, from {} to {}, {} days left",
                found.name,
                date(found.from),
                date(found.until),
                found.days_left()
            ));
        }
        text
    };
    let mut out = io::stdout().lock();
    out.write_all(format!("{text}\n").as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::output)?;
    dates(config)
}

/// A day as people and programs write it.
fn date(unix: i64) -> String {
    let since = std::time::Duration::from_secs(u64::try_from(unix).unwrap_or(0));
    let text = crate::text::rfc3339(std::time::UNIX_EPOCH + since);
    // Nobody counts microseconds here.
    format!("{}Z", text.split('.').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(until: i64, now: i64) -> Certificate {
        Certificate {
            name: "meter-4".into(),
            from: 1_000 * DAY,
            until,
            now,
        }
    }

    #[test]
    fn an_end_that_is_near_is_told() {
        let warning = |until, now| ending(until, now).warning(30);
        assert_eq!(warning(2_000 * DAY, 1_500 * DAY), None);
        assert_eq!(warning(2_000 * DAY, 1_970 * DAY), None);
        let near = warning(2_000 * DAY, 1_971 * DAY).unwrap();
        assert!(
            near.contains("ends in 29 days, at 1975-06-24T00:00:00Z"),
            "{near}"
        );
        let over = warning(2_000 * DAY, 2_000 * DAY + 1).unwrap();
        assert!(over.contains("ended at 1975-06-24"), "{over}");
        let early = warning(2_000 * DAY, 999 * DAY).unwrap();
        assert!(
            early.contains("not valid before 1972-09-27T00:00:00Z"),
            "{early}"
        );
    }
}
