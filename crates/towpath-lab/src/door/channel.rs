//! What HTTP and MQTT run on: TLS, or plain TCP behind a proxy.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    time::timeout,
};

use super::{secure::PATIENCE, tls::TlsStream, wire::Wire};

/// How long the last bytes may take.
const LAST: Duration = Duration::from_secs(2);

/// How long an answer may take that goes out byte by byte because of a fault.
const DRIPPING: Duration = Duration::from_secs(600);

/// A stream of plaintext.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one for each connection, and plain ones are rare"
)]
pub(super) enum Channel {
    /// Secured by TLS.
    Tls(TlsStream),
    /// A proxy has ended TLS.
    Plain(Wire),
}

impl Channel {
    /// Gives bytes back that were read too early.
    pub(super) fn give_back(&mut self, bytes: &[u8]) {
        match self {
            Self::Tls(tls) => tls.give_back(bytes),
            Self::Plain(wire) => wire.give_back(bytes),
        }
    }

    /// How long an answer may take.
    pub(super) fn patience(&mut self) -> Duration {
        if self.wire().drips() {
            DRIPPING
        } else {
            PATIENCE
        }
    }

    fn wire(&mut self) -> &mut Wire {
        match self {
            Self::Tls(tls) => tls.wire(),
            Self::Plain(wire) => wire,
        }
    }

    /// Ends without a word: no alert, no close_notify.
    pub(super) async fn cut(&mut self) {
        match self {
            Self::Tls(tls) => tls.part().await,
            Self::Plain(wire) => wire.part().await,
        }
    }

    /// Answers nothing until the client ends the connection.
    pub(super) async fn stay_silent(&mut self) {
        self.wire().stay_silent().await;
    }

    /// Ends politely: what is to be sent, close_notify, FIN, and then the client's own end.
    pub(super) async fn leave(&mut self) {
        // A client that does not take it does not get it.
        let _ = timeout(LAST, self.shutdown()).await;
        self.wire().part().await;
    }
}

impl AsyncRead for Channel {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
            Self::Plain(wire) => Pin::new(wire).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Channel {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
            Self::Plain(wire) => Pin::new(wire).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
            Self::Plain(wire) => Pin::new(wire).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
            Self::Plain(wire) => Pin::new(wire).poll_shutdown(cx),
        }
    }
}
