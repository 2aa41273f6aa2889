//! One question to a DNS server on a socket of its own: a message goes out, messages come in.

use std::{
    fmt,
    io::{self, Read as _},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll, ready},
};

use socket2::SockRef;
use tokio::{
    io::Interest,
    net::{TcpStream, UdpSocket},
};
use towpath_proto::net::dns::Transport;

use super::dial::{Sockets, connect};

/// More than is asked for with EDNS. The end of a longer datagram is lost, and with it the answer.
const DATAGRAM: usize = 4096;

/// What came.
#[derive(Debug)]
pub(super) enum Arrived<'a> {
    Message(&'a [u8]),
    Failed(io::Error),
}

type Task<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A socket, the room for a datagram, and how long it is.
type Heard = (UdpSocket, Box<[u8]>, io::Result<usize>);

/// A question under way.
pub(super) enum Query {
    /// The next datagram is waited for. Before, the one that came last.
    Udp(Box<[u8]>, Task<Heard>),
    Tcp(Task<io::Result<Vec<u8>>>),
    /// The one answer over TCP has come.
    Done(Vec<u8>),
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp(..) => "Udp",
            Self::Tcp(_) => "Tcp",
            Self::Done(_) => "Done",
        })
    }
}

impl Query {
    /// Sends `message`, or begins to.
    ///
    /// # Errors
    /// What the operating system has against it.
    pub(super) fn open(
        server: SocketAddr,
        over: Transport,
        mut sockets: Sockets,
        message: &[u8],
    ) -> io::Result<Self> {
        // A resolver on this machine may refuse to answer to its outer addresses, as systemd-resolved does.
        if server.ip().is_loopback() {
            sockets.bind = None;
        }
        if over == Transport::Tcp {
            let exchange = exchange(server, sockets, message.to_vec());
            return Ok(Self::Tcp(Box::pin(exchange)));
        }
        let any = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let source = sockets.source(server.ip()).unwrap_or(any);
        let socket = std::net::UdpSocket::bind((source, 0))?;
        socket.set_nonblocking(true)?;
        // Connected, so that nobody else's datagrams come in, and the errors of ICMP do.
        socket.connect(server)?;
        match socket.send(message) {
            // As good as lost on the way: it is sent again.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => drop(sent?),
        }
        let room = || vec![0; DATAGRAM].into_boxed_slice();
        let socket = UdpSocket::from_std(socket)?;
        Ok(Self::Udp(room(), Box::pin(hear(socket, room()))))
    }

    /// The next message that came.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Arrived<'_>> {
        match self {
            Self::Udp(last, hearing) => {
                let (socket, room, heard) = ready!(hearing.as_mut().poll(context));
                *hearing = Box::pin(hear(socket, std::mem::replace(last, room)));
                Poll::Ready(match heard {
                    Ok(len) => Arrived::Message(last.get(..len).unwrap_or_default()),
                    Err(error) => Arrived::Failed(error),
                })
            }
            Self::Tcp(exchange) => {
                let answered = ready!(exchange.as_mut().poll(context));
                *self = Self::Done(Vec::new());
                match (answered, self) {
                    (Ok(message), Self::Done(place)) => {
                        *place = message;
                        Poll::Ready(Arrived::Message(place))
                    }
                    (Err(error), _) => Poll::Ready(Arrived::Failed(error)),
                    (Ok(_), _) => Poll::Pending,
                }
            }
            Self::Done(_) => Poll::Pending,
        }
    }
}

/// The next datagram. An error of ICMP is no readiness to read for tokio, so both are waited for.
async fn hear(socket: UdpSocket, mut room: Box<[u8]>) -> Heard {
    let interest = Interest::READABLE | Interest::ERROR;
    let heard = socket.async_io(interest, || (&*SockRef::from(&socket)).read(&mut room));
    let heard = heard.await;
    (socket, room, heard)
}

/// Asks over TCP: in both directions two bytes of length stand before the message (RFC 1035 section 4.2.2).
async fn exchange(server: SocketAddr, sockets: Sockets, message: Vec<u8>) -> io::Result<Vec<u8>> {
    let len = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let stream = connect(server, sockets).await?;
    let mut question = len.to_be_bytes().to_vec();
    question.extend(message);
    let mut rest = question.as_slice();
    while !rest.is_empty() {
        stream.writable().await?;
        match stream.try_write(rest) {
            Ok(sent) => rest = rest.get(sent..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    let mut len = [0; 2];
    read(&stream, &mut len).await?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(len))];
    read(&stream, &mut answer).await?;
    Ok(answer)
}

/// Fills `room`.
async fn read(stream: &TcpStream, mut room: &mut [u8]) -> io::Result<()> {
    while !room.is_empty() {
        stream.readable().await?;
        match stream.try_read(room) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => room = room.get_mut(n..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
