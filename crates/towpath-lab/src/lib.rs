//! An IoT hub and a device provisioning service on your own machine: they check what the real ones check, answer what
//! they answer, and fail on command.
//!
//! Takes in a [`Config`]; gives out listeners for MQTT over TLS, MQTT over secure WebSockets, HTTPS and a page for
//! people, and an [event log](log) that names the cause of each refusal with the hub's own codes.
//!
//! In a test of a device or a program of one's own, on free ports and without root (here with the client `towpath`; any
//! other will do):
//!
//! ```no_run
//! # use towpath::{Options, QoS, TlsOptions, Version, tokio::Connection};
//! # use towpath_lab::{Config, Lab};
//! # async fn test() -> Result<(), Box<dyn std::error::Error>> {
//! let lab = Lab::start(Config::for_tests().device("meter-1")).await?;
//! let login = lab.login("meter-1").expect("it has a key");
//! let options = Options::new(&lab.mqtts_url())?
//!     .version(Version::V311)
//!     .client_id(login.client_id)
//!     .credentials(login.user_name, login.password)
//!     .tls(TlsOptions::new().ca(lab.root_pem()));
//! let mut meter = Connection::connect(options).await?;
//! meter.publish("devices/meter-1/messages/events/", "21.5", QoS::AtLeastOnce).await?;
//! meter.settle().await?;
//! assert_eq!(&lab.telemetry("meter-1")[0].body[..], b"21.5");
//! # Ok(()) }
//! ```
//!
//! [`Lab::invoke`], [`Lab::patch_desired`] and [`Lab::send_to_device`] are the service's side of such a test,
//! [`Lab::faults`] what makes the device fail, and [`Lab::log`] what names the cause. A lab that stays is started by
//! `towpath lab`, from the file that `towpath lab init` writes; [`Config::load`] reads it.
//!
//! What stands where: [`config`] what can be declared; [`fault`] what can be switched; `door` sockets, TLS, HTTP and
//! WebSocket up to the first byte of MQTT; `mqtt` packets, keep-alive, acknowledgements; `hub` what an IoT hub knows
//! and does; `dps` provisioning; `service` the REST side; `page` what people see; `store` what survives.

mod certificate;
pub mod clock;
pub mod config;
mod connection;
mod door;
mod dps;
mod error;
pub mod fault;
mod hub;
pub mod init;
mod key;
mod lab;
pub mod log;
mod mqtt;
mod nearest;
mod page;
mod pki;
mod sas;
mod service;
mod shared;
mod store;

pub use config::Config;
pub use error::Error;
pub use key::Key;
pub use lab::{DeviceCertificate, Lab, Login, Received, ServiceError};
