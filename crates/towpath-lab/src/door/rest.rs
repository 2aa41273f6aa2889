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
    service::{self, Caller, Progress},
};

/// How long the body of a request may pause.
const PAUSE: Duration = PATIENCE;

/// Serves requests until the connection ends, or one without `keep_alive`.
pub(super) async fn serve(
    channel: Channel,
    certificate: Option<ClientCertificate>,
    keep_alive: bool,
    door: &Arc<Door>,
    visit: Visit,
) -> String {
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
        Box::pin(async move {
            let answer: Result<Response<Body>, Infallible> = answer.await;
            answer
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD_MAX)
        .keep_alive(keep_alive)
        .serve_connection(TokioIo::new(Progress::new(channel)), service);
    let served = (&mut connection).await;
    // A body that was not read must not turn its answer into a reset.
    let mut channel = connection.into_parts().io.into_inner().into_inner();
    channel.leave().await;
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
