//! Hellos and Certificate messages as on the wire (RFC 5246 section 7.4).

/// What a hello says here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) random: Vec<u8>,
    pub(super) session: Vec<u8>,
    /// The suites offered, or the one chosen.
    pub(super) suites: Vec<u16>,
    pub(super) tls13: bool,
    pub(super) secure_renegotiation: bool,
    pub(super) post_handshake_auth: bool,
}

const SUPPORTED_VERSIONS: u16 = 43;
const POST_HANDSHAKE_AUTH: u16 = 49;
const RENEGOTIATION_INFO: u16 = 0xff01;

impl Hello {
    pub(super) fn write(&self, from_client: bool) -> Vec<u8> {
        let mut out = vec![3, 3];
        out.extend(&self.random);
        out.push(self.session.len() as u8);
        out.extend(&self.session);
        if from_client {
            out.extend(((self.suites.len() * 2) as u16).to_be_bytes());
        }
        for suite in &self.suites {
            out.extend(suite.to_be_bytes());
        }
        out.extend(if from_client { &[1, 0][..] } else { &[0] });
        let mut list = Vec::new();
        let mut extension = |kind: u16, body: &[u8]| {
            list.extend(kind.to_be_bytes());
            list.extend((body.len() as u16).to_be_bytes());
            list.extend(body);
        };
        if self.secure_renegotiation {
            extension(RENEGOTIATION_INFO, &[0]);
        }
        if self.tls13 {
            let body: &[u8] = if from_client {
                &[4, 3, 4, 3, 3]
            } else {
                &[3, 4]
            };
            extension(SUPPORTED_VERSIONS, body);
        }
        if self.post_handshake_auth {
            extension(POST_HANDSHAKE_AUTH, &[]);
        }
        out.extend((list.len() as u16).to_be_bytes());
        out.extend(list);
        out
    }

    pub(super) fn read(bytes: &[u8], from_client: bool) -> Option<Self> {
        let mut input = Input(bytes);
        input.take(2)?;
        let random = input.take(32)?.to_vec();
        let len = usize::from(input.byte()?);
        let session = input.take(len)?.to_vec();
        let len = if from_client { input.number()? } else { 2 };
        let suites = input.take(len)?.chunks_exact(2);
        let suites = suites.map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        let mut hello = Self {
            random,
            session,
            suites: suites.collect(),
            ..Self::default()
        };
        let len = if from_client {
            usize::from(input.byte()?)
        } else {
            1
        };
        input.take(len)?;
        let len = input.number()?;
        let mut list = Input(input.take(len)?);
        while !list.0.is_empty() {
            let kind = list.number()?;
            let len = list.number()?;
            list.take(len)?;
            match u16::try_from(kind).ok()? {
                RENEGOTIATION_INFO => hello.secure_renegotiation = true,
                SUPPORTED_VERSIONS => hello.tls13 = true,
                POST_HANDSHAKE_AUTH => hello.post_handshake_auth = true,
                _ => {}
            }
        }
        input.0.is_empty().then_some(hello)
    }
}

/// A Certificate message of one certificate, or of none.
pub(super) fn write_chain(certificate: &[u8], tls13: bool) -> Vec<u8> {
    let mut list = Vec::new();
    if !certificate.is_empty() {
        let [_, a, b, c] = (certificate.len() as u32).to_be_bytes();
        list.extend([a, b, c]);
        list.extend(certificate);
        if tls13 {
            list.extend([0, 0]);
        }
    }
    let [_, a, b, c] = (list.len() as u32).to_be_bytes();
    let mut out = if tls13 { vec![0] } else { Vec::new() };
    out.extend([a, b, c]);
    out.extend(list);
    out
}

/// Whether a Certificate message holds one.
pub(super) fn holds_certificate(message: &[u8], tls13: bool) -> bool {
    message.len() > if tls13 { 4 } else { 3 }
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(front)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn number(&mut self) -> Option<usize> {
        let bytes = self.take(2)?;
        Some(usize::from(u16::from_be_bytes([bytes[0], bytes[1]])))
    }
}
