//! From a device with IPv6 only, through a real NAT64, to a broker with IPv4 only; and what towpath says where that
//! can't be.

mod itself;
mod large;
mod names;
mod race;
mod radio;
mod reach;
mod translator;
