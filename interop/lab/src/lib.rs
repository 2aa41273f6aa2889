//! What the tests of the lab's page share: a browser of one's own, and a device that does what devices do.

mod browser;
mod device;
mod driver;

pub use self::{
    browser::{Browser, Theme},
    device::{Device, Word},
};
