//! The grammar of RFC 8259, from one byte to the next.

use super::Malformed;

/// A place in a text.
#[derive(Debug, Clone)]
pub(super) struct Scan<'a> {
    text: &'a str,
    /// Bytes that were read. It stays where a character begins whenever a slice is cut there.
    at: usize,
    /// An item of an array or object was read.
    begun: bool,
}

/// What is open around a place: one bit for each array (0) or object (1), the innermost one in the lowest.
#[derive(Debug, Default)]
struct Nest {
    bits: u64,
    depth: u32,
}

impl Nest {
    fn open(&mut self, object: bool) -> Result<(), Malformed> {
        if self.depth == u64::BITS {
            return Err(Malformed);
        }
        self.bits = self.bits << 1 | u64::from(object);
        self.depth += 1;
        Ok(())
    }

    const fn is_object(&self) -> bool {
        self.bits & 1 == 1
    }

    const fn close(&mut self) {
        self.bits >>= 1;
        self.depth = self.depth.saturating_sub(1);
    }
}

impl<'a> Scan<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            begun: false,
        }
    }

    /// Behind the bracket with which an array or object begins.
    pub(super) const fn inside(text: &'a str) -> Self {
        Self {
            text,
            at: 1,
            begun: false,
        }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at = self.at.saturating_add(1);
        Some(byte)
    }

    /// Takes the byte if it comes next.
    fn take(&mut self, byte: u8) -> bool {
        let taken = self.peek() == Some(byte);
        if taken {
            self.at = self.at.saturating_add(1);
        }
        taken
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        self.take(byte).then_some(()).ok_or(Malformed)
    }

    pub(super) fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at = self.at.saturating_add(1);
        }
    }

    /// Before the next item of an array or object that was checked; `None` at its end.
    pub(super) fn next_item(&mut self) -> Option<()> {
        self.space();
        if core::mem::replace(&mut self.begun, true) {
            return self.take(b',').then_some(());
        }
        (!matches!(self.peek(), None | Some(b']' | b'}'))).then_some(())
    }

    /// A member's name with its quotes, and the colon behind it.
    pub(super) fn key(&mut self) -> Result<&'a str, Malformed> {
        self.space();
        let start = self.at;
        self.string()?;
        let key = self.text.get(start..self.at).ok_or(Malformed)?;
        self.space();
        self.expect(b':')?;
        Ok(key)
    }

    /// One value with all that is in it; gives its text.
    pub(super) fn value(&mut self) -> Result<&'a str, Malformed> {
        self.space();
        let start = self.at;
        let mut nest = Nest::default();
        loop {
            self.space();
            if self.begin(&mut nest)? {
                continue;
            }
            // A value has ended, and with it perhaps what is around it.
            loop {
                if nest.depth == 0 {
                    return self.text.get(start..self.at).ok_or(Malformed);
                }
                self.space();
                if self.take(b',') {
                    if nest.is_object() {
                        self.key()?;
                    }
                    break;
                }
                self.expect(if nest.is_object() { b'}' } else { b']' })?;
                nest.close();
            }
        }
    }

    /// Begins a value; true if another one begins inside it, false if it has ended.
    fn begin(&mut self, nest: &mut Nest) -> Result<bool, Malformed> {
        match self.peek().ok_or(Malformed)? {
            b'{' => {
                self.next();
                self.space();
                if self.take(b'}') {
                    return Ok(false);
                }
                nest.open(true)?;
                self.key()?;
                return Ok(true);
            }
            b'[' => {
                self.next();
                self.space();
                if self.take(b']') {
                    return Ok(false);
                }
                nest.open(false)?;
                return Ok(true);
            }
            b'"' => self.string()?,
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            b'n' => self.word("null")?,
            _ => self.number()?,
        }
        Ok(false)
    }

    fn word(&mut self, word: &str) -> Result<(), Malformed> {
        word.bytes().try_for_each(|byte| self.expect(byte))
    }

    /// Section 7. What is not ASCII was checked as UTF-8 before.
    fn string(&mut self) -> Result<(), Malformed> {
        self.expect(b'"')?;
        loop {
            match self.next().ok_or(Malformed)? {
                b'"' => return Ok(()),
                b'\\' => match self.next().ok_or(Malformed)? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        for _ in 0..4 {
                            let digit = self.next().is_some_and(|byte| byte.is_ascii_hexdigit());
                            digit.then_some(()).ok_or(Malformed)?;
                        }
                    }
                    _ => return Err(Malformed),
                },
                0..b' ' => return Err(Malformed),
                _ => {}
            }
        }
    }

    /// Section 6.
    fn number(&mut self) -> Result<(), Malformed> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at = self.at.saturating_add(1);
        }
        (self.at > start).then_some(()).ok_or(Malformed)
    }
}
