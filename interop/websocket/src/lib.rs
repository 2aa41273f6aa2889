//! A blocking WebSocket connection over towpath-proto that echoes messages, as conformance suites ask for.

use std::{
    fs::File,
    io::{self, BufReader, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use towpath_proto::{
    Fault,
    bytes::Short,
    http::head,
    ws::{
        Close, Deframer, HEADER_MAX, Opcode, Role, Step, Utf8, close_code, frame,
        handshake::{Answer, Rejection, Request, Upgrade},
        parse_close, write_close,
    },
};

/// Why a connection could not be opened.
#[derive(Debug)]
pub enum OpenError {
    Io(io::Error),
    Fault(Fault),
    /// A request this server turned down, or one this client could not write.
    Refused(String),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What came from the peer, complete.
pub enum Incoming {
    Message(Opcode, Vec<u8>),
    /// The closing handshake is over, or the connection is gone.
    End,
}

/// One connection, after its opening handshake.
pub struct Connection {
    stream: TcpStream,
    role: Role,
    deframer: Deframer,
    utf8: Utf8,
    rx: Vec<u8>,
    /// The undecoded bytes of `rx`.
    start: usize,
    end: usize,
    random: BufReader<File>,
    message: Vec<u8>,
}

impl Connection {
    /// Connects to `host`, which is also the `Host` field, and asks for `target`.
    pub fn open(host: &str, target: &str) -> Result<Self, OpenError> {
        let mut this = Self::over(TcpStream::connect(host)?, Role::Client)?;
        let mut key = [0; 16];
        this.random.read_exact(&mut key)?;
        let request = Request {
            host,
            target,
            subprotocols: "",
            headers: &[],
            key,
        };
        let mut out = [0; 1024];
        let len = request
            .encode(&mut out)
            .map_err(|error| OpenError::Refused(format!("{error:?}")))?;
        this.stream.write_all(&out[..len])?;

        let mut answer = Answer::new(&key, "");
        loop {
            let came = this.fill()?;
            let full = this.end == this.rx.len();
            let progress = answer
                .absorb(&this.rx[this.start..this.end], full)
                .map_err(OpenError::Fault)?;
            this.start += progress.consumed;
            if progress.done {
                return Ok(this);
            }
            if !came {
                return Err(answer.eof().map_or(
                    OpenError::Io(io::ErrorKind::UnexpectedEof.into()),
                    OpenError::Fault,
                ));
            }
        }
    }

    /// Takes the other end's request on `stream`.
    pub fn accept(stream: TcpStream) -> Result<Self, OpenError> {
        let mut this = Self::over(stream, Role::Server)?;
        let len = loop {
            if let Some(len) = head::len(&this.rx[this.start..this.end]) {
                break len;
            }
            if !this.fill()? {
                return Err(OpenError::Io(io::ErrorKind::UnexpectedEof.into()));
            }
        };
        let mut out = [0; 1024];
        match Upgrade::parse(&this.rx[..len], &[]) {
            Ok(upgrade) => {
                let len = upgrade.encode(&mut out).map_err(too_small)?;
                this.stream.write_all(&out[..len])?;
            }
            Err(rejection @ Rejection { reason, .. }) => {
                let len = rejection.encode(&mut out).map_err(too_small)?;
                this.stream.write_all(&out[..len])?;
                return Err(OpenError::Refused(reason.to_owned()));
            }
        }
        this.start = len;
        Ok(this)
    }

    fn over(stream: TcpStream, role: Role) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            role,
            deframer: Deframer::new(role),
            utf8: Utf8::new(),
            rx: vec![0; 64 * 1024],
            start: 0,
            end: 0,
            random: BufReader::new(File::open("/dev/urandom")?),
            message: Vec::new(),
        })
    }

    /// Reads once; `false` at the end of the stream.
    fn fill(&mut self) -> io::Result<bool> {
        if self.start > 0 {
            self.rx.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let came = self.stream.read(&mut self.rx[self.end..])?;
        self.end += came;
        Ok(came > 0)
    }

    fn mask(&mut self) -> io::Result<Option<[u8; 4]>> {
        let mut key = [0; 4];
        match self.role {
            Role::Server => Ok(None),
            Role::Client => self.random.read_exact(&mut key).map(|()| Some(key)),
        }
    }

    /// Sends one frame that is a whole message or a control frame.
    pub fn send(&mut self, opcode: Opcode, payload: &[u8]) -> io::Result<()> {
        let mask = self.mask()?;
        let mut out = vec![0; HEADER_MAX + payload.len()];
        let len = frame::write(&mut out, true, opcode, payload, mask).map_err(too_small)?;
        self.stream.write_all(&out[..len])
    }

    fn send_close(&mut self, close: Close<'_>) -> io::Result<()> {
        let mask = self.mask()?;
        let mut out = [0; 131];
        let len = write_close(&mut out, close, mask).map_err(too_small)?;
        self.stream.write_all(&out[..len])
    }

    /// The next message; pings are answered on the way, a close and a broken rule end the connection.
    pub fn receive(&mut self) -> io::Result<Incoming> {
        loop {
            match self.step() {
                Ok(Some(incoming)) => return Ok(incoming),
                Ok(None) => {}
                Err(Broken::Io(error)) => return Err(error),
                Err(Broken::Rule(fault)) => {
                    // 7.1.7: fail the connection, and say why first.
                    self.send_close(Close {
                        code: close_code(fault.code),
                        reason: fault.clause,
                    })?;
                    return self.finish();
                }
            }
        }
    }

    fn step(&mut self) -> Result<Option<Incoming>, Broken> {
        let raw = &mut self.rx[self.start..self.end];
        match self.deframer.next(raw)? {
            Step::Need => {
                if !self.fill()? {
                    return Ok(Some(Incoming::End));
                }
            }
            Step::Data {
                skip,
                take,
                opcode,
                end_of_message,
            } => {
                let payload = &raw[skip..skip + take];
                self.start += skip + take;
                if opcode == Opcode::Text {
                    self.utf8.feed(payload)?;
                }
                self.message.extend_from_slice(payload);
                if end_of_message {
                    self.utf8.end()?;
                    return Ok(Some(Incoming::Message(
                        opcode,
                        std::mem::take(&mut self.message),
                    )));
                }
            }
            Step::Control { skip, take, opcode } => {
                let payload = raw[skip..skip + take].to_vec();
                self.start += skip + take;
                match opcode {
                    Opcode::Ping => self.send(Opcode::Pong, &payload)?,
                    Opcode::Close => {
                        let close = parse_close(&payload)?;
                        // 5.5.1: an endpoint typically echoes the status code.
                        self.send_close(Close {
                            reason: "",
                            ..close
                        })?;
                        return Ok(Some(self.finish()?));
                    }
                    _ => {}
                }
            }
        }
        Ok(None)
    }

    /// 7.1.1: the server closes the TCP connection first, the client waits for that.
    fn finish(&mut self) -> io::Result<Incoming> {
        if self.role == Role::Server {
            self.stream.shutdown(Shutdown::Write)?;
        }
        self.stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        while matches!(self.stream.read(&mut self.rx), Ok(1..)) {}
        Ok(Incoming::End)
    }

    /// Echoes every message until the connection ends.
    pub fn echo(&mut self) -> io::Result<()> {
        while let Incoming::Message(opcode, payload) = self.receive()? {
            self.send(opcode, &payload)?;
        }
        Ok(())
    }

    /// Starts the closing handshake and waits for its end.
    pub fn close(mut self) -> io::Result<()> {
        self.send_close(Close {
            code: 1000,
            reason: "",
        })?;
        while let Incoming::Message(..) = self.receive()? {}
        Ok(())
    }
}

fn too_small(_: Short) -> io::Error {
    io::ErrorKind::InvalidInput.into()
}

enum Broken {
    Io(io::Error),
    Rule(Fault),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        Self::Rule(fault)
    }
}
