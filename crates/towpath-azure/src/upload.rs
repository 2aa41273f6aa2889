//! Upload of a file to the storage account of a hub: three requests over HTTPS, also for a device that otherwise speaks
//! MQTT.
//!
//! Takes in what is to be uploaded and the answers; gives out the requests. Whoever drives it has the connections: one
//! to the hub, one to the storage.
//!
//! 1. [`Upload::begin`] to the hub; its answer is a [`Grant`].
//! 2. [`Grant::put`] to [`Grant::host`], with the file behind it; [`stored`] says how that went.
//! 3. [`Upload::end`] to the hub, also after a failure, since a device may have ten uploads open at once; [`noted`] says
//!    whether the hub took it.
//!
//! With a certificate in place of a token the hub asks for it by a TLS renegotiation, as it does for WebSocket.
//! The storage asks for none. A file goes there in one piece, of up to 256 MiB.

use core::fmt;

use towpath_proto::text::Text;

use crate::{
    Name, Names,
    http::{self, Request, Unwritable},
    json::{self, Quoted, Value},
    percent::{Encoded, EncodedPath},
    scratch,
};

/// A file that a device uploads.
#[derive(Clone, Copy)]
pub struct Upload<'a> {
    /// The hub's host name, with its port if that is not 443.
    pub authority: &'a str,
    /// The device. Modules can't upload.
    pub device_id: &'a str,
    /// What the file is to be called, 1 to 1024 characters; slashes make folders. The hub puts the device's name
    /// before it.
    pub blob: &'a str,
    /// A token for the device ([`sas::write`](crate::sas::write)); none with a certificate.
    pub authorization: Option<&'a str>,
}

impl<'a> Upload<'a> {
    /// Writes the request that opens the upload, whole.
    ///
    /// # Errors
    /// Why it can't be written.
    pub fn begin(&self, out: &mut impl fmt::Write) -> Result<(), Unwritable> {
        let beginning = Beginning(self.blob);
        self.post("", scratch::len(&beginning), out)?;
        Ok(write!(out, "{beginning}")?)
    }

    /// Writes the request that ends the upload, whole. What is told is how storing the file went.
    ///
    /// # Errors
    /// Why it can't be written.
    pub fn end(
        &self,
        grant: &Grant<'_>,
        stored: &Result<(), Refused>,
        out: &mut impl fmt::Write,
    ) -> Result<(), Unwritable> {
        let ending = Ending { grant, stored };
        self.post("/notifications", scratch::len(&ending), out)?;
        Ok(write!(out, "{ending}")?)
    }

    fn post(&self, call: &str, body: usize, out: &mut impl fmt::Write) -> Result<(), Unwritable> {
        let target = Target {
            device_id: self.device_id,
            call,
        };
        let authorization = self.authorization.unwrap_or_default();
        let fields: [(&str, &dyn fmt::Display); 2] = [
            ("Content-Type", &"application/json; charset=utf-8"),
            ("Authorization", &authorization),
        ];
        let fields = match self.authorization {
            Some(_) => fields.as_slice(),
            None => fields.get(..1).unwrap_or_default(),
        };
        let request = Request {
            method: "POST",
            fields,
            content_length: u64::try_from(body).ok(),
            ..Request::get(self.authority, &target)
        };
        request.write(out)
    }
}

/// Without the token.
impl fmt::Debug for Upload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("authority", &self.authority)
            .field("device_id", &self.device_id)
            .field("blob", &self.blob)
            .finish_non_exhaustive()
    }
}

/// The resource that the hub has for a device's files.
struct Target<'a> {
    device_id: &'a str,
    call: &'a str,
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { device_id, call } = self;
        let (device_id, version) = (Encoded(device_id), Names::API_VERSION);
        write!(f, "/devices/{device_id}/files{call}?api-version={version}")
    }
}

/// The body of the first request.
struct Beginning<'a>(&'a str);

impl fmt::Display for Beginning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, r#"{{"blobName":{}}}"#, Quoted(self.0))
    }
}

/// The body of the last request.
struct Ending<'a> {
    grant: &'a Grant<'a>,
    stored: &'a Result<(), Refused>,
}

impl fmt::Display for Ending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, description) = match self.stored {
            Ok(()) => (201, Text::from_bytes(b"Created")),
            Err(refused) => (refused.status, refused.message),
        };
        write!(
            f,
            r#"{{"correlationId":{},"isSuccess":{},"statusCode":{status},"statusDescription":{}}}"#,
            Quoted(self.grant.correlation_id),
            self.stored.is_ok(),
            Quoted(description)
        )
    }
}

/// The hub's leave to store a file, and where.
#[derive(Clone)]
pub struct Grant<'m> {
    correlation_id: json::Text<'m>,
    authority: Name,
    host: Name,
    port: u16,
    container: json::Text<'m>,
    blob: json::Text<'m>,
    /// The right to write there.
    token: json::Text<'m>,
}

impl<'m> Grant<'m> {
    /// Reads the hub's answer to [`Upload::begin`].
    ///
    /// # Errors
    /// The hub refused, or the answer can't be read.
    pub fn read(status: u16, body: &'m [u8]) -> Result<Self, Refused> {
        noted(status, body)?;
        let malformed = || Refused {
            status,
            message: Text::from_bytes(b"the answer says no place to store the file"),
        };
        let answer = Value::parse(body).map_err(|json::Malformed| malformed())?;
        let text = |name| answer.member(name).and_then(Value::text);
        let member = |name| text(name).ok_or_else(malformed);
        let authority: Name = member("hostName")?.copied().ok_or_else(malformed)?;
        let (host, port) = http::host_and_port(&authority, 443).map_err(|_| malformed())?;
        Ok(Self {
            correlation_id: member("correlationId")?,
            host: Name::try_from(host).map_err(|_| malformed())?,
            port,
            container: member("containerName")?,
            blob: member("blobName")?,
            token: member("sasToken")?,
            authority,
        })
    }

    /// The host to store the file at, by HTTPS.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port there.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What identifies the upload.
    pub fn correlation_id(&self) -> impl fmt::Display + use<'m> {
        self.correlation_id
    }

    /// Where the file will be: `{container}/{blob}`.
    pub fn path(&self) -> impl fmt::Display + use<'m> {
        Place {
            container: self.container,
            blob: self.blob,
        }
    }

    /// Writes the head of the request that stores the file. `length` bytes of it have to follow.
    ///
    /// # Errors
    /// Why it can't be written.
    pub fn put(
        &self,
        length: u64,
        content_type: &str,
        out: &mut impl fmt::Write,
    ) -> Result<(), Unwritable> {
        let target = Authorized {
            place: self.path(),
            token: self.token,
        };
        let request = Request {
            method: "PUT",
            fields: &[
                ("x-ms-blob-type", &"BlockBlob"),
                ("Content-Type", &content_type),
            ],
            content_length: Some(length),
            ..Request::get(&self.authority, &target)
        };
        request.write(out)
    }
}

/// Without the token.
impl fmt::Debug for Grant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Grant(https://{}/{})", self.authority, self.path())
    }
}

struct Place<'m> {
    container: json::Text<'m>,
    blob: json::Text<'m>,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.container, self.blob)
    }
}

/// Path and query, the right to write in it.
struct Authorized<'m, P> {
    place: P,
    token: json::Text<'m>,
}

impl<P: fmt::Display> fmt::Display for Authorized<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.token.chars().next() == Some('?') {
            ""
        } else {
            "?"
        };
        write!(f, "/{}{mark}{}", EncodedPath(&self.place), self.token)
    }
}

/// Reads the storage's answer to [`Grant::put`].
///
/// # Errors
/// It was not stored.
pub fn stored(answer: &http::Answer) -> Result<(), Refused> {
    match answer.status {
        201 => Ok(()),
        status => Err(Refused {
            status,
            message: Text::from_bytes(answer.reason.as_str().as_bytes()),
        }),
    }
}

/// Reads the hub's answer to [`Upload::end`].
///
/// # Errors
/// The hub refused.
pub fn noted(status: u16, body: &[u8]) -> Result<(), Refused> {
    if (200..300).contains(&status) {
        return Ok(());
    }
    let answer = Value::parse(body).ok();
    let said = |name| answer.and_then(|answer| answer.member(name)?.text());
    let mut message = Text::EMPTY;
    if let Some(said) = said("Message").or_else(|| said("message")) {
        // A text takes what fits and never fails.
        let _ = fmt::write(&mut message, format_args!("{said}"));
    }
    Err(Refused { status, message })
}

/// Why a file was not uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// The status code of HTTP; one of success if the answer could not be read.
    pub status: u16,
    /// What the hub or the storage said.
    pub message: Text<96>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the file was not uploaded (HTTP {}", self.status)?;
        if !self.message.is_empty() {
            write!(f, ", {:?}", self.message)?;
        }
        f.write_str("). ")?;
        f.write_str(match self.status {
            200..=299 => "Check the name of the hub; this may be another server",
            400 => "Link a storage account and a container to the hub, and check the file's name",
            401 => "Check the device's key or certificate, and the clock",
            403 => "End the uploads that are open: a device may have ten",
            404 => "Check the device's name at the hub, and that the hub has file upload",
            408 | 429 | 500..=599 => "Try again later",
            _ => "Look at the text, and at the hub's log",
        })
    }
}

impl core::error::Error for Refused {}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{format, string::String};

    use proptest::prelude::*;

    use super::*;

    const UPLOAD: Upload<'_> = Upload {
        authority: "contoso.azure-devices.net",
        device_id: "dev#1",
        blob: "logs/\"1\".txt",
        authorization: Some("SharedAccessSignature sr=secret"),
    };

    /// As the hub's software escapes it.
    const ANSWER: &[u8] = br#"{"correlationId":"c\"1","hostName":"files.blob.core.windows.net","containerName":"in","blobName":"dev#1/logs/a b.txt","sasToken":"?sv=2018-03-28\u0026sr=b\u0026sig=secret%3D\u0026sp=rw","x":[{}]}"#;

    #[test]
    fn the_three_requests() {
        let mut out = String::new();
        UPLOAD.begin(&mut out).unwrap();
        assert_eq!(
            out,
            "POST /devices/dev%231/files?api-version=2021-04-12 HTTP/1.1\r\n\
             Host: contoso.azure-devices.net\r\nAccept-Encoding: identity\r\n\
             Content-Type: application/json; charset=utf-8\r\n\
             Authorization: SharedAccessSignature sr=secret\r\nContent-Length: 29\r\n\r\n\
             {\"blobName\":\"logs/\\\"1\\\".txt\"}"
        );
        let grant = Grant::read(200, ANSWER).unwrap();
        assert_eq!(
            (grant.host(), grant.port()),
            ("files.blob.core.windows.net", 443)
        );
        out.clear();
        grant.put(12, "text/plain", &mut out).unwrap();
        assert_eq!(
            out,
            "PUT /in/dev%231/logs/a%20b.txt?sv=2018-03-28&sr=b&sig=secret%3D&sp=rw HTTP/1.1\r\n\
             Host: files.blob.core.windows.net\r\nAccept-Encoding: identity\r\n\
             x-ms-blob-type: BlockBlob\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\r\n"
        );
        out.clear();
        let by_certificate = Upload {
            authorization: None,
            ..UPLOAD
        };
        by_certificate.end(&grant, &Ok(()), &mut out).unwrap();
        let (head, body) = out.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("POST /devices/dev%231/files/notifications?api-version=2021-04-12 ")
        );
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())));
        assert!(!head.contains("Authorization"));
        assert_eq!(
            body,
            r#"{"correlationId":"c\"1","isSuccess":true,"statusCode":201,"statusDescription":"Created"}"#
        );
    }

    #[test]
    fn a_file_that_was_not_stored() {
        let refused = Refused {
            status: 403,
            message: Text::from_bytes(b"Server failed to \"authenticate\""),
        };
        let grant = Grant::read(200, ANSWER).unwrap();
        let mut out = String::new();
        UPLOAD.end(&grant, &Err(refused), &mut out).unwrap();
        assert!(out.ends_with(
            r#""isSuccess":false,"statusCode":403,"statusDescription":"Server failed to \"authenticate\""}"#
        ));
    }

    #[test]
    fn what_the_hub_refuses() {
        let body = br#"{"Message":"ErrorCode:IotHubUnauthorizedAccess;Unauthorized","ExceptionMessage":"Tracking ID:1"}"#;
        let refused = Grant::read(401, body).unwrap_err();
        assert_eq!(
            refused.message.as_str(),
            "ErrorCode:IotHubUnauthorizedAccess;Unauthorized"
        );
        assert_eq!(
            format!("{refused}"),
            "the file was not uploaded (HTTP 401, \"ErrorCode:IotHubUnauthorizedAccess;Unauthorized\"). \
             Check the device's key or certificate, and the clock"
        );
        let refused = noted(429, br#"{"errorCode":429001,"message":"slow down"}"#).unwrap_err();
        assert_eq!(refused.message.as_str(), "slow down");
        assert_eq!(noted(503, b"<html>").unwrap_err().message.as_str(), "");
        assert_eq!(noted(204, b""), Ok(()));
        for body in [
            "",
            "[]",
            "{}",
            r#"{"correlationId":1,"hostName":"h","containerName":"c","blobName":"b","sasToken":"?"}"#,
            r#"{"correlationId":"1","hostName":"h/x","containerName":"c","blobName":"b","sasToken":"?"}"#,
            r#"{"correlationId":"1","hostName":"h\r\nX: y","containerName":"c","blobName":"b","sasToken":"?"}"#,
        ] {
            let refused = Grant::read(200, body.as_bytes()).unwrap_err();
            assert_eq!(refused.status, 200, "{body}");
        }
    }

    #[test]
    fn tokens_are_not_shown() {
        let grant = Grant::read(200, ANSWER).unwrap();
        let shown = format!("{grant:?} {UPLOAD:?}");
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn a_token_can_not_bring_a_second_request() {
        let body = br#"{"correlationId":"1","hostName":"h:8443","containerName":"c","blobName":"b","sasToken":"a\r\nX: y"}"#;
        let grant = Grant::read(200, body).unwrap();
        assert_eq!(grant.port(), 8443);
        let refused = grant.put(1, "text/plain", &mut String::new());
        assert_eq!(refused, Err(Unwritable::Target));
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(status in 0u16..600, body: std::vec::Vec<u8>, text: String) {
            let _ = (Grant::read(status, &body), noted(status, &body));
            let body = serde_json::json!({
                "correlationId": text, "hostName": "h", "containerName": text, "blobName": text, "sasToken": text,
            });
            let body = format!("{body}");
            let grant = Grant::read(200, body.as_bytes()).unwrap();
            prop_assert_eq!(format!("{}", grant.correlation_id()), text);
            let _ = grant.put(0, "a/b", &mut String::new());
            UPLOAD.end(&grant, &Ok(()), &mut String::new()).unwrap();
        }
    }
}
