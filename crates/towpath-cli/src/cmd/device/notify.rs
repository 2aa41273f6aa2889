//! What systemd is told: that the device runs, that it still does, that it ends (sd_notify(3)).

use std::{env, io, time::Duration};

/// The socket of the service manager, if there is one.
#[derive(Debug)]
pub(super) struct Notify {
    #[cfg(unix)]
    socket: Option<(
        std::os::unix::net::UnixDatagram,
        std::os::unix::net::SocketAddr,
    )>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// As the environment says.
    pub(super) fn from_environment() -> Self {
        let mine = env::var("WATCHDOG_PID").map_or(true, |id| id == std::process::id().to_string());
        let watchdog = env::var("WATCHDOG_USEC")
            .ok()
            .filter(|_| mine)
            .and_then(|text| text.parse().ok())
            .filter(|micros| *micros > 0)
            .map(Duration::from_micros);
        Self {
            #[cfg(unix)]
            socket: env::var_os("NOTIFY_SOCKET").and_then(|name| connect(name).ok()),
            watchdog,
        }
    }

    /// How often a sign of life is wanted: half of the time after which the service is thought dead.
    pub(super) fn interval(&self) -> Option<Duration> {
        self.watchdog.map(|watchdog| watchdog / 2)
    }

    /// Sends `READY=1`, `WATCHDOG=1`, `STOPPING=1`, `STATUS=...`. If nobody takes it, nothing is lost.
    pub(super) fn say(&self, what: &str) {
        #[cfg(unix)]
        if let Some((socket, address)) = &self.socket {
            let _ = socket.send_to_addr(what.as_bytes(), address);
        }
        #[cfg(not(unix))]
        let _ = what;
    }
}

#[cfg(unix)]
fn connect(
    name: std::ffi::OsString,
) -> io::Result<(
    std::os::unix::net::UnixDatagram,
    std::os::unix::net::SocketAddr,
)> {
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let name = std::os::unix::ffi::OsStringExt::into_vec(name);
    let address = match name.split_first() {
        #[cfg(target_os = "linux")]
        Some((b'@', rest)) => {
            <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(rest)?
        }
        _ => SocketAddr::from_pathname(
            <std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(name),
        )?,
    };
    let socket = UnixDatagram::unbound()?;
    // A manager that does not read must not hold up the device.
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}
