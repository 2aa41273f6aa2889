//! Answers every request with its own payload: `cargo run --example echo -- mqtt://localhost`.

use towpath::{Event, Options, QoS, tokio::Client};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), towpath::Error> {
    let url = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "mqtt://localhost".into());
    let (client, mut events) = Client::spawn(Options::new(&url)?);
    client
        .subscribe("towpath/request/+", QoS::AtLeastOnce)
        .await?;
    while let Some(event) = events.next().await {
        match event {
            Event::Message(message) => {
                let answer = message.topic.replace("request", "answer");
                client
                    .publish(&answer, message.payload, QoS::AtLeastOnce)
                    .await?
                    .await?;
            }
            Event::Disconnected { fault, retry_in } => {
                eprintln!("{fault}; next try in {retry_in:?}");
            }
            _ => {}
        }
    }
    Ok(())
}
