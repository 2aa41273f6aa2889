//! Boxes on the way, and servers of other protocols, as small programs of the test's own.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use net::Namespace;

/// What is done with each connection.
#[derive(Debug, Clone)]
pub enum Act {
    /// Says this at once, and stays.
    Greet(&'static [u8]),
    /// Says this whenever it hears something.
    Answer(&'static [u8]),
    /// Passes everything on to this port, but closes as soon as a ClientHello offers TLS 1.3.
    NoTls13(u16),
}

/// What was heard, read by read.
type Heard = Arc<Mutex<Vec<Vec<u8>>>>;

/// A program that listens on the loopback of a namespace. Ends with this value.
#[derive(Debug)]
pub struct Middlebox<'a> {
    namespace: &'a Namespace,
    address: SocketAddr,
    over: Arc<AtomicBool>,
    heard: Heard,
    thread: Option<JoinHandle<()>>,
}

impl<'a> Middlebox<'a> {
    /// Starts it on a free port.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn start(namespace: &'a Namespace, act: Act) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let heard = Heard::default();
        let ears = Arc::clone(&heard);
        // Threads that are started in a namespace stay in it, with the connections that they open.
        let (address, thread) = namespace.run(move || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let address = listener.local_addr().expect("its address");
            let thread = thread::spawn(move || {
                let mut staying = Vec::new();
                for stream in listener.incoming().flatten() {
                    if ends.load(Ordering::SeqCst) {
                        break;
                    }
                    let copy = stream.try_clone().expect("a second handle");
                    let (act, heard) = (act.clone(), Arc::clone(&ears));
                    let perform = move || perform(&act, stream, &heard);
                    staying.push((copy, thread::spawn(perform)));
                }
                for (stream, thread) in staying {
                    let _ = stream.shutdown(Shutdown::Both);
                    let _ = thread.join();
                }
            });
            (address, thread)
        });
        Self {
            namespace,
            address,
            over,
            heard,
            thread: Some(thread),
        }
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// What was said to [`Act::Answer`], request by request.
    #[must_use]
    pub fn heard(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        heard.iter().map(text).collect()
    }
}

impl Drop for Middlebox<'_> {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the thread.
        let address = self.address;
        let _ = self.namespace.run(move || TcpStream::connect(address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Plays one connection to its end.
fn perform(act: &Act, mut stream: TcpStream, heard: &Mutex<Vec<Vec<u8>>>) {
    let mut space = [0; 4096];
    match act {
        Act::Greet(words) => {
            let _ = stream.write_all(words);
        }
        Act::Answer(words) => {
            while let Ok(len @ 1..) = stream.read(&mut space) {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                heard.push(space[..len].to_vec());
                drop(heard);
                let _ = stream.write_all(words);
            }
        }
        Act::NoTls13(port) => {
            let Some(hello) = hello(&mut stream) else {
                return;
            };
            // supported_versions (43) with 0x0304 first among one or more versions (RFC 8446 4.2.1).
            let offers = |bytes: &[u8]| matches!(bytes, [0, 43, 0, _, _, 3, 4]);
            if hello.windows(7).any(offers) {
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
            let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, *port)) else {
                return;
            };
            relay(&hello, stream, server);
            return;
        }
    }
    while matches!(stream.read(&mut space), Ok(1..)) {}
}

/// The first record.
fn hello(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = [0; 5];
    stream.read_exact(&mut head).ok()?;
    let len = usize::from(u16::from_be_bytes([head[3], head[4]]));
    let mut record = vec![0; len];
    stream.read_exact(&mut record).ok()?;
    Some([&head[..], &record].concat())
}

/// Passes bytes on in both directions until one side ends.
fn relay(first: &[u8], client: TcpStream, mut server: TcpStream) {
    let _ = server.write_all(first);
    let Ok((up, down)) = client
        .try_clone()
        .and_then(|client| Ok((client, server.try_clone()?)))
    else {
        return;
    };
    let upwards = thread::spawn(move || pass(up, server));
    pass(down, client);
    let _ = upwards.join();
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
