//! `towpath doctor` where something is really wrong, and where nothing is: networks, servers and proxies that a test
//! sets up, the command as it is delivered, and what its JSON says.
//!
//! A [`SetUp`] is a row of the table in `tests/table`: what proves a finding, as the catalogue names it, and the function
//! that produces it. [`play`] runs the rows that share a world.

mod cloud;
mod garbler;
mod healthy;
pub mod ignorant;
pub mod inspector;
mod machine;
pub mod middlebox;
mod narrow;
mod report;
mod run;
mod table;

pub use self::{
    cloud::{CERTIFIED, Cloud, DEVICE},
    garbler::Garbler,
    healthy::{Healthy, all_ready},
    machine::Machine,
    narrow::narrow,
    report::{Phase, Report},
    run::Doctor,
    table::{Key, SetUp, play},
};
