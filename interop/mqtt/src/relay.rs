//! A TCP relay in front of a broker: counts bytes, holds them back, cuts connections.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
    task::JoinHandle,
};

/// What the relay does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Rule {
    /// Bytes to the server, and from it, are swallowed.
    mute: (bool, bool),
    /// Bytes from the server are swallowed once it has answered an HTTP request.
    mute_frames: bool,
    /// Connections from before the last cut end.
    cuts: u32,
}

/// A relay on a port of its own. Needs a tokio runtime; ends with this value.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    rule: watch::Sender<Rule>,
    up: Arc<AtomicU64>,
    down: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Relay {
    /// In front of `server`'s loopback port.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn before(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let (rule, seen) = watch::channel(Rule::default());
        let (up, down) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let counts = (Arc::clone(&up), Arc::clone(&down));
        let task = tokio::spawn(accept(listener, server, seen, counts));
        Self {
            port,
            rule,
            up,
            down,
            task,
        }
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Bytes that went to the server and from it so far, swallowed ones as well.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (
            self.up.load(Ordering::SeqCst),
            self.down.load(Ordering::SeqCst),
        )
    }

    /// Swallows what comes from the server from now on, on connections that are there; later ones are not affected
    /// after [`cut`](Self::cut).
    pub fn swallow_answers(&self) {
        self.rule.send_modify(|rule| rule.mute.1 = true);
    }

    /// Swallows what comes from the server behind the answer to a WebSocket upgrade.
    pub fn swallow_mqtt_answers(&self) {
        self.rule.send_modify(|rule| rule.mute_frames = true);
    }

    /// Swallows what goes to the server from now on.
    pub fn swallow_requests(&self) {
        self.rule.send_modify(|rule| rule.mute.0 = true);
    }

    /// Ends all connections and lets later ones through.
    pub fn cut(&self) {
        self.rule.send_modify(|rule| {
            *rule = Rule {
                cuts: rule.cuts + 1,
                ..Rule::default()
            };
        });
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    listener: TcpListener,
    server: u16,
    rule: watch::Receiver<Rule>,
    counts: (Arc<AtomicU64>, Arc<AtomicU64>),
) {
    while let Ok((client, _)) = listener.accept().await {
        let (rule, counts) = (rule.clone(), (Arc::clone(&counts.0), Arc::clone(&counts.1)));
        tokio::spawn(async move {
            // Nobody there: the client sees its connection end.
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server));
            let Ok(server) = TcpStream::connect(address).await else {
                return;
            };
            let _ = client.set_nodelay(true);
            let _ = server.set_nodelay(true);
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            let cuts = rule.borrow().cuts;
            let mut watching = rule.clone();
            let up = carry(&mut from_client, &mut to_server, &counts.0, |_| {
                let rule = rule.borrow();
                rule.cuts != cuts || rule.mute.0
            });
            let down = carry(&mut from_server, &mut to_client, &counts.1, |bytes| {
                let rule = rule.borrow();
                rule.cuts != cuts
                    || rule.mute.1
                    || (rule.mute_frames && !bytes.starts_with(b"HTTP"))
            });
            tokio::select! {
                () = up => {}
                () = down => {}
                _ = watching.wait_for(|rule| rule.cuts != cuts) => {}
            }
        });
    }
}

async fn carry(
    from: &mut tcp::OwnedReadHalf,
    to: &mut tcp::OwnedWriteHalf,
    count: &AtomicU64,
    is_mute: impl Fn(&[u8]) -> bool,
) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(n) = from.read(&mut buffer).await {
        if n == 0 {
            break;
        }
        count.fetch_add(u64::try_from(n).unwrap_or(0), Ordering::SeqCst);
        if !is_mute(&buffer[..n]) && to.write_all(&buffer[..n]).await.is_err() {
            break;
        }
    }
}
