//! The byte stream and the clock: one step of each, and what their errors mean.

use core::future::pending;

use embedded_io_async::{Error as _, ErrorKind, Read, Write};
use towpath_proto::{Code, Fault, Instant, Rung};

use super::Timer;

/// The fault for an error of the stream, or of opening it, on `rung`.
#[must_use]
pub fn fault(rung: Rung, kind: ErrorKind) -> Fault {
    let code = match kind {
        ErrorKind::ConnectionRefused => Code::Refused,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            Code::Reset
        }
        ErrorKind::NotConnected | ErrorKind::WriteZero => Code::Closed,
        ErrorKind::TimedOut => Code::ConnectTimeout,
        ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable => Code::BindFailed,
        _ => Code::Io,
    };
    let fault = Fault::new(rung, code);
    match kind {
        ErrorKind::OutOfMemory => fault.detail(b"out of memory"),
        ErrorKind::Unsupported => fault.detail(b"not supported by the network stack"),
        ErrorKind::InvalidInput => fault.detail(b"refused by the network stack"),
        _ => fault,
    }
}

/// Writes some of `bytes`, or flushes if there are none and it has to be done. Answers how many were written.
pub(super) async fn send<O: Write>(
    writer: &mut O,
    bytes: &[u8],
    flush: bool,
) -> Result<usize, ErrorKind> {
    if !bytes.is_empty() {
        return match writer.write(bytes).await {
            Ok(0) => Err(ErrorKind::WriteZero),
            Ok(n) => Ok(n),
            Err(error) => Err(error.kind()),
        };
    }
    if flush {
        return writer
            .flush()
            .await
            .map(|()| 0)
            .map_err(|error| error.kind());
    }
    pending().await
}

/// Reads into `space` if there is any. Answers how many bytes came, 0 at the end of the stream.
pub(super) async fn receive<I: Read>(
    reader: &mut I,
    space: &mut [u8],
    reads: bool,
) -> Result<usize, ErrorKind> {
    if space.is_empty() || !reads {
        return pending().await;
    }
    reader.read(space).await.map_err(|error| error.kind())
}

pub(super) async fn sleep(timer: &impl Timer, until: Option<Instant>) {
    match until {
        Some(until) => timer.sleep_until(until).await,
        None => pending().await,
    }
}
