//! Dates, spans and names as people read them.

use std::time::{Duration, SystemTime};

use time::OffsetDateTime;

/// Seconds since 1970; of a clock before that, less than zero.
pub(crate) fn seconds(clock: SystemTime) -> i64 {
    match clock.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    }
}

/// `2026-11-02`, in UTC.
pub(crate) fn date(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .map_or_else(|_| format!("second {seconds}"), |at| at.date().to_string())
}

/// `2026-11-02 14:05`, in UTC.
pub(crate) fn moment(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds).map_or_else(
        |_| format!("second {seconds}"),
        |at| format!("{} {:02}:{:02}", at.date(), at.hour(), at.minute()),
    )
}

/// `412 ms`, `4.2 ms`, `12.3 s`.
pub(crate) fn span(took: Duration) -> String {
    let millis = took.as_secs_f64() * 1e3;
    if millis < 10.0 {
        format!("{millis:.1} ms")
    } else if millis < 10_000.0 {
        format!("{millis:.0} ms")
    } else {
        format!("{:.1} s", took.as_secs_f64())
    }
}

/// `6 minutes`, `3 hours`, `400 days`: how far two times are apart, in the unit that fits.
pub(crate) fn apart(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    plural(count, unit)
}

/// `1 certificate`, `3 certificates`, `2 addresses`.
pub(crate) fn plural(count: u64, unit: &str) -> String {
    match count {
        1 => format!("1 {unit}"),
        _ if unit.ends_with('s') => format!("{count} {unit}es"),
        _ => format!("{count} {unit}s"),
    }
}

/// What comes after `CN=` in a name, or the whole name.
pub(crate) fn common_name(name: &str) -> &str {
    let part = name.split(',').map(str::trim);
    part.into_iter()
        .find_map(|part| {
            part.strip_prefix("CN=")
                .or_else(|| part.strip_prefix("CN ="))
        })
        .map_or(name, str::trim)
}

/// A URL without its query and fragment, which may hold a secret.
pub(crate) fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_the_unit_that_fits() {
        assert_eq!(date(1_793_577_600), "2026-11-02");
        assert_eq!(moment(1_793_577_600), "2026-11-02 00:00");
        assert_eq!(date(i64::MAX), format!("second {}", i64::MAX));
        assert_eq!(span(Duration::from_micros(4_240)), "4.2 ms");
        assert_eq!(span(Duration::from_millis(412)), "412 ms");
        assert_eq!(span(Duration::from_millis(12_340)), "12.3 s");
        assert_eq!(apart(1), "1 second");
        assert_eq!(apart(301), "5 minutes");
        assert_eq!(apart(86_400 * 400), "400 days");
        let early = SystemTime::UNIX_EPOCH.checked_sub(Duration::from_secs(5));
        assert_eq!(early.map(seconds), Some(-5));
    }

    #[test]
    fn names_are_cut_to_what_says_something() {
        assert_eq!(common_name("C=US, O=Example, CN=Root 1"), "Root 1");
        assert_eq!(common_name("CN = Root 1,O=X"), "Root 1");
        assert_eq!(common_name("O=Example"), "O=Example");
        assert_eq!(
            without_query("https://a.example/x?sig=1#y"),
            "https://a.example/x"
        );
    }
}
