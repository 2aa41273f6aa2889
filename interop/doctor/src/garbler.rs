//! A DNS server whose answers nobody can read, as a middlebox leaves them.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use net::Namespace;

/// How soon it notices that it is over.
const TURN: Duration = Duration::from_millis(20);

/// Answers each question with its own head and question, said to have an answer, and bytes that are none. Ends with this
/// value.
#[derive(Debug)]
pub struct Garbler {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Garbler {
    /// Starts it at an address of a namespace, on a free port.
    ///
    /// # Panics
    /// If it can't.
    #[must_use]
    pub fn start(namespace: &Namespace, address: IpAddr) -> Self {
        let socket = namespace.run(move || UdpSocket::bind((address, 0)).expect("a free port"));
        socket.set_read_timeout(Some(TURN)).expect("a timeout");
        let address = socket.local_addr().expect("its address");
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let mut question = [0; 512];
            while !ends.load(Ordering::Relaxed) {
                let Ok((len, from)) = socket.recv_from(&mut question) else {
                    continue;
                };
                let _ = socket.send_to(&garbled(&question[..len]), from);
            }
        });
        Self {
            address,
            over,
            thread: Some(thread),
        }
    }

    /// Its address and port.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Garbler {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The question with the bit of an answer, one record, and a name that points behind the end (RFC 1035 4.1).
fn garbled(question: &[u8]) -> Vec<u8> {
    let mut answer = question.to_vec();
    if let Some(head) = answer.get_mut(..12) {
        head[2] |= 0x80;
        head[6..12].copy_from_slice(&[0, 1, 0, 0, 0, 0]);
    }
    // What stood behind the question, such as EDNS, is cut off: label after label, up to the root, then type and class.
    let mut end = 12;
    while let Some(&len) = answer.get(end) {
        end += 1 + usize::from(len);
        if len == 0 {
            break;
        }
    }
    answer.truncate(end + 4);
    answer.extend([0xff; 7]);
    answer
}
