//! Signal: unusual network. A new address in a known network is not unusual.
//!
//! The coarsest level that is new to the identity is reported: country, then autonomous system (or
//! /16, /32), then prefix (/24, /48). Where all are known, the tail of the network is used.
//!
//! Assumption, formula, n = 0 and source: [`super::categorical`]. Cost: three small tables; peers
//! and population only for a new value.

use super::categorical::NoveltyPrior;
use super::{LearnContext, ScoreContext, Signal, SignalFamily, VALID_ACCOUNTS, categorical};
use crate::enrich::Feature;
use crate::verdict::{EntityView, Explanation, Reading, SignalName, Technique};

/// The `network` signal.
pub struct Network;

/// The feature that is reported for this event.
fn most_specific_new_feature(context: &ScoreContext<'_>) -> Option<(Feature, u32)> {
    let (features, profile) = (context.features, context.profile);
    let country = features
        .country
        .filter(|key| !profile.country.contains(*key));
    let network = features
        .network
        .filter(|key| !profile.network.contains(*key));
    let prefix = features.prefix.filter(|key| !profile.prefix.contains(*key));
    country
        .map(|key| (Feature::Country, key))
        .or(network.map(|key| (Feature::Network, key)))
        .or(prefix.map(|key| (Feature::Prefix, key)))
        .or(features.network.map(|key| (Feature::Network, key)))
        .or(features.country.map(|key| (Feature::Country, key)))
}

impl Signal for Network {
    fn name(&self) -> SignalName {
        SignalName::Network
    }

    fn family(&self) -> SignalFamily {
        SignalFamily::Origin
    }

    fn techniques(&self, _: EntityView) -> &'static [Technique] {
        &[VALID_ACCOUNTS]
    }

    fn score(&self, context: &ScoreContext<'_>) -> Option<Reading> {
        let (feature, key) = most_specific_new_feature(context)?;
        let (own, peers, all) = (context.profile, context.peers, context.population);
        Some(match feature {
            Feature::Country => categorical::score_value(
                key,
                &own.country,
                &peers.country,
                &all.country,
                NoveltyPrior::NONE,
                context,
            ),
            Feature::Prefix => categorical::score_value(
                key,
                &own.prefix,
                &peers.prefix,
                &all.prefix,
                NoveltyPrior::NONE,
                context,
            ),
            _ => categorical::score_value(
                key,
                &own.network,
                &peers.network,
                &all.network,
                NoveltyPrior::NONE,
                context,
            ),
        })
    }

    fn explain(&self, context: &ScoreContext<'_>, reading: &Reading) -> Explanation {
        let profile = context.profile;
        match most_specific_new_feature(context) {
            Some((Feature::Country, _)) => categorical::explain(
                "country",
                Feature::Country,
                &profile.country,
                context,
                reading,
            ),
            Some((Feature::Prefix, _)) => categorical::explain(
                "address range",
                Feature::Prefix,
                &profile.prefix,
                context,
                reading,
            ),
            _ => categorical::explain(
                "network",
                Feature::Network,
                &profile.network,
                context,
                reading,
            ),
        }
    }

    fn learn(&self, context: &mut LearnContext<'_>) {
        let features = context.features;
        let (country, network) = (features.country, features.network);
        categorical::learn_value(
            country,
            Feature::Country,
            context,
            |p| &mut p.country,
            |c| &mut c.country,
        );
        categorical::learn_value(
            network,
            Feature::Network,
            context,
            |p| &mut p.network,
            |c| &mut c.network,
        );
        let prefix = features.prefix;
        categorical::learn_value(
            prefix,
            Feature::Prefix,
            context,
            |p| &mut p.prefix,
            |c| &mut c.prefix,
        );
    }
}
