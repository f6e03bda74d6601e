//! What is known of an issuer's credentials of one kind: how long they live, how often they move.

use crate::stats::lifetime::LifetimeHistogram;
use borsh::{BorshDeserialize, BorshSerialize};

/// How often credentials are seen on a second host, network or client, among days of use.
#[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct RelocationCounts {
    /// Days on which a known credential was used.
    pub days: f32,
    /// Moves to another host.
    pub host: f32,
    /// To another network.
    pub network: f32,
    /// To another client family.
    pub client: f32,
}

impl RelocationCounts {
    /// Adds `counts`, each with weight `weight`.
    pub fn add(&mut self, counts: &Self, weight: f32) {
        self.days += weight * counts.days;
        self.host += weight * counts.host;
        self.network += weight * counts.network;
        self.client += weight * counts.client;
    }

    /// Multiplies all weights by `factor`.
    pub fn rescale(&mut self, factor: f32) {
        for count in [
            &mut self.days,
            &mut self.host,
            &mut self.network,
            &mut self.client,
        ] {
            *count *= factor;
        }
    }
}

/// One issuer and kind of credential.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct IssuerBaseline {
    /// Lifetimes; `None` before one was stated.
    pub lifetimes: Option<LifetimeHistogram>,
    /// Moves.
    pub relocations: RelocationCounts,
}
