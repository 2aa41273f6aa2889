//! What this process has used, as Linux tells it.

use std::{fs, time::SystemTime, time::UNIX_EPOCH};

use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeVal,
};

/// Seconds of CPU time so far: user, and user with system.
pub fn cpu_seconds() -> Result<(f64, f64), String> {
    let used = getrusage(UsageWho::RUSAGE_SELF).map_err(|e| e.to_string())?;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let user = seconds(used.user_time());
    Ok((user, user + seconds(used.system_time())))
}

/// A line of `/proc/self/status` in kB: `VmRSS`, or `VmHWM`, which is the most it ever was. `ru_maxrss` would not do: it
/// begins with what the parent had.
pub fn memory_kb(what: &str) -> Result<u64, String> {
    let status = fs::read_to_string("/proc/self/status").map_err(|e| e.to_string())?;
    let mut lines = status.lines();
    lines
        .find_map(|line| line.strip_prefix(what)?.strip_prefix(':'))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| format!("no {what} in /proc/self/status"))
}

/// Microseconds since 1970.
pub fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
