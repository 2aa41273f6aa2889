//! The table `[proxy]`.

use std::path::PathBuf;

use super::{
    Given, KNOWN,
    load::{first_line_of, given},
    table::Table,
};
use crate::{Error, Options, Proxy as Through};

/// The table `[proxy]`.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Proxy {
    /// Its URL, without a password; `none` for no proxy, whatever the environment says.
    pub url: Given<String>,
    /// The user name.
    pub user: Given<String>,
    /// A file whose first line is the password.
    pub password_file: Given<PathBuf>,
    /// The proxy where `url` says nothing. No key of the file: programs set it, most of them to
    /// [`Proxy::from_environment`](Through::from_environment).
    pub otherwise: Option<Through>,
}

impl Proxy {
    pub(super) fn read(table: &Table<'_, '_>) -> Result<Self, Error> {
        table.check(KNOWN)?;
        Ok(Self {
            url: table.text("url")?,
            user: table.text("user")?,
            password_file: table.path("password_file")?,
            otherwise: None,
        })
    }

    /// The user who needs a password that no file and no URL gives.
    #[must_use]
    pub fn lacks_password(&self) -> Option<String> {
        let proxy = self.proxy().ok()??;
        if self.password_file.is_some() || proxy.has_password() && self.user.is_none() {
            return None;
        }
        let user = self.user.as_ref().map(|user| user.value().as_str());
        user.or_else(|| proxy.user()).map(str::to_owned)
    }

    /// The proxy, without what `user` and `password_file` add.
    fn proxy(&self) -> Result<Option<Through>, Error> {
        let Some(url) = &self.url else {
            return Ok(self.otherwise.clone());
        };
        if url.value() == "none" {
            return Ok(None);
        }
        let proxy = Through::parse(url.value()).map_err(|error| match error {
            Error::Url { why } => url.wrong(why),
            other => other,
        })?;
        if proxy.has_password() {
            return Err(url.wrong(
                "a password does not belong here, where others can read it; put it into a file and name that with \
                 proxy.password_file (--proxy-password-file), or use the environment variable TOWPATH_PROXY_PASSWORD",
            ));
        }
        Ok(Some(proxy))
    }

    /// Lets the connection go through the proxy. `password`: where no file has it.
    pub(super) fn load(
        &self,
        options: Options,
        password: Option<Vec<u8>>,
    ) -> Result<Options, Error> {
        let Some(proxy) = self.proxy()? else {
            // Expressly none: then its user stays unused.
            if self.url.is_some() {
                return Ok(options);
            }
            let why = "there is no proxy for it; give its url (--proxy)";
            given(&self.user, why)?;
            given(&self.password_file, why)?;
            return Ok(options);
        };
        let given_user = self.user.as_ref().map(|user| user.value().clone());
        let Some(user) = given_user.or_else(|| proxy.user().map(str::to_owned)) else {
            given(&self.password_file, "a password needs a user")?;
            return Ok(options.proxy(proxy));
        };
        let password = match &self.password_file {
            Some(path) => Some(first_line_of(path.value())?),
            None => password,
        };
        Ok(options.proxy(match (password, &self.user) {
            (Some(password), _) => proxy.with_credentials(user, password),
            // Another user's password is of no use.
            (None, Some(_)) => proxy.with_credentials(user, ""),
            (None, None) => proxy,
        }))
    }
}
