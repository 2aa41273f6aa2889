//! Why a device does not reach its broker or hub, and what mends it. There is no I/O here: evidence comes in, a
//! diagnosis goes out.
//!
//! - [`catalogue`]: every [`Finding`] with its cause, the evidence that decides, remedies for each platform.
//! - [`evidence`]: what was seen on a climb and by probes, as plain data that any client can fill in.
//! - [`probe`]: which harmless question would tell neighbouring causes apart next.
//! - [`verdict`]: from evidence to a [`Diagnosis`].
//! - [`profile`], [`lint`]: a device's build settings, and what can't work with them, before a packet is sent.
//! - [`explain`]: logs, captures and codes of devices, read to the same [`Diagnosis`].
//! - [`report`]: a diagnosis as text, JSON and HTML.

mod capture;
pub mod catalogue;
mod certificate;
pub mod diagnosis;
pub mod evidence;
pub mod explain;
mod finding;
pub mod http_head;
pub mod lint;
pub mod probe;
pub mod profile;
pub mod report;
pub mod verdict;

pub use self::{
    diagnosis::Diagnosis,
    finding::{Finding, Platform, Proof, Remedy, Side},
};
