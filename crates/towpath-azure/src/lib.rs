//! Azure IoT Hub and its Device Provisioning Service (DPS), from a device's point of view: `no_std`, no allocation,
//! no I/O, over any MQTT connection.
//!
//! Takes in what comes up from an MQTT connection and the time; gives out what to publish there, which path to climb
//! next, and [`Event`]s. [`Device`] is the whole of it: provisioning, the choice between port 8883 and 443, credentials
//! and their renewal, twins, methods, messages. What it is made of can be used alone: [`sas`] and [`Key`],
//! [`dps::Registration`], [`hub::Hub`], [`bag`], [`pnp`], [`upload`], [`update`].
//!
//! The words are those of Microsoft's documents on IoT Hub and DPS.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod bag;
mod device;
pub mod dps;
mod event;
pub mod http;
pub mod hub;
#[cfg(feature = "defmt")]
mod interned;
mod json;
mod key;
mod line;
mod names;
mod percent;
pub mod pnp;
pub mod renewal;
pub mod sas;
mod scratch;
mod settings;
#[cfg(test)]
mod testing;
mod time;
pub mod update;
pub mod upload;

pub use self::{
    device::{Attempt, Delivery, Device, Record, SCRATCH, Step, Target, Waiting},
    event::{Event, Reported, Stop},
    key::{Key, KeyError},
    line::Line,
    names::{
        Assignment, Name, Names, registration_resource, registration_user_name,
        registration_user_name_for,
    },
    settings::{Entry, Fleet, Ports, Proof, Settings, Transport, Transports, Wants, Will},
    time::Now,
};

/// The example there is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
