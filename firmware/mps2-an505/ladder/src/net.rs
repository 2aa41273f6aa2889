//! The lines of names and addresses.

use core::time::Duration;

use towpath::{
    Rung,
    proto::net::{Ended, Fact},
};

use super::line;

/// The line for a fact that was seen so long after the beginning.
pub(super) fn fact(rung: Rung, at: Option<Duration>, fact: &Fact) {
    let name = rung.name();
    match fact {
        Fact::Asked {
            record,
            server,
            over,
        } => line(
            name,
            "asked",
            at,
            format_args!("{record}, {server} ({over})"),
        ),
        Fact::Answered {
            record,
            addresses,
            ttl,
        } => {
            let ttl = ttl.as_secs();
            let what = format_args!("{record}: addresses: {addresses}, good for {ttl} s");
            line(name, "answered", at, what);
        }
        Fact::Unanswered { record, code } => {
            let what = format_args!("{record}: {}", code.cause());
            line(name, "unanswered", at, what);
        }
        Fact::Remembered { addresses, ttl } => {
            let ttl = ttl.as_secs();
            let what = format_args!("addresses: {addresses}, good for {ttl} s");
            line(name, "remembered", at, what);
        }
        Fact::Prefix(prefix, origin) => {
            line(name, "prefix", at, format_args!("{prefix} ({origin})"));
        }
        Fact::Ordered(place, candidate, rule) => {
            let place = u16::from(*place) + 1;
            let address = candidate.address;
            match place {
                1 => line(name, "ordered", at, format_args!("1: {address}")),
                _ => line(
                    name,
                    "ordered",
                    at,
                    format_args!("{place}: {address}: {rule}"),
                ),
            }
        }
        Fact::Dropped(address, code) => {
            line(
                name,
                "dropped",
                at,
                format_args!("{address}: {}", code.cause()),
            );
        }
        Fact::Trying(candidate) => {
            let address = candidate.address;
            match candidate.embedded() {
                Some(v4) => {
                    let what = format_args!("{address} ({v4} through NAT64)");
                    line(name, "trying", at, what);
                }
                None => line(name, "trying", at, format_args!("{address}")),
            }
        }
        Fact::Ended(address, ended, took) => {
            let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            let what = format_args!("{address}, after {took} ms");
            match ended {
                Ended::Won => line(name, "won", at, what),
                Ended::Lost => line(name, "lost", at, what),
                Ended::Failed(code) => {
                    let cause = code.cause();
                    line(
                        name,
                        "failed",
                        at,
                        format_args!("{address}: {cause}, after {took} ms"),
                    );
                }
            }
        }
        _ => {}
    }
}
