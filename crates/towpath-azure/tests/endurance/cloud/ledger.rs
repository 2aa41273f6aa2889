//! What was accepted from an application and what arrived at the hubs, device by device.

/// What has to hold for one device's telemetry.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// When each message expires by the device's clock, Unix seconds, and what became of it.
    messages: Vec<(Option<u64>, Fate)>,
    /// The highest number that has arrived.
    highest: Option<usize>,
    /// Arrivals of what had arrived before.
    pub(crate) repeated: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Waits,
    Arrived,
    Expired,
}

impl Ledger {
    /// How long bytes may be under way between the device's decision and the hub, seconds.
    const UNDER_WAY: u64 = 10;

    /// The application was told that its message is safe; this is its number.
    pub(crate) fn accept(&mut self, expires: Option<u64>) -> usize {
        self.messages.push((expires, Fate::Waits));
        self.messages.len() - 1
    }

    /// A message has arrived at a hub; `clock` is the device's own.
    pub(crate) fn arrive(&mut self, number: usize, clock: Option<u64>) {
        let (expires, fate) = self.messages.get_mut(number).expect("a message of its own");
        if let (Some(expires), Some(clock)) = (*expires, clock) {
            assert!(
                clock <= expires + Self::UNDER_WAY,
                "message {number} arrives {} s after its expiry",
                clock - expires
            );
        }
        if *fate == Fate::Arrived {
            self.repeated += 1;
            return;
        }
        *fate = Fate::Arrived;
        assert!(
            self.highest < Some(number),
            "message {number} comes behind {:?}",
            self.highest
        );
        self.highest = Some(number);
    }

    /// The device gave a message up because it has expired.
    pub(crate) fn expire(&mut self, number: usize, clock: Option<u64>) {
        let (expires, fate) = &mut self.messages[number];
        let clock = clock.expect("without a clock nothing expires");
        assert!(
            expires.is_some_and(|expires| expires <= clock),
            "message {number} was given up at {clock} and expires at {expires:?}"
        );
        if *fate == Fate::Waits {
            *fate = Fate::Expired;
        }
    }

    /// A message leaves the outbox because the hub acknowledged it.
    pub(crate) fn acknowledged(&self, number: usize) {
        assert_eq!(
            self.messages[number].1,
            Fate::Arrived,
            "message {number} is acknowledged and did not arrive"
        );
    }

    /// How many arrived and how many expired, once nothing may be missing any more.
    pub(crate) fn close(&self) -> (u64, u64) {
        let mut counts = (0, 0);
        for (number, (_, fate)) in self.messages.iter().enumerate() {
            match fate {
                Fate::Arrived => counts.0 += 1,
                Fate::Expired => counts.1 += 1,
                Fate::Waits => panic!("message {number} is lost"),
            }
        }
        counts
    }
}
