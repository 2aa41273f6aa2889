//! The way down: a packet becomes bytes in the transmit buffer, in a masked frame where the path has frames.

use crate::{
    buffers::{Buffer, Random},
    bytes::{Short, Writer},
    mqtt::{
        Version,
        encode::{Body, body_framed_len, encode_body, first_byte},
        packet::{Kind, PacketId, Publish},
        reason::ReasonCode,
    },
    path::Tx,
    rung::Rung,
    time::Instant,
    trace::{Name, Traces},
    ws::{self, Opcode},
};

/// Room that messages leave free, so that acknowledgements and pings find some.
pub(crate) const CONTROL_ROOM: usize = 160;

/// The transmit side of a path for the time of one call.
pub(crate) struct Wire<'c> {
    pub(crate) tx: &'c mut Tx,
    pub(crate) buffer: &'c mut dyn Buffer,
    pub(crate) random: &'c mut dyn Random,
    pub(crate) framed: bool,
    pub(crate) traces: &'c mut Traces,
    pub(crate) now: Instant,
}

impl Wire<'_> {
    const fn is_framed(&self) -> bool {
        cfg!(feature = "ws") && self.framed
    }

    /// Makes room for a packet of `len` bytes and, behind it, `reserve` bytes; says whether there is.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub(crate) fn reserve(&mut self, len: usize, reserve: usize) -> bool {
        let framing = if self.is_framed() {
            ws::frame::header_len(len, true)
        } else {
            0
        };
        self.tx.reserve(
            self.buffer,
            len.saturating_add(framing).saturating_add(reserve),
        )
    }

    /// Room for any one control packet that this side sends by itself.
    pub(crate) fn reserve_control(&mut self) -> bool {
        self.tx.reserve(self.buffer, CONTROL_ROOM)
    }

    /// Writes `len` bytes of a packet through `fill` into room that was reserved.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn append(
        &mut self,
        opcode: Opcode,
        len: usize,
        fill: &mut dyn FnMut(&mut Writer<'_>) -> Result<(), Short>,
    ) -> Result<(), Short> {
        let mut written = 0;
        let mut key = None;
        if self.is_framed() {
            let mask = self.random.next_u32().to_le_bytes();
            let header = self
                .tx
                .room(self.buffer, ws::frame::header_len(len, true))
                .ok_or(Short)?;
            written = ws::frame::write_header(header, true, opcode, len, Some(mask))?;
            key = Some(mask);
        }
        let room = self
            .tx
            .room(self.buffer, written.saturating_add(len))
            .ok_or(Short)?;
        let room = room.get_mut(written..).ok_or(Short)?;
        let mut writer = match key {
            Some(key) => Writer::masked(room, key),
            None => Writer::new(room),
        };
        fill(&mut writer)?;
        let packet = writer.written();
        self.tx.append(written.saturating_add(packet));
        Ok(())
    }

    /// Writes a packet.
    ///
    /// # Errors
    /// [`Short`] if there is no room for it.
    pub(crate) fn packet(&mut self, packet: &dyn Body, version: Version) -> Result<(), Short> {
        let len = body_framed_len(packet, version).ok_or(Short)?;
        self.filled(packet.kind(), len, &mut |writer| {
            encode_body(packet, version, writer)
        })
    }

    /// Writes a packet of `len` bytes that `fill` knows.
    pub(crate) fn filled(
        &mut self,
        kind: Kind,
        len: usize,
        fill: &mut dyn FnMut(&mut Writer<'_>) -> Result<(), Short>,
    ) -> Result<(), Short> {
        if !self.reserve(len, 0) {
            return Err(Short);
        }
        self.append(Opcode::Binary, len, fill)?;
        self.trace(kind, len);
        Ok(())
    }

    /// Writes an acknowledgement: PUBACK, PUBREC, PUBREL or PUBCOMP.
    pub(crate) fn acknowledge(
        &mut self,
        kind: Kind,
        id: PacketId,
        reason: ReasonCode,
        version: Version,
    ) -> Result<(), Short> {
        // MQTT 5 sections 3.4.2.1 and 3.4.2.2: success is the two bytes of the identifier.
        let long = version == Version::V5 && reason != ReasonCode::SUCCESS;
        let [high, low] = id.get().to_be_bytes();
        let packet = [
            first_byte(kind),
            if long { 3 } else { 2 },
            high,
            low,
            reason.0,
        ];
        let (short, _) = packet.split_at(4);
        self.kept(if long { &packet } else { short }, kind)
    }

    /// Writes PINGREQ.
    pub(crate) fn ping(&mut self) -> Result<(), Short> {
        self.kept(&[first_byte(Kind::Pingreq), 0], Kind::Pingreq)
    }

    /// Writes a packet that is encoded already.
    fn kept(&mut self, packet: &[u8], kind: Kind) -> Result<(), Short> {
        if !self.reserve(packet.len(), 0) {
            return Err(Short);
        }
        self.encoded(packet, 0, kind)
    }

    /// Writes a PUBLISH of `len` bytes into room that was reserved, with a topic alias if one is given.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub(crate) fn publish(
        &mut self,
        publish: &Publish<'_>,
        version: Version,
        alias: Option<u16>,
        len: usize,
    ) -> Result<(), Short> {
        self.append(Opcode::Binary, len, &mut |writer| {
            publish.encode(version, alias, writer)
        })?;
        self.trace(Kind::Publish, len);
        Ok(())
    }

    /// Writes a packet that is encoded already into room that was reserved, with `flags` more in its first byte.
    #[inline]
    pub(crate) fn encoded(&mut self, packet: &[u8], flags: u8, kind: Kind) -> Result<(), Short> {
        self.append(Opcode::Binary, packet.len(), &mut |writer| {
            let Some((first, rest)) = packet.split_first() else {
                return Ok(());
            };
            writer.u8(first | flags)?;
            writer.put(rest)
        })?;
        self.trace(kind, packet.len());
        Ok(())
    }

    /// Writes a control frame, on a path that has frames.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn control_frame(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), Short> {
        if !self.reserve(payload.len(), 0) {
            return Err(Short);
        }
        self.append(opcode, payload.len(), &mut |writer| writer.put(payload))?;
        let len = ws::header_len(payload.len(), true).saturating_add(payload.len());
        self.traces
            .sent(self.now, Rung::Ws, Name::frame(opcode), len);
        Ok(())
    }

    #[inline]
    fn trace(&mut self, kind: Kind, len: usize) {
        self.traces
            .sent(self.now, Rung::Mqtt, Name::packet(kind), len);
    }
}
