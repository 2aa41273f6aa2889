//! The addresses that are on offer, before they may race: each needs a source address, an IPv4 address without one
//! needs a NAT64 prefix.

use core::net::{IpAddr, Ipv4Addr};

use crate::net::{Origin, Prefix, PrefixOrigin, race::MOST_CANDIDATES};

/// Each IPv4 address may need room again for the one that it is translated to.
const ROOM: usize = 2 * MOST_CANDIDATES;

/// Where an offer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its source address has to be asked for.
    New,
    /// The driver was asked.
    Asked,
    /// An IPv4 address that needs a translator.
    Behind,
    /// It races, or was dropped.
    Done,
}

#[derive(Debug, Clone, Copy)]
struct Offer {
    address: IpAddr,
    origin: Origin,
    stage: Stage,
    /// That a prefix may not carry it was told.
    refused: bool,
}

/// Addresses on offer.
#[derive(Debug)]
pub(super) struct Pool {
    offers: [Option<Offer>; ROOM],
}

impl Pool {
    pub(super) const fn new() -> Self {
        Self {
            offers: [None; ROOM],
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.offers.iter().all(Option::is_none)
    }

    /// Adds an address that is not there yet. What does not fit is dropped.
    pub(super) fn offer(&mut self, address: IpAddr, origin: Origin) {
        if self
            .offers
            .iter()
            .flatten()
            .any(|offer| offer.address == address)
        {
            return;
        }
        if let Some(slot) = self.offers.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(Offer {
                address,
                origin,
                stage: Stage::New,
                refused: false,
            });
        }
    }

    /// The next address whose source is to be asked for.
    pub(super) fn poll(&mut self) -> Option<(u8, IpAddr, Origin)> {
        let (id, offer) = self
            .numbered()
            .find(|(_, offer)| offer.stage == Stage::New)?;
        offer.stage = Stage::Asked;
        Some((id, offer.address, offer.origin))
    }

    /// The driver answered. The address, if it was asked for.
    pub(super) fn answered(&mut self, id: u8) -> Option<(IpAddr, Origin)> {
        let offer = self.offers.get_mut(usize::from(id))?.as_mut()?;
        if offer.stage != Stage::Asked {
            return None;
        }
        offer.stage = Stage::Done;
        Some((offer.address, offer.origin))
    }

    /// The address is reached through a translator, if at all.
    pub(super) fn put_behind(&mut self, address: IpAddr) {
        for offer in self.offers.iter_mut().flatten() {
            if offer.address == address {
                offer.stage = Stage::Behind;
            }
        }
    }

    /// IPv4 addresses that need a translator.
    pub(super) fn behind(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        self.offers
            .iter()
            .flatten()
            .filter(|offer| offer.stage == Stage::Behind)
            .filter_map(|offer| match offer.address {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            })
    }

    /// Offers the addresses behind this prefix; those that it may not carry are handed to `refused`.
    pub(super) fn translate(
        &mut self,
        prefix: Prefix,
        origin: PrefixOrigin,
        mut refused: impl FnMut(Ipv4Addr),
    ) {
        for at in 0..self.offers.len() {
            let Some(Some(Offer {
                address: IpAddr::V4(address),
                stage: Stage::Behind,
                ..
            })) = self.offers.get(at).copied()
            else {
                continue;
            };
            if prefix.may_carry(address) {
                let through = prefix.synthesise(address).into();
                self.offer(through, Origin::Synthesised(prefix, origin));
            } else if let Some(Some(offer)) = self.offers.get_mut(at)
                && !offer.refused
            {
                offer.refused = true;
                refused(address);
            }
        }
    }

    /// Whether a source is still to be asked for or to be answered.
    pub(super) fn is_busy(&self) -> bool {
        self.offers
            .iter()
            .flatten()
            .any(|offer| matches!(offer.stage, Stage::New | Stage::Asked))
    }

    fn numbered(&mut self) -> impl Iterator<Item = (u8, &mut Offer)> {
        (0u8..)
            .zip(&mut self.offers)
            .filter_map(|(id, offer)| Some((id, offer.as_mut()?)))
    }
}
