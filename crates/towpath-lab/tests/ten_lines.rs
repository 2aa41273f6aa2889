//! The lab inside somebody's test: no root, free ports, nothing left behind.

use std::{error::Error, time::Duration};

use serde_json::json;
use towpath::{Code, Event, Options, QoS, TlsOptions, Version, tokio::Connection};
use towpath_lab::{Config, Lab, fault::Setting};

/// Options for a device of the lab.
fn options(lab: &Lab, url: &str, device: &str) -> Result<Options, Box<dyn Error>> {
    let login = lab.login(device).ok_or("no such device")?;
    Ok(Options::new(url)?
        .version(Version::V311)
        .client_id(login.client_id)
        .credentials(login.user_name, login.password)
        .tls(TlsOptions::new().ca(lab.root_pem())))
}

// As it stands in the documentation of the crate, where it is built but not run.
#[tokio::test]
async fn a_meter_reports() -> Result<(), Box<dyn Error>> {
    let lab = Lab::start(Config::for_tests().device("meter-1")).await?;
    let login = lab.login("meter-1").expect("it has a key");
    let options = Options::new(&lab.mqtts_url())?
        .version(Version::V311)
        .client_id(login.client_id)
        .credentials(login.user_name, login.password)
        .tls(TlsOptions::new().ca(lab.root_pem()));
    let mut meter = Connection::connect(options).await?;
    let topic = "devices/meter-1/messages/events/unit=kW";
    meter.publish(topic, "21.5", QoS::AtLeastOnce).await?;
    meter.settle().await?;
    let received = lab.telemetry("meter-1").remove(0);
    assert_eq!(
        (&received.body[..], &*received.properties["unit"]),
        (&b"21.5"[..], "kW")
    );
    Ok(meter.disconnect().await?)
}

#[tokio::test]
async fn a_certificate_is_asked_for_after_the_get() -> Result<(), Box<dyn Error>> {
    let lab = Lab::start(Config::for_tests().x509_device("meter-2")).await?;
    let certificate = lab.device_certificate("meter-2")?;
    let tls = TlsOptions::new().ca(lab.root_pem());
    let options = Options::new(&lab.wss_url())?
        .version(Version::V311)
        .client_id("meter-2")
        .user("localhost/meter-2/?api-version=2021-04-12")
        .tls(tls.identity(certificate.chain, certificate.key));
    let mut meter = Connection::connect(options).await?;
    let topic = "devices/meter-2/messages/events/";
    meter.publish(topic, "1", QoS::AtLeastOnce).await?;
    meter.settle().await?;
    assert_eq!(&lab.telemetry("meter-2")[0].body[..], b"1");
    let log = lab.log().since(0);
    let renegotiated = towpath_lab::log::Code::Renegotiated;
    assert!(
        log.iter().any(|record| record.code == renegotiated),
        "{log:?}"
    );
    Ok(meter.disconnect().await?)
}

#[tokio::test]
async fn the_service_speaks_to_the_device() -> Result<(), Box<dyn Error>> {
    let lab = Lab::start(Config::for_tests().device("lamp")).await?;
    let mut lamp = Connection::connect(options(&lab, &lab.mqtts_url(), "lamp")?).await?;
    for filter in [
        "$iothub/methods/POST/#",
        "$iothub/twin/PATCH/properties/desired/#",
        "devices/lamp/messages/devicebound/#",
    ] {
        lamp.subscribe(filter, QoS::AtLeastOnce)?;
    }
    let mut granted = 0;
    while granted < 3 {
        if let Event::Subscribed { reasons, .. } = lamp.next().await {
            assert!(!reasons[0].is_error());
            granted += 1;
        }
    }
    let service = async {
        let (status, answer) = lab
            .invoke(
                "lamp",
                "blink",
                json!({ "times": 3 }),
                Duration::from_secs(20),
            )
            .await?;
        assert_eq!((status, answer), (200, json!({ "done": 3 })));
        lab.patch_desired("lamp", &json!({ "colour": "red" }))
            .await?;
        lab.send_to_device("lamp", "hello", [("a", "b c")]).await
    };
    let device = async {
        let mut seen = Vec::new();
        while seen.len() < 3 {
            let Event::Message(message) = lamp.next().await else {
                continue;
            };
            let text = String::from_utf8_lossy(&message.payload).into_owned();
            if let Some(rest) = message.topic.strip_prefix("$iothub/methods/POST/blink/") {
                let topic = format!("$iothub/methods/res/200/{rest}");
                lamp.publish(&topic, r#"{"done":3}"#, QoS::AtMostOnce)
                    .await?;
            }
            seen.push(text);
        }
        lamp.flush().await?;
        Ok::<_, towpath::Error>(seen)
    };
    let (sent, seen) = tokio::join!(service, device);
    sent?;
    let seen = seen?;
    assert_eq!(seen[0], r#"{"times":3}"#);
    assert!(
        seen[1].contains("\"red\"") && seen[1].contains("$version"),
        "{seen:?}"
    );
    assert_eq!(seen[2], "hello");
    Ok(lamp.disconnect().await?)
}

#[tokio::test]
async fn a_fault_shows_and_goes() -> Result<(), Box<dyn Error>> {
    let lab = Lab::start(Config::for_tests().device("meter-1")).await?;
    let number = lab.faults().switch_on("cert-expired".parse::<Setting>()?)?;
    let broken = Connection::connect(options(&lab, &lab.mqtts_url(), "meter-1")?).await;
    let Err(towpath::Error::Path(fault)) = broken else {
        panic!("{broken:?}");
    };
    assert_eq!(fault.code, Code::ServerCertificateExpired);
    assert!(lab.faults().switch_off(number));
    let meter = Connection::connect(options(&lab, &lab.mqtts_url(), "meter-1")?).await?;
    assert!(meter.is_connected());
    Ok(())
}
