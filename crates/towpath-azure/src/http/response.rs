//! The answer to a request, read as it comes.
//!
//! Takes in bytes in pieces of any size; gives out the head's fields that matter here, and the body as slices of what
//! came, without its framing: by length, in chunks, or up to the end of the connection (RFC 9112 section 6). Fields
//! that nobody asks for are skipped, however long.

use core::fmt;

use heapless::{String, Vec};
use towpath_proto::{http::head, text::Text};

/// The bytes of a line that are kept; a longer one is skipped if nobody asks for it.
const LINE: usize = 1600;

/// The longest `Location` that is kept.
const LOCATION: usize = 1536;

/// The bytes of a head, of trailers as well.
const HEAD: u32 = 32 * 1024;

/// An answer that is being read. It has about 4 kB.
pub struct Response {
    state: State,
    line: Vec<u8, LINE>,
    /// The line was longer than what is kept.
    overlong: bool,
    /// Bytes of this head so far.
    head: u32,
    /// It answers a `HEAD` request, so no body follows.
    bodiless: bool,
    framing: Framing,
    answer: Answer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    StartLine,
    Fields,
    /// So many bytes are left.
    Length(u64),
    ChunkLine,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    UntilClosed,
    Done,
    Failed(Problem),
}

/// What the head says about the body's framing.
#[derive(Debug, Clone, Copy, Default)]
struct Framing {
    /// The last transfer coding is `chunked`.
    chunked: bool,
    /// There is another one.
    coded: bool,
    /// The body is compressed, though nobody asked for that.
    compressed: bool,
}

/// What the head says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The words beside it.
    pub reason: Text<56>,
    /// How many bytes the body has, where the head says it.
    pub content_length: Option<u64>,
    /// Which part of the file it is.
    pub content_range: Option<ContentRange>,
    /// Which version of the file it is, with its quotes. Left out if it has more than 128 bytes.
    pub etag: Option<String<128>>,
    /// When the file was changed, as the server wrote it.
    pub last_modified: Option<String<32>>,
    /// The time of the server's clock, as it wrote it.
    pub date: Option<String<32>>,
    /// What the server calls itself, as far as it fits.
    pub server: Option<String<64>>,
    /// When to ask again, in seconds. A date is left out.
    pub retry_after: Option<u32>,
    /// Where else to ask.
    pub location: Option<String<LOCATION>>,
    /// Whether the connection can be used for another request.
    pub keep_alive: bool,
}

impl Answer {
    const NONE: Self = Self {
        status: 0,
        reason: Text::EMPTY,
        content_length: None,
        content_range: None,
        etag: None,
        last_modified: None,
        date: None,
        server: None,
        retry_after: None,
        location: None,
        keep_alive: true,
    };
}

/// The field `Content-Range` (RFC 9110 section 14.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    /// The first and the last byte; `None` with status 416.
    pub part: Option<(u64, u64)>,
    /// The length of the whole file, where the server knows it.
    pub whole: Option<u64>,
}

impl ContentRange {
    /// Reads the value of the field; `None` if it is not one in bytes.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let value = core::str::from_utf8(value).ok()?;
        let (unit, rest) = value.split_once(' ')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (part, whole) = rest.trim().split_once('/')?;
        let whole = match whole {
            "*" => None,
            digits => Some(number(digits)?),
        };
        let part = match part {
            "*" => None,
            part => {
                let (first, last) = part.split_once('-')?;
                let (first, last) = (number(first)?, number(last)?);
                if first > last || whole.is_some_and(|whole| last >= whole) {
                    return None;
                }
                Some((first, last))
            }
        };
        Some(Self { part, whole })
    }
}

/// A decimal number of digits only.
fn number(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// What the bytes brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'b> {
    /// The head is complete: [`Response::answer`] has it.
    Head,
    /// A piece of the body.
    Body(&'b [u8]),
    /// All bytes were taken, and more are needed.
    More,
    /// The answer is complete. Bytes that were not taken do not belong to it.
    End,
}

impl Default for Response {
    fn default() -> Self {
        Self::new()
    }
}

impl Response {
    /// The answer to any request but `HEAD`.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: State::StartLine,
            line: Vec::new(),
            overlong: false,
            head: 0,
            bodiless: false,
            framing: Framing {
                chunked: false,
                coded: false,
                compressed: false,
            },
            answer: Answer::NONE,
        }
    }

    /// The answer to a `HEAD` request, which has no body whatever its head says.
    #[must_use]
    pub const fn without_body() -> Self {
        let mut response = Self::new();
        response.bodiless = true;
        response
    }

    /// What the head says, once it is complete.
    #[must_use]
    pub const fn answer(&self) -> Option<&Answer> {
        match self.state {
            State::StartLine | State::Fields | State::Failed(_) => None,
            _ => Some(&self.answer),
        }
    }

    /// Whether the answer is complete.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Reads on: how many bytes were taken, and what they brought. To be called with the rest until it says
    /// [`Step::More`] or [`Step::End`].
    ///
    /// # Errors
    /// What is wrong with the answer; the connection is of no use then, and the same error comes again.
    pub fn feed<'b>(&mut self, bytes: &'b [u8]) -> Result<(usize, Step<'b>), Problem> {
        let mut taken = 0;
        loop {
            let rest = bytes.get(taken..).unwrap_or_default();
            let (more, step) = match self.state {
                State::Done => (0, Some(Step::End)),
                State::Failed(problem) => return Err(problem),
                State::Length(left) | State::Chunk(left) => self.counted(rest, left),
                State::UntilClosed if rest.is_empty() => (0, Some(Step::More)),
                State::UntilClosed => (rest.len(), Some(Step::Body(rest))),
                _ => self.lines(rest).inspect_err(|problem| {
                    self.state = State::Failed(*problem);
                })?,
            };
            taken += more;
            if let Some(step) = step {
                return Ok((taken, step));
            }
        }
    }

    /// The connection has ended.
    ///
    /// # Errors
    /// The answer was not complete, or was wrong before.
    pub fn closed(&mut self) -> Result<(), Problem> {
        let missing = match self.state {
            State::UntilClosed | State::Done => {
                self.state = State::Done;
                return Ok(());
            }
            State::Failed(problem) => return Err(problem),
            State::Length(left) => Some(left),
            _ => None,
        };
        let problem = Problem::Cut { missing };
        self.state = State::Failed(problem);
        Err(problem)
    }

    /// A body, or a chunk, of known length.
    fn counted<'b>(&mut self, rest: &'b [u8], left: u64) -> (usize, Option<Step<'b>>) {
        let len = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
        let Some(piece) = rest.get(..len).filter(|piece| !piece.is_empty()) else {
            return (0, Some(Step::More));
        };
        let left = left.saturating_sub(u64::try_from(len).unwrap_or(left));
        self.state = match (self.state, left) {
            (State::Chunk(_), 0) => State::ChunkEnd,
            (State::Chunk(_), left) => State::Chunk(left),
            (_, 0) => State::Done,
            (_, left) => State::Length(left),
        };
        (len, Some(Step::Body(piece)))
    }

    /// Everything that comes in lines.
    fn lines<'b>(&mut self, rest: &'b [u8]) -> Result<(usize, Option<Step<'b>>), Problem> {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let len = end.map_or(rest.len(), |lf| lf.saturating_add(1));
        self.head = self
            .head
            .saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
        if self.head > HEAD {
            return Err(Problem::HeadTooLong);
        }
        let room = LINE.saturating_sub(self.line.len());
        let piece = rest.get(..len).unwrap_or(rest);
        let kept = piece.get(..piece.len().min(room)).unwrap_or(piece);
        let whole = self.line.extend_from_slice(kept).is_ok() && kept.len() == piece.len();
        self.overlong |= !whole;
        if end.is_none() {
            return Ok((len, Some(Step::More)));
        }
        let line = core::mem::take(&mut self.line);
        let overlong = core::mem::take(&mut self.overlong);
        let line = head::line(&line).map_or(line.as_slice(), |(line, _)| line);
        Ok((len, self.line(line, overlong)?))
    }

    fn line(&mut self, line: &[u8], overlong: bool) -> Result<Option<Step<'static>>, Problem> {
        match self.state {
            State::StartLine => {
                self.start_line(line)?;
                self.state = State::Fields;
            }
            State::Fields if line.is_empty() => return self.end_of_head(),
            State::Fields => self.field(line, overlong)?,
            State::ChunkLine if overlong => return Err(Problem::Chunk),
            State::ChunkLine => {
                self.state = match chunk_size(line).ok_or(Problem::Chunk)? {
                    0 => State::Trailers,
                    size => State::Chunk(size),
                };
                self.head = 0;
            }
            State::ChunkEnd if line.is_empty() => self.state = State::ChunkLine,
            State::ChunkEnd => return Err(Problem::Chunk),
            State::Trailers if line.is_empty() => self.state = State::Done,
            _ => {}
        }
        Ok(None)
    }

    fn start_line(&mut self, line: &[u8]) -> Result<(), Problem> {
        // An answer of HTTP/1.0 reads the same but for the connection, which ends with it.
        let mut start = [b' '; 13];
        for (to, from) in start.iter_mut().zip(line) {
            *to = *from;
        }
        let old = start.get(7) == Some(&b'0');
        if let (true, Some(minor)) = (old, start.get_mut(7)) {
            *minor = b'1';
        }
        let status = head::status(&start).ok_or(Problem::NotHttp)?;
        self.framing = Framing::default();
        self.answer = Answer {
            status,
            reason: Text::from_bytes(line.get(13..).unwrap_or_default()),
            keep_alive: !old,
            ..Answer::NONE
        };
        Ok(())
    }

    fn field(&mut self, line: &[u8], overlong: bool) -> Result<(), Problem> {
        let (name, value) = match head::field(line) {
            Some((name, value)) if head::is_token(name) => (name, value),
            _ => return Err(Problem::Field),
        };
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if overlong {
            return if is("location") {
                Err(Problem::LocationTooLong)
            } else {
                Ok(())
            };
        }
        let answer = &mut self.answer;
        if is("content-length") {
            content_length(&mut answer.content_length, value)?;
        } else if is("transfer-encoding") {
            for coding in head::members(value) {
                // `chunked` comes last; anything behind it would be another coding of the whole.
                self.framing.coded |= self.framing.chunked;
                self.framing.chunked = coding.eq_ignore_ascii_case(b"chunked");
                self.framing.coded |= !self.framing.chunked;
            }
        } else if is("content-encoding") {
            self.framing.compressed |=
                head::members(value).any(|coding| !coding.eq_ignore_ascii_case(b"identity"));
        } else if is("connection") {
            if head::has_member(value, "close") {
                answer.keep_alive = false;
            }
        } else if is("content-range") {
            answer.content_range = Some(ContentRange::parse(value).ok_or(Problem::ContentRange)?);
        } else if is("etag") {
            answer.etag = text(value);
        } else if is("last-modified") {
            answer.last_modified = text(value);
        } else if is("date") {
            answer.date = text(value);
        } else if is("server") {
            answer.server = text(value);
        } else if is("retry-after") {
            answer.retry_after = core::str::from_utf8(value)
                .ok()
                .and_then(number)
                .map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX));
        } else if is("location") {
            answer.location = Some(text(value).ok_or(Problem::LocationTooLong)?);
        }
        Ok(())
    }

    fn end_of_head(&mut self) -> Result<Option<Step<'static>>, Problem> {
        let status = self.answer.status;
        self.head = 0;
        match status {
            101 => return Err(Problem::Switched),
            // An interim answer; the real one follows.
            100..=199 => {
                self.state = State::StartLine;
                return Ok(None);
            }
            _ => {}
        }
        if self.framing.coded {
            return Err(Problem::Coding);
        }
        let bodiless = self.bodiless || matches!(status, 204 | 304);
        if self.framing.compressed && !bodiless {
            return Err(Problem::Compressed);
        }
        self.state = match self.answer.content_length {
            _ if bodiless => State::Done,
            _ if self.framing.chunked => State::ChunkLine,
            Some(0) => State::Done,
            Some(len) => State::Length(len),
            None => State::UntilClosed,
        };
        if self.framing.chunked && self.answer.content_length.take().is_some() {
            // Both at once is how answers are smuggled; the connection is not used again (RFC 9112 6.3).
            self.answer.keep_alive = false;
        }
        if self.state == State::UntilClosed {
            self.answer.keep_alive = false;
        }
        Ok(Some(Step::Head))
    }
}

/// Takes in a `Content-Length`; the same one may come more than once.
fn content_length(known: &mut Option<u64>, value: &[u8]) -> Result<(), Problem> {
    for member in value.split(|byte| *byte == b',') {
        let len = core::str::from_utf8(member.trim_ascii())
            .ok()
            .and_then(number)
            .ok_or(Problem::Length)?;
        if known.is_some_and(|known| known != len) {
            return Err(Problem::Length);
        }
        *known = Some(len);
    }
    Ok(())
}

/// The size that begins a chunk; its extensions are skipped.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |size, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        size.checked_mul(16)?.checked_add(u64::from(digit))
    })
}

/// A value of visible ASCII, if it fits.
fn text<const N: usize>(value: &[u8]) -> Option<String<N>> {
    let plain = value.iter().all(|byte| matches!(byte, b' '..=b'~'));
    let value = core::str::from_utf8(value).ok().filter(|_| plain)?;
    String::try_from(value).ok()
}

/// Without the lines, which may hold tokens.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("state", &self.state)
            .field("status", &self.answer.status)
            .finish_non_exhaustive()
    }
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Problem {
    /// It does not begin like one.
    NotHttp,
    /// A line of the head is no field, or is folded.
    Field,
    /// The head has no end.
    HeadTooLong,
    /// The server wants to send the client elsewhere, at an address too long to keep.
    LocationTooLong,
    /// `Content-Length` is not a number, or there are two.
    Length,
    /// `Content-Range` is not a range of bytes.
    ContentRange,
    /// The transfer coding is not `chunked`.
    Coding,
    /// The body is compressed, though that was declined.
    Compressed,
    /// A chunk does not begin with its size, or does not end where it should.
    Chunk,
    /// The server switched to another protocol, unasked.
    Switched,
    /// The connection ended before the answer did.
    Cut {
        /// The bytes that are missing, where the server had said how many there would be.
        missing: Option<u64>,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotHttp => {
                "the answer is not HTTP. Check that address and port are those of a web server"
            }
            Self::Field => "the head of the answer has a line that is no header field",
            Self::HeadTooLong => "the head of the answer has more than 32 kB",
            Self::LocationTooLong => {
                "the server redirects to an address of more than 1.5 kB or with control characters. Give the final address"
            }
            Self::Length => "the answer's Content-Length is not one number",
            Self::ContentRange => "the answer's Content-Range is not a range of bytes",
            Self::Coding => "the answer has a transfer coding other than chunked",
            Self::Compressed => {
                "the answer is compressed though that was declined. Turn compression off for this file"
            }
            Self::Chunk => "the answer's chunks are not where they should be",
            Self::Switched => "the server switched to another protocol unasked",
            Self::Cut {
                missing: Some(missing),
            } => {
                return write!(
                    f,
                    "the connection ended {missing} bytes before the answer. Ask for the rest"
                );
            }
            Self::Cut { missing: None } => {
                "the connection ended before the answer. Ask again"
            }
        })
    }
}

impl core::error::Error for Problem {}
