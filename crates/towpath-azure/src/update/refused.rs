//! Why an update was not installed.

use core::fmt;

/// One row for each reason: its number, its name, the cause, the remedy.
macro_rules! reasons {
    ($($variant:ident = $number:literal, $name:literal, $cause:literal, $remedy:literal;)*) => {
        /// Why an update was not installed. What runs is untouched in every case.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Refused {
            $(#[doc = concat!("Cause: ", $cause, ".")] $variant = $number,)*
        }

        impl Refused {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The lower-case name that logs, JSON and `fwUpdateSubstatus` use.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The cause, in one line.
            #[must_use]
            pub const fn cause(self) -> &'static str {
                match self { $(Self::$variant => $cause,)* }
            }

            /// The remedy, in one line.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)* }
            }
        }
    };
}

reasons! {
    Json = 1, "json", "the job is not JSON",
        "look at the desired properties of the twin";
    Incomplete = 2, "incomplete", "a field of the job is missing, of the wrong kind or too long",
        "create the job anew; compare its fields with the documentation";
    TooLarge = 3, "too-large", "the job is larger than the device's buffer",
        "enlarge the buffer";
    Action = 4, "action", "an action that is not done here",
        "use a current Device Update instance";
    SignatureForm = 5, "signature-form", "the manifest's signature is not a JWS of RS256 with its signing key inside",
        "deploy with Device Update, or sign as it does";
    UnknownRoot = 6, "unknown-root", "the manifest's signing key is signed by a root key that is not known here",
        "add the current root keys of Device Update to the device's settings";
    DisabledKey = 7, "disabled-key", "the manifest is signed with a key that was disabled",
        "deploy anew, so that it is signed with a current key";
    SigningKey = 8, "signing-key", "the signature of the signing key is wrong",
        "somebody changed it: find out who writes the twin";
    Signature = 9, "signature", "the signature of the manifest is wrong",
        "somebody changed it: find out who writes the twin";
    ManifestHash = 10, "manifest-hash", "the signature is of another manifest",
        "somebody changed the manifest: find out who writes the twin";
    ManifestVersion = 11, "manifest-version", "a manifest version other than 4 or 5",
        "import the update anew";
    Incompatible = 12, "incompatible", "the update is for devices of another manufacturer or model",
        "deploy it to the group it is for, or mend the device's properties";
    Handler = 13, "handler", "a step for a handler that this device does not have",
        "import the update with the device's handler";
    Reference = 14, "reference", "a step that refers to another manifest",
        "import the update with inline steps only";
    Files = 15, "files", "not exactly one step with one file",
        "import the update with one step that has one file";
    NoHash = 16, "no-hash", "the file has no SHA-256",
        "import the update anew";
    NoUrl = 17, "no-url", "there is no address for the file",
        "deploy anew";
    Url = 18, "url", "the address is not one of http or https",
        "mend the job's address";
    Insecure = 19, "insecure", "the address is one of http, and nothing else vouches for the image",
        "serve the image by https, or allow http in the settings";
    Downgrade = 20, "downgrade", "the version is older than what runs",
        "deploy a newer version, or allow downgrades in the settings";
    VersionOrder = 21, "version-order", "nobody can say whether the version is newer: it is not numbers with dots",
        "number the versions, or allow downgrades in the settings";
    NoRoom = 22, "no-room", "the image is larger than the slot",
        "build a smaller image";
    Server = 23, "server", "the server refused to hand out the image",
        "look at its status; a new deployment has new addresses";
    Range = 24, "range", "the server sent another part than was asked for",
        "use a server that has ranges right, or none";
    Redirect = 25, "redirect", "the server redirected in circles, or to where it makes no sense",
        "mend the job's address";
    Size = 26, "size", "the image has another size than the job says",
        "upload it anew";
    Hash = 27, "hash", "the image has another SHA-256 than the job says",
        "upload it anew; if it stays, somebody changes it on its way";
    ReadBack = 28, "read-back", "what was read back from the slot is not what was written",
        "the storage may be worn out";
    Slot = 29, "slot", "the slot could not be read or written",
        "look for room and rights of the slot";
    Truncated = 30, "truncated", "the image came only in part, again and again",
        "look at the server and what is between";
    Unreachable = 31, "unreachable", "the server could not be reached, again and again",
        "look at the trace of the attempts";
    Cancelled = 32, "cancelled", "it was cancelled",
        "nothing to do";
    Interrupted = 33, "interrupted", "the device restarted in the middle, and the job is gone",
        "start a new job";
    RolledBack = 34, "rolled-back", "the new firmware did not prove itself; the old one runs again",
        "look at what the new one does until it reaches the hub";
    NoSize = 35, "no-size", "neither the job nor the server says how large the image is",
        "use a server that sends Content-Length or has ranges";
    OtherUpdate = 36, "other-update", "the update is of another provider or name than what runs",
        "deploy an update of the provider and name in the device's settings, or allow downgrades there";
}

impl Refused {
    /// The number, as it is kept and as it is the end of [`extended_result_code`](Self::extended_result_code).
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The reason of this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|refused| refused.number() == number)
    }

    /// The `extendedResultCode` of Device Update: that of Microsoft's agent where it has one, else 0x32000000 (facility
    /// "update content handler", component "external") and the number. Codes from 0x80000000 on are negative.
    #[must_use]
    pub const fn extended_result_code(self) -> i32 {
        let code: u32 = match self {
            Self::Json => 0x8030_0000,
            Self::UnknownRoot
            | Self::DisabledKey
            | Self::SignatureForm
            | Self::SigningKey
            | Self::Signature
            | Self::ManifestHash => 0x8030_0001,
            Self::Files | Self::NoUrl => 0x8030_0007,
            Self::Incomplete => 0x8030_0009,
            Self::ManifestVersion => 0x8030_000a,
            Self::NoHash => 0x8010_0001,
            Self::Hash => 0x8010_0003,
            Self::Url => 0x4000_0007,
            other => 0x3200_0000 | other.number() as u32,
        };
        code.cast_signed()
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "update: {}; {}", self.cause(), self.remedy())
    }
}

impl core::error::Error for Refused {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_number_and_its_words() {
        for (at, refused) in Refused::ALL.iter().copied().enumerate() {
            assert_eq!(usize::from(refused.number()), at + 1);
            assert_eq!(Refused::from_number(refused.number()), Some(refused));
            assert!(!refused.cause().is_empty() && !refused.remedy().is_empty());
            let same = Refused::ALL
                .iter()
                .filter(|other| other.name() == refused.name());
            assert_eq!(same.count(), 1, "{refused:?}");
        }
        assert_eq!(Refused::from_number(0), None);
    }

    #[test]
    fn codes_are_those_of_microsofts_agent_where_it_has_some() {
        assert_eq!(
            Refused::Hash.extended_result_code(),
            0x8010_0003_u32.cast_signed()
        );
        assert_eq!(Refused::Signature.extended_result_code(), -2_144_337_919);
        assert_eq!(Refused::RolledBack.extended_result_code(), 0x3200_0022);
    }
}
