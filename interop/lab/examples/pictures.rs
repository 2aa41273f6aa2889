//! Pictures of every page, in both colours, on a desk and on a telephone: for whoever changes how they look.
//!
//! `cargo run -p lab --example pictures FOLDER`

use std::path::PathBuf;

use lab::{Browser, Device, Theme, Word};
use serde_json::json;
use towpath_lab::{Config, Lab, config, fault::Setting};

const HOST: &str = "localhost";

#[tokio::main]
async fn main() {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(std::env::temp_dir, PathBuf::from);
    std::fs::create_dir_all(&folder).expect("the folder");
    let lab = Lab::start(config()).await.expect("a lab");
    let devices = busy(&lab).await;
    let page = lab.page().expect("a page");
    let browser = Browser::start().await;
    let paths = [
        ("overview", "/".to_owned()),
        ("device", format!("/hubs/{HOST}/devices/thermostat-1")),
        ("broken", format!("/hubs/{HOST}/devices/pump-7")),
        ("faults", "/faults".into()),
        ("provisioning", "/provisioning".into()),
        ("events", "/events".into()),
        ("connection", "/connections/1".into()),
    ];
    browser.open(&format!("http://{page}/")).await;
    // The hub ends the connection of the one that is refused from now on, and it tries again.
    let end = "fetch(arguments[0], { method: 'POST', headers: { 'X-Towpath-Lab': '1' } })";
    let path = format!("/api/hubs/{HOST}/devices/pump-7/disconnect");
    browser.run(end, &[path.into()]).await;
    let refused = |word: &Word| {
        matches!(word, Word::Broke { cause, .. } if cause.contains("refused")).then_some(())
    };
    devices[5].hears("the refusal", refused).await;
    for (theme, colours) in [(Theme::Light, "light"), (Theme::Dark, "dark")] {
        browser.theme(theme).await;
        for (width, height, kind) in [(1440, 1000, "desk"), (500, 900, "phone")] {
            browser.resize(width, height).await;
            for (name, path) in &paths {
                browser.open(&format!("http://{page}{path}")).await;
                browser.says("#state", "live").await;
                let whole = browser
                    .run("return document.documentElement.scrollHeight", &[])
                    .await;
                let tall = whole.as_u64().unwrap_or(0).clamp(u64::from(height), 2600);
                browser
                    .resize(width, u32::try_from(tall).unwrap_or(height) + 140)
                    .await;
                browser
                    .picture(&folder.join(format!("{name}-{kind}-{colours}.png")))
                    .await;
                browser.resize(width, height).await;
            }
        }
    }
    for complaint in browser.complaints().await {
        eprintln!("{complaint}");
    }
    browser.quit().await;
    drop(devices);
    lab.stop().await;
    println!("{}", folder.display());
}

fn config() -> Config {
    let object = |value: serde_json::Value| value.as_object().cloned().unwrap_or_default();
    let mut config = Config::for_tests();
    let hub = &mut config.hubs[0];
    hub.devices = (1..=40)
        .map(|number| config::Device {
            id: format!("meter-{number:03}"),
            disabled: number % 13 == 0,
            ..config::Device::default()
        })
        .collect();
    hub.devices.push(config::Device {
        id: "pump-7".into(),
        ..config::Device::default()
    });
    hub.devices.push(config::Device {
        id: "thermostat-1".into(),
        tags: object(json!({ "building": "43", "floor": 2 })),
        desired: object(json!({ "interval_s": 30, "setpoint": { "day": 21.5, "night": 17 }, "firmware": "2.4.1" })),
        modules: vec![config::Module {
            id: "camera".into(),
            ..config::Module::default()
        }],
        ..config::Device::default()
    });
    let enrollment = |id: &str| config::Enrollment {
        id: id.into(),
        ..config::Enrollment::default()
    };
    if let Some(dps) = &mut config.provisioning {
        dps.enrollments = vec![enrollment("gateway-1"), enrollment("gateway-2")];
        dps.groups = vec![enrollment("meters-of-2026")];
    }
    config
}

/// Devices at work, one of which is refused.
async fn busy(lab: &Lab) -> Vec<std::sync::Arc<Device>> {
    let mut devices = Vec::new();
    for id in [
        "thermostat-1",
        "meter-001",
        "meter-002",
        "meter-005",
        "meter-009",
        "pump-7",
    ] {
        devices.push(Device::start(lab, HOST, id).await);
    }
    let thermostat = &devices[0];
    thermostat
        .report(r#"{"interval_s":30,"battery":{"volts":3.61,"percent":84},"firmware":"2.4.1"}"#)
        .await;
    for reading in 0..12 {
        let body = format!(
            r#"{{"temperature":{}.{},"humidity":48}}"#,
            20 + reading / 5,
            reading % 10
        );
        thermostat
            .send(&body, "%24.ct=application%2Fjson&%24.ce=utf-8&unit=celsius")
            .await;
    }
    devices[1].send("on", "").await;
    let faults = lab.faults();
    let throttle: Setting = "throttle=5".parse().expect("a fault");
    faults
        .switch_on(throttle.device("meter-009"))
        .expect("a fault");
    let refused: Setting = "connack-5".parse().expect("a fault");
    faults.switch_on(refused.device("pump-7")).expect("a fault");
    devices
}
