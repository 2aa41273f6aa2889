//! DNS over UDP: which names were asked for, and what came back. Takes in datagrams of port 53.
//!
//! Clauses: RFC 1035 section 4, RFC 6891 (EDNS).

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
};

use domain::base::{Message, Rtype, iana::Class};
use domain::rdata::{A, Aaaa};

use super::mark::Mark;
use super::neighbours::Complaint;

/// The most questions that are remembered; the oldest are forgotten.
const QUESTIONS: usize = 256;
/// The most addresses whose names are remembered.
const ADDRESSES: usize = 1024;

/// A question and what became of it.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) client: IpAddr,
    pub(super) server: IpAddr,
    id: u16,
    pub(super) name: String,
    pub(super) kind: Rtype,
    /// Whether it allows more than 512 bytes.
    pub(super) edns: bool,
    pub(super) first: Mark,
    pub(super) last: Mark,
    /// How often it was asked.
    pub(super) tries: u32,
    pub(super) answer: Option<Answer>,
    /// What came back from the network instead.
    pub(super) complaint: Option<(Complaint, Mark)>,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) mark: Mark,
    pub(super) rcode: u8,
    /// Its length on the wire, bytes.
    pub(super) len: usize,
    /// It says that there would be more.
    pub(super) truncated: bool,
    /// How many addresses of the kind asked for it has.
    pub(super) addresses: u8,
}

impl Question {
    /// What is asked for, in words: `AAAA of hub.example`.
    pub(super) fn words(&self) -> String {
        format!("{} of {}", self.kind, self.name)
    }
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Names {
    questions: VecDeque<Question>,
    addresses: HashMap<IpAddr, String>,
    /// How many questions were asked in all.
    pub(super) asked: u64,
}

impl Names {
    pub(super) const fn questions(&self) -> &VecDeque<Question> {
        &self.questions
    }

    /// The name that an answer gave this address for.
    pub(super) fn of(&self, address: IpAddr) -> Option<&str> {
        self.addresses.get(&address).map(String::as_str)
    }

    /// A datagram to or from port 53, `len` bytes long on the wire.
    pub(super) fn datagram(
        &mut self,
        (from, to): (IpAddr, IpAddr),
        payload: &[u8],
        len: usize,
        mark: Mark,
    ) {
        let Ok(message) = Message::from_octets(payload) else {
            return;
        };
        if message.header().qr() {
            self.answered(from, to, &message, len, mark);
        } else {
            self.asked(from, to, &message, mark);
        }
    }

    /// A question from `client` to `server` drew this.
    pub(super) fn complaint(
        &mut self,
        client: IpAddr,
        server: IpAddr,
        complaint: Complaint,
        mark: Mark,
    ) {
        let mut open = self.questions.iter_mut().rev();
        let question = open.find(|question| question.client == client && question.server == server);
        if let Some(question) = question.filter(|question| question.answer.is_none()) {
            question.complaint.get_or_insert((complaint, mark));
        }
    }

    fn asked(&mut self, client: IpAddr, server: IpAddr, message: &Message<&[u8]>, mark: Mark) {
        let Some(Ok(asked)) = message.question().next() else {
            return;
        };
        if asked.qclass() != Class::IN {
            return;
        }
        self.asked = self.asked.saturating_add(1);
        let name = printable(&asked.qname().to_string());
        let kind = asked.qtype();
        let mut known = self.questions.iter_mut().rev();
        let known = known.find(|question| {
            question.client == client
                && question.server == server
                && question.kind == kind
                && question.name == name
                && question.answer.is_none()
        });
        if let Some(question) = known {
            question.tries = question.tries.saturating_add(1);
            question.last = mark;
            question.id = message.header().id();
            return;
        }
        if self.questions.len() >= QUESTIONS {
            self.questions.pop_front();
        }
        self.questions.push_back(Question {
            client,
            server,
            id: message.header().id(),
            name,
            kind,
            edns: message.opt().is_some(),
            first: mark,
            last: mark,
            tries: 1,
            answer: None,
            complaint: None,
        });
    }

    fn answered(
        &mut self,
        server: IpAddr,
        client: IpAddr,
        message: &Message<&[u8]>,
        len: usize,
        mark: Mark,
    ) {
        let id = message.header().id();
        let mut open = self.questions.iter_mut().rev();
        let question = open.find(|question| {
            question.id == id
                && question.client == client
                && question.server == server
                && question.answer.is_none()
        });
        let Some(question) = question else { return };
        let found = addresses(message);
        question.answer = Some(Answer {
            mark,
            rcode: message.header().rcode().to_int(),
            len,
            truncated: message.header().tc(),
            addresses: u8::try_from(found.len()).unwrap_or(u8::MAX),
        });
        for address in found {
            if self.addresses.len() < ADDRESSES {
                self.addresses.insert(address, question.name.clone());
            }
        }
    }
}

/// The addresses of an answer, as far as it can be read.
fn addresses(message: &Message<&[u8]>) -> Vec<IpAddr> {
    let Ok(section) = message.answer() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for record in section.take(64) {
        let Ok(record) = record else { break };
        if let Ok(Some(record)) = record.to_record::<A>() {
            found.push(IpAddr::V4(record.data().addr()));
        } else if let Ok(Some(record)) = record.to_record::<Aaaa>() {
            found.push(IpAddr::V6(record.data().addr()));
        }
    }
    found
}

/// A name for people: no control characters, of the length that a name may have.
pub(super) fn printable(text: &str) -> String {
    let clean = |char: char| if char.is_control() { '?' } else { char };
    text.chars().map(clean).take(255).collect()
}
