//! Cloud-to-device messages as the service sees them over HTTP: emptying a queue, and feedback.

use axum::http::{HeaderValue, StatusCode, header};
use serde_json::json;

use super::{
    answer::{Answer, answered, empty, kept, ok},
    call::{At, Call},
    registry::absent,
};
use crate::{config::Right, hub::Name};

/// Records of feedback in one answer.
const MANY: usize = 64;

/// `DELETE /devices/{id}/commands`
pub(super) async fn purge(call: Call, At(id): At<String>) -> Answer {
    let hub = call.service(&[Right::ServiceConnect], &format!("devices/{id}/commands"))?;
    let name = Name::device(id);
    let (purged, durable) = hub.purge(&name).ok_or_else(|| absent(&name))?;
    kept(durable).await?;
    Ok(ok(&json!({
        "totalMessagesPurged": purged,
        "deviceId": name.device,
        "moduleId": null,
    })))
}

/// `GET /messages/serviceBound/feedback`: taken off the list when it is given out.
pub(super) async fn receive(call: Call) -> Answer {
    let hub = call.service(&[Right::ServiceConnect], "messages/servicebound/feedback")?;
    let (feedback, durable) = hub.take_feedback(MANY);
    if feedback.is_empty() {
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    kept(durable).await?;
    let mut response = answered(StatusCode::OK, &json!(feedback));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/vnd.microsoft.iothub.feedback.json"),
    );
    headers.insert(header::ETAG, HeaderValue::from_static("\"taken\""));
    Ok(response)
}

/// Feedback is complete when it is given out.
pub(super) async fn settle(call: Call, At(_token): At<String>) -> Answer {
    call.service(&[Right::ServiceConnect], "messages/servicebound/feedback")?;
    Ok(empty(StatusCode::NO_CONTENT))
}
