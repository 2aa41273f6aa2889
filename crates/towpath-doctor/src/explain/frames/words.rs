//! A format and its arguments as text. In go values, out goes a line, of bounded length.

use std::fmt::Write as _;

use defmt_parser::{DisplayHint, Fragment, ParserMode, TimePrecision, Type};

use super::value::Argument;

/// A line has no more characters than a log's has.
const LONGEST: usize = 2048;

/// Writes this format with these arguments.
pub(super) fn write(out: &mut String, format: &str, arguments: &[Argument<'_>]) {
    nested(out, format, arguments, None);
}

fn nested(out: &mut String, format: &str, arguments: &[Argument<'_>], outer: Option<&DisplayHint>) {
    let fragments = defmt_parser::parse(format, ParserMode::ForwardsCompatible);
    for fragment in fragments.unwrap_or_default() {
        if out.len() > LONGEST {
            return;
        }
        match fragment {
            Fragment::Literal(text) => out.push_str(&text),
            Fragment::Parameter(parameter) => {
                let hint = parameter.hint.as_ref().or(outer);
                if let Some(argument) = arguments.get(parameter.index) {
                    value(out, argument, &parameter.ty, hint);
                }
            }
        }
    }
}

fn value(out: &mut String, argument: &Argument<'_>, ty: &Type, hint: Option<&DisplayHint>) {
    // Writing to a string never fails.
    let _ = match argument {
        Argument::Unsigned(number) => unsigned(out, bits(*number, ty), hint),
        Argument::Signed(number) => match hint {
            Some(DisplayHint::NoHint { zero_pad }) => {
                write!(out, "{number:0width$}", width = bounded(*zero_pad))
            }
            _ => write!(out, "{number}"),
        },
        Argument::Float(number) => write!(out, "{number:?}"),
        Argument::Text(text) => string(out, text, hint),
        Argument::Word(text) => string(out, text, hint),
        Argument::Bytes(bytes) => write!(out, "{bytes:?}"),
        Argument::Nested(format, arguments) => {
            nested(out, format, arguments, hint);
            Ok(())
        }
        Argument::Sequence(parts) => {
            for part in parts {
                value(out, part, ty, hint);
            }
            Ok(())
        }
        Argument::List(parts) => {
            out.push('[');
            for (place, part) in parts.iter().enumerate() {
                if out.len() > LONGEST {
                    break;
                }
                if place > 0 {
                    out.push_str(", ");
                }
                value(out, part, ty, hint);
            }
            out.push(']');
            Ok(())
        }
    };
}

fn string(out: &mut String, text: &str, hint: Option<&DisplayHint>) -> std::fmt::Result {
    match hint {
        Some(DisplayHint::Debug) => write!(out, "{text:?}"),
        _ => {
            out.push_str(text);
            Ok(())
        }
    }
}

/// The bits that this parameter shows.
fn bits(number: u128, ty: &Type) -> u128 {
    match ty {
        Type::BitField(range) => {
            let above = 128 - u32::from(range.end.min(128));
            let shown = number.checked_shl(above).unwrap_or(0);
            let below = above + u32::from(range.start);
            shown.checked_shr(below).unwrap_or(0)
        }
        _ => number,
    }
}

/// No number is filled up to more digits than the longest has in binary.
fn bounded(width: usize) -> usize {
    width.min(130)
}

fn unsigned(out: &mut String, number: u128, hint: Option<&DisplayHint>) -> std::fmt::Result {
    match hint {
        Some(DisplayHint::NoHint { zero_pad }) => {
            write!(out, "{number:0width$}", width = bounded(*zero_pad))
        }
        Some(DisplayHint::Hexadecimal {
            alternate,
            uppercase,
            zero_pad,
        }) => {
            let width = bounded(*zero_pad);
            match (alternate, uppercase) {
                (false, false) => write!(out, "{number:0width$x}"),
                (false, true) => write!(out, "{number:0width$X}"),
                (true, false) => write!(out, "{number:#0width$x}"),
                (true, true) => write!(out, "{number:#0width$X}"),
            }
        }
        Some(DisplayHint::Octal { zero_pad, .. }) => {
            write!(out, "{number:0width$o}", width = bounded(*zero_pad))
        }
        Some(DisplayHint::Binary { zero_pad, .. }) => {
            write!(out, "{number:0width$b}", width = bounded(*zero_pad))
        }
        Some(DisplayHint::Seconds(precision) | DisplayHint::Time(precision)) => {
            let seconds = match precision {
                TimePrecision::Micros => number / 1_000_000,
                TimePrecision::Millis => number / 1_000,
                TimePrecision::Seconds => number,
            };
            if matches!(hint, Some(DisplayHint::Time(_))) {
                let (minutes, hours) = (seconds / 60 % 60, seconds / 3600);
                write!(out, "{hours:02}:{minutes:02}:{:02}", seconds % 60)?;
            } else {
                write!(out, "{seconds}")?;
            }
            match precision {
                TimePrecision::Micros => write!(out, ".{:06}", number % 1_000_000),
                TimePrecision::Millis => write!(out, ".{:03}", number % 1_000),
                TimePrecision::Seconds => Ok(()),
            }
        }
        _ => write!(out, "{number}"),
    }
}
