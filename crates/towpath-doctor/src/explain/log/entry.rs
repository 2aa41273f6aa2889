//! What stands in front of a line: time, level, module. In goes a line; out comes an [`Entry`], whose text is the rest.

use std::time::Duration;

use super::trace;

/// Who prints like this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::explain) enum Printer {
    /// Zephyr and the nRF Connect SDK.
    Zephyr,
    /// ESP-IDF.
    Esp,
    /// Anything else.
    Other,
}

/// A line taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::explain) struct Entry<'a> {
    pub(super) printer: Printer,
    /// Since the boot, or since midnight.
    pub(super) at: Option<Duration>,
    /// The module that speaks, or empty.
    pub(super) module: &'a str,
    /// What it says.
    pub(in crate::explain) text: &'a str,
}

impl<'a> Entry<'a> {
    pub(in crate::explain) fn of(line: &'a str) -> Self {
        zephyr(line)
            .or_else(|| esp(line))
            .or_else(|| defmt(line))
            .unwrap_or_else(|| other(line))
    }
}

/// `[00:00:12.345,678] <err> net_mqtt: text`, also behind a prompt or a terminal's own time.
fn zephyr(line: &str) -> Option<Entry<'_>> {
    let level = ["<err> ", "<wrn> ", "<inf> ", "<dbg> "];
    let at = level.iter().filter_map(|level| line.find(level)).min()?;
    let (before, rest) = line.split_at(at);
    let rest = rest.get(6..)?;
    let stamp = before
        .trim_end()
        .strip_suffix(']')
        .and_then(|before| before.rsplit_once('['));
    let (module, text) = rest.split_once(": ").unwrap_or(("", rest));
    let (module, text) = if is_module(module) {
        (module, text)
    } else {
        ("", rest)
    };
    Some(Entry {
        printer: Printer::Zephyr,
        at: stamp.and_then(|(_, stamp)| clock(stamp)),
        module,
        text,
    })
}

/// `E (1234) esp-tls: text`.
fn esp(line: &str) -> Option<Entry<'_>> {
    let levels = ["E (", "W (", "I (", "D (", "V ("];
    let at = levels
        .iter()
        .filter_map(|level| line.find(level))
        .filter(|at| {
            *at == 0
                || line
                    .get(..*at)
                    .is_some_and(|before| before.ends_with([' ', ']', '>']))
        })
        .min()?;
    let (stamp, rest) = line.get(at + 3..)?.split_once(") ")?;
    let millis = stamp.bytes().all(|byte| byte.is_ascii_digit());
    let time = if millis {
        stamp.parse().ok().map(Duration::from_millis)
    } else {
        Some(clock(stamp)?)
    };
    let (module, text) = rest.split_once(": ")?;
    is_module(module).then_some(Entry {
        printer: Printer::Esp,
        at: time,
        module,
        text,
    })
}

/// `0.012345 [INFO ] text (crate src/main.rs:12)`, as `defmt-print` and probe-rs write it; older ones without brackets.
fn defmt(line: &str) -> Option<Entry<'_>> {
    let levels = [
        "[TRACE]", "[DEBUG]", "[INFO ]", "[INFO]", "[WARN ]", "[WARN]", "[ERROR]", "TRACE ",
        "DEBUG ", "INFO ", "WARN ", "ERROR ",
    ];
    // A time, and perhaps that of the host's terminal, is all that is before it.
    let is_stamp = |before: &str| {
        let before = before.trim();
        before.len() <= 40
            && !before.contains(|c: char| !c.is_ascii_digit() && !" .:-TZ[]".contains(c))
    };
    let mut found = levels
        .iter()
        .filter_map(|level| Some((line.find(level)?, level.len())));
    let (at, len) = found.find(|(at, _)| line.get(..*at).is_some_and(is_stamp))?;
    let stamp = line
        .get(..at)?
        .split_whitespace()
        .next_back()
        .unwrap_or_default();
    let text = line.get(at + len..)?.trim();
    Some(Entry {
        printer: Printer::Other,
        at: trace::seconds(stamp).or_else(|| clock(stamp)),
        module: "",
        text: without_place(text),
    })
}

/// Without the place in the source that decoders write behind a text.
fn without_place(text: &str) -> &str {
    let place = text.strip_suffix(')').and_then(|text| {
        let (before, place) = text.rsplit_once(" (")?;
        let (file, line) = place.rsplit_once(':')?;
        let is_line = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
        (is_line && file.ends_with(".rs")).then_some(before)
    });
    place.unwrap_or(text)
}

/// A time of day if there is one, and no module.
fn other(line: &str) -> Entry<'_> {
    let start = line.get(..line.len().min(40)).unwrap_or(line);
    let stamp = start
        .split(|c: char| c.is_whitespace() || "[]TZ".contains(c))
        .find_map(|word| (word.len() >= 8).then(|| clock(word)).flatten());
    Entry {
        printer: Printer::Other,
        at: stamp,
        module: "",
        text: line,
    }
}

fn is_module(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-. /".contains(c);
    !text.is_empty() && text.len() <= 40 && text.chars().all(allowed)
}

/// `00:00:12.345,678`, `12:34:56`, `12:34:56.789`, or the seconds of older Zephyr.
fn clock(stamp: &str) -> Option<Duration> {
    let (whole, fraction) = stamp.split_once(['.', ',']).unwrap_or((stamp, ""));
    let mut parts = whole.split(':');
    let mut next = || {
        parts
            .next()?
            .trim()
            .parse::<u64>()
            .ok()
            .filter(|part| *part < 100_000)
    };
    let (hours, minutes, seconds) = (next()?, next()?, next()?);
    let digits: String = fraction
        .chars()
        .filter(char::is_ascii_digit)
        .take(6)
        .collect();
    let micros = format!("{digits:0<6}").parse::<u64>().ok()?;
    Some(Duration::from_secs(hours * 3600 + minutes * 60 + seconds) + Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_front_is_known() {
        for (line, printer, millis, module, text) in [
            (
                "[00:00:06.056,000] <err> net_dns_resolve: DNS recv error (-103)",
                Printer::Zephyr,
                Some(6056),
                "net_dns_resolve",
                "DNS recv error (-103)",
            ),
            (
                "uart:~$ [00:01:00.000,000] <inf> app: hi",
                Printer::Zephyr,
                Some(60_000),
                "app",
                "hi",
            ),
            (
                "<err> mqtt: no time",
                Printer::Zephyr,
                None,
                "mqtt",
                "no time",
            ),
            (
                "E (4711) esp-tls: bad",
                Printer::Esp,
                Some(4711),
                "esp-tls",
                "bad",
            ),
            (
                "12:00:01.500 -> E (7) a: b",
                Printer::Esp,
                Some(7),
                "a",
                "b",
            ),
            (
                "2026-11-02T10:00:00.250Z connected",
                Printer::Other,
                Some(36_000_250),
                "",
                "2026-11-02T10:00:00.250Z connected",
            ),
            ("plain", Printer::Other, None, "", "plain"),
            (
                "1.012 [INFO ] tcp reached at 1.012345 s (ladder src/frames.rs:10)",
                Printer::Other,
                Some(1012),
                "",
                "tcp reached at 1.012345 s",
            ),
            (
                "12:00:01.500: [ERROR] tcp: refused (os error 111)",
                Printer::Other,
                Some(43_201_500),
                "",
                "tcp: refused (os error 111)",
            ),
            ("INFO  text", Printer::Other, None, "", "text"),
            ("no INFO here", Printer::Other, None, "", "no INFO here"),
        ] {
            let entry = Entry::of(line);
            assert_eq!(
                entry,
                Entry {
                    printer,
                    at: millis.map(Duration::from_millis),
                    module,
                    text
                },
            );
        }
    }
}
