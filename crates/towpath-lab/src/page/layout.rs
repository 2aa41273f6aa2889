//! What all pages have: the frame with its menu, times, links, small pieces.

use maud::{DOCTYPE, Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::clock::Time;

/// An entry of the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Here {
    Overview,
    Faults,
    Provisioning,
    Events,
    /// A page that is not in the menu.
    Elsewhere,
}

/// What stands around a page.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) title: &'a str,
    pub(super) here: Here,
    /// The page changes while it is looked at.
    pub(super) live: bool,
    pub(super) faults_on: usize,
    pub(super) now: Time,
}

impl Frame<'_> {
    pub(super) fn around(&self, body: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" data-now=(self.now.as_millis()) data-live[self.live] {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · towpath lab" }
                    link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                    link rel="stylesheet" href="/assets/lab.css";
                    // In the head and not deferred, so that no page flashes up in the wrong colours.
                    script src="/assets/theme.js" {}
                    script src="/assets/lab.js" defer {}
                }
                body {
                    a.skip href="#main" { "Skip to the content" }
                    (self.menu())
                    noscript { p.notice { "Without JavaScript this page shows what was when it was loaded, and its buttons do nothing." } }
                    p #lost .notice.bad role="alert" hidden { "The connection to the lab is lost. What you see may be old; it is tried again every second." }
                    main #main tabindex="-1" { (body) }
                    footer { "All times are UTC, by the lab's clock." }
                    div #said .said role="status" {}
                }
            }
        }
    }

    fn menu(&self) -> Markup {
        let entries = [
            (Here::Overview, "/", "Overview"),
            (Here::Faults, "/faults", "Faults"),
            (Here::Provisioning, "/provisioning", "Provisioning"),
            (Here::Events, "/events", "Events"),
        ];
        html! {
            header.top {
                a.brand href="/" { span.mark aria-hidden="true" {} "towpath lab" }
                nav aria-label="Pages" {
                    @for (here, href, name) in entries {
                        a href=(href) aria-current=[(here == self.here).then_some("page")] {
                            (name)
                            @if here == Here::Faults { span #faults-on { (faults_on(self.faults_on)) } }
                        }
                    }
                }
                span.spacer {}
                @if self.live {
                    span #state .live title="The page follows the lab" { span.dot aria-hidden="true" {} span { "live" } }
                }
                button #theme .quiet type="button" hidden title="Colours: as the system has them, light, dark" { "auto" }
            }
        }
    }
}

/// The number of faults that are on, beside the menu's entry.
pub(super) fn faults_on(on: usize) -> Markup {
    html! {
        @if on > 0 { " " span.badge.warn { (on) span.vh { " on" } } }
    }
}

/// Everything but letters, digits, `-`, `.`, `_` and `~`.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Text as one segment of a path, or as a value in a query.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// Where a device's or module's page is.
pub(super) fn device_href(host: &str, device: &str) -> String {
    format!("/hubs/{}/devices/{}", segment(host), segment(device))
}

/// A link to a device, if the hub is known too.
pub(super) fn device_link(host: Option<&str>, device: &str) -> Markup {
    html! {
        @match host {
            Some(host) => a.id href=(device_href(host, device)) { (device) },
            None => span.id { (device) },
        }
    }
}

/// A time of day, of what is written as RFC 3339.
pub(super) fn clock(at: &str) -> Markup {
    html! { time.num datetime=(at) title=(at) { (at.get(11..23).unwrap_or(at)) } }
}

/// A time of day that the script turns into how long ago it was.
pub(super) fn ago(at: Time) -> Markup {
    let at = at.rfc3339();
    html! { time.num datetime=(at) title=(at) data-ago { (at.get(..19).unwrap_or(&at).replace('T', " ")) } }
}

/// Microseconds, in the unit that reads best.
pub(super) fn duration(us: u64) -> String {
    let ms = us / 1000;
    match ms {
        0..10 => format!("{ms}.{} ms", us % 1000 / 100),
        10..10_000 => format!("{ms} ms"),
        10_000..600_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => {
            let minutes = ms / 60_000;
            match minutes {
                0..120 => format!("{minutes} min"),
                _ => format!("{} h {} min", minutes / 60, minutes % 60),
            }
        }
    }
}

/// Text of a peer, cut to so many characters.
pub(super) fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// What is shown where there is nothing.
pub(super) fn nothing(text: &str) -> Markup {
    html! { p.none { (text) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let texts = [
            (0, "0.0 ms"),
            (1_234, "1.2 ms"),
            (9_999, "9.9 ms"),
            (12_345, "12 ms"),
            (9_999_999, "9999 ms"),
            (12_345_678, "12.3 s"),
            (660_000_000, "11 min"),
            (7_260_000_000, "2 h 1 min"),
        ];
        for (us, text) in texts {
            assert_eq!(duration(us), text);
        }
    }

    #[test]
    fn ids_are_one_segment() {
        assert_eq!(
            device_href("localhost", "a/b?c%d#e"),
            "/hubs/localhost/devices/a%2Fb%3Fc%25d%23e"
        );
        assert_eq!(segment("über"), "%C3%BCber");
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut("ünïcödé", 3), "ünï…");
        assert_eq!(cut("abc", 3), "abc");
    }
}
