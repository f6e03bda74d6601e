//! Baselines of the credentials of one issuer and kind: lifetimes and relocation rates.

use crate::stats::decayed::decayed_struct;
use crate::stats::lifetime::LifetimeHistogram;
use crate::units::EventTime;
use borsh::{BorshDeserialize, BorshSerialize};

decayed_struct! {
    /// How often credentials appear on a second host, network or client, per day of use.
    #[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
    pub struct RelocationCounts {
        /// Days on which a known credential was used.
        decayed pub days: f32,
        /// Relocations to another host.
        decayed pub host: f32,
        /// Relocations to another network.
        decayed pub network: f32,
        /// Relocations to another client family.
        decayed pub client: f32,
    }
}

impl RelocationCounts {
    /// Adds `counts`, each with weight `weight`.
    pub fn add(&mut self, counts: &Self, weight: f32) {
        self.days += weight * counts.days;
        self.host += weight * counts.host;
        self.network += weight * counts.network;
        self.client += weight * counts.client;
    }
}

decayed_struct! {
    /// One issuer and kind of credential.
    #[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
    pub struct IssuerBaseline {
        /// First use of one of its credentials that was learned.
        fixed pub first_seen: Option<EventTime>,
        /// Lifetimes; `None` until one was stated.
        fixed pub lifetimes: Option<LifetimeHistogram>,
        /// Relocations.
        decayed pub relocations: RelocationCounts,
    }
}
