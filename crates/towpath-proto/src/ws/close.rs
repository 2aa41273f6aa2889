//! Close frames: RFC 6455 sections 5.5.1 and 7.4.

use super::frame::{CONTROL_MAX, Opcode, write};
use crate::{
    bytes::Short,
    fault::{Code, Fault},
    rung::Rung,
    ws::told,
};

/// The code of a [`Close`] that carries none (RFC 6455 7.1.5). It is never sent.
pub const NO_STATUS: u16 = 1005;

/// The body of a Close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Close<'a> {
    /// Why (RFC 6455 7.4.1); [`NO_STATUS`] if the peer does not say.
    pub code: u16,
    /// The same for people, up to 123 bytes.
    pub reason: &'a str,
}

/// Reads the payload of a Close frame.
///
/// # Errors
/// [`Code::FrameClose`] with the code as number if the body is one byte or the code may not be sent,
/// [`Code::FrameUtf8`] if the reason is not UTF-8.
pub fn parse_close(payload: &[u8]) -> Result<Close<'_>, Fault> {
    let fault = closed_by(payload);
    if fault.code != Code::WsClosed {
        return Err(fault);
    }
    let reason = payload.get(2..).unwrap_or_default();
    Ok(Close {
        code: u16::try_from(fault.number).unwrap_or(NO_STATUS),
        reason: core::str::from_utf8(reason).unwrap_or_default(),
    })
}

/// What a Close frame with this payload ends a connection with: [`Code::WsClosed`] with its code and reason, or the
/// fault of [`parse_close`].
pub(crate) fn closed_by(payload: &[u8]) -> Fault {
    let mut said: &[u8] = &[];
    let (code, number, clause) = match payload {
        [] => (Code::WsClosed, NO_STATUS, ""),
        // 5.5.1: if there is a body, its first two bytes MUST be a status code.
        [_] => (Code::FrameClose, 0, told("RFC 6455 5.5.1")),
        [high, low, reason @ ..] => match u16::from_be_bytes([*high, *low]) {
            number if !may_be_sent(number) => (Code::FrameClose, number, told("RFC 6455 7.4")),
            // 8.1 by way of 5.5.1: the reason is UTF-8.
            _ if core::str::from_utf8(reason).is_err() => {
                (Code::FrameUtf8, 0, told("RFC 6455 5.5.1"))
            }
            number => {
                said = reason;
                (Code::WsClosed, number, "")
            }
        },
    };
    let mut fault = Fault::new(Rung::Ws, code);
    fault.number = u32::from(number);
    fault.clause = clause;
    fault.detail.keep(said);
    fault
}

/// 7.4.1 and the registry it founds (1012 to 1014 came later); 7.4.2: 3000 to 4999 are for libraries and applications.
const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Writes a Close frame to the start of `out` and gives its length. With [`NO_STATUS`] the frame has no body;
/// a `reason` of more than 123 bytes is cut.
///
/// # Errors
/// [`Short`] if `out` is too small.
pub fn write_close(
    out: &mut [u8],
    close: Close<'_>,
    mask: Option<[u8; 4]>,
) -> Result<usize, Short> {
    if close.code == NO_STATUS {
        return write(out, true, Opcode::Close, &[], mask);
    }
    let mut end = close.reason.len().min(CONTROL_MAX - 2);
    while !close.reason.is_char_boundary(end) {
        end -= 1; // 0 is a boundary
    }
    let reason = close.reason.get(..end).unwrap_or_default();
    let mut body = [0; CONTROL_MAX];
    let (code, rest) = body.split_at_mut(2);
    code.copy_from_slice(&close.code.to_be_bytes());
    for (to, from) in rest.iter_mut().zip(reason.as_bytes()) {
        *to = *from;
    }
    let body = body.get(..2 + reason.len()).ok_or(Short)?;
    write(out, true, Opcode::Close, body, mask)
}

/// The close code with which an endpoint fails the connection for this cause (RFC 6455 7.1.7, 7.4.1).
#[must_use]
pub const fn close_code(cause: Code) -> u16 {
    match cause {
        Code::FrameText => 1003,
        Code::FrameUtf8 => 1007,
        Code::PacketTooLarge | Code::BufferTooSmall => 1009,
        _ => 1002,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_says_code_and_reason_or_nothing() {
        assert_eq!(
            parse_close(b""),
            Ok(Close {
                code: NO_STATUS,
                reason: ""
            })
        );
        assert_eq!(
            parse_close(b"\x03\xE8"),
            Ok(Close {
                code: 1000,
                reason: ""
            })
        );
        assert_eq!(
            parse_close(b"\x03\xE9bye"),
            Ok(Close {
                code: 1001,
                reason: "bye"
            })
        );
    }

    #[test]
    fn codes_that_may_not_be_sent_are_refused() {
        for code in [
            0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535_u16,
        ] {
            let fault = parse_close(&code.to_be_bytes()).unwrap_err();
            assert_eq!(
                (fault.code, fault.number),
                (Code::FrameClose, u32::from(code))
            );
        }
        for code in [1000, 1003, 1007, 1011, 1012, 1014, 3000, 4999_u16] {
            assert_eq!(parse_close(&code.to_be_bytes()).unwrap().code, code);
        }
    }

    #[test]
    fn half_a_code_and_a_broken_reason_are_refused() {
        assert_eq!(parse_close(b"\x03").unwrap_err().clause, "RFC 6455 5.5.1");
        assert_eq!(
            parse_close(b"\x03\xE8\xCE").unwrap_err().code,
            Code::FrameUtf8
        );
    }

    #[test]
    fn a_close_is_written_within_the_limit_of_a_control_frame() {
        let mut out = [0; 131];
        assert_eq!(
            write_close(
                &mut out,
                Close {
                    code: NO_STATUS,
                    reason: "never sent"
                },
                None
            ),
            Ok(2)
        );
        assert_eq!(out[..2], [0x88, 0]);

        let n = write_close(
            &mut out,
            Close {
                code: 1000,
                reason: "bye",
            },
            None,
        )
        .unwrap();
        assert_eq!(out[..n], *b"\x88\x05\x03\xE8bye");

        let long = "äöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöü";
        let n = write_close(
            &mut out,
            Close {
                code: 1000,
                reason: long,
            },
            Some([0; 4]),
        )
        .unwrap();
        assert_eq!(n, 6 + 2 + 122, "cut before the character that does not fit");
        assert_eq!(
            write_close(
                &mut out[..7],
                Close {
                    code: 1000,
                    reason: ""
                },
                Some([0; 4])
            ),
            Err(Short)
        );
    }
}
