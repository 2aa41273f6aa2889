//! How many operations a second the hub takes: connections, messages, twin requests.
//!
//! Takes in the time by the lab's clock; gives out whether an operation may go on, or how long it has to wait. Each rate
//! allows a second's worth at once. Messages wait, as the service shapes traffic before it refuses; connections and twin
//! requests do not.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{Hub, Name};
use crate::{
    clock::Time,
    config::Limits,
    connection::Connection,
    fault::Kind,
    log::{Code, Record},
};

/// The longest wait. Whoever would have to wait longer waits this long and is let through then, so that a rate that is
/// far too low for the hub's devices does not keep them waiting for ever.
const LONGEST: i64 = 60_000_000;

/// From so many bytes on that wait for the disk, devices wait too.
const DISK_BEHIND: usize = 32 << 20;

/// How long devices wait for a disk that is slower than they are: a quarter of a second at [`DISK_BEHIND`], and with the
/// square of what waits, so that what waits is bounded whatever they send.
fn disk_delay(waiting: usize) -> Option<Duration> {
    let times = u64::try_from(waiting / DISK_BEHIND).unwrap_or(u64::MAX);
    let millis = times.saturating_mul(times).saturating_mul(250).min(60_000);
    (millis > 0).then(|| Duration::from_millis(millis))
}

/// A rate: when the next operation would be due if all came evenly spaced (the generic cell rate algorithm).
#[derive(Debug, Default)]
struct Rate {
    /// Microseconds since 1970.
    due: i64,
}

impl Rate {
    /// Microseconds that an operation has to wait at `per_second` operations; it is counted unless the wait is longer
    /// than `longest`, which is then what is given.
    fn wait(&mut self, per_second: u64, now: Time, longest: i64) -> Result<i64, i64> {
        let now = now.as_millis().saturating_mul(1000);
        let interval = 1_000_000 / i64::try_from(per_second.max(1)).unwrap_or(i64::MAX);
        // A clock that was set back must not stop everything.
        let due = self
            .due
            .clamp(now, now.saturating_add(longest).saturating_add(1_000_000));
        let wait = due
            .saturating_sub(now)
            .saturating_add(interval)
            .saturating_sub(1_000_000)
            .max(0);
        if wait > longest {
            return Err(longest);
        }
        self.due = due.saturating_add(interval);
        Ok(wait)
    }
}

/// The hub's rates.
#[derive(Debug, Default)]
pub(crate) struct Throttles(Mutex<Rates>);

#[derive(Debug, Default)]
struct Rates {
    connects: Rate,
    telemetry: Rate,
    twins: Rate,
    /// Of the fault, which does not use up the hub's own.
    fault: Rate,
    /// When a wait was last told: once a second is enough.
    told: Time,
}

impl Throttles {
    fn with<T>(&self, ask: impl FnOnce(&mut Rates) -> T) -> T {
        ask(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether one more connection may come in now.
    pub(super) fn connect(&self, limits: &Limits, now: Time) -> bool {
        let rate = u64::from(limits.connects_per_s);
        rate == 0 || self.with(|rates| rates.connects.wait(rate, now, 0).is_ok())
    }
}

impl Hub {
    /// How long a client has to wait because what others and it have sent waits for the disk, if it has to.
    pub(crate) fn disk_delay(&self) -> Option<Duration> {
        disk_delay(self.means.store.waiting())
    }

    /// Counts a message of a device; gives how long the device has to wait for it to be taken, if it has to. A message
    /// that waits for the fault's rate is one that the fault was done to.
    pub(crate) fn telemetry_delay(&self, name: &Name, connection: &Connection) -> Option<Duration> {
        let faults = &self.means.faults;
        let fault = faults.meant(Kind::Throttle, connection);
        let fault = fault.map(|value| value.number());
        let rate = fault.unwrap_or_else(|| u64::from(self.limits.telemetry_per_s));
        if rate == 0 && fault.is_none() {
            return None;
        }
        let now = self.means.clock.now();
        let (wait, tell) = self.throttles.with(|rates| {
            let of = if fault.is_some() {
                &mut rates.fault
            } else {
                &mut rates.telemetry
            };
            let (Ok(wait) | Err(wait)) = of.wait(rate, now, LONGEST);
            let tell = wait > 0 && now.since(rates.told) >= 1000;
            if tell {
                rates.told = now;
            }
            (wait, tell)
        });
        let wait = u64::try_from(wait).ok().filter(|wait| *wait > 0)?;
        if fault.is_some() {
            faults.strike(Kind::Throttle, connection);
        }
        if tell {
            let text = format!(
                "more than {rate} messages a second: this one waits {} ms",
                wait / 1000
            );
            self.tell_throttled(name, connection, fault.is_some(), text);
        }
        Some(Duration::from_micros(wait))
    }

    /// Counts a twin request; `false`: it has to be answered with 429.
    pub(crate) fn twin_admitted(&self, name: &Name, connection: &Connection) -> bool {
        let faults = &self.means.faults;
        if faults.strike(Kind::Throttle, connection).is_some() {
            let text = "a twin request is answered with 429".into();
            self.tell_throttled(name, connection, true, text);
            return false;
        }
        let rate = u64::from(self.limits.twins_per_s);
        if rate == 0 {
            return true;
        }
        let now = self.means.clock.now();
        let admitted = self
            .throttles
            .with(|rates| rates.twins.wait(rate, now, 0).is_ok());
        if !admitted {
            let text = format!("more than {rate} twin requests a second");
            self.tell_throttled(name, connection, false, text);
        }
        admitted
    }

    fn tell_throttled(&self, name: &Name, connection: &Connection, fault: bool, text: String) {
        let mut record = Record::warn(Code::Throttled, text)
            .host(&self.host)
            .device(name.to_string())
            .connection(connection.id);
        if fault {
            record = record.fault(Kind::Throttle.name());
        }
        self.means.tell(record);
    }
}
