//! A connection's ladder, drawn: each rung with its time and what was seen there, the broken one with its cause.
//!
//! Takes in a [`Ladder`]; gives out a list that reads the same without its colours and bars.

use maud::{Markup, html};

use super::layout::{cut, duration};
use crate::{
    clock::Time,
    connection::{Ladder, Listener, Step},
};

/// The rungs that a device climbs, as the server sees them.
const fn expected(listener: Listener) -> &'static [&'static str] {
    match listener {
        Listener::Mqtts => &["tcp", "tls", "mqtt", "hub"],
        Listener::Https => &["tcp", "tls", "upgrade", "ws", "mqtt", "hub"],
    }
}

/// What became of a rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Reached,
    Broken,
    /// The next one of a connection that lives.
    Awaited,
    Unreached,
}

impl State {
    const fn class(self) -> &'static str {
        match self {
            Self::Reached => "ok",
            Self::Broken => "bad",
            Self::Awaited => "wait",
            Self::Unreached => "off",
        }
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::Reached => "✓",
            Self::Broken => "✕",
            Self::Awaited => "…",
            Self::Unreached => "",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Reached => "reached",
            Self::Broken => "broken",
            Self::Awaited => "awaited",
            Self::Unreached => "not reached",
        }
    }
}

/// A rung as it is drawn.
#[derive(Debug, PartialEq, Eq)]
struct Drawn<'a> {
    name: &'a str,
    state: State,
    /// From when to when, microseconds since the connection was accepted.
    span: Option<(u64, u64)>,
    detail: &'a str,
}

/// How a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The device is in, or on its way.
    Live,
    /// It ended after the device was in, or was a request of HTTP.
    Ended,
    /// It ended before the device was in.
    Failed,
}

pub(super) fn outcome(ladder: &Ladder) -> Outcome {
    let reached = |rung| ladder.steps.iter().any(|step| step.rung == rung && step.ok);
    // A request of REST goes no further than HTTP.
    let request = ladder.listener == Listener::Https && !reached("ws") && reached("upgrade");
    if broken(ladder).is_some() {
        Outcome::Failed
    } else if ladder.ended.is_none() {
        Outcome::Live
    } else if reached("hub") || (request && ladder.faults.is_empty()) {
        Outcome::Ended
    } else {
        Outcome::Failed
    }
}

/// The last step, if it broke.
fn broken(ladder: &Ladder) -> Option<&Step> {
    ladder.steps.last().filter(|step| !step.ok)
}

/// Why a connection is over or broke, in words.
pub(super) fn cause(ladder: &Ladder) -> Option<&str> {
    let broken = broken(ladder).map(|step| step.detail.as_str());
    broken.or_else(|| ladder.ended.as_ref().map(|(_, why)| why.as_str()))
}

fn drawn(ladder: &Ladder) -> Vec<Drawn<'_>> {
    let mut before = 0;
    let mut rungs: Vec<_> = ladder
        .steps
        .iter()
        .map(|step| {
            let span = (before, step.at_us.max(before));
            before = span.1;
            Drawn {
                name: step.rung,
                state: if step.ok {
                    State::Reached
                } else {
                    State::Broken
                },
                span: Some(span),
                detail: &step.detail,
            }
        })
        .collect();
    let expected = expected(ladder.listener);
    let last = ladder.steps.iter().rev();
    let at = last
        .filter_map(|step| expected.iter().position(|name| *name == step.rung))
        .max();
    let missing = expected
        .get(at.map_or(0, |at| at + 1)..)
        .unwrap_or_default();
    let outcome = outcome(ladder);
    let has_broken = rungs.iter().any(|rung| rung.state == State::Broken);
    for (index, name) in missing.iter().enumerate() {
        let (state, detail) = match outcome {
            Outcome::Live if index == 0 => (State::Awaited, ""),
            Outcome::Failed if index == 0 && !has_broken => {
                (State::Broken, cause(ladder).unwrap_or_default())
            }
            _ => (State::Unreached, ""),
        };
        rungs.push(Drawn {
            name,
            state,
            span: None,
            detail,
        });
    }
    rungs
}

/// The whole ladder, a row for each rung.
pub(super) fn drawing(ladder: &Ladder) -> Markup {
    let rungs = drawn(ladder);
    let whole = ladder.steps.last().map_or(1, |step| step.at_us.max(1));
    html! {
        ol.ladder aria-label=(in_words(ladder, &rungs)) {
            @for rung in &rungs {
                li class=(rung.state.class()) {
                    span.node aria-hidden="true" { (rung.state.sign()) }
                    span.rung { (rung.name) span.vh { " " (rung.state.word()) } }
                    span.ms.num { @if let Some((from, to)) = rung.span { (duration(to - from)) } }
                    (bar(rung.span, whole))
                    span.detail { (cut(rung.detail, 600)) }
                }
            }
        }
    }
}

/// The rung's part of the time that the connection took. Widths are attributes, since inline styles are not allowed.
fn bar(span: Option<(u64, u64)>, whole: u64) -> Markup {
    let share = |us: u64| us.saturating_mul(1000) / whole;
    html! {
        svg.bar viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" {
            rect.rail x="0" y="4.5" width="1000" height="1" {}
            @if let Some((from, to)) = span {
                rect.part x=(share(from).min(990)) y="1" width=((share(to) - share(from)).max(10)) height="8" rx="1" {}
            }
        }
    }
}

/// The same as a sentence, for those who don't see it.
fn in_words(ladder: &Ladder, rungs: &[Drawn<'_>]) -> String {
    let mut words = format!("Ladder of connection {}: ", ladder.id);
    for (index, rung) in rungs.iter().enumerate() {
        if index > 0 {
            words.push_str(", ");
        }
        words.push_str(rung.name);
        words.push(' ');
        words.push_str(rung.state.word());
        if let Some((from, to)) = rung.span {
            words.push_str(" after ");
            words.push_str(&duration(to - from));
        }
    }
    words
}

/// The ladder in one line: a cell for each rung.
pub(super) fn strip(ladder: &Ladder) -> Markup {
    let rungs = drawn(ladder);
    html! {
        span.strip role="img" aria-label=(in_words(ladder, &rungs)) {
            @for rung in &rungs {
                span.cell.(rung.state.class()) {
                    b { (rung.name) }
                    @if let Some((from, to)) = rung.span { i { (duration(to - from)) } }
                }
            }
        }
    }
}

/// How the connection stands, in a word, with its age.
pub(super) fn standing(ladder: &Ladder, now: Time) -> Markup {
    let accepted = Time::parse(&ladder.accepted).unwrap_or(now);
    let ended = ladder
        .ended
        .as_ref()
        .and_then(|(at, _)| Time::parse(at))
        .unwrap_or(now);
    let lasted = u64::try_from(ended.since(accepted)).unwrap_or_default();
    let lasted = duration(lasted.saturating_mul(1000));
    html! {
        @match outcome(ladder) {
            Outcome::Live => span.tag.ok { "live" },
            Outcome::Ended => { span.tag { "ended" } " " span.dim { "after " (lasted) } },
            Outcome::Failed => { span.tag.bad { "failed" } " " span.dim { "after " (lasted) } },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ladder(steps: &[(&'static str, u64, bool)], ended: Option<&str>) -> Ladder {
        Ladder {
            id: 7,
            listener: Listener::Mqtts,
            peer: "127.0.0.1:5000".into(),
            accepted: "2026-03-01T12:00:00.0000000Z".into(),
            host: None,
            device: None,
            steps: steps
                .iter()
                .map(|&(rung, at_us, ok)| Step {
                    rung,
                    at_us,
                    ok,
                    detail: format!("about {rung}"),
                })
                .collect(),
            ended: ended.map(|why| ("2026-03-01T12:00:01.5000000Z".into(), why.into())),
            faults: Vec::new(),
            up: 0,
            down: 0,
        }
    }

    fn states(ladder: &Ladder) -> Vec<(&str, State)> {
        drawn(ladder)
            .iter()
            .map(|rung| (rung.name, rung.state))
            .collect()
    }

    #[test]
    fn a_device_that_is_in() {
        let ladder = ladder(
            &[
                ("tcp", 100, true),
                ("tls", 12_000, true),
                ("mqtt", 13_000, true),
                ("hub", 13_500, true),
            ],
            None,
        );
        assert_eq!(outcome(&ladder), Outcome::Live);
        assert!(
            states(&ladder)
                .iter()
                .all(|(_, state)| *state == State::Reached)
        );
        assert_eq!(drawn(&ladder)[1].span, Some((100, 12_000)));
        assert_eq!(
            in_words(&ladder, &drawn(&ladder)),
            "Ladder of connection 7: tcp reached after 0.1 ms, tls reached after 11 ms, \
             mqtt reached after 1.0 ms, hub reached after 0.5 ms"
        );
    }

    #[test]
    fn a_rung_that_broke_has_its_cause_and_those_above_are_not_reached() {
        let ladder = ladder(&[("tcp", 100, true), ("tls", 9000, false)], Some("closed"));
        assert_eq!(outcome(&ladder), Outcome::Failed);
        assert_eq!(cause(&ladder), Some("about tls"));
        assert_eq!(
            states(&ladder),
            [
                ("tcp", State::Reached),
                ("tls", State::Broken),
                ("mqtt", State::Unreached),
                ("hub", State::Unreached)
            ]
        );
    }

    /// A fault that closes the connection leaves no broken step; the rung that was next is where it broke.
    #[test]
    fn an_end_before_the_hub_breaks_the_next_rung() {
        let ladder = ladder(&[("tcp", 100, true)], Some("the peer went away"));
        assert_eq!(outcome(&ladder), Outcome::Failed);
        let drawn = drawn(&ladder);
        assert_eq!((drawn[1].name, drawn[1].state), ("tls", State::Broken));
        assert_eq!(drawn[1].detail, "the peer went away");
        assert_eq!(drawn[2].state, State::Unreached);
    }

    #[test]
    fn a_connection_on_its_way_awaits_the_next_rung() {
        let ladder = ladder(&[("tcp", 100, true)], None);
        assert_eq!(outcome(&ladder), Outcome::Live);
        assert_eq!(states(&ladder)[1], ("tls", State::Awaited));
    }

    #[test]
    fn what_a_peer_sent_is_text() {
        let mut ladder = ladder(&[("tcp", 1, true)], None);
        ladder.steps[0].detail = "<script>alert(1)</script>".into();
        let html = drawing(&ladder).into_string();
        assert!(!html.contains("<script"), "{html}");
        assert!(html.contains("&lt;script&gt;"), "{html}");
    }

    /// Times that go backwards, or are as large as can be, draw something.
    #[test]
    fn odd_times_are_drawn() {
        let ladder = ladder(
            &[
                ("tcp", u64::MAX, true),
                ("tls", 3, true),
                ("tls", u64::MAX, true),
            ],
            None,
        );
        assert!(drawing(&ladder).into_string().contains("tls"));
    }
}
