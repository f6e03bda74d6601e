//! What is known of an issuer's credentials of one kind: how long they live, how often they move.

use crate::stats::decayed::decayed_struct;
use crate::stats::lifetime::LifetimeHistogram;
use borsh::{BorshDeserialize, BorshSerialize};

decayed_struct! {
    /// How often credentials are seen on a second host, network or client, among days of use.
    #[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
    pub struct RelocationCounts {
        /// Days on which a known credential was used.
        decayed pub days: f32,
        /// Moves to another host.
        decayed pub host: f32,
        /// To another network.
        decayed pub network: f32,
        /// To another client family.
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
        /// Lifetimes; `None` before one was stated.
        fixed pub lifetimes: Option<LifetimeHistogram>,
        /// Moves.
        decayed pub relocations: RelocationCounts,
    }
}
