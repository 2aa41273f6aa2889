//! The TCP connection below everything else.
//!
//! Takes in and gives out bytes without blocking, as OpenSSL wants it; bytes that were looked at before their turn are
//! read first. The faults of TCP are done here: one byte at a time, and a reset in place of the ordinary end.

use std::{
    io::{self, ErrorKind, Read, Write},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until, timeout},
};

/// How long the client may take to end its side after the lab has ended its own.
const FAREWELL: Duration = Duration::from_secs(2);

/// How many bytes are read meanwhile: more than the largest file that is uploaded at once.
const FAREWELL_MAX: usize = 32 << 20;

/// A TCP connection.
pub(super) struct Wire {
    tcp: TcpStream,
    /// Bytes that came and have not been read by the layer above.
    ahead: Vec<u8>,
    ahead_read: usize,
    drip: Option<Drip>,
    written: u64,
    /// Nothing is read any more once so many bytes are written.
    deaf_after: Option<u64>,
    reset: Arc<AtomicBool>,
}

/// One byte at a time.
struct Drip {
    pause: Duration,
    next: Pin<Box<Sleep>>,
}

impl Wire {
    /// When `reset` becomes true, the connection ends with RST instead of FIN.
    pub(super) fn new(tcp: TcpStream, reset: Arc<AtomicBool>) -> Self {
        Self {
            tcp,
            ahead: Vec::new(),
            ahead_read: 0,
            drip: None,
            written: 0,
            deaf_after: None,
            reset,
        }
    }

    /// Sends one byte at a time from now on.
    pub(super) fn drip(&mut self, pause: Duration) {
        self.drip = Some(Drip {
            pause,
            next: Box::pin(sleep_until(Instant::now())),
        });
    }

    /// Whether it does.
    pub(super) const fn drips(&self) -> bool {
        self.drip.is_some()
    }

    /// Bytes sent so far.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    /// From now on nothing is read once more than so many bytes are written.
    pub(super) const fn deaf_after(&mut self, written: u64) {
        self.deaf_after = Some(written);
    }

    /// What came and has not been read.
    pub(super) fn ahead(&self) -> &[u8] {
        self.ahead.get(self.ahead_read..).unwrap_or_default()
    }

    /// Gives bytes back that were read too early.
    pub(super) fn give_back(&mut self, bytes: &[u8]) {
        let mut all = bytes.to_vec();
        all.extend_from_slice(self.ahead());
        (self.ahead, self.ahead_read) = (all, 0);
    }

    /// Reads more without taking it from the layer above, at most `limit` bytes altogether; gives how many came, 0 at
    /// the end of the stream.
    pub(super) async fn look(&mut self, limit: usize) -> io::Result<usize> {
        let mut space = [0; 2048];
        let room = limit.saturating_sub(self.ahead().len()).min(space.len());
        let space = space.get_mut(..room).unwrap_or_default();
        loop {
            self.tcp.readable().await?;
            match self.tcp.try_read(space) {
                Ok(n) => {
                    self.ahead
                        .extend_from_slice(space.get(..n).unwrap_or_default());
                    return Ok(n);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether there is something to read.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ahead().is_empty() {
            self.tcp.poll_read_ready(cx)
        } else {
            Poll::Ready(Ok(()))
        }
    }

    /// Whether something can be written.
    pub(super) fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(drip) = &mut self.drip {
            ready!(drip.next.as_mut().poll(cx));
        }
        self.tcp.poll_write_ready(cx)
    }

    /// Ends the lab's side with FIN and waits for the client to end its own, so that what was sent last is read and not
    /// overtaken by a reset.
    pub(super) async fn part(&mut self) {
        // Boxed, so that a connection that lives does not carry the room.
        let parting = Box::pin(async {
            std::future::poll_fn(|cx| Pin::new(&mut self.tcp).poll_shutdown(cx)).await?;
            let mut left = FAREWELL_MAX;
            let mut space = [0; 2048];
            loop {
                self.tcp.readable().await?;
                match self.tcp.try_read(&mut space) {
                    Ok(0) => return Ok(()),
                    Ok(n) if n < left => left -= n,
                    Ok(_) => return Ok(()),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err::<(), _>(error),
                }
            }
        });
        // However it ends, it ends.
        let _ = timeout(FAREWELL, parting).await;
    }

    /// Answers nothing until the client ends the connection.
    pub(super) async fn stay_silent(&mut self) {
        let mut space = [0; 2048];
        loop {
            if self.tcp.readable().await.is_err() {
                return;
            }
            match self.tcp.try_read(&mut space) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            // What can't be reset is closed.
            let _ = self.tcp.set_zero_linger();
        }
    }
}

impl Read for Wire {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if self
            .deaf_after
            .is_some_and(|written| self.written > written)
        {
            return Err(ErrorKind::WouldBlock.into());
        }
        let ahead = self.ahead.get(self.ahead_read..).unwrap_or_default();
        if ahead.is_empty() {
            return self.tcp.try_read(space);
        }
        let n = ahead.len().min(space.len());
        if let (Some(to), Some(from)) = (space.get_mut(..n), ahead.get(..n)) {
            to.copy_from_slice(from);
        }
        self.ahead_read += n;
        if self.ahead_read >= self.ahead.len() {
            (self.ahead, self.ahead_read) = (Vec::new(), 0);
        }
        Ok(n)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = match &mut self.drip {
            None => self.tcp.try_write(bytes)?,
            Some(drip) => {
                let now = Instant::now();
                if now < drip.next.deadline() {
                    return Err(ErrorKind::WouldBlock.into());
                }
                let n = self.tcp.try_write(bytes.get(..1).unwrap_or_default())?;
                drip.next.as_mut().reset(now + drip.pause);
                n
            }
        };
        self.written += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// For plain HTTP behind a proxy.
impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_readable(cx))?;
            match self.read(buf.initialize_unfilled()) {
                Ok(n) => {
                    buf.advance(n);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_writable(cx))?;
            match self.write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => return Poll::Ready(other),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
