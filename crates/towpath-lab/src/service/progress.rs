//! A stream whose writer has to get on: a peer that reads nothing does not hold a connection for ever.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// How long a write may stand still.
const STANDSTILL: Duration = Duration::from_secs(60);

/// A stream that breaks with [`io::ErrorKind::TimedOut`] when a write stands still.
#[derive(Debug)]
pub(crate) struct Progress<S> {
    stream: S,
    /// Runs while a write waits.
    due: Option<Pin<Box<Sleep>>>,
}

impl<S> Progress<S> {
    pub(crate) const fn new(stream: S) -> Self {
        Self { stream, due: None }
    }

    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    /// Passes on what came of a write, or ends the wait for it.
    fn watched<T>(
        &mut self,
        came: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if came.is_ready() {
            self.due = None;
            return came;
        }
        let due = self.due.get_or_insert_with(|| Box::pin(sleep(STANDSTILL)));
        due.as_mut().poll(cx).map(|()| {
            let why = format!("the peer took nothing for {} s", STANDSTILL.as_secs());
            Err(io::Error::new(io::ErrorKind::TimedOut, why))
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Progress<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Progress<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let came = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.watched(came, cx)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let came = Pin::new(&mut this.stream).poll_flush(cx);
        this.watched(came, cx)
    }

    /// Ends nothing: who has the stream ends it, when what was written is out.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
        time::Instant,
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_write_that_stands_still_breaks() {
        let (stream, mut peer) = duplex(16);
        let mut stream = Progress::new(stream);
        // Slow is not still.
        let reader = async {
            for _ in 0..10 {
                sleep(STANDSTILL / 2).await;
                peer.read_exact(&mut [0; 16]).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(stream.write_all(&[0; 160]), reader);
        written.unwrap();
        stream.write_all(&[0; 16]).await.unwrap();
        let since = Instant::now();
        let error = stream.write_all(&[0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(since.elapsed().as_secs(), STANDSTILL.as_secs());
    }
}
