//! Publishes one acknowledged message: `cargo run --example publish -- mqtt://localhost`.

use towpath::{Error, Options, QoS, blocking::Connection};

fn main() -> Result<(), Error> {
    let url = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "mqtt://localhost".into());
    let mut connection = Connection::connect(Options::new(&url)?)?;
    connection.publish("towpath/example", "hello", QoS::AtLeastOnce)?;
    connection.settle()?;
    connection.disconnect()
}
