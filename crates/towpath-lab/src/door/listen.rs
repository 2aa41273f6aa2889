//! Accepting connections.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinError, JoinSet},
    time::sleep,
};
use towpath_proto::Rung;

use super::{Door, Sockets, Visit, channel::Channel, http, secure::secure, talk, wire::Wire};
use crate::{
    connection::{Connection, Listener},
    fault::Kind,
    log::{Code, Level, Record},
};

/// How long nothing is accepted after the system had no room for a connection.
const BREATHER: Duration = Duration::from_millis(100);

/// Accepts for ever.
pub(super) async fn listen(sockets: Sockets, door: Arc<Door>) {
    let mut visits = JoinSet::new();
    let mut crowd = Crowd::default();
    loop {
        let (listener, accepted) = tokio::select! {
            accepted = accept(&sockets.mqtts) => (Listener::Mqtts, accepted),
            accepted = accept(&sockets.https) => (Listener::Https, accepted),
            Some(ended) = visits.join_next(), if !visits.is_empty() => {
                survive(&door, ended);
                continue;
            }
        };
        match accepted {
            Ok((tcp, peer)) => {
                if visits.len() >= door.lab.config.listen.connections {
                    crowd.turn_away(&door, peer);
                    continue;
                }
                crowd.room();
                visits.spawn(attend(Arc::clone(&door), listener, tcp, peer));
            }
            Err(error) => {
                crowd.no_room(&door, &error);
                sleep(BREATHER).await;
            }
        }
    }
}

/// Errors of one connection that ended before it was accepted are none of the listener's.
async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset};
    loop {
        match listener.accept().await {
            Err(error) if matches!(error.kind(), ConnectionAborted | ConnectionReset) => {}
            other => return other,
        }
    }
}

/// A connection's end must not be the lab's.
fn survive(door: &Door, ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        let text = "the lab failed at a connection, which was closed; the others go on";
        door.lab
            .means
            .tell(Record::new(Level::Error, Code::Lab, text));
    }
}

/// Says once that there is no room, and not for each connection.
#[derive(Default)]
struct Crowd {
    full: bool,
}

impl Crowd {
    const fn room(&mut self) {
        self.full = false;
    }

    fn turn_away(&mut self, door: &Door, peer: SocketAddr) {
        let limit = door.lab.config.listen.connections;
        let text = format!("{limit} connections are open; {peer} and others are turned away");
        self.say(door, Level::Warn, text);
    }

    fn no_room(&mut self, door: &Door, error: &io::Error) {
        let text = format!(
            "no connection can be accepted: {error}; the limit of open files may be too low (ulimit -n)"
        );
        self.say(door, Level::Error, text);
    }

    fn say(&mut self, door: &Door, level: Level, text: String) {
        if !self.full {
            self.full = true;
            door.lab.means.tell(Record::new(level, Code::Lab, text));
        }
    }
}

/// Closes the books of a connection, however it ends.
struct Books {
    door: Arc<Door>,
    connection: Arc<Connection>,
    why: String,
}

impl Drop for Books {
    fn drop(&mut self) {
        let now = self.door.lab.means.clock.now();
        self.door
            .lab
            .connections
            .close(&self.connection, now, &self.why);
    }
}

/// One connection, from accept to its end.
async fn attend(door: Arc<Door>, listener: Listener, tcp: TcpStream, peer: SocketAddr) {
    let lab = &door.lab;
    let connection = lab.connections.open(listener, peer, lab.means.clock.now());
    let mut books = Books {
        door: Arc::clone(&door),
        connection: Arc::clone(&connection),
        why: "the lab ended".into(),
    };
    let (when, told) = watch::channel(None);
    let visit = Visit::new(connection, lab.means.clone(), when);
    let reset = Arc::new(AtomicBool::new(false));
    books.why = tokio::select! {
        why = visit_on(&door, tcp, Arc::clone(&reset), visit) => why,
        () = due(told, &reset) => "reset by a fault".into(),
    };
}

/// Waits until the connection is to be reset, perhaps for ever.
async fn due(mut told: watch::Receiver<Option<Duration>>, reset: &AtomicBool) {
    let after = match told.wait_for(Option::is_some).await {
        Ok(after) => *after,
        Err(_) => None,
    };
    match after {
        Some(after) => sleep(after).await,
        None => std::future::pending().await,
    }
    // Said before the socket is dropped, which happens as soon as this is over.
    reset.store(true, Ordering::Relaxed);
}

async fn visit_on(
    door: &Arc<Door>,
    tcp: TcpStream,
    reset: Arc<AtomicBool>,
    mut visit: Visit,
) -> String {
    let peer = visit.connection.peer;
    visit
        .connection
        .step(Rung::Tcp, true, format!("from {peer}"));
    let text = format!("from {peer}");
    door.tell(&visit, Record::new(Level::Debug, Code::Accepted, text));
    // Small packets must not wait for each other. It is only slower without.
    let _ = tcp.set_nodelay(true);
    let mut wire = Wire::new(tcp, Arc::clone(&reset));
    if door.strike(Kind::AcceptReset, &visit).is_some() {
        reset.store(true, Ordering::Relaxed);
        return visit.broke(Rung::Tcp, "reset at accept by a fault");
    }
    if door.strike(Kind::AcceptClose, &visit).is_some() {
        wire.part().await;
        return visit.broke(Rung::Tcp, "closed at accept by a fault");
    }
    if door.strike(Kind::AcceptSilent, &visit).is_some() {
        let why = visit.broke(Rung::Tcp, "not answered because of a fault");
        wire.stay_silent().await;
        return why;
    }
    wire = visit.shaped(door, wire);
    // Boxed one by one, so that a connection that idles in MQTT does not carry the others' memory.
    match visit.connection.listener {
        Listener::Https if door.lab.config.listen.behind_proxy.is_some() => {
            Box::pin(http::serve(Channel::Plain(wire), door, visit)).await
        }
        Listener::Https => match Box::pin(secure(wire, door, &mut visit)).await {
            Ok(tls) => Box::pin(http::serve(Channel::Tls(tls), door, visit)).await,
            Err(why) => why,
        },
        Listener::Mqtts => match Box::pin(secure(wire, door, &mut visit)).await {
            Ok(tls) => {
                let certificate = tls.certificate();
                let mut channel = Channel::Tls(tls);
                let why = Box::pin(talk(&mut channel, certificate, door, &visit)).await;
                channel.leave().await;
                why
            }
            Err(why) => why,
        },
    }
}
