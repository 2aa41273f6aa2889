//! Answers of the REST API: JSON with an etag, or a refusal in the form that the service's SDKs read.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value as Json, json};

use crate::{clock::Time, log::Code, store::Durable};

/// What a handler gives: an answer, or why not.
pub(super) type Answer = Result<Response, Refusal>;

/// A request that is refused.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// What the log says.
    pub(super) code: Code,
    /// The true cause. No key, no token.
    pub(super) why: String,
    /// What the caller is told where that is not the cause: who has no right to know gets no reason.
    told: Option<&'static str>,
    /// The form of the answer.
    form: Form,
    /// The device or registration that it was about.
    pub(super) device: Option<String>,
    pub(super) host: Option<String>,
}

/// The two services write their errors in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Hub,
    Provisioning,
}

impl Refusal {
    /// The status is that which the code begins with.
    pub(super) fn new(code: Code, why: impl Into<String>) -> Self {
        let status = u16::try_from(code.number() / 1000).unwrap_or(500);
        Self::with_status(status, code, why)
    }

    pub(super) fn with_status(status: u16, code: Code, why: impl Into<String>) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code,
            why: why.into(),
            told: None,
            form: Form::Hub,
            device: None,
            host: None,
        }
    }

    /// 400: what was sent is not what the service takes.
    pub(super) fn invalid(why: impl Into<String>) -> Self {
        Self::new(Code::ArgumentInvalid, why)
    }

    /// 401: the caller is told nothing, the log everything.
    pub(super) fn unauthorized(why: impl Into<String>) -> Self {
        Self {
            told: Some("Unauthorized"),
            ..Self::new(Code::IotHubUnauthorized, why)
        }
    }

    /// With another code in the log.
    pub(super) const fn code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// In the other service's form.
    pub(super) const fn form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// With the device it was about.
    pub(super) fn device(mut self, device: impl Into<String>) -> Self {
        self.device = Some(device.into());
        self
    }

    /// With the service it was about.
    pub(super) fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// The name that `Message` begins with. It is the SDKs' and not always that of the event log.
    const fn name(&self) -> &'static str {
        match self.code {
            // Also where the log knows better.
            _ if self.told.is_some() => "IotHubUnauthorizedAccess",
            Code::IotHubUnauthorized | Code::Unauthorized => "IotHubUnauthorizedAccess",
            Code::HubNotFound => "IotHubNotFound",
            code => code.name(),
        }
    }

    /// The number that the caller is told.
    const fn number(&self) -> u32 {
        match self.told {
            Some(_) => Code::Unauthorized.number(),
            None => self.code.number(),
        }
    }

    fn body(&self, now: Time) -> Json {
        let said = self.told.unwrap_or(&self.why);
        let tracking = format!("lab-{:x}", now.as_millis());
        match self.form {
            // The SDKs cut the text at semicolons.
            Form::Hub => json!({
                "Message": format!("ErrorCode:{};{}", self.name(), said.replace(';', ",")),
                "ExceptionMessage": format!("Tracking ID:{tracking}-TimeStamp:{now}-ErrorCode:{}", self.number()),
            }),
            Form::Provisioning => json!({
                "errorCode": self.number(),
                "trackingId": tracking,
                "message": said,
                "timestampUtc": now.rfc3339(),
            }),
        }
    }

    /// The answer, at a time.
    pub(super) fn answer(&self, now: Time) -> Response {
        let mut response = answered(self.status, &self.body(now));
        let headers = response.headers_mut();
        headers.insert("iothub-errorcode", HeaderValue::from_static(self.name()));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("SharedAccessSignature"),
            );
        }
        response
    }
}

/// The refusal goes into the response's extensions; the layer of the router logs it and writes the body, since both
/// need the clock.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// JSON with a status.
pub(super) fn answered(status: StatusCode, json: &Json) -> Response {
    let mut response = Response::new(Body::from(json.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    response
}

/// 200 with JSON; its `etag`, if it has one, in the header too.
pub(super) fn ok(json: &Json) -> Response {
    let mut response = answered(StatusCode::OK, json);
    let etag = json.get("etag").and_then(Json::as_str);
    let etag = etag.map(|etag| format!("\"{}\"", etag.trim_matches('"')));
    if let Some(Ok(etag)) = etag.map(HeaderValue::try_from) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    status.into_response()
}

/// Waits until what is to be promised is on the disk.
pub(super) async fn kept(durable: Durable) -> Result<(), Refusal> {
    if durable.wait().await {
        return Ok(());
    }
    Err(Refusal::new(
        Code::ServerError,
        "the change could not be written to the lab's state folder; see the disk",
    ))
}
