//! The upload of a file to the storage of a hub: three calls, of which the second goes to the storage itself.

use std::fmt;

use towpath_azure::{
    Names, Proof,
    http::{Unwritable, Url},
    sas,
    upload::{Grant, Refused, Upload as Calls, noted, stored},
};
use towpath_proto::{Code, Fault, text::Text};

use super::{Body, Client, client::authority, plain::HTTP};
use crate::Error;

/// The longest answer of a hub, bytes.
const ANSWER: usize = 64 << 10;

/// How long a token for the calls is good, seconds: an upload may take its time.
const TOKEN: u64 = 3600;

/// A file to upload.
#[derive(Clone, Copy)]
pub struct Upload<'a> {
    /// The hub's host name.
    pub hub: &'a str,
    /// The hub's port for HTTPS, usually 443.
    pub port: u16,
    /// The device. Modules can't upload.
    pub device_id: &'a str,
    /// How the device proves who it is. The certificate is that of the client's settings.
    pub proof: Proof<'a>,
    /// What the file is to be called, 1 to 1024 characters; slashes make folders.
    pub name: &'a str,
    /// What it is, such as `text/plain`.
    pub content_type: &'a str,
    /// Seconds since 1970, for the token.
    pub unix: u64,
}

impl fmt::Debug for Upload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("hub", &self.hub)
            .field("device_id", &self.device_id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Where an uploaded file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    /// The host of the storage.
    pub host: String,
    /// The container and the name there: `{container}/{device}/{name}`.
    pub path: String,
    /// What identifies the upload in the hub's notification.
    pub correlation_id: String,
}

impl Client {
    /// Uploads a file: asks the hub for a place, puts the file there, and tells the hub how it went. The client's
    /// certificate is shown to the hub alone.
    ///
    /// # Errors
    /// [`Code::UploadRefused`] with what the hub said, [`Code::StorageRefused`] with what the storage said, and those of
    /// [`exchange`](Self::exchange).
    pub async fn upload(&self, upload: &Upload<'_>, body: Body<'_>) -> Result<Uploaded, Error> {
        let token = token(upload)?;
        let authority = authority(upload.hub, upload.port);
        let calls = Calls {
            authority: &authority,
            device_id: upload.device_id,
            blob: upload.name,
            authorization: token.as_ref().map(|token| token.as_str()),
        };
        let certificate = token.is_none();
        let (status, granted) = self
            .call(upload, certificate, |out| calls.begin(out))
            .await?;
        let grant = Grant::read(status, &granted).map_err(|refused| refusal(&refused))?;
        let put = self.put(&grant, upload.content_type, body).await;
        let outcome = match &put {
            Ok(outcome) => *outcome,
            // The path broke: the hub hears of it, so that the upload does not count as one that is under way.
            Err(error) => Err(Refused {
                status: 0,
                message: Text::from_bytes(error.to_string().as_bytes()),
            }),
        };
        let told = self
            .call(upload, certificate, |out| calls.end(&grant, &outcome, out))
            .await;
        put?.map_err(|refused| said(Code::StorageRefused, &refused))?;
        let (status, answer) = told?;
        noted(status, &answer).map_err(|refused| refusal(&refused))?;
        Ok(Uploaded {
            host: grant.host().to_owned(),
            path: grant.path().to_string(),
            correlation_id: grant.correlation_id().to_string(),
        })
    }

    /// A call of the hub, with the body of its answer.
    async fn call(
        &self,
        upload: &Upload<'_>,
        certificate: bool,
        write: impl FnOnce(&mut String) -> Result<(), Unwritable>,
    ) -> Result<(u16, Vec<u8>), Error> {
        let mut request = String::new();
        write(&mut request).map_err(|error| unwritable(&error))?;
        let url = url(upload.hub, upload.port);
        let url = Url::parse(&url).map_err(|error| unwritable(&error))?;
        let sent = self.send(&url, request.as_bytes(), Body::None, certificate);
        let mut answer = sent.await?;
        let body = answer.read_to_end(ANSWER).await?;
        Ok((answer.status(), body))
    }

    /// The file itself. The inner result is what the storage says.
    async fn put(
        &self,
        grant: &Grant<'_>,
        content_type: &str,
        body: Body<'_>,
    ) -> Result<Result<(), Refused>, Error> {
        let mut head = String::new();
        grant
            .put(body.len().unwrap_or(0), content_type, &mut head)
            .map_err(|error| unwritable(&error))?;
        let url = url(grant.host(), grant.port());
        let url = Url::parse(&url).map_err(|error| unwritable(&error))?;
        let answer = self.send(&url, head.as_bytes(), body, false).await?;
        Ok(stored(answer.answer()))
    }
}

/// A token for the calls; `None` with a certificate.
fn token(upload: &Upload<'_>) -> Result<Option<zeroize::Zeroizing<String>>, Error> {
    let Proof::Key(key) = upload.proof else {
        return Ok(None);
    };
    let names = Names {
        hub: upload.hub,
        device_id: upload.device_id,
        module_id: None,
    };
    // Longer than any token, so that no copy is left behind by growing.
    let mut token = zeroize::Zeroizing::new(String::with_capacity(1024));
    let expiry = upload.unix.saturating_add(TOKEN);
    sas::write(&mut *token, names.resource(), key, expiry, None)
        .map_err(|_| unwritable(&Unwritable::Full))?;
    Ok(Some(token))
}

fn url(host: &str, port: u16) -> String {
    format!("https://{}/", authority(host, port))
}

fn unwritable(error: &dyn fmt::Display) -> Error {
    Error::Url {
        why: error.to_string(),
    }
}

fn refusal(refused: &Refused) -> Error {
    said(Code::UploadRefused, refused)
}

fn said(code: Code, refused: &Refused) -> Error {
    Fault::new(HTTP, code)
        .number(refused.status.into())
        .detail(refused.message.as_str().as_bytes())
        .into()
}
