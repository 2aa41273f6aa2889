//! A DNS server of the tests' own, on a free port of 127.0.0.1, over UDP and TCP.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use towpath_sim::dns::{Question, Reply};

/// What is answered to a question over UDP, or over TCP if `true`; `None`: nothing.
type Zone = dyn Fn(&Question, bool) -> Option<Reply> + Send + Sync;

/// Ends with its value.
pub struct Dns {
    pub address: SocketAddr,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Dns {
    pub fn start(zone: impl Fn(&Question, bool) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            // The same port has to be free for TCP too.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let zone: Arc<Zone> = Arc::new(zone);
        let datagrams = {
            let (over, zone) = (Arc::clone(&over), Arc::clone(&zone));
            thread::spawn(move || serve_udp(&udp, &over, &*zone))
        };
        let streams = {
            let over = Arc::clone(&over);
            thread::spawn(move || serve_tcp(&tcp, &over, &*zone))
        };
        Self {
            address,
            over,
            threads: vec![datagrams, streams],
        }
    }

    /// For `--resolver`.
    pub fn flag(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Both threads wait for somebody.
        let waker = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let _ = waker.send_to(&[], self.address);
        let _ = TcpStream::connect(self.address);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn serve_udp(socket: &UdpSocket, over: &AtomicBool, zone: &Zone) {
    let mut bytes = [0; 1500];
    while let Ok((len, from)) = socket.recv_from(&mut bytes) {
        if over.load(Ordering::SeqCst) {
            return;
        }
        if let Some(reply) = zone(&Question::read(&bytes[..len]), false) {
            let _ = socket.send_to(&reply.bytes(), from);
        }
    }
}

fn serve_tcp(listener: &TcpListener, over: &AtomicBool, zone: &Zone) {
    while let Ok((mut stream, _)) = listener.accept() {
        if over.load(Ordering::SeqCst) {
            return;
        }
        let _ = answer_tcp(&mut stream, zone);
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// One question, with its length in front (RFC 1035 section 4.2.2).
fn answer_tcp(stream: &mut TcpStream, zone: &Zone) -> std::io::Result<()> {
    let mut len = [0; 2];
    stream.read_exact(&mut len)?;
    let mut bytes = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut bytes)?;
    if let Some(reply) = zone(&Question::read(&bytes), true) {
        let bytes = reply.bytes();
        stream.write_all(&u16::try_from(bytes.len()).unwrap().to_be_bytes())?;
        stream.write_all(&bytes)?;
    }
    Ok(())
}
