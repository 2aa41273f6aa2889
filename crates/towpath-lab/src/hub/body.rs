//! A message's payload in JSON: `body` as text where it is UTF-8, else `body_base64`. In the store and in the API.

use bytes::Bytes;
use openssl::base64;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One field of an object: `body` or `body_base64`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Body(pub(crate) Bytes);

/// How it is written.
#[derive(Serialize, Deserialize)]
enum Written<T> {
    #[serde(rename = "body")]
    Text(T),
    #[serde(rename = "body_base64")]
    Base64(String),
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => Written::Text(text).serialize(serializer),
            Err(_) => Written::<&str>::Base64(base64::encode_block(&self.0)).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Written::<String>::deserialize(deserializer)? {
            Written::Text(text) => Ok(Self(text.into())),
            Written::Base64(text) => {
                let bytes = base64::decode_block(&text).map_err(serde::de::Error::custom)?;
                Ok(Self(bytes.into()))
            }
        }
    }
}

/// A time as RFC 3339 text, for `#[serde(with)]`.
pub(crate) mod text {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::clock::Time;

    pub(crate) fn serialize<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Time, D::Error> {
        let text = String::deserialize(deserializer)?;
        Time::parse(&text).ok_or_else(|| serde::de::Error::custom("no time of RFC 3339"))
    }
}
