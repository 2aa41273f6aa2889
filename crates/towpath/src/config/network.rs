//! The table `[network]`: names, addresses and TCP.

use std::time::Duration;

use super::{Given, KNOWN, Setting, table::Table};
use towpath_proto::net::dns::MAX_SERVERS;

use crate::{
    Error,
    net::{self, Families, Nat64, NetOptions, Resolver},
};

/// The table `[network]`.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Network {
    /// The address families that packets may have.
    pub families: Given<Families>,
    /// Who is asked for addresses.
    pub resolver: Given<Resolver>,
    /// What is done about NAT64.
    pub nat64_prefix: Given<Nat64>,
    /// The largest TCP segment, bytes, within [`net::MSS`].
    pub mss: Given<u16>,
    /// The time between two connection attempts that race.
    pub attempt_delay: Given<Duration>,
}

impl Network {
    pub(super) fn read(table: &Table<'_, '_>) -> Result<Self, Error> {
        table.check(KNOWN)?;
        let families = [
            ("any", Families::Any),
            ("4", Families::V4),
            ("6", Families::V6),
        ];
        let resolver = table.texts("resolver")?;
        let nat64_prefix = table.text("nat64_prefix")?;
        Ok(Self {
            families: table.choice("families", &families)?,
            resolver: resolver.map(resolver_of).transpose()?,
            nat64_prefix: nat64_prefix
                .map(|text| text.read(|text| net::nat64(text).map_err(|error| error.to_string())))
                .transpose()?,
            mss: table.number("mss", MSS_KIND)?,
            attempt_delay: table.seconds("attempt_delay")?,
        })
    }

    /// What is given here, and the rest as in `options`.
    ///
    /// # Errors
    /// [`Error::Config`] for a value that is out of its range.
    pub fn over(&self, mut options: NetOptions) -> Result<NetOptions, Error> {
        if let Some(families) = &self.families {
            options = options.families(*families.value());
        }
        if let Some(resolver) = &self.resolver {
            options = options.resolver(resolver.value().clone());
        }
        if let Some(nat64) = &self.nat64_prefix {
            options = options.nat64(*nat64.value());
        }
        if let Some(mss) = &self.mss {
            if !net::MSS.contains(mss.value()) {
                return Err(mss.wrong(format_args!("this has to be {MSS_KIND}")));
            }
            options = options.mss(*mss.value());
        }
        if let Some(delay) = &self.attempt_delay {
            options = options.attempt_delay(*delay.value());
        }
        Ok(options)
    }
}

const MSS_KIND: &str = "a number of bytes from 88 to 32767";

/// One of the words alone, or a list of servers.
fn resolver_of(texts: Setting<Vec<String>>) -> Result<Setting<Resolver>, Error> {
    texts.read(|texts| {
        if let [text] = texts.as_slice() {
            return text.parse().map_err(|error: Error| error.to_string());
        }
        let mut servers = Vec::new();
        for text in texts {
            match text.parse() {
                Ok(Resolver::Servers(server)) => servers.extend(server),
                Ok(_) => return Err(format!("{text:?} stands alone, without servers beside it")),
                Err(error) => return Err(error.to_string()),
            }
        }
        if servers.len() > MAX_SERVERS {
            return Err(format!(
                "more than {MAX_SERVERS} servers are not asked; leave some out"
            ));
        }
        if servers.is_empty() {
            return Err("there is no server in it".to_owned());
        }
        Ok(Resolver::Servers(servers))
    })
}
