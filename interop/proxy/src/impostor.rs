//! Servers that stand where a proxy should be.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use crate::{Office, office};

/// What it does with each connection.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// Closes at once.
    Close,
    /// Hears the request and closes.
    Hear,
    /// Says nothing and stays.
    Silent,
    /// Hears the request, says this and stays.
    Say(&'static str),
}

/// A running server. Ends with this value.
#[derive(Debug)]
pub struct Impostor<'a> {
    office: &'a Office,
    address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl<'a> Impostor<'a> {
    /// Starts one in the office, on a free port.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn start(office: &'a Office, act: Act) -> Self {
        let listener = office
            .office
            .run(|| TcpListener::bind((office::OFFICE, 0)).expect("a free port"));
        let address = listener.local_addr().expect("its address");
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let mut staying = Vec::new();
            for stream in listener.incoming().flatten() {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                staying.extend(perform(act, stream));
            }
        });
        Self {
            office,
            address,
            over,
            thread: Some(thread),
        }
    }

    /// Its URL with this scheme.
    #[must_use]
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }
}

impl Drop for Impostor<'_> {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the thread.
        let address = self.address;
        let _ = self.office.office.run(move || TcpStream::connect(address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Plays one connection. What stays open is answered.
fn perform(act: Act, mut stream: TcpStream) -> Option<TcpStream> {
    let mut request = [0; 4096];
    match act {
        Act::Close => None,
        Act::Hear => {
            let _ = stream.read(&mut request);
            None
        }
        Act::Silent => Some(stream),
        Act::Say(words) => {
            let _ = stream.read(&mut request);
            let _ = stream.write_all(words.as_bytes());
            Some(stream)
        }
    }
}
