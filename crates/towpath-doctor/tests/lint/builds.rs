//! Builds as their files describe them, and the same with some lines changed.

use towpath_doctor::profile::{DeviceProfile, file, kconfig, sdkconfig};

pub(crate) const NCS_WIFI: &str = include_str!("ncs-wifi.config");
pub(crate) const ZEPHYR_THREAD: &str = include_str!("zephyr-thread.config");
pub(crate) const ESP: &str = include_str!("esp.sdkconfig");
pub(crate) const SECURE_WEBSOCKET_PRJ: &str = include_str!("secure-websocket-prj.conf");
pub(crate) const THREAD_PRJ: &str = include_str!("thread-prj.conf");
pub(crate) const PROFILE: &str = include_str!("profile.toml");

/// The text with these settings instead of its own; `n` and an empty value take a line out of the build.
pub(crate) fn changed(text: &str, changes: &[(&str, &str)]) -> String {
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| {
            !changes.iter().any(|(key, _)| {
                line.starts_with(&format!("{key}=")) || *line == format!("# {key} is not set")
            })
        })
        .map(str::to_owned)
        .collect();
    for (key, value) in changes {
        match *value {
            "" => {}
            "n" => lines.push(format!("# {key} is not set")),
            value => lines.push(format!("{key}={value}")),
        }
    }
    lines.join("\n")
}

/// The Wi-Fi device of the nRF Connect SDK.
pub(crate) fn ncs(changes: &[(&str, &str)]) -> Option<DeviceProfile> {
    let text = changed(NCS_WIFI, changes);
    Some(kconfig::read("build/zephyr/.config", text.as_bytes()).expect("a build"))
}

/// The Thread device of plain Zephyr.
pub(crate) fn thread(changes: &[(&str, &str)]) -> Option<DeviceProfile> {
    let text = changed(ZEPHYR_THREAD, changes);
    Some(kconfig::read("build/zephyr/.config", text.as_bytes()).expect("a build"))
}

/// The device of ESP-IDF.
pub(crate) fn esp(changes: &[(&str, &str)]) -> Option<DeviceProfile> {
    let text = changed(ESP, changes);
    Some(sdkconfig::read("sdkconfig", text.as_bytes()).expect("a build"))
}

/// A `prj.conf`.
pub(crate) fn prj(text: &str) -> Option<DeviceProfile> {
    Some(kconfig::read("prj.conf", text.as_bytes()).expect("settings"))
}

/// A profile of one's own.
pub(crate) fn profile(text: &str) -> Option<DeviceProfile> {
    Some(file::read("device-profile.toml", text.as_bytes()).expect("a profile"))
}
