//! One connection: does the steps.

use std::{
    io::{self, ErrorKind, Read as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use openssl::{
    base64,
    nid::Nid,
    sha::sha1,
    ssl::{Error, ErrorCode, Ssl, SslContext, SslStream},
};
use towpath_tls_openssl::server::{
    is_renegotiation_pending, request_post_handshake_auth, request_renegotiation,
};

use super::{
    Report, Step,
    next::Next,
    wire::{Wire, is_turn},
};
use crate::{hand, pki::Pki};

/// How long a step may take.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Dialogue {
    pki: Pki,
    next: Next,
    tls: Result<SslStream<Wire>, io::Error>,
    /// What was decrypted and not yet looked at.
    inbox: Vec<u8>,
    framed: bool,
    /// MQTT's version in CONNECT.
    level: u8,
    report: Report,
}

/// What one turn of something came to.
enum Turn {
    Done,
    Again,
}

impl Dialogue {
    pub(super) fn new(pki: Pki, stream: TcpStream, context: &SslContext, next: Next) -> Self {
        let tls = Wire::new(stream).and_then(|wire| Ok(SslStream::new(Ssl::new(context)?, wire)?));
        Self {
            pki,
            next,
            tls,
            inbox: Vec::new(),
            framed: false,
            level: 4,
            report: Report::default(),
        }
    }

    pub(super) fn go(mut self, steps: &[Step]) -> Report {
        for step in steps {
            if let Err(error) = self.step(*step) {
                self.report.failed = Some(format!("{step:?}: {error}"));
                break;
            }
            self.report.done += 1;
        }
        self.report.client = self.client();
        self.report
    }

    fn step(&mut self, step: Step) -> io::Result<()> {
        match step {
            Step::Hear => self.until(|this| Ok(turn(this.tls()?.get_ref().hears()?))),
            Step::Swallow => self.until(Self::swallow),
            Step::Flight | Step::AnswerFlight => self.flight(step == Step::Flight),
            Step::Handshake => self.until(|this| this.driven(SslStream::accept)),
            Step::Request => self.request(),
            Step::Show(server) => Ok(self.next.show(&self.pki, server)?),
            Step::Ask => self.ask(),
            Step::Agree => self.until(Self::agree),
            Step::Switch => self.switch(),
            Step::Connect => self.connect(),
            Step::Connack => self.connack(),
            Step::Serve => self.serve(),
            Step::Silence => self.silence(),
        }
    }

    fn tls(&mut self) -> io::Result<&mut SslStream<Wire>> {
        let tls = self.tls.as_mut();
        tls.map_err(|error| io::Error::other(error.to_string()))
    }

    /// Does turns until one is done.
    fn until(&mut self, mut go: impl FnMut(&mut Self) -> io::Result<Turn>) -> io::Result<()> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Turn::Done = go(self)? {
                return Ok(());
            }
        }
        Err(ErrorKind::TimedOut.into())
    }

    /// One turn of something that OpenSSL may not be able to do yet.
    fn driven<T>(
        &mut self,
        go: impl FnOnce(&mut SslStream<Wire>) -> Result<T, Error>,
    ) -> io::Result<Turn> {
        match go(self.tls()?) {
            Ok(_) => Ok(Turn::Done),
            Err(error) if is_early(&error) => Ok(Turn::Again),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn swallow(&mut self) -> io::Result<Turn> {
        match self.tls()?.get_mut().read(&mut [0; 16 << 10]) {
            Ok(_) => Ok(Turn::Done),
            Err(error) if is_turn(&error) => Ok(Turn::Again),
            Err(error) => Err(error),
        }
    }

    fn flight(&mut self, first: bool) -> io::Result<()> {
        self.tls()?.get_mut().one_flight(true);
        let result = self.until(|this| {
            if first {
                this.driven(SslStream::accept)?;
            } else {
                this.fill()?;
            }
            Ok(turn(this.tls()?.get_ref().has_written()))
        });
        self.tls()?.get_mut().one_flight(false);
        result
    }

    /// Reads what there is into the inbox; a renegotiation goes on in here.
    fn fill(&mut self) -> io::Result<()> {
        let mut space = [0; 4096];
        match self.tls()?.ssl_read(&mut space) {
            Ok(n) => self.inbox.extend_from_slice(&space[..n]),
            Err(error) if is_early(&error) => {}
            Err(error) if error.code() == ErrorCode::ZERO_RETURN => {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            Err(error) => return Err(io::Error::other(error)),
        }
        Ok(())
    }

    fn request(&mut self) -> io::Result<()> {
        self.until(|this| {
            this.fill()?;
            Ok(turn(hand::head_len(&this.inbox).is_some()))
        })?;
        self.framed = true;
        Ok(())
    }

    fn switch(&mut self) -> io::Result<()> {
        let len = hand::head_len(&self.inbox).ok_or(ErrorKind::InvalidData)?;
        let head: Vec<u8> = self.inbox.drain(..len).collect();
        let head = String::from_utf8_lossy(&head);
        let key = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("Sec-WebSocket-Key"))
            .ok_or(ErrorKind::InvalidData)?
            .1;
        let text = format!("{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key.trim());
        let accept = base64::encode_block(&sha1(text.as_bytes()));
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
        );
        self.write(answer.as_bytes())
    }

    fn connect(&mut self) -> io::Result<()> {
        self.until(|this| {
            let level = if this.framed {
                hand::payload(&this.inbox).and_then(|payload| hand::level(&payload))
            } else {
                hand::level(&this.inbox)
            };
            if let Some(level) = level {
                this.level = level;
                return Ok(Turn::Done);
            }
            this.fill()?;
            Ok(Turn::Again)
        })
    }

    fn connack(&mut self) -> io::Result<()> {
        let connack = hand::connack(self.level);
        if self.framed {
            let len = u8::try_from(connack.len()).map_err(io::Error::other)?;
            self.write(&[&[0x82, len], connack].concat())
        } else {
            self.write(connack)
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.until(|this| this.driven(|tls| tls.ssl_write(bytes)))
    }

    fn ask(&mut self) -> io::Result<()> {
        self.next.ask();
        let tls = self.tls()?;
        if tls.ssl().version_str() == "TLSv1.3" {
            request_post_handshake_auth(tls)?;
        } else {
            request_renegotiation(tls)?;
        }
        // HelloRequest is a flight of its own; what comes back is for the steps behind this one.
        tls.get_mut().one_flight(true);
        let asked = self.driven(SslStream::do_handshake);
        self.tls()?.get_mut().one_flight(false);
        asked.map(|_| ())
    }

    fn agree(&mut self) -> io::Result<Turn> {
        self.fill()?;
        let tls = self.tls()?;
        let under_way = if tls.ssl().version_str() == "TLSv1.3" {
            tls.ssl().peer_certificate().is_none() || !is_idle(tls)
        } else {
            is_renegotiation_pending(tls)
        };
        Ok(turn(!under_way))
    }

    /// Until the client ends the connection, in whatever way.
    fn serve(&mut self) -> io::Result<()> {
        self.until(|this| Ok(turn(this.fill().is_err())))
    }

    fn silence(&mut self) -> io::Result<()> {
        self.until(
            |this| match this.tls()?.get_mut().read(&mut [0; 16 << 10]) {
                Ok(0) => Ok(Turn::Done),
                Err(error) if !is_turn(&error) => Ok(Turn::Done),
                _ => Ok(Turn::Again),
            },
        )
    }

    fn client(&mut self) -> Option<String> {
        let certificate = self.tls().ok()?.ssl().peer_certificate()?;
        let mut names = certificate.subject_name().entries_by_nid(Nid::COMMONNAME);
        names.next()?.data().to_string().ok()
    }
}

const fn turn(done: bool) -> Turn {
    if done { Turn::Done } else { Turn::Again }
}

/// Whether no handshake is under way.
fn is_idle(tls: &SslStream<Wire>) -> bool {
    tls.ssl().state_string().starts_with("SSLOK")
}

fn is_early(error: &Error) -> bool {
    let io = error.io_error();
    matches!(error.code(), ErrorCode::WANT_READ | ErrorCode::WANT_WRITE) || io.is_some_and(is_turn)
}
