//! The lab's process: starts it, says where it is, and ends with standard input.

use std::{
    fs,
    io::{Read as _, Write as _},
    path::Path,
    time::Duration,
};

use serde_json::json;
use towpath_lab::{Config, Lab, config::Device};

/// The devices' names.
pub fn device(number: usize) -> String {
    format!("meter-{number:05}")
}

/// `FOLDER DEVICES durable|ephemeral`: tokens and the root certificate go into the folder.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let [folder, devices, state] = arguments else {
        return Err("expected: serve FOLDER DEVICES durable|ephemeral".into());
    };
    let folder = Path::new(folder);
    let devices: usize = devices
        .parse()
        .map_err(|_| "DEVICES is no number".to_owned())?;
    let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let mut config = Config::for_tests();
        config.state = (state == "durable").then(|| folder.join("state"));
        let hub = config.hubs.first_mut().ok_or("no hub")?;
        hub.devices = (0..devices)
            .map(|n| Device {
                id: device(n),
                ..Device::default()
            })
            .collect();
        let lab = Lab::start(config).await.map_err(|e| e.to_string())?;
        let day = Duration::from_secs(24 * 3600);
        let tokens: Option<Vec<_>> = (0..devices)
            .map(|n| lab.device_token("localhost", &device(n), day))
            .collect();
        let tokens = tokens.ok_or("a device has no key")?;
        fs::write(folder.join("tokens"), tokens.join("\n")).map_err(|e| e.to_string())?;
        fs::write(folder.join("root.pem"), lab.root_pem()).map_err(|e| e.to_string())?;
        let page = lab.page().ok_or("no page")?;
        println!(
            "{}",
            json!({ "mqtts": lab.mqtts().port(), "page": page.port() })
        );
        std::io::stdout().flush().map_err(|e| e.to_string())?;
        // It runs until the other side closes its end.
        let closed = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        let _ = closed.await;
        lab.stop().await;
        Ok(())
    })
}
