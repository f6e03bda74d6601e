//! Is this host unusual for this identity, for its peers, for everyone?
//!
//! Assumption, formula, n = 0 and source: [`super::categorical`]. Cost: one table of 8; peers and
//! population only for a newcomer.

use super::categorical::Belief;
use super::{FactGroup, Lesson, Signal, VALID_ACCOUNTS, View, categorical};
use crate::enrich::Feature;
use crate::verdict::{Explanation, Reading, SignalName, Technique};

/// The `host` signal.
pub struct Host;

impl Signal for Host {
    fn name(&self) -> SignalName {
        SignalName::Host
    }

    fn group(&self) -> FactGroup {
        FactGroup::Place
    }

    fn techniques(&self) -> &'static [Technique] {
        &[VALID_ACCOUNTS]
    }

    fn score(&self, view: &View<'_>) -> Option<Reading> {
        let key = view.features.host?;
        let (peers, population) = (&view.peers.host, &view.population.host);
        Some(categorical::read(
            key,
            &view.profile.host,
            peers,
            population,
            Belief::NONE,
            view,
        ))
    }

    fn explain(&self, view: &View<'_>, reading: &Reading) -> Explanation {
        categorical::explain("host", Feature::Host, &view.profile.host, view, reading)
    }

    fn learn(&self, lesson: &mut Lesson<'_>) {
        let key = lesson.features.host;
        categorical::learn(key, Feature::Host, lesson, |p| &mut p.host, |c| &mut c.host);
    }
}
