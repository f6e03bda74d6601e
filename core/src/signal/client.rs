//! Is this client software unusual? Versions are no difference: see
//! [`crate::enrich::Feature::Client`].
//!
//! Assumption, formula, n = 0 and source: [`super::categorical`]. Cost: one table of 6; peers and
//! population only for a newcomer.

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

    fn score(&self, view: &ScoreContext<'_>) -> Option<Reading> {
        let key = view.features.client?;
        let (peers, population) = (&view.peers.client, &view.population.client);
        Some(categorical::score_value(
            key,
            &view.profile.client,
            peers,
            population,
            NoveltyPrior::NONE,
            view,
        ))
    }

    fn explain(&self, view: &ScoreContext<'_>, reading: &Reading) -> Explanation {
        categorical::explain(
            "client",
            Feature::Client,
            &view.profile.client,
            view,
            reading,
        )
    }

    fn learn(&self, lesson: &mut LearnContext<'_>) {
        let key = lesson.features.client;
        categorical::learn_value(
            key,
            Feature::Client,
            lesson,
            |p| &mut p.client,
            |c| &mut c.client,
        );
    }
}
