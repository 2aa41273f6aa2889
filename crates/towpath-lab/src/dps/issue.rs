//! Certificates for devices' requests (PKCS#10, RFC 2986), in the two forms that the service's previews have.

use openssl::{
    base64,
    nid::Nid,
    x509::{X509, X509Req},
};
use serde_json::{Map, Value as Json, json};

use super::{
    Dps,
    answer::Refusal,
    enrollment::Enrollment,
    operation::{Form, Request, Wanted},
};
use crate::{
    certificate::{subject_common_name, thumbprints},
    clock::Time,
    hub::{Authentication, topic::shortened},
    log::Code,
};

/// Bytes of a request in DER.
const REQUEST: usize = 8 << 10;

/// Reads and checks the request for a certificate in the body of a registration; with what is odd about it.
pub(super) fn asked(
    body: &Map<String, Json>,
    id: &str,
    api_version: &str,
) -> Result<(Option<Request>, Option<String>), Refusal> {
    let text = |key: &str| match body.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(Refusal::body(format!("{key} has to be a text"))),
    };
    let (single, chain) = (text("clientCertificateCsr")?, text("csr")?);
    let (key, text, form, fits, needs) = match (single, chain) {
        (None, None) => return Ok((None, None)),
        (Some(_), Some(_)) => {
            return Err(Refusal::body(
                "csr and clientCertificateCsr are of two different versions; send one",
            ));
        }
        (Some(text), None) => {
            let needs = "2021-11-01-preview";
            (
                "clientCertificateCsr",
                text,
                Form::Single,
                api_version == needs,
                needs,
            )
        }
        (None, Some(text)) => {
            let needs = "2025-07-01-preview";
            ("csr", text, Form::Chain, api_version >= "2025-07-01", needs)
        }
    };
    if !fits {
        let odd = format!(
            "{key} is ignored: it needs api-version={needs}, and {id} connected with {}",
            shortened(api_version)
        );
        return Ok((None, Some(odd)));
    }
    let request = checked(key, text, form, id)?;
    Ok((Some(request), None))
}

fn checked(key: &str, text: &str, form: Form, id: &str) -> Result<Request, Refusal> {
    let wrong = |why: String| Refusal::body(format!("{key}: {why}"));
    if text.len() > REQUEST * 2 {
        return Err(wrong(format!("more than {} characters", REQUEST * 2)));
    }
    let armoured = text.contains("-----BEGIN");
    if armoured && form == Form::Chain {
        return Err(wrong(
            "it has to be the base64 of the DER alone, without the lines -----BEGIN and -----END"
                .into(),
        ));
    }
    let plain: String = text
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .flat_map(|line| line.chars().filter(|c| !c.is_whitespace()))
        .collect();
    let der = base64::decode_block(&plain).map_err(|_| wrong("it is no base64".into()))?;
    let request = X509Req::from_der(&der)
        .map_err(|_| wrong("it is no certificate signing request (PKCS#10 in DER)".into()))?;
    let public = request
        .public_key()
        .map_err(|_| wrong("its key can't be read".into()))?;
    if !request.verify(&public).unwrap_or(false) {
        return Err(wrong("its signature is not that of its own key".into()));
    }
    let name = subject_common_name(request.subject_name()).unwrap_or_default();
    if !name.eq_ignore_ascii_case(id) {
        return Err(wrong(format!(
            "its common name is {}, and the registration id is {id:?}: they have to be the same",
            shortened(&name)
        )));
    }
    if name.len() > 64 {
        return Err(wrong(
            "its common name has more than 64 characters, which no certificate can have".into(),
        ));
    }
    let curve = public
        .ec_key()
        .ok()
        .and_then(|key| key.group().curve_name());
    if form == Form::Chain && curve != Some(Nid::SECP384R1) {
        return Err(wrong(format!(
            "its key is {}, and only EC P-384 is taken",
            curve.map_or_else(
                || format!("no EC key ({} bits)", public.bits()),
                |curve| format!("on {}", curve.long_name().unwrap_or("another curve"))
            )
        )));
    }
    Ok(Request { der, form })
}

/// What the hub is to accept, and the field of `registrationState` with its value.
pub(super) type Issued = (Authentication, &'static str, Json);

impl Dps {
    /// Issues the certificate that was asked for; `None` if none was, or the enrolment issues none.
    pub(super) fn issued(
        &self,
        enrollment: &Enrollment,
        wanted: &Wanted,
        device_id: &str,
        now: Time,
    ) -> Result<Option<Issued>, Refusal> {
        let Some(asked) = wanted.request.as_ref().filter(|_| enrollment.issue) else {
            return Ok(None);
        };
        let made = X509Req::from_der(&asked.der)
            .map_err(crate::Error::from)
            .and_then(|request| self.issuer.issue(&request, self.issued_days, now))
            .and_then(|chain| {
                texts(&chain, asked.form)
                    .map(|text| (chain, text))
                    .map_err(crate::Error::from)
            });
        let (chain, text) = made.map_err(|error| {
            Refusal::new(
                Code::ServerError,
                "Internal error.",
                format!("the certificate can't be issued: {error}"),
            )
        })?;
        let leaf = chain.first().ok_or_else(|| {
            Refusal::new(
                Code::ServerError,
                "Internal error.",
                "no certificate was issued",
            )
        })?;
        let common_name = crate::certificate::common_name(leaf);
        let by_thumbprint = Authentication::SelfSigned {
            primary: Some(thumbprints(leaf).sha256),
            secondary: None,
        };
        Ok(Some(match asked.form {
            Form::Single => (by_thumbprint, "issuedClientCertificate", text),
            // The hub wants the device's id as common name from a CA's certificate.
            Form::Chain if common_name.as_deref() == Some(device_id) => (
                Authentication::CertificateAuthority,
                "issuedCertificateChain",
                text,
            ),
            Form::Chain => (by_thumbprint, "issuedCertificateChain", text),
        }))
    }
}

fn texts(chain: &[X509], form: Form) -> Result<Json, openssl::error::ErrorStack> {
    match form {
        Form::Single => {
            let pem = chain.first().map(|leaf| leaf.to_pem()).transpose()?;
            let pem = pem.unwrap_or_default();
            Ok(json!(String::from_utf8_lossy(&pem)))
        }
        Form::Chain => {
            let all = chain
                .iter()
                .map(|one| Ok(base64::encode_block(&one.to_der()?)));
            Ok(json!(
                all.collect::<Result<Vec<_>, openssl::error::ErrorStack>>()?
            ))
        }
    }
}
