//! MQTT 3.1.1 as the server: packets, keep-alive, acknowledgements; what they mean is up to a hub or the provisioning
//! service.
//!
//! Takes in a stream of bytes on which TLS (and WebSocket) are done; gives out the reason why the connection ended.
//! `input` and `output` are the buffers, `link` is the loop on the socket, `conversation` what is said; it begins with
//! `connect` and goes on with `guest`, a device or module of a hub, or `registrant`, who is at the provisioning service.

mod connect;
mod conversation;
mod faults;
mod guest;
mod input;
mod link;
mod output;
mod registrant;
#[cfg(test)]
mod tests;
mod timers;
mod window;

use std::{future::poll_fn, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use self::{
    conversation::Conversation,
    link::{Event, Link},
};
use crate::{certificate::ClientCertificate, connection::Connection, shared::Shared};

/// A client that has reached MQTT.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) connection: Arc<Connection>,
    /// The host that the client named: SNI, or `Host` behind a proxy.
    pub(crate) host: Option<String>,
    pub(crate) certificate: Option<ClientCertificate>,
}

/// Serves a client until its connection is over; gives the reason in words.
pub(crate) async fn serve<S>(stream: S, arrival: Arrival, lab: &Arc<Shared>) -> String
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let now = Instant::now();
    let mut link = Link::new(stream, Conversation::new(arrival, lab, now), now);
    loop {
        match poll_fn(|context| link.poll(context)).await {
            Event::Request(request) => {
                let answered = request.put(lab).await;
                link.talk.answered(answered);
            }
            Event::End => return link.finish().await,
        }
    }
}
