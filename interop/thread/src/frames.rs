//! Radio frames, as the device's own daemon counts them.

use std::{
    fmt,
    ops::Sub,
    thread,
    time::{Duration, Instant},
};

use crate::Control;

/// Unicast frames that the device sent and received. A frame that is sent again counts in `repeated` only; 802.15.4
/// acknowledgements, 5 bytes each, are not counted by the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Frames {
    /// Sent.
    pub sent: u32,
    /// Received.
    pub received: u32,
    /// Sent once more.
    pub repeated: u32,
}

impl Frames {
    /// Both directions.
    #[must_use]
    pub const fn all(self) -> u32 {
        self.sent + self.received
    }

    /// What the daemon counts now.
    ///
    /// # Panics
    /// If it does not say.
    #[must_use]
    pub fn now(control: &mut Control) -> Self {
        let lines = control.tell("counters mac");
        let counter = |name: &str| {
            let mut fields = lines.iter().filter_map(|line| line.trim().split_once(": "));
            let value = fields.find_map(|(key, value)| (key == name).then_some(value));
            value.and_then(|text| text.parse().ok()).expect("a counter")
        };
        Self {
            sent: counter("TxUnicast"),
            received: counter("RxUnicast"),
            repeated: counter("TxRetry"),
        }
    }

    /// What the daemon counts once nothing more is on its way: the counters stood still for longer than the kernel
    /// holds back an acknowledgement (40 ms) and a long packet takes.
    ///
    /// # Panics
    /// If the daemon does not say.
    #[must_use]
    pub fn at_rest(control: &mut Control) -> Self {
        const SILENCE: Duration = Duration::from_millis(120);
        let mut last = Self::now(control);
        let mut since = Instant::now();
        while since.elapsed() < SILENCE {
            thread::sleep(Duration::from_millis(5));
            let next = Self::now(control);
            if next != last {
                (last, since) = (next, Instant::now());
            }
        }
        last
    }
}

impl Sub for Frames {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            sent: self.sent - earlier.sent,
            received: self.received - earlier.received,
            repeated: self.repeated - earlier.repeated,
        }
    }
}

impl fmt::Display for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}+{})", self.all(), self.sent, self.received)
    }
}
