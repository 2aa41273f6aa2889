//! TLS as the server.
//!
//! Takes in a [`Wire`] and a context; gives out a stream of plaintext and the client's certificate. It belongs to one
//! task: what the other direction needs meanwhile is done in each call.

use std::{
    fmt,
    io::{self, ErrorKind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use openssl::{
    error::ErrorStack,
    ssl::{Error, ErrorCode, Ssl, SslAlert, SslContext, SslStream, SslVersion},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::coop,
};
use towpath_tls_openssl::server;

use super::wire::Wire;
use crate::certificate::{ClientCertificate, common_name};

/// How much is taken for sending before the writer has to wait: one full record.
const OUT_MAX: usize = 16 << 10;

/// How much plaintext is kept that came while something else was waited for.
pub(super) const EARLY_MAX: usize = 64 << 10;

/// A TLS connection.
pub(super) struct TlsStream {
    ssl: SslStream<Wire>,
    /// Plaintext that came early, or was given back.
    early: Vec<u8>,
    /// Plaintext that is to be sent.
    out: Vec<u8>,
    /// Records hold no more than this.
    cut: usize,
    /// Waits for a flush or a full record.
    gather: bool,
    /// OpenSSL must not be asked any more.
    over: bool,
}

/// Why a handshake failed.
#[derive(Debug)]
pub(super) enum Broken {
    /// The client said so.
    Alert(SslAlert),
    /// OpenSSL's reason: the server said so.
    Reason(String),
    /// The connection ended.
    Closed,
    /// The system's reason.
    Io(io::Error),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alert(alert) => write!(f, "the client sent the alert \"{alert}\""),
            Self::Reason(reason) => f.write_str(reason),
            Self::Closed => f.write_str("the client closed the connection"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl Broken {
    fn of(error: Error) -> Self {
        if let Some(stack) = error.ssl_error() {
            let reasons = || stack.errors().iter();
            let alert = reasons().find_map(|one| SslAlert::from_reason_code(one.reason_code()));
            if let Some(alert) = alert {
                return Self::Alert(alert);
            }
            let reason = reasons().find_map(|one| one.reason());
            return match reason {
                // OpenSSL 3 says so in place of the end of the stream.
                Some("unexpected eof while reading") | None => Self::Closed,
                Some(reason) => Self::Reason(reason.to_owned()),
            };
        }
        match error.into_io_error() {
            Ok(error)
                if matches!(
                    error.kind(),
                    ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
                ) =>
            {
                Self::Closed
            }
            Ok(error) => Self::Io(error),
            Err(_) => Self::Closed,
        }
    }
}

impl From<ErrorStack> for Broken {
    fn from(stack: ErrorStack) -> Self {
        let reason = stack.errors().iter().find_map(|one| one.reason());
        Self::Reason(reason.unwrap_or("OpenSSL gave no reason").to_owned())
    }
}

impl TlsStream {
    /// The handshake is still to be done.
    pub(super) fn new(wire: Wire, context: &SslContext) -> Result<Self, ErrorStack> {
        let mut ssl = Ssl::new(context)?;
        ssl.set_accept_state();
        Ok(Self {
            ssl: SslStream::new(ssl, wire)?,
            early: Vec::new(),
            out: Vec::new(),
            cut: OUT_MAX,
            gather: false,
            over: false,
        })
    }

    /// Sends records of at most so many bytes of plaintext.
    pub(super) fn cut(&mut self, bytes: usize) {
        self.cut = bytes.clamp(1, OUT_MAX);
    }

    /// Fills records as far as there is something to send.
    pub(super) const fn gather(&mut self) {
        self.gather = true;
    }

    pub(super) fn wire(&mut self) -> &mut Wire {
        self.ssl.get_mut()
    }

    pub(super) const fn ssl(&mut self) -> &mut SslStream<Wire> {
        &mut self.ssl
    }

    pub(super) fn is_13(&self) -> bool {
        self.ssl.ssl().version2() == Some(SslVersion::TLS1_3)
    }

    /// Version and suite.
    pub(super) fn agreed(&self) -> String {
        let ssl = self.ssl.ssl();
        let suite = ssl
            .current_cipher()
            .map_or("no suite", |suite| suite.name());
        format!("{} {suite}", ssl.version_str())
    }

    pub(super) fn is_resumed(&self) -> bool {
        self.ssl.ssl().session_reused()
    }

    /// What the client has proved to have.
    pub(super) fn certificate(&self) -> Option<ClientCertificate> {
        let ssl = self.ssl.ssl();
        let leaf = ssl.peer_certificate()?;
        // On the server's side the chain is without the leaf.
        let chain = ssl.peer_cert_chain();
        let chain = chain.map_or(Vec::new(), |chain| {
            chain.iter().map(ToOwned::to_owned).collect()
        });
        Some(ClientCertificate { leaf, chain })
    }

    /// The certificate as a ladder tells it.
    pub(super) fn certificate_text(&self) -> String {
        match self.ssl.ssl().peer_certificate() {
            None => "no client certificate".into(),
            Some(leaf) => match common_name(&leaf) {
                Some(name) => format!("client certificate CN={}", name.escape_default()),
                None => "client certificate without a common name".into(),
            },
        }
    }

    /// Gives plaintext back that was read too early.
    pub(super) fn give_back(&mut self, bytes: &[u8]) {
        self.early.splice(0..0, bytes.iter().copied());
    }

    /// Asks OpenSSL until it has an answer.
    fn poll_ask<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut ask: impl FnMut(&mut SslStream<Wire>) -> Result<T, Error>,
    ) -> Poll<Result<T, Broken>> {
        loop {
            // OpenSSL judges a call by its queue, where other users of it in this thread may have left something.
            drop(ErrorStack::get());
            let error = match ask(&mut self.ssl) {
                Ok(done) => return Poll::Ready(Ok(done)),
                Err(error) => error,
            };
            let wire = self.ssl.get_mut();
            let ready = match error.code() {
                ErrorCode::WANT_READ => ready!(wire.poll_readable(cx)),
                ErrorCode::WANT_WRITE => ready!(wire.poll_writable(cx)),
                _ => {
                    self.over = true;
                    return Poll::Ready(Err(Broken::of(error)));
                }
            };
            if let Err(error) = ready {
                self.over = true;
                return Poll::Ready(Err(Broken::Io(error)));
            }
        }
    }

    /// Goes on with the handshake.
    pub(super) async fn handshake(&mut self) -> Result<(), Broken> {
        std::future::poll_fn(|cx| self.poll_ask(cx, SslStream::do_handshake)).await
    }

    /// Goes on with the handshake until the server has sent its certificate and waits for the client.
    pub(super) async fn first_flight(&mut self) -> Result<(), Broken> {
        // A request for another ClientHello is much shorter than any certificate.
        let before = 256;
        // However fast the client is: its answer would complete the handshake.
        self.ssl.get_mut().deaf_after(before);
        std::future::poll_fn(|cx| {
            loop {
                drop(ErrorStack::get());
                let Err(error) = self.ssl.do_handshake() else {
                    return Poll::Ready(Ok(()));
                };
                let wire = self.ssl.get_mut();
                let ready = match error.code() {
                    ErrorCode::WANT_READ if wire.written() > before => return Poll::Ready(Ok(())),
                    ErrorCode::WANT_READ => ready!(wire.poll_readable(cx)),
                    ErrorCode::WANT_WRITE => ready!(wire.poll_writable(cx)),
                    _ => return Poll::Ready(Err(Broken::of(error))),
                };
                if let Err(error) = ready {
                    return Poll::Ready(Err(Broken::Io(error)));
                }
            }
        })
        .await
    }

    /// Reads, keeping plaintext for later, until `done` says so after a record or two.
    pub(super) async fn read_until(
        &mut self,
        mut done: impl FnMut(&mut SslStream<Wire>) -> bool,
    ) -> Result<(), Broken> {
        std::future::poll_fn(|cx| {
            let mut space = [0; 4096];
            loop {
                if done(&mut self.ssl) {
                    return Poll::Ready(Ok(()));
                }
                drop(ErrorStack::get());
                match self.ssl.ssl_read(&mut space) {
                    Ok(0) => return Poll::Ready(Err(Broken::Closed)),
                    Ok(n) if self.early.len() + n <= EARLY_MAX => {
                        self.early
                            .extend_from_slice(space.get(..n).unwrap_or_default());
                    }
                    Ok(_) => {
                        let why = "the client sends too much before it answers".to_owned();
                        return Poll::Ready(Err(Broken::Reason(why)));
                    }
                    Err(error) => {
                        let code = error.code();
                        if code == ErrorCode::WANT_READ && done(&mut self.ssl) {
                            return Poll::Ready(Ok(()));
                        }
                        let wire = self.ssl.get_mut();
                        let ready = match code {
                            ErrorCode::WANT_READ => ready!(wire.poll_readable(cx)),
                            ErrorCode::WANT_WRITE => ready!(wire.poll_writable(cx)),
                            ErrorCode::ZERO_RETURN => return Poll::Ready(Err(Broken::Closed)),
                            _ => {
                                self.over = true;
                                return Poll::Ready(Err(Broken::of(error)));
                            }
                        };
                        if let Err(error) = ready {
                            return Poll::Ready(Err(Broken::Io(error)));
                        }
                    }
                }
            }
        })
        .await
    }

    /// Sends what is to be sent.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sent = 0;
        while !self.over && sent < self.out.len() {
            // A call that is asked again gets the same bytes, and perhaps more: OpenSSL insists on that.
            let end = self.out.len().min(sent + self.cut);
            let piece = self.out.get(sent..end).unwrap_or_default().to_vec();
            match self.poll_ask(cx, |ssl| ssl.ssl_write(&piece)) {
                Poll::Ready(Ok(n)) => sent += n,
                Poll::Ready(Err(broken)) => {
                    self.out = Vec::new();
                    return Poll::Ready(Err(error_of(broken)));
                }
                Poll::Pending => {
                    self.out.drain(..sent);
                    return Poll::Pending;
                }
            }
        }
        self.out = Vec::new();
        Poll::Ready(Ok(()))
    }

    /// After it nothing is sent any more: no alert, no close_notify.
    pub(super) async fn part(&mut self) {
        self.over = true;
        self.wire().part().await;
    }

    /// Says close_notify, once.
    fn farewell(&mut self) {
        if !self.over {
            self.over = true;
            drop(ErrorStack::get());
            // It is said or not: the stream ends now.
            drop(self.ssl.shutdown());
            drop(ErrorStack::get());
        }
    }
}

fn error_of(broken: Broken) -> io::Error {
    match broken {
        Broken::Io(error) => error,
        Broken::Closed => ErrorKind::ConnectionAborted.into(),
        other => io::Error::other(other.to_string()),
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.out.is_empty() && !this.gather {
            // The writer may not ask again before it has read something.
            if let Poll::Ready(Err(error)) = this.poll_drain(cx) {
                return Poll::Ready(Err(error));
            }
        }
        if !this.early.is_empty() {
            let n = this.early.len().min(buf.remaining());
            buf.put_slice(this.early.get(..n).unwrap_or_default());
            this.early.drain(..n);
            if this.early.is_empty() {
                this.early = Vec::new();
            }
            return Poll::Ready(Ok(()));
        }
        if this.over || buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        // Records that are there already cost no waiting, and one connection must not have the thread for itself.
        let budget = ready!(coop::poll_proceed(cx));
        let came = ready!(this.poll_ask(cx, |ssl| {
            match ssl.ssl_read(buf.initialize_unfilled()) {
                Err(error) if error.code() == ErrorCode::ZERO_RETURN => Ok(0),
                other => other,
            }
        }));
        budget.made_progress();
        match came {
            Ok(n) => buf.advance(n),
            // MQTT and HTTP know by themselves whether the end came too early.
            Err(Broken::Closed) => {}
            Err(broken) => return Poll::Ready(Err(error_of(broken))),
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.over {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        if self.out.len() >= OUT_MAX {
            ready!(self.poll_drain(cx))?;
        }
        let n = bytes.len().min(OUT_MAX.saturating_sub(self.out.len()));
        self.out
            .extend_from_slice(bytes.get(..n).unwrap_or_default());
        if !self.gather
            && let Poll::Ready(Err(error)) = self.poll_drain(cx)
        {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_drain(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        self.farewell();
        Pin::new(self.wire()).poll_shutdown(cx)
    }
}

/// Takes a session with a client's certificate out of the reach of those who would resume it.
pub(super) fn forget_certified(stream: &mut TlsStream) {
    if stream.ssl.ssl().peer_certificate().is_some() {
        server::forget_session(&mut stream.ssl);
    }
}
