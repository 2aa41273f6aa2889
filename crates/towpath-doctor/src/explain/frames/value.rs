//! The arguments of a frame. In go bytes and a format; out come values. A number in the bytes never decides how much memory
//! is taken: each value has to be there.

use defmt_parser::{Fragment, Parameter, ParserMode, Type};

use super::Firmware;

/// A value of a frame.
#[derive(Debug)]
pub(super) enum Argument<'f> {
    Unsigned(u128),
    Signed(i128),
    Float(f64),
    Text(String),
    Word(&'f str),
    Bytes(Vec<u8>),
    /// Something with a format of its own.
    Nested(&'f str, Vec<Self>),
    /// Several of these, one behind the other.
    Sequence(Vec<Self>),
    /// Several of these, as a list.
    List(Vec<Self>),
}

/// Why there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The bytes end before it does.
    Short,
    /// It can't be right.
    Damaged,
}

/// Formats in formats: deeper than any type of a firmware.
const DEEPEST: u8 = 24;
/// Values of a frame.
const MOST: usize = 4096;

/// Bytes with the formats that say what they are.
#[derive(Debug)]
pub(super) struct Wire<'f, 'b> {
    firmware: &'f Firmware,
    bytes: &'b [u8],
    len: usize,
    depth: u8,
    values: usize,
}

impl<'f, 'b> Wire<'f, 'b> {
    pub(super) const fn new(firmware: &'f Firmware, bytes: &'b [u8]) -> Self {
        Self {
            firmware,
            bytes,
            len: bytes.len(),
            depth: 0,
            values: 0,
        }
    }

    /// How many bytes were read.
    pub(super) const fn used(&self) -> usize {
        self.len.saturating_sub(self.bytes.len())
    }

    fn take(&mut self, len: usize) -> Result<&'b [u8], Trouble> {
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or(Trouble::Short)?;
        self.bytes = rest;
        Ok(taken)
    }

    /// A number of up to 16 bytes, the lowest first.
    fn number(&mut self, len: usize) -> Result<u128, Trouble> {
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(self.take(len)?) {
            *to = *from;
        }
        Ok(u128::from_le_bytes(bytes))
    }

    pub(super) fn u16(&mut self) -> Result<u16, Trouble> {
        Ok(u16::try_from(self.number(2)?).unwrap_or_default())
    }

    fn len(&mut self) -> Result<usize, Trouble> {
        let len = self.number(4)?;
        usize::try_from(len).map_err(|_| Trouble::Damaged)
    }

    /// The arguments that this format has, by their place.
    pub(super) fn arguments(&mut self, format: &str) -> Result<Vec<Argument<'f>>, Trouble> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Trouble::Damaged);
        }
        let fragments = defmt_parser::parse(format, ParserMode::ForwardsCompatible)
            .map_err(|_| Trouble::Damaged)?;
        let parameters = fragments.into_iter().filter_map(|fragment| match fragment {
            Fragment::Parameter(parameter) => Some(parameter),
            Fragment::Literal(_) => None,
        });
        let mut arguments = Vec::new();
        for parameter in by_place(parameters.collect()) {
            arguments.push(self.argument(&parameter.ty)?);
        }
        self.depth -= 1;
        Ok(arguments)
    }

    fn argument(&mut self, ty: &Type) -> Result<Argument<'f>, Trouble> {
        self.values += 1;
        if self.values > MOST {
            return Err(Trouble::Damaged);
        }
        Ok(match ty {
            Type::U8 => Argument::Unsigned(self.number(1)?),
            Type::U16 => Argument::Unsigned(self.number(2)?),
            Type::U32 | Type::Usize => Argument::Unsigned(self.number(4)?),
            Type::U64 => Argument::Unsigned(self.number(8)?),
            Type::U128 => Argument::Unsigned(self.number(16)?),
            Type::I8 => self.signed(1)?,
            Type::I16 => self.signed(2)?,
            Type::I32 | Type::Isize => self.signed(4)?,
            Type::I64 => self.signed(8)?,
            Type::I128 => self.signed(16)?,
            Type::F32 => {
                let bits = u32::try_from(self.number(4)?).unwrap_or_default();
                Argument::Float(f32::from_bits(bits).into())
            }
            Type::F64 => {
                let bits = u64::try_from(self.number(8)?).unwrap_or_default();
                Argument::Float(f64::from_bits(bits))
            }
            Type::Bool => match self.number(1)? {
                0 => Argument::Word("false"),
                1 => Argument::Word("true"),
                _ => return Err(Trouble::Damaged),
            },
            Type::Char => {
                let number = u32::try_from(self.number(4)?).unwrap_or(u32::MAX);
                let character = char::from_u32(number).ok_or(Trouble::Damaged)?;
                Argument::Text(character.into())
            }
            Type::BitField(range) => {
                let first = range.start / 8;
                let bytes = (range.end.saturating_sub(1) / 8).saturating_sub(first) + 1;
                // As long as the integer that these bytes fit in.
                let bytes = usize::from(bytes).next_power_of_two();
                let number = self.number(bytes)?;
                Argument::Unsigned(number.checked_shl(u32::from(first) * 8).unwrap_or(0))
            }
            Type::Str => {
                let len = self.len()?;
                self.text(len)?
            }
            Type::Debug | Type::Display => {
                let end = self.bytes.iter().position(|byte| *byte == 0xff);
                let text = self.text(end.ok_or(Trouble::Short)?)?;
                self.take(1)?;
                text
            }
            Type::IStr => Argument::Word(self.string()?),
            Type::U8Slice => {
                let len = self.len()?;
                Argument::Bytes(self.take(len)?.to_vec())
            }
            Type::U8Array(len) => Argument::Bytes(self.take(*len)?.to_vec()),
            Type::Format => {
                let format = self.string()?;
                self.nested(format)?
            }
            Type::FormatSequence => self.sequence()?,
            Type::FormatSlice => {
                let len = self.len()?;
                self.list(len)?
            }
            Type::FormatArray(len) => self.list(*len)?,
        })
    }

    fn signed(&mut self, len: usize) -> Result<Argument<'f>, Trouble> {
        let number = self.number(len)?.cast_signed();
        let unused = (16 - u32::try_from(len).unwrap_or(16)) * 8;
        let number = number.checked_shl(unused).unwrap_or(0);
        Ok(Argument::Signed(number.checked_shr(unused).unwrap_or(0)))
    }

    fn text(&mut self, len: usize) -> Result<Argument<'f>, Trouble> {
        let bytes = self.take(len)?;
        let text = std::str::from_utf8(bytes).map_err(|_| Trouble::Damaged)?;
        Ok(Argument::Text(text.to_owned()))
    }

    fn string(&mut self) -> Result<&'f str, Trouble> {
        let index = self.u16()?;
        self.firmware.string(index).ok_or(Trouble::Damaged)
    }

    /// A value of this format; one of several, where it is an enum.
    fn nested(&mut self, format: &'f str) -> Result<Argument<'f>, Trouble> {
        let mut format = format;
        let bars = format.matches('|').count();
        if bars > 0 {
            let len = if bars <= 0xff { 1 } else { 2 };
            let variant = usize::try_from(self.number(len)?).unwrap_or(usize::MAX);
            format = format.split('|').nth(variant).ok_or(Trouble::Damaged)?;
        }
        let arguments = self.arguments(format)?;
        Ok(Argument::Nested(format, arguments))
    }

    fn sequence(&mut self) -> Result<Argument<'f>, Trouble> {
        let mut parts = Vec::new();
        loop {
            self.values += 1;
            let index = self.u16()?;
            if index == 0 {
                return Ok(Argument::Sequence(parts));
            }
            if self.values > MOST {
                return Err(Trouble::Damaged);
            }
            let format = self.firmware.string(index).ok_or(Trouble::Damaged)?;
            let arguments = self.arguments(format)?;
            parts.push(Argument::Nested(format, arguments));
        }
    }

    fn list(&mut self, len: usize) -> Result<Argument<'f>, Trouble> {
        let format = self.string()?;
        let mut parts = Vec::new();
        for _ in 0..len {
            // An element may have no bytes of its own.
            self.values += 1;
            if self.values > MOST {
                return Err(Trouble::Damaged);
            }
            parts.push(self.nested(format)?);
        }
        Ok(Argument::List(parts))
    }
}

/// One parameter for each argument: where several show bits of one, that which spans them all.
fn by_place(mut parameters: Vec<Parameter>) -> Vec<Parameter> {
    parameters.sort_by_key(|parameter| parameter.index);
    parameters.dedup_by(|next, kept| {
        if next.index != kept.index {
            return false;
        }
        if let (Type::BitField(next), Type::BitField(kept)) = (&next.ty, &mut kept.ty) {
            kept.start = kept.start.min(next.start);
            kept.end = kept.end.max(next.end);
        }
        true
    });
    parameters
}
