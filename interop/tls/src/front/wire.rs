//! The byte stream below a front end, which can stop at the end of a flight.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    time::Duration,
};

/// How long a read waits before the dialogue looks around.
const TURN: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    written: bool,
    /// Whether nothing more is read once something is written: the end of a flight.
    one_flight: bool,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TURN))?;
        Ok(Self {
            stream,
            written: false,
            one_flight: false,
        })
    }

    /// Ends at the next change of direction, or goes on without an end.
    pub(super) const fn one_flight(&mut self, yes: bool) {
        (self.one_flight, self.written) = (yes, false);
    }

    /// Whether a flight was written since [`one_flight`](Self::one_flight).
    pub(super) const fn has_written(&self) -> bool {
        self.written
    }

    /// Whether bytes wait to be read.
    pub(super) fn hears(&self) -> io::Result<bool> {
        match self.stream.peek(&mut [0]) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(true),
            Err(error) if is_turn(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Whether nothing came within a turn.
pub(super) fn is_turn(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

impl Read for Wire {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if self.one_flight && self.written {
            return Err(ErrorKind::WouldBlock.into());
        }
        match self.stream.read(space) {
            // OpenSSL asks again after this one only.
            Err(error) if is_turn(&error) => Err(ErrorKind::WouldBlock.into()),
            other => other,
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written = true;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
