//! Echoes messages on a port of 127.0.0.1, which it prints: `ws-echo-server [PORT]`. 0 or none takes a free one.

use std::{net::TcpListener, thread};

use websocket::Connection;

fn main() -> std::io::Result<()> {
    let port = std::env::args()
        .nth(1)
        .and_then(|port| port.parse().ok())
        .unwrap_or(0);
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("{}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || match Connection::accept(stream) {
            Ok(mut connection) => {
                if let Err(error) = connection.echo() {
                    eprintln!("ws-echo-server: {error}");
                }
            }
            Err(error) => eprintln!("ws-echo-server: {error:?}"),
        });
    }
    Ok(())
}
