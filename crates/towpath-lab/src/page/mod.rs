//! What people see: pages on loopback, served beside the lab's own API.
//!
//! Takes in requests of a browser and what the lab knows; gives out HTML made on the server, one style sheet and one
//! script. The script changes nothing by itself: it calls the API, and [`live`] sends the parts of a page that changed.
//! Device ids, payloads and causes come from peers and are text to every page; nothing of it can become markup.

mod assets;
mod connection;
mod device;
mod events;
mod faults;
mod gather;
mod guard;
mod ladder;
mod layout;
mod live;
mod message;
mod overview;
mod provisioning;
#[cfg(test)]
mod tests;
mod twin;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, Query, State},
    http::StatusCode,
    middleware,
    response::{Html, IntoResponse as _, Response},
    routing::{MethodRouter, get},
};
use maud::{Markup, html};
use serde::Deserialize;

use self::{
    layout::{Frame, Here},
    live::{Line, Since},
};
use crate::{service, shared::Shared};

/// A page, asked for with what stood in its address.
trait Page: Sized + Send + 'static {
    /// Which entry of the menu is the current one.
    const HERE: Here;

    /// What stands in the window's title.
    fn title(&self) -> String;

    /// All of it, with the parts and lines in their places. `None`: there is no such thing.
    fn body(&self, lab: &Shared) -> Option<Markup>;

    /// The parts that change, by the id of their element.
    fn parts(&self, lab: &Shared) -> Vec<(&'static str, Markup)>;

    /// What was added to the page's lists since these numbers, newest first.
    fn lines(&self, lab: &Shared, since: &Since) -> Vec<Line> {
        let _ = (lab, since);
        Vec::new()
    }
}

/// The routes of the page.
pub(crate) fn routes(lab: &Arc<Shared>) -> Router {
    let pages = Router::new()
        .route("/", get(overview_page))
        .route("/faults", page::<faults::Catalogue>())
        .route("/provisioning", page::<provisioning::Overview>())
        .route("/events", get(events_page))
        .route("/connections/{id}", get(connection_page))
        .route("/hubs/{host}/devices/{id}", get(device_page))
        .route("/live/overview", get(overview_live))
        .route("/live/faults", live_of::<faults::Catalogue>())
        .route("/live/provisioning", live_of::<provisioning::Overview>())
        .route("/live/events", get(events_live))
        .route("/live/connections/{id}", get(connection_live))
        .route("/live/hubs/{host}/devices/{id}", get(device_live))
        .with_state(Arc::clone(lab));
    let lost = Router::new()
        .route("/{*path}", get(nowhere))
        .with_state(Arc::clone(lab));
    pages
        .merge(assets::routes())
        .merge(lost)
        .layer(middleware::from_fn(service::guard))
        .layer(middleware::map_response(guard::confine))
}

type Lab = State<Arc<Shared>>;

fn page<P: Page + Default>() -> MethodRouter<Arc<Shared>> {
    get(|State(lab): Lab| async move { shown(&P::default(), &lab) })
}

fn live_of<P: Page + Default>() -> MethodRouter<Arc<Shared>> {
    get(|State(lab): Lab| async move { live::stream(P::default(), &lab, Since::default()) })
}

async fn overview_page(State(lab): Lab, Query(page): Query<overview::Overview>) -> Response {
    shown(&page, &lab)
}

async fn overview_live(State(lab): Lab, Query(page): Query<overview::Overview>) -> Response {
    live::stream(page, &lab, Since::default())
}

async fn events_page(State(lab): Lab, Query(page): Query<events::Events>) -> Response {
    shown(&page, &lab)
}

async fn events_live(
    State(lab): Lab,
    Query(page): Query<events::Events>,
    Query(since): Query<Since>,
) -> Response {
    live::stream(page, &lab, since)
}

#[derive(Debug, Deserialize)]
struct DevicePath {
    host: String,
    id: String,
}

impl DevicePath {
    fn device(self) -> device::Device {
        device::Device::new(self.host, &self.id)
    }
}

async fn device_page(State(lab): Lab, Path(path): Path<DevicePath>) -> Response {
    shown(&path.device(), &lab)
}

async fn device_live(
    State(lab): Lab,
    Path(path): Path<DevicePath>,
    Query(since): Query<Since>,
) -> Response {
    live::stream(path.device(), &lab, since)
}

async fn connection_page(State(lab): Lab, Path(id): Path<u64>) -> Response {
    shown(&connection::One { id }, &lab)
}

async fn connection_live(
    State(lab): Lab,
    Path(id): Path<u64>,
    Query(since): Query<Since>,
) -> Response {
    live::stream(connection::One { id }, &lab, since)
}

/// The page, or a page that says that there is nothing.
fn shown<P: Page>(page: &P, lab: &Shared) -> Response {
    let Some(body) = page.body(lab) else {
        return missing(lab);
    };
    let frame = Frame {
        title: &page.title(),
        here: P::HERE,
        live: true,
        faults_on: lab.means.faults.on().len(),
        now: lab.means.clock.now(),
    };
    Html(frame.around(&body).into_string()).into_response()
}

async fn nowhere(State(lab): Lab) -> Response {
    missing(&lab)
}

fn missing(lab: &Shared) -> Response {
    let body = html! {
        h1 { "There is nothing here" }
        p { "The device, connection or page is gone, or never was. " a href="/" { "Back to the overview" } }
    };
    let frame = Frame {
        title: "Not found",
        here: Here::Elsewhere,
        live: false,
        faults_on: lab.means.faults.on().len(),
        now: lab.means.clock.now(),
    };
    (
        StatusCode::NOT_FOUND,
        Html(frame.around(&body).into_string()),
    )
        .into_response()
}
