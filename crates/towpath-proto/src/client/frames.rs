//! The rungs between the byte stream and MQTT: the upgrade and frames of WebSocket, both ways.
//!
//! What fails here fails the attempt at once, so that no fault has to be handed up. On a device these functions are
//! kept apart from the loop that calls them: inlined into it they cost more than their calls.

use super::Client;
use crate::{
    buffers::{Buffer, Random},
    bytes::Short,
    fault::{Code, Fault},
    path::{Unframed, Wire},
    rung::Rung,
    trace::Name,
    ws::{Opcode, closed_by, frame},
};

impl<B: Buffer, R: Random> Client<B, R> {
    /// Climbs the upgrade as far as received bytes allow. True if MQTT may read.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn climb(&mut self) -> bool {
        match self
            .path
            .climb_upgrade(&self.buffers.rx, &mut self.traces, self.now)
        {
            Ok(true) => {
                self.enter_mqtt();
                self.ending.is_none() && !self.lingering
            }
            Ok(false) => false,
            Err(code) => {
                self.fail(self.path.refused(code));
                false
            }
        }
    }

    /// Takes the next piece out of frames. False if bytes have to come first, or the attempt has failed.
    #[cfg_attr(all(target_os = "none", feature = "ws"), inline(never))]
    pub(super) fn unframe(&mut self) -> bool {
        if cfg!(not(feature = "ws")) {
            return false;
        }
        match self.path.unframe(&mut self.buffers.rx) {
            Ok(Unframed::Need) => false,
            Ok(Unframed::Bytes) => true,
            Ok(Unframed::Control { opcode, skip, take }) => self.control_frame(opcode, skip, take),
            Err(code) => {
                self.fail(frame::fault(code));
                false
            }
        }
    }

    /// Writes a Close frame with this code.
    ///
    /// # Errors
    /// [`Short`] if there is no room for it.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn close_frames(&mut self, code: u16) -> Result<(), Short> {
        let (_, mut wire, _, _) = self.split();
        wire.control_frame(Opcode::Close, &code.to_be_bytes())
    }

    /// False if the attempt has ended with it.
    fn control_frame(&mut self, opcode: Opcode, skip: usize, take: usize) -> bool {
        self.traces
            .received(self.now, Rung::Ws, Name::frame(opcode), take);
        // Field by field, because the payload lies in the receive buffer.
        let raw = self.path.rx.raw(&self.buffers.rx);
        let payload = raw.get(skip..skip.saturating_add(take)).unwrap_or(&[]);
        let mut wire = Wire {
            framed: true,
            tx: &mut self.path.tx,
            buffer: &mut self.buffers.tx,
            random: &mut self.random,
            traces: &mut self.traces,
            now: self.now,
        };
        let fault = match opcode {
            Opcode::Close => {
                let fault = closed_by(payload);
                if fault.code == Code::WsClosed {
                    // RFC 6455 section 5.5.1: a close is answered with a close that repeats its code.
                    let _ = wire.control_frame(Opcode::Close, payload.get(..2).unwrap_or(&[]));
                }
                fault
            }
            Opcode::Ping if wire.control_frame(Opcode::Pong, payload).is_err() => {
                Fault::new(Rung::Ws, Code::BufferTooSmall)
            }
            _ => {
                self.path.rx.drop_raw(skip.saturating_add(take));
                return true;
            }
        };
        self.fail(fault);
        false
    }
}
