//! Signal: unusual client software. Versions make no difference: see
//! [`crate::enrich::Feature::Client`].
//!
//! Assumption, formula, n = 0 and source: [`super::categorical`]. Cost: one table of 6 values; peers and
//! population only for a new value.

use super::categorical::NoveltyPrior;
use super::{
    ALTERNATE_AUTHENTICATION, LearnContext, ScoreContext, Signal, SignalFamily, VALID_ACCOUNTS,
    categorical,
};
use crate::enrich::Feature;
use crate::verdict::{EntityView, Explanation, Reading, SignalName, Technique};

/// The `client` signal.
pub struct Client;

impl Signal for Client {
    fn name(&self) -> SignalName {
        SignalName::Client
    }

    fn family(&self) -> SignalFamily {
        SignalFamily::Origin
    }

    fn techniques(&self, _: EntityView) -> &'static [Technique] {
        &[VALID_ACCOUNTS, ALTERNATE_AUTHENTICATION]
    }

    fn score(&self, context: &ScoreContext<'_>) -> Option<Reading> {
        let key = context.features.client?;
        let (peers, population) = (&context.peers.client, &context.population.client);
        Some(categorical::score_value(
            key,
            &context.profile.client,
            peers,
            population,
            NoveltyPrior::NONE,
            context,
        ))
    }

    fn explain(&self, context: &ScoreContext<'_>, reading: &Reading) -> Explanation {
        categorical::explain(
            "client",
            Feature::Client,
            &context.profile.client,
            context,
            reading,
        )
    }

    fn learn(&self, context: &mut LearnContext<'_>) {
        let key = context.features.client;
        categorical::learn_value(
            key,
            Feature::Client,
            context,
            |p| &mut p.client,
            |c| &mut c.client,
        );
    }
}
