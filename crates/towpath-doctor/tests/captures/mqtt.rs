//! Packets of MQTT and frames of WebSocket, byte by byte.

/// A packet with this first byte.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut len = body.len();
    loop {
        let more = len > 127;
        packet.push((len & 127) as u8 | if more { 0x80 } else { 0 });
        len >>= 7;
        if !more {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u16).to_be_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// CONNECT of MQTT 3.1.1, with a user and password if there is one.
pub(crate) fn connect(client_id: &str, user: Option<&str>, keep_alive: u16) -> Vec<u8> {
    let flags = if user.is_some() { 0xc2 } else { 2 };
    let mut body = [
        text("MQTT"),
        vec![4, flags],
        keep_alive.to_be_bytes().to_vec(),
    ]
    .concat();
    body.extend_from_slice(&text(client_id));
    if let Some(user) = user {
        body.extend_from_slice(&text(user));
        body.extend_from_slice(&text("SharedAccessSignature sr=x&sig=Secret%3D&se=1"));
    }
    packet(0x10, &body)
}

/// CONNECT of MQTT 5.
pub(crate) fn connect5(client_id: &str) -> Vec<u8> {
    let body = [text("MQTT"), vec![5, 2, 0, 60, 0], text(client_id)].concat();
    packet(0x10, &body)
}

pub(crate) fn connack(code: u8) -> Vec<u8> {
    packet(0x20, &[0, code])
}

pub(crate) fn connack5(code: u8) -> Vec<u8> {
    packet(0x20, &[0, code, 0])
}

pub(crate) fn publish(topic: &str, qos: u8, id: u16, len: usize) -> Vec<u8> {
    let mut body = text(topic);
    if qos > 0 {
        body.extend_from_slice(&id.to_be_bytes());
    }
    body.resize(body.len() + len, b'x');
    packet(0x30 | qos << 1, &body)
}

pub(crate) fn puback(id: u16) -> Vec<u8> {
    packet(0x40, &id.to_be_bytes())
}

pub(crate) fn subscribe(filter: &str) -> Vec<u8> {
    packet(0x82, &[vec![0, 7], text(filter), vec![1]].concat())
}

pub(crate) fn suback(code: u8) -> Vec<u8> {
    packet(0x90, &[0, 7, code])
}

pub(crate) const PINGREQ: &[u8] = &[0xc0, 0];
pub(crate) const PINGRESP: &[u8] = &[0xd0, 0];
pub(crate) const DISCONNECT: &[u8] = &[0xe0, 0];

/// A frame of WebSocket.
pub(crate) fn frame(opcode: u8, masked: bool, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    let bit = if masked { 0x80 } else { 0 };
    if payload.len() < 126 {
        frame.push(bit | payload.len() as u8);
    } else {
        frame.push(bit | 126);
        frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    }
    let key = [0x11, 0x22, 0x33, 0x44];
    if masked {
        frame.extend_from_slice(&key);
    }
    let payload = payload.iter().enumerate();
    frame.extend(payload.map(|(at, byte)| if masked { byte ^ key[at % 4] } else { *byte }));
    frame
}

/// The request to become a WebSocket.
pub(crate) fn upgrade(path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: hub.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: mqtt\r\n\r\n"
    )
    .into_bytes()
}

pub(crate) const SWITCHES: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    Sec-WebSocket-Protocol: mqtt\r\n\r\n";

/// An answer with this status line, and more fields.
pub(crate) fn answer(status: &str, fields: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nServer: nginx\r\nContent-Length: 2\r\n{fields}\r\nno")
        .into_bytes()
}
