//! The download of an image over HTTP/1.1: what to ask for, and what the answer means (RFC 9110 sections 13 and 14).
//!
//! Takes in the heads of answers and how many bytes came; gives out requests, and where the bytes belong. No I/O: any HTTP
//! client fits, see [`Source`](super::Source).

use core::fmt::{self, Write};

use heapless::String;
use towpath_proto::{Fault, http::head as lines};

use super::{Address, Failure, Image, Job, Kept, Refused};
use crate::http::{Answer, Range, Url};

/// Redirections that are followed.
const REDIRECTS: u8 = 5;
/// How often a download begins anew because the image changed on its server.
const RESTARTS: u8 = 3;

/// By what a server tells whether an image has changed: a strong ETag or a date, at most 128 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validator(String<128>);

impl Validator {
    /// A validator as it stands in `If-Range`. `None` if it is too long, or can't stand there.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = !text.is_empty()
            && !text.starts_with("W/")
            && text.is_ascii()
            && lines::is_field_value(text.as_bytes());
        fits.then(|| String::try_from(text).ok().map(Self))?
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(answer: &Answer) -> Option<Self> {
        let etag = answer.etag.as_ref().and_then(|etag| Self::new(etag));
        etag.or_else(|| Self::new(answer.last_modified.as_ref()?))
    }
}

/// What to ask a server for, with GET.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// The address; [`Url`] takes it apart.
    pub url: &'a str,
    /// The part that is asked for; `None`: the whole image.
    pub range: Option<Range>,
    /// The value of `If-Range`.
    pub if_range: Option<&'a str>,
}

/// The query of an address may be a credential.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("url", &Url::parse(self.url))
            .field("range", &self.range)
            .field("if_range", &self.if_range)
            .finish()
    }
}

/// What to do after a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// The body is the image from its beginning.
    Begin(Image),
    /// The body goes on where the one before ended.
    Continue,
    /// The body does not count: ask again with the new [`Download::request`].
    Again,
    /// There is no more to come.
    Complete,
}

/// One image on its way.
#[derive(Clone)]
pub struct Download<'j> {
    job: &'j Job,
    tag: [u8; 32],
    url: Address,
    offset: u64,
    /// Where the body that comes ends.
    end: Option<u64>,
    /// The last byte that was asked for, and 1.
    asked: Option<u64>,
    total: Option<u64>,
    validator: Option<Validator>,
    /// Parts do not count: nothing says that they are of the same image.
    whole_only: bool,
    begun: bool,
    resumed: bool,
    redirects: u8,
    restarts: u8,
}

impl fmt::Debug for Download<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("job", self.job)
            .field("offset", &self.offset)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

impl<'j> Download<'j> {
    /// The download of a job, which goes on behind what was kept of the same image.
    ///
    /// # Errors
    /// If the address makes no sense, or the image has no room.
    pub fn new(job: &'j Job, kept: Option<&Kept>) -> Result<Self, Failure> {
        let Ok(url) = Url::parse(&job.url) else {
            return Err(Failure::new(Refused::Url));
        };
        if !url.secure && !job.plain {
            return Err(Failure::new(Refused::Insecure));
        }
        if job.size.is_some_and(|size| size > job.limit) {
            return Err(Failure::new(Refused::NoRoom));
        }
        let mut download = Self {
            job,
            tag: job.tag(),
            url: job.url.clone(),
            offset: 0,
            end: None,
            asked: None,
            total: job.size,
            validator: None,
            whole_only: false,
            begun: false,
            resumed: false,
            redirects: 0,
            restarts: 0,
        };
        if let Some(kept) = kept {
            download.resume(kept);
        }
        Ok(download)
    }

    /// Goes on, if what was kept is of this image and either a hash or the server can tell that it still is.
    fn resume(&mut self, kept: &Kept) {
        let total = self.total.or(kept.image.size);
        let known = self.job.digest.is_some() || kept.image.validator.is_some();
        if kept.image.tag == self.tag
            && known
            && kept.written > 0
            && total.is_none_or(|total| kept.written <= total)
        {
            self.offset = kept.written;
            self.total = total;
            self.validator.clone_from(&kept.image.validator);
            self.begun = true;
            self.resumed = true;
        }
    }

    /// What to ask for next.
    #[must_use]
    pub fn request(&mut self) -> Request<'_> {
        let fragment = self.job.fragment.filter(|_| !self.whole_only);
        self.asked = fragment.map(|fragment| {
            let end = self.offset.saturating_add(u64::from(fragment));
            self.total.map_or(end, |total| end.min(total))
        });
        let part = self.offset > 0 || self.asked.is_some();
        let validator = self.validator.as_ref().filter(|_| self.offset > 0);
        Request {
            url: &self.url,
            range: part.then(|| Range {
                first: self.offset,
                last: self.asked.map(|end| end.saturating_sub(1)),
            }),
            if_range: validator.map(Validator::as_str),
        }
    }

    /// What the head of an answer means.
    ///
    /// # Errors
    /// Why the image does not come this way.
    pub fn judge(&mut self, answer: &Answer) -> Result<Next, Failure> {
        match answer.status {
            200 => self.whole(answer),
            206 => self.part(answer),
            416 => self.beyond(answer),
            301 | 302 | 303 | 307 | 308 => self.redirect(answer),
            status => {
                let retry = matches!(status, 408 | 425 | 429 | 500..=599);
                let mut failure = Failure::new(Refused::Server);
                failure.status = status;
                failure.retry = retry;
                failure.after = answer.retry_after.filter(|_| retry);
                Err(failure)
            }
        }
    }

    fn whole(&mut self, answer: &Answer) -> Result<Next, Failure> {
        let length = answer.content_length;
        self.fits(length)?;
        if self.job.size.is_none() && length.is_none() {
            // An end that nothing announces may be anywhere.
            return Err(Failure::new(Refused::NoSize));
        }
        if self.offset > 0 {
            self.restart()?;
        }
        self.total = self.job.size.or(length);
        self.end = length.or(self.job.size);
        Ok(self.begin(answer))
    }

    fn part(&mut self, answer: &Answer) -> Result<Next, Failure> {
        let wrong = Failure::new(Refused::Range);
        let Some((Some((from, to)), total)) = answer.content_range.map(|is| (is.part, is.whole))
        else {
            return Err(wrong);
        };
        let end = to.saturating_add(1);
        let length = answer.content_length;
        if from != self.offset
            || self.asked.is_some_and(|asked| end > asked)
            || length.is_some_and(|length| length != end - from)
        {
            return Err(wrong);
        }
        let (changed, vouched) = match (&self.validator, Validator::of(answer)) {
            (Some(one), Some(other)) => (*one != other, *one == other),
            _ => (false, false),
        };
        if self.offset > 0 && self.job.digest.is_none() && !vouched {
            // No hash would tell that this is a part of another image.
            self.restart()?;
            self.whole_only = !changed;
            return Ok(Next::Again);
        }
        let resized = total.is_some() && self.total.is_some() && total != self.total;
        if self.offset > 0 && self.job.size.is_none() && (changed || resized) {
            self.restart()?;
            self.total = None;
            return Ok(Next::Again);
        }
        self.fits(total)?;
        // Less than was asked for, and nobody said how much there is: this is the end.
        let last = self.asked.is_some_and(|asked| end < asked);
        self.total = self.total.or(total).or_else(|| last.then_some(end));
        self.fits(Some(end).filter(|end| *end > self.job.limit))?;
        self.end = Some(end);
        Ok(if self.begun {
            Next::Continue
        } else {
            self.begin(answer)
        })
    }

    fn beyond(&mut self, answer: &Answer) -> Result<Next, Failure> {
        let whole = answer.content_range.and_then(|is| is.whole);
        let total = whole.or(self.total);
        if self.offset == 0 || self.restarts >= RESTARTS {
            let mut failure = Failure::new(Refused::Server);
            failure.status = 416;
            return Err(failure);
        }
        if total == Some(self.offset) && self.job.size.is_none_or(|size| size == self.offset) {
            self.total = total;
            return Ok(Next::Complete);
        }
        self.restart()?;
        Ok(Next::Again)
    }

    fn redirect(&mut self, answer: &Answer) -> Result<Next, Failure> {
        let refused = Failure::new(Refused::Redirect);
        self.redirects += 1;
        let location = answer
            .location
            .as_ref()
            .filter(|_| self.redirects <= REDIRECTS);
        let (Ok(here), Some(location)) = (Url::parse(&self.url), location) else {
            return Err(refused);
        };
        let Ok(there) = here.follow(location) else {
            return Err(refused);
        };
        if here.secure && !there.secure {
            return Err(Failure::new(Refused::Insecure));
        }
        let mut url = Address::new();
        let scheme = if there.secure { "https" } else { "http" };
        write!(url, "{scheme}://{}{}", there.authority, there.target)
            .map_err(|fmt::Error| refused)?;
        self.url = url;
        Ok(Next::Again)
    }

    /// The image begins anew.
    fn restart(&mut self) -> Result<(), Failure> {
        self.restarts += 1;
        self.offset = 0;
        self.begun = false;
        self.resumed = false;
        self.validator = None;
        self.total = self.job.size;
        if self.restarts > RESTARTS {
            return Err(Failure::new(Refused::Range));
        }
        Ok(())
    }

    fn begin(&mut self, answer: &Answer) -> Next {
        self.begun = true;
        self.validator = Validator::of(answer);
        Next::Begin(Image {
            tag: self.tag,
            size: self.total,
            validator: self.validator.clone(),
        })
    }

    /// Whether an image of this size is the one that is meant, and has room.
    fn fits(&self, size: Option<u64>) -> Result<(), Failure> {
        if size.is_some_and(|size| size > self.job.limit) {
            return Err(Failure::new(Refused::NoRoom));
        }
        if size.is_some() && self.job.size.is_some() && size != self.job.size {
            return Err(Failure::new(Refused::Size));
        }
        Ok(())
    }

    /// `len` bytes of the body came.
    ///
    /// # Errors
    /// If they are more than the image has.
    pub fn came(&mut self, len: usize) -> Result<(), Failure> {
        self.offset = self
            .offset
            .saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        if self.offset > self.end.or(self.job.size).unwrap_or(self.job.limit) {
            return Err(Failure::new(Refused::Size));
        }
        Ok(())
    }

    /// The body ended as its framing says.
    ///
    /// # Errors
    /// If bytes are missing; what came can be used.
    pub fn ended(&mut self) -> Result<(), Failure> {
        if self.end.or(self.total).is_some_and(|end| self.offset < end) {
            let mut failure = Failure::new(Refused::Truncated);
            failure.retry = true;
            return Err(failure);
        }
        if self.end.is_none() {
            self.total = Some(self.offset);
        }
        Ok(())
    }

    /// Whether all of the image is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.begun && self.total == Some(self.offset)
    }

    /// Whether it goes on behind what another run wrote.
    #[must_use]
    pub const fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// How many bytes of the image came.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// How many there are, if known.
    #[must_use]
    pub const fn total(&self) -> Option<u64> {
        self.total
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let mut failure = Self::new(Refused::Unreachable);
        failure.retry = true;
        failure.fault = Some(fault);
        failure
    }
}
