//! What a registrant asks for, by the topic of its message.

use percent_encoding::percent_decode_str;

use crate::hub::topic::shortened;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ask {
    /// The number that the answer has to bear, as it was written.
    pub(super) rid: String,
    pub(super) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Register,
    /// The state of an operation.
    Status {
        operation: String,
    },
}

impl Ask {
    /// Reads a topic.
    ///
    /// # Errors
    /// Why it is none of the service's.
    pub(super) fn parse(topic: &str) -> Result<Self, String> {
        let (path, query) = topic.split_once("/?").unwrap_or((topic, ""));
        let value = |wanted: &str| {
            let mut fields = query.split('&');
            fields.find_map(|field| {
                let (name, value) = field.split_once('=')?;
                let name = percent_decode_str(name).decode_utf8().ok()?;
                (name == wanted).then_some(value)
            })
        };
        let rid = value("$rid").unwrap_or_default().to_owned();
        let what = match path {
            "$dps/registrations/PUT/iotdps-register" => What::Register,
            "$dps/registrations/GET/iotdps-get-operationstatus" => {
                let operation = value("operationId").unwrap_or_default();
                let operation = percent_decode_str(operation).decode_utf8_lossy();
                What::Status {
                    operation: operation.into_owned(),
                }
            }
            _ => {
                return Err(format!(
                    "{} is none of the provisioning service's topics: it takes \
                     $dps/registrations/PUT/iotdps-register/?$rid=... and \
                     $dps/registrations/GET/iotdps-get-operationstatus/?$rid=...&operationId=...",
                    shortened(topic)
                ));
            }
        };
        Ok(Self { rid, what })
    }
}
