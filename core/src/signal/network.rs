//! Is this network unusual? A new address in a familiar network is no news.
//!
//! The coarsest level that is new to the identity speaks: country, then autonomous system (or
//! /16, /32), then prefix (/24, /48). Where all are known, the network's own tail speaks.
//!
//! Assumption, formula, n = 0 and source: [`super::categorical`]. Cost: three small tables; peers
//! and population only for a newcomer.

use super::categorical::Belief;
use super::{FactGroup, Lesson, Signal, VALID_ACCOUNTS, View, categorical};
use crate::enrich::Feature;
use crate::verdict::{EntityView, Explanation, Reading, SignalName, Technique};

/// The `network` signal.
pub struct Network;

/// The feature that speaks for this event.
fn speaker(view: &View<'_>) -> Option<(Feature, u32)> {
    let (features, profile) = (view.features, view.profile);
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

    fn group(&self) -> FactGroup {
        FactGroup::Place
    }

    fn techniques(&self, _: EntityView) -> &'static [Technique] {
        &[VALID_ACCOUNTS]
    }

    fn score(&self, view: &View<'_>) -> Option<Reading> {
        let (feature, key) = speaker(view)?;
        let (own, peers, all) = (view.profile, view.peers, view.population);
        Some(match feature {
            Feature::Country => categorical::read(
                key,
                &own.country,
                &peers.country,
                &all.country,
                Belief::NONE,
                view,
            ),
            Feature::Prefix => categorical::read(
                key,
                &own.prefix,
                &peers.prefix,
                &all.prefix,
                Belief::NONE,
                view,
            ),
            _ => categorical::read(
                key,
                &own.network,
                &peers.network,
                &all.network,
                Belief::NONE,
                view,
            ),
        })
    }

    fn explain(&self, view: &View<'_>, reading: &Reading) -> Explanation {
        let profile = view.profile;
        match speaker(view) {
            Some((Feature::Country, _)) => {
                categorical::explain("country", Feature::Country, &profile.country, view, reading)
            }
            Some((Feature::Prefix, _)) => categorical::explain(
                "address range",
                Feature::Prefix,
                &profile.prefix,
                view,
                reading,
            ),
            _ => categorical::explain("network", Feature::Network, &profile.network, view, reading),
        }
    }

    fn learn(&self, lesson: &mut Lesson<'_>) {
        let features = lesson.features;
        let (country, network) = (features.country, features.network);
        categorical::learn(
            country,
            Feature::Country,
            lesson,
            |p| &mut p.country,
            |c| &mut c.country,
        );
        categorical::learn(
            network,
            Feature::Network,
            lesson,
            |p| &mut p.network,
            |c| &mut c.network,
        );
        let prefix = features.prefix;
        categorical::learn(
            prefix,
            Feature::Prefix,
            lesson,
            |p| &mut p.prefix,
            |c| &mut c.prefix,
        );
    }
}
