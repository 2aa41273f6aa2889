//! The conventions of IoT Plug and Play: how a device says which model it has, and what the parts of its twin,
//! telemetry and methods that belong to components look like.
//!
//! Takes in properties; gives out the JSON patch of reported properties that says them, and the two parts of a method's
//! name. Telemetry of a component names it in [`Bag::component`](crate::bag::Bag::component); the model is said
//! in CONNECT ([`Settings::model_id`](crate::Settings::model_id)).
//!
//! ```
//! use towpath_azure::pnp::{Acknowledgement, Patch};
//!
//! let mut out = String::new();
//! let mut patch = Patch::new(&mut out)?;
//! patch.property("serialNumber", "A-17")?;
//! patch.component("thermostat1")?;
//! patch.property("maxTempSinceLastReboot", 21.5)?;
//! patch.acknowledge("targetTemperature", 20.0, Acknowledgement::accepted(4))?;
//! patch.end()?;
//! assert_eq!(
//!     out,
//!     r#"{"serialNumber":"A-17","thermostat1":{"__t":"c","maxTempSinceLastReboot":21.5,"targetTemperature":{"value":20.0,"ac":200,"av":4}}}"#
//! );
//! # Ok::<(), towpath_azure::pnp::Unwritable>(())
//! ```

use core::fmt;

use crate::json::Quoted;

/// A value of a property.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// Takes a property away.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number; the hub takes -4503599627370496 to 4503599627370495.
    Integer(i64),
    /// A number. Infinity and NaN can't be written.
    Number(f64),
    /// A text; the hub takes up to 4096 bytes.
    Text(&'a str),
    /// JSON that is written as it is: an object, an array.
    Json(&'a str),
}

macro_rules! values {
    ($($type:ty => $variant:ident,)*) => {
        $(impl From<$type> for Value<'_> {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

values! {
    bool => Bool,
    i64 => Integer,
    i32 => Integer,
    u32 => Integer,
    f64 => Number,
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

/// The whole numbers that a hub takes: 52 bits and the sign.
const INTEGERS: core::ops::Range<i64> = -(1 << 52)..1 << 52;

impl Value<'_> {
    fn write(self, out: &mut impl fmt::Write) -> Result<(), Unwritable> {
        match self {
            Self::Null => out.write_str("null")?,
            Self::Bool(value) => write!(out, "{value}")?,
            Self::Integer(value) if INTEGERS.contains(&value) => write!(out, "{value}")?,
            // The form with an exponent for what would have hundreds of digits, both of which are JSON.
            Self::Number(value) if value.is_finite() => write!(out, "{value:?}")?,
            Self::Integer(_) | Self::Number(_) => return Err(Unwritable::Number),
            Self::Text(text) if text.len() <= TEXT => write!(out, "{}", Quoted(text))?,
            Self::Text(_) => return Err(Unwritable::Text),
            Self::Json(json) => out.write_str(json)?,
        }
        Ok(())
    }
}

/// The longest text of a property in bytes.
const TEXT: usize = 4096;

/// The longest name of a property in bytes.
const NAME: usize = 1024;

/// What a device answers to a writable property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledgement<'a> {
    /// A status as in HTTP: 200 taken, 202 being worked on, 400 not valid.
    pub code: u16,
    /// The version of the desired properties that is answered.
    pub version: u64,
    /// Words for whoever set it; may be empty.
    pub description: &'a str,
}

impl Acknowledgement<'static> {
    /// The value was taken.
    #[must_use]
    pub const fn accepted(version: u64) -> Self {
        Self {
            code: 200,
            version,
            description: "",
        }
    }
}

/// A patch of reported properties in the making.
///
/// After an error what was written is to be thrown away.
pub struct Patch<'w, W> {
    out: &'w mut W,
    /// What goes before the next member.
    between: &'static str,
    in_component: bool,
}

impl<'w, W: fmt::Write> Patch<'w, W> {
    /// Begins with the properties that belong to no component.
    ///
    /// # Errors
    /// Only [`Unwritable::Full`].
    pub fn new(out: &'w mut W) -> Result<Self, Unwritable> {
        out.write_str("{")?;
        Ok(Self {
            out,
            between: "",
            in_component: false,
        })
    }

    /// What follows belongs to this component, up to the next one. Each component may come once.
    ///
    /// # Errors
    /// Why it can't be written.
    pub fn component(&mut self, name: &str) -> Result<(), Unwritable> {
        if self.in_component {
            self.out.write_str("}")?;
            self.between = ",";
        }
        self.name(name)?;
        self.out.write_str(r#"{"__t":"c""#)?;
        self.in_component = true;
        Ok(())
    }

    /// A property.
    ///
    /// # Errors
    /// Why it can't be written.
    pub fn property<'v>(
        &mut self,
        name: &str,
        value: impl Into<Value<'v>>,
    ) -> Result<(), Unwritable> {
        self.name(name)?;
        value.into().write(self.out)
    }

    /// The answer to a writable property: the value that holds now, and what became of the one that was asked for.
    ///
    /// # Errors
    /// Why it can't be written.
    pub fn acknowledge<'v>(
        &mut self,
        name: &str,
        value: impl Into<Value<'v>>,
        acknowledgement: Acknowledgement<'_>,
    ) -> Result<(), Unwritable> {
        self.name(name)?;
        self.out.write_str(r#"{"value":"#)?;
        value.into().write(self.out)?;
        let Acknowledgement {
            code,
            version,
            description,
        } = acknowledgement;
        write!(self.out, r#","ac":{code},"av":{version}"#)?;
        if description.len() > TEXT {
            return Err(Unwritable::Text);
        }
        if !description.is_empty() {
            write!(self.out, r#","ad":{}"#, Quoted(description))?;
        }
        Ok(self.out.write_str("}")?)
    }

    /// Ends the patch.
    ///
    /// # Errors
    /// Only [`Unwritable::Full`].
    pub fn end(self) -> Result<(), Unwritable> {
        if self.in_component {
            self.out.write_str("}")?;
        }
        Ok(self.out.write_str("}")?)
    }

    fn name(&mut self, name: &str) -> Result<(), Unwritable> {
        let valid = |char: char| !char.is_control() && !matches!(char, '.' | '$' | ' ');
        if name.is_empty() || name.len() > NAME || !name.chars().all(valid) {
            return Err(Unwritable::Name);
        }
        let between = core::mem::replace(&mut self.between, ",");
        Ok(write!(self.out, "{between}{}:", Quoted(name))?)
    }
}

impl<W> fmt::Debug for Patch<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patch")
            .field("in_component", &self.in_component)
            .finish_non_exhaustive()
    }
}

/// Why a patch can't be written. The hub would refuse the whole of it with status 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unwritable {
    /// There is no room for it.
    Full,
    /// A name is empty, longer than 1024 bytes, or has a dot, a dollar sign, a space or a control character.
    Name,
    /// A number is infinite or not one, or a whole number needs more than 52 bits.
    Number,
    /// A text has more than 4096 bytes.
    Text,
}

impl From<fmt::Error> for Unwritable {
    fn from(_: fmt::Error) -> Self {
        Self::Full
    }
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the patch does not fit the buffer; enlarge it",
            Self::Name => {
                "the name of a property is empty, too long, or has a dot, a dollar sign, a space or a control character"
            }
            Self::Number => {
                "a number is infinite or not one, or a whole number needs more than 52 bits; the hub takes no such numbers"
            }
            Self::Text => "a text has more than the 4096 bytes that the hub takes; split it",
        })
    }
}

impl core::error::Error for Unwritable {}

/// The component, if it names one, and the command in the name of a method: `component*command`.
#[must_use]
pub fn command(method: &str) -> (Option<&str>, &str) {
    match method.split_once('*') {
        Some((component, command)) => (Some(component), command),
        None => (None, method),
    }
}

/// The payload for DPS that says which model a device has, for whoever allocates its hub.
///
/// # Errors
/// Only those of `out`.
pub fn provisioning_payload(out: &mut impl fmt::Write, model_id: &str) -> fmt::Result {
    write!(out, r#"{{"modelId":{}}}"#, Quoted(model_id))
}

/// Whether a text is the identifier of a model: `dtmi:com:example:Thermostat;1` (DTMI, version 2 and 3).
#[must_use]
pub fn is_model_id(text: &str) -> bool {
    let number = |text: &str, digits: usize| {
        (1..=digits).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && (text == "0" || !text.starts_with('0'))
    };
    let version = |text: &str| {
        let (major, minor) = text
            .split_once('.')
            .map_or((text, None), |(major, minor)| (major, Some(minor)));
        number(major, 9) && major != "0" && minor.is_none_or(|minor| number(minor, 6))
    };
    let Some(rest) = text.strip_prefix("dtmi:") else {
        return false;
    };
    let (path, version_valid) = match rest.split_once(';') {
        Some((path, text)) => (path, version(text)),
        None => (rest, true),
    };
    text.len() <= 4096 && version_valid && path.split(':').all(is_segment)
}

/// One part of a model's identifier: letters, digits and underscores, a letter first, no underscore last.
fn is_segment(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphabetic())
        && !text.ends_with('_')
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::{String, ToString as _};

    use proptest::prelude::*;

    use super::*;

    fn written(
        write: impl FnOnce(&mut Patch<'_, String>) -> Result<(), Unwritable>,
    ) -> Result<String, Unwritable> {
        let mut out = String::new();
        let mut patch = Patch::new(&mut out)?;
        write(&mut patch)?;
        patch.end()?;
        Ok(out)
    }

    #[test]
    fn components_carry_their_mark() {
        let patch = written(|patch| {
            patch.component("a")?;
            patch.component("b")?;
            patch.property("x", Value::Null)?;
            patch.property("y", Value::Json("[1,{}]"))
        });
        assert_eq!(
            patch.unwrap(),
            r#"{"a":{"__t":"c"},"b":{"__t":"c","x":null,"y":[1,{}]}}"#
        );
        assert_eq!(written(|_| Ok(())).unwrap(), "{}");
    }

    #[test]
    fn an_acknowledgement_with_words() {
        let patch = written(|patch| {
            let acknowledgement = Acknowledgement {
                code: 400,
                version: 7,
                description: "too \"hot\"",
            };
            patch.acknowledge("target", true, acknowledgement)
        });
        assert_eq!(
            patch.unwrap(),
            r#"{"target":{"value":true,"ac":400,"av":7,"ad":"too \"hot\""}}"#
        );
    }

    #[test]
    fn what_the_hub_would_refuse_is_refused_here() {
        let long = "x".repeat(5000);
        for name in ["", "a.b", "$a", "a b", "a\n", &long] {
            let refused = written(|patch| patch.property(name, 1));
            assert_eq!(refused, Err(Unwritable::Name), "{name:?}");
        }
        for number in [f64::NAN, f64::INFINITY] {
            assert_eq!(
                written(|patch| patch.property("a", number)),
                Err(Unwritable::Number)
            );
        }
        for (integer, taken) in [
            (4_503_599_627_370_495_i64, true),
            (4_503_599_627_370_496, false),
            (-4_503_599_627_370_496, true),
            (-4_503_599_627_370_497, false),
        ] {
            let patch = written(|patch| patch.property("a", integer));
            assert_eq!(patch.is_ok(), taken, "{integer}");
        }
        assert_eq!(
            written(|patch| patch.property("a", &*long)),
            Err(Unwritable::Text)
        );
        let mut small: heapless::String<8> = heapless::String::new();
        let mut patch = Patch::new(&mut small).unwrap();
        assert_eq!(patch.property("abc", "def"), Err(Unwritable::Full));
    }

    #[test]
    fn names_of_commands() {
        assert_eq!(command("reboot"), (None, "reboot"));
        assert_eq!(
            command("thermostat1*getMaxMinReport"),
            (Some("thermostat1"), "getMaxMinReport")
        );
        assert_eq!(command("a*b*c"), (Some("a"), "b*c"));
    }

    #[test]
    fn models() {
        for good in [
            "dtmi:com:example:Thermostat;1",
            "dtmi:com:example:Thermostat;1.15",
            "dtmi:com:example:Thermostat",
            "dtmi:a_1;999999999",
        ] {
            assert!(is_model_id(good), "{good}");
        }
        for bad in [
            "",
            "dtmi:",
            "dtmi:;1",
            "dtmi:a;0",
            "dtmi:a;01",
            "dtmi:a;",
            "dtmi:a;1.",
            "dtmi:1a;1",
            "dtmi:_a;1",
            "dtmi:a_;1",
            "dtmi:a::b;1",
            "dtmi:a b;1",
            "DTMI:a;1",
            "dtmi:a;1;1",
            "dtmi:a;1234567890",
        ] {
            assert!(!is_model_id(bad), "{bad}");
        }
        let mut out = String::new();
        provisioning_payload(&mut out, "dtmi:com:example:Thermostat;1").unwrap();
        assert_eq!(out, r#"{"modelId":"dtmi:com:example:Thermostat;1"}"#);
    }

    proptest! {
        #[test]
        fn a_patch_is_json_that_says_the_same(text: String, number: f64, integer: i32, name in "z\\PC{0,8}") {
            let patch = written(|patch| {
                patch.component("c")?;
                patch.property("text", &*text)?;
                patch.property("number", number)?;
                patch.property("integer", integer)?;
                patch.property(&name, false)
            });
            if name.contains(['.', '$', ' ']) {
                prop_assert_eq!(patch, Err(Unwritable::Name));
            } else if number.is_finite() {
                let patch = patch.unwrap();
                let read: serde_json::Value = serde_json::from_str(&patch).unwrap();
                let exact = std::format!("\"number\":{number:?},");
                prop_assert!(read["c"]["number"].is_number() && patch.contains(&exact));
                prop_assert_eq!(exact[9..exact.len() - 1].parse(), Ok(number));
                prop_assert_eq!(read["c"]["text"].as_str(), Some(&*text));
                prop_assert_eq!(read["c"]["integer"].as_i64(), Some(i64::from(integer)));
                prop_assert_eq!(read["c"][&*name].as_bool(), Some(false));
            }
        }

        #[test]
        fn any_text_is_a_model_or_not(text: String, noise in "dtmi:[a-z0-9_:;.]{0,12}") {
            let _ = (is_model_id(&text), is_model_id(&noise), command(&text).1.to_string());
        }
    }
}
