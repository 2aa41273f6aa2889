//! A device that asks the provisioning service where it belongs and then works with that hub: it sends telemetry, reads
//! its twin and reports, answers methods, and takes messages, until the method `stop` is called.
//!
//! `provisioned_device URL ID_SCOPE ID ROOT CERT KEY`, where URL is the provisioning service's: `mqtts://localhost:8883`
//! or `wss://localhost/$iothub/websocket`. The device proves itself by its certificate, to both.

use std::{env, error::Error, time::Duration};

use serde_json::{Value, json};
use towpath::{Event, Message, Options, QoS, TlsOptions, Version, tokio::Connection};

type Done<T> = Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Done<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [url, scope, id, root, cert, key] = args.as_slice() else {
        return Err("usage: provisioned_device URL ID_SCOPE ID ROOT CERT KEY".into());
    };
    let tls = TlsOptions::new()
        .ca_file(root)?
        .identity_files(cert, key, None)?;
    let (hub, device) = register(url, scope, id, &tls).await?;
    println!("{id}: assigned to {hub} as {device}");
    work(&at_host(url, &hub)?, &hub, &device, &tls).await
}

/// Both services answer at the same port, as in the cloud.
fn at_host(url: &str, host: &str) -> Done<String> {
    let (scheme, rest) = url.split_once("://").ok_or("the URL has no scheme")?;
    let end = rest.find([':', '/']).unwrap_or(rest.len());
    Ok(format!("{scheme}://{host}{}", &rest[end..]))
}

fn options(url: &str, id: &str, user: String, tls: &TlsOptions) -> Done<Options> {
    Ok(Options::new(url)?
        .version(Version::V311)
        .client_id(id)
        .user(user)
        .tls(tls.clone()))
}

/// Registers, asks until it is decided, and answers the hub and the device's id there.
async fn register(url: &str, scope: &str, id: &str, tls: &TlsOptions) -> Done<(String, String)> {
    let user = format!("{scope}/registrations/{id}/api-version=2019-03-31");
    let mut service = Connection::connect(options(url, id, user, tls)?).await?;
    subscribe(&mut service, &["$dps/registrations/res/#"]).await?;
    let body = json!({ "registrationId": id }).to_string();
    let topic = "$dps/registrations/PUT/iotdps-register/?$rid=1";
    service.publish(topic, body, QoS::AtLeastOnce).await?;
    for rid in 2.. {
        let answer = message(&mut service).await?;
        let body: Value = serde_json::from_slice(&answer.payload)?;
        println!("{id}: {} {}", answer.topic, body["status"]);
        match body["status"].as_str() {
            Some("assigning") => {}
            Some("assigned") => {
                let state = &body["registrationState"];
                let text = |key: &str| state[key].as_str().unwrap_or_default().to_owned();
                service.disconnect().await?;
                return Ok((text("assignedHub"), text("deviceId")));
            }
            _ => return Err(format!("not assigned: {body}").into()),
        }
        // The service says how long to wait; a device does nothing else meanwhile but keep the connection.
        tokio::time::sleep(retry_after(&answer.topic)).await;
        let operation = body["operationId"].as_str().unwrap_or_default();
        let topic = format!(
            "$dps/registrations/GET/iotdps-get-operationstatus/?$rid={rid}&operationId={operation}"
        );
        service.publish(&topic, " ", QoS::AtLeastOnce).await?;
    }
    unreachable!("the loop has no end")
}

/// `$dps/registrations/res/202/?$rid=1&retry-after=3`
fn retry_after(topic: &str) -> Duration {
    let (_, query) = topic.split_once('?').unwrap_or_default();
    let seconds = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("retry-after=")?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(2))
}

/// Telemetry and twin once, then whatever the hub has for it.
async fn work(url: &str, hub: &str, device: &str, tls: &TlsOptions) -> Done<()> {
    let user = format!("{hub}/{device}/?api-version=2021-04-12");
    let mut connection = Connection::connect(options(url, device, user, tls)?).await?;
    let messages = format!("devices/{device}/messages/devicebound/#");
    // Desired changes are listened to before the twin is read, so that none falls in between.
    let filters = [
        "$iothub/twin/res/#",
        "$iothub/twin/PATCH/properties/desired/#",
        "$iothub/methods/POST/#",
        messages.as_str(),
    ];
    subscribe(&mut connection, &filters).await?;
    let telemetry = format!("devices/{device}/messages/events/%24.ct=application%2Fjson&unit=kW");
    let reading = r#"{"power":21.5}"#;
    connection
        .publish(&telemetry, reading, QoS::AtLeastOnce)
        .await?;
    connection.settle().await?;
    println!("{device}: the hub has {reading}");
    let get = "$iothub/twin/GET/?$rid=1";
    connection.publish(get, "", QoS::AtMostOnce).await?;
    println!("{device}: at work");
    loop {
        let came = message(&mut connection).await?;
        let text = String::from_utf8_lossy(&came.payload).into_owned();
        println!("{device}: {} {text}", came.topic);
        let Some(call) = came.topic.strip_prefix("$iothub/methods/POST/") else {
            if let Some(state) = reported(&came) {
                let topic = "$iothub/twin/PATCH/properties/reported/?$rid=2";
                connection.publish(topic, state, QoS::AtMostOnce).await?;
            }
            continue;
        };
        let (method, query) = call.split_once('/').unwrap_or((call, ""));
        let topic = format!("$iothub/methods/res/200/{query}");
        let answer = json!({ "method": method, "done": true }).to_string();
        connection.publish(&topic, answer, QoS::AtLeastOnce).await?;
        if method == "stop" {
            return Ok(connection.disconnect().await?);
        }
    }
}

/// What to report when desired properties come: that they hold.
fn reported(came: &Message) -> Option<String> {
    let body: Value = serde_json::from_slice(&came.payload).ok()?;
    let desired = if came.topic.starts_with("$iothub/twin/res/200/") {
        body.get("desired")?.clone()
    } else if came.topic.starts_with("$iothub/twin/PATCH/") {
        body
    } else {
        return None;
    };
    let interval = desired.get("interval")?;
    Some(json!({ "interval": interval }).to_string())
}

/// Subscribes and waits until the server has granted everything.
async fn subscribe(connection: &mut Connection, filters: &[&str]) -> Done<()> {
    for filter in filters {
        let asked = connection.subscribe(filter, QoS::AtLeastOnce)?;
        loop {
            match connection.next().await {
                Event::Subscribed { packet_id, reasons } if packet_id == asked => {
                    if reasons.iter().any(|reason| reason.is_error()) {
                        return Err(format!("{filter} is refused").into());
                    }
                    break;
                }
                Event::Disconnected { fault, .. } => return Err(fault.to_string().into()),
                _ => {}
            }
        }
    }
    Ok(())
}

/// The next message.
async fn message(connection: &mut Connection) -> Done<Message> {
    loop {
        match connection.next().await {
            Event::Message(message) => return Ok(message),
            Event::Disconnected { fault, .. } => return Err(fault.to_string().into()),
            _ => {}
        }
    }
}
