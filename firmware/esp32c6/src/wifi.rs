//! Wi-Fi: joins the network of the settings, again and again.

use defmt::Debug2Format;
use embassy_time::Timer;
use esp_radio::wifi::{
    AuthenticationMethod, Config, ControllerConfig, Interfaces, WifiController, WifiError,
    sta::StationConfig,
};
use telemetry::Settings;

/// Starts Wi-Fi for the network that `wifi-ssid` names, with `wifi-password`; without a password an open one.
///
/// # Errors
/// What the driver refuses, an overlong name for example.
pub(crate) fn open(
    wifi: esp_hal::peripherals::WIFI<'static>,
    settings: &Settings<'_>,
) -> Result<(WifiController<'static>, Interfaces<'static>), WifiError> {
    let ssid = settings.text("wifi-ssid").unwrap_or_default();
    let station = StationConfig::default().with_ssid(ssid);
    let station = match settings.text("wifi-password") {
        Some(password) => station.with_password(password.into()),
        None => station.with_auth_method(AuthenticationMethod::None),
    };
    let config = ControllerConfig::default().with_initial_config(Config::Station(station));
    esp_radio::wifi::new(wifi, config)
}

/// Joins, and joins again when the connection is lost.
#[embassy_executor::task]
pub(crate) async fn run(mut controller: WifiController<'static>) -> ! {
    loop {
        match controller.connect_async().await {
            Ok(_) => {
                defmt::info!("wifi: joined");
                match controller.wait_for_disconnect_async().await {
                    Ok(why) => defmt::error!("wifi: lost, {}", Debug2Format(&why)),
                    Err(why) => defmt::error!("wifi: lost, {}", Debug2Format(&why)),
                }
            }
            Err(why) => defmt::error!("wifi: not joined, {}", Debug2Format(&why)),
        }
        Timer::after_secs(5).await;
    }
}
