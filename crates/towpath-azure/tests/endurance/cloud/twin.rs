//! A twin with one desired property, and who watches its versions.

/// A device's twin.
#[derive(Debug, Clone)]
pub(crate) struct Twin {
    /// The one desired property.
    pub(crate) level: u64,
    pub(crate) desired_version: u64,
    pub(crate) reported_version: u64,
    /// What the device reported as the version that it has.
    pub(crate) acknowledged: u64,
}

impl Default for Twin {
    fn default() -> Self {
        Self {
            level: 0,
            desired_version: 1,
            reported_version: 1,
            acknowledged: 0,
        }
    }
}

impl Twin {
    /// The answer to a question for all of it.
    pub(crate) fn document(&self) -> String {
        let Self {
            level,
            desired_version,
            reported_version,
            acknowledged,
        } = self;
        format!(
            r#"{{"desired":{{"level":{level},"$version":{desired_version}}},"reported":{{"seen":{acknowledged},"$version":{reported_version}}}}}"#
        )
    }

    /// The last change of what is desired.
    pub(crate) fn patch(&self) -> String {
        let Self {
            level,
            desired_version,
            ..
        } = self;
        format!(r#"{{"level":{level},"$version":{desired_version}}}"#)
    }

    /// The device reports.
    pub(crate) fn report(&mut self, patch: &[u8]) {
        let value: serde_json::Value = serde_json::from_slice(patch).expect("JSON");
        self.acknowledged = value["seen"].as_u64().expect("a version");
        self.reported_version += 1;
    }
}
