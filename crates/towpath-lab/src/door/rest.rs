//! REST: the connection with hyper, the requests with [`service`].

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use hyper::{
    Request, Response,
    body::{Frame, Incoming, SizeHint},
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::time::{Instant, Sleep, sleep};

use super::{Door, Visit, channel::Channel, http::HEAD_MAX, secure::PATIENCE};
use crate::{
    certificate::ClientCertificate,
    service::{self, Caller},
};

/// How long the body of a request may pause.
const PAUSE: Duration = PATIENCE;

/// Serves requests until the connection ends.
pub(super) async fn serve(
    channel: Channel,
    certificate: Option<ClientCertificate>,
    door: &Arc<Door>,
    visit: Visit,
) -> String {
    // Behind a proxy a connection is shared by clients, and each has its own certificate.
    let keep_alive = matches!(channel, Channel::Tls(_));
    let caller = Caller {
        connection: Arc::clone(&visit.connection),
        certificate,
    };
    let routes = door.rest.get_or_init(|| service::rest(&door.lab)).clone();
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(|body| Body::new(Patient::new(body)));
        request.extensions_mut().insert(caller.clone());
        let answer = routes.call(request);
        async move {
            let answer: Result<Response<Body>, Infallible> = answer.await;
            answer
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD_MAX)
        .keep_alive(keep_alive)
        .serve_connection(TokioIo::new(channel), service)
        .await;
    match served {
        Ok(()) => "the HTTP connection ended".into(),
        Err(error) => format!("the HTTP connection ended: {error}"),
    }
}

/// A body that has to go on coming.
struct Patient {
    body: Incoming,
    due: Pin<Box<Sleep>>,
}

impl Patient {
    fn new(body: Incoming) -> Self {
        Self {
            body,
            due: Box::pin(sleep(PAUSE)),
        }
    }
}

impl hyper::body::Body for Patient {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.due.as_mut().reset(Instant::now() + PAUSE);
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(this.due.as_mut().poll(cx));
        Poll::Ready(Some(Err("the body of the request does not go on".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
