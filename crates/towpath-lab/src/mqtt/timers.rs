//! When a connection is over by itself: CONNECT that does not come, silence, and what a fault has set.
//!
//! Nothing is re-armed when a packet comes: the times are looked at when the one timer of a connection fires.

use std::{fmt, time::Duration};

use tokio::time::Instant;

use super::faults::Fate;

/// How often a token's expiry is looked at. The lab's clock may jump, so it can't be waited for.
const TICK: Duration = Duration::from_secs(1);

/// The times of a connection.
#[derive(Debug)]
pub(super) struct Timers {
    /// CONNECT has to be here by then.
    connect_by: Option<(Instant, Duration)>,
    /// When the client was last heard.
    heard: Instant,
    /// The longest silence of the client.
    silence: Option<Silence>,
    /// No packets are taken until then: the client is slowed down.
    hold: Option<Instant>,
    /// What faults have set.
    fates: Vec<(Instant, Fate)>,
    /// When the slow things are looked at next.
    tick: Option<Instant>,
}

/// The longest silence of a client, and why it is so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Silence {
    pub(super) limit: Duration,
    /// The keep-alive of CONNECT, in seconds.
    pub(super) keep_alive: u16,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (limit, keep_alive) = (self.limit.as_secs_f64(), self.keep_alive);
        write!(f, "the client was silent for {limit} s, ")?;
        if self.limit == Duration::from_millis(u64::from(keep_alive) * 1500) {
            write!(f, "1.5 times its keep-alive of {keep_alive} s")
        } else {
            write!(
                f,
                "the longest that is allowed; its keep-alive is {keep_alive} s"
            )
        }
    }
}

/// What a time that has come means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// No CONNECT within this time.
    Connect(Duration),
    /// The client was silent for longer than this.
    Silence(Silence),
    Fate(Fate),
    /// Time to look at what can't be waited for.
    Tick,
}

/// A time from now on that can't be too far away.
pub(super) fn after(now: Instant, millis: u64) -> Instant {
    // A day is for ever here.
    now + Duration::from_millis(millis.min(86_400_000))
}

impl Timers {
    /// A connection that has just come to MQTT.
    pub(super) fn new(now: Instant, connect: Duration) -> Self {
        let connect = connect.min(Duration::from_secs(86_400));
        Self {
            connect_by: Some((now + connect, connect)),
            heard: now,
            silence: None,
            hold: None,
            fates: Vec::new(),
            tick: None,
        }
    }

    /// CONNECT is here.
    pub(super) const fn connect_came(&mut self) {
        self.connect_by = None;
    }

    /// CONNECT is dealt with: the client may be silent for so long.
    pub(super) fn connected(&mut self, now: Instant, silence: Option<Silence>) {
        self.connect_by = None;
        self.heard = now;
        self.silence = silence;
    }

    /// There is something that has to be looked at every second.
    pub(super) fn tick_from(&mut self, now: Instant) {
        self.tick.get_or_insert(now + TICK);
    }

    pub(super) const fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Takes no packets until `until`.
    pub(super) fn hold(&mut self, until: Instant) {
        self.hold = self.hold.max(Some(until));
    }

    pub(super) const fn is_held(&self) -> bool {
        self.hold.is_some()
    }

    pub(super) fn set(&mut self, at: Instant, fate: Fate) {
        self.fates.push((at, fate));
    }

    fn silent_at(&self) -> Option<Instant> {
        // While the client is held back its silence is not its own.
        let from = self.hold.map_or(self.heard, |hold| hold.max(self.heard));
        self.silence.map(|silence| from + silence.limit)
    }

    /// What has to be done now; ask again until there is nothing.
    pub(super) fn due(&mut self, now: Instant) -> Option<Due> {
        if let Some(hold) = self.hold.filter(|hold| *hold <= now) {
            self.hold = None;
            self.heard = self.heard.max(hold);
        }
        if let Some((_, within)) = self.connect_by.take_if(|(by, _)| *by <= now) {
            return Some(Due::Connect(within));
        }
        if let Some(at) = self.fates.iter().position(|(at, _)| *at <= now) {
            return Some(Due::Fate(self.fates.swap_remove(at).1));
        }
        if self.silent_at().is_some_and(|at| at <= now) {
            return self.silence.take().map(Due::Silence);
        }
        if self.tick.is_some_and(|tick| tick <= now) {
            self.tick = Some(now + TICK);
            return Some(Due::Tick);
        }
        None
    }

    /// Nothing has to be looked at every second.
    pub(super) const fn untick(&mut self) {
        self.tick = None;
    }

    /// When to ask again.
    pub(super) fn next(&self) -> Option<Instant> {
        let fixed = [
            self.connect_by.map(|(by, _)| by),
            self.silent_at(),
            self.hold,
            self.tick,
        ];
        let fates = self.fates.iter().map(|(at, _)| *at);
        fixed.into_iter().flatten().chain(fates).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn each_time_comes_once() {
        let start = Instant::now();
        let mut timers = Timers::new(start, 30 * S);
        assert_eq!(timers.next(), Some(start + 30 * S));
        assert_eq!(timers.due(start + 29 * S), None);
        assert_eq!(timers.due(start + 30 * S), Some(Due::Connect(30 * S)));
        assert_eq!((timers.due(start + 31 * S), timers.next()), (None, None));
    }

    fn silence(keep_alive: u16, limit: Duration) -> Silence {
        Silence { limit, keep_alive }
    }

    #[test]
    fn why_a_silence_was_too_long() {
        let text = silence(1, S * 3 / 2).to_string();
        assert_eq!(
            text,
            "the client was silent for 1.5 s, 1.5 times its keep-alive of 1 s"
        );
        let text = silence(0, 1767 * S).to_string();
        assert!(text.ends_with("for 1767 s, the longest that is allowed; its keep-alive is 0 s"));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_counts_from_the_last_packet_and_not_while_held() {
        let start = Instant::now();
        let mut timers = Timers::new(start, 30 * S);
        let silence = silence(60, 90 * S);
        timers.connected(start, Some(silence));
        timers.heard(start + 60 * S);
        assert_eq!(timers.due(start + 149 * S), None);
        timers.hold(start + 200 * S);
        assert_eq!(timers.next(), Some(start + 200 * S));
        assert_eq!(timers.due(start + 200 * S), None);
        assert!(!timers.is_held());
        assert_eq!(timers.due(start + 289 * S), None);
        assert_eq!(timers.due(start + 290 * S), Some(Due::Silence(silence)));
        assert_eq!(timers.due(start + 400 * S), None);
    }
}
