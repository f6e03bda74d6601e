//! Are there too many distinct things, pairs of action and resource, in this hour?
//!
//! Assumption, formula and source: [`crate::stats::hourly`] over the number of distinct pairs, which
//! [`crate::baseline::profile::Hourly::distinct`] estimates. Learned by [`super::rate`], which owns
//! the hour.
//!
//! # At n = 0
//! The peers' hours, behind them [`PRIOR_DISTINCT`]. Cost: abstains at once for a pair already seen
//! this hour, and below [`SPEAKS_FROM`]; otherwise O(1).

use super::rate::{LOG_SD, believed_mean, seen_bit};
use super::{FactGroup, Lesson, Signal, View, categorical, one_in};
use crate::baseline::profile::Hourly;
use crate::stats::hash::key32;
use crate::stats::hourly;
use crate::verdict::{Explanation, Level, Reading, SignalName, Technique};

/// The `fan_out` signal.
pub struct FanOut;

const FAN_SPACE: u64 = 0xf0;
/// Fewer distinct things in an hour are never too many.
pub const SPEAKS_FROM: f64 = 6.0;
/// Distinct things in an active hour, believed beforehand.
pub const PRIOR_DISTINCT: f64 = 3.0;
/// T1580 and its like: looking around.
const DISCOVERY: Technique = Technique {
    id: "T1580",
    name: "Cloud Infrastructure Discovery",
};

/// The hour with this event in it; `None` where the event adds nothing to it.
fn hour_with(view: &View<'_>) -> Option<Hourly> {
    let (word, bit) = seen_bit(view.event.resource.as_deref(), view.features.action);
    let mut hourly = view.profile.hourly;
    if hourly.hour != view.features.hour || hourly.seen[word] & bit != 0 {
        return None;
    }
    hourly.seen[word] |= bit;
    Some(hourly)
}

impl Signal for FanOut {
    fn name(&self) -> SignalName {
        SignalName::FanOut
    }

    fn group(&self) -> FactGroup {
        FactGroup::Volume
    }

    fn techniques(&self) -> &'static [Technique] {
        &[DISCOVERY]
    }

    fn score(&self, view: &View<'_>) -> Option<Reading> {
        let distinct = hour_with(view)?.distinct();
        if distinct < SPEAKS_FROM {
            return None;
        }
        let peers = &view.peers.log_distinct;
        let mean = believed_mean(peers, view.shared_weight, PRIOR_DISTINCT);
        let own = &view.profile.hourly.log_distinct;
        let p = hourly::tail(distinct, own, view.profile_weight, mean, LOG_SD)?;
        let observations = own.count(view.profile_weight);
        let level = if observations >= 2.0 {
            Level::Identity
        } else {
            Level::Peers
        };
        let doublings = libm::log2(distinct) as u8;
        Some(Reading::new(
            p,
            level,
            observations,
            key32(FAN_SPACE, &[doublings]),
        ))
    }

    fn shared_fact(&self, _: &View<'_>, _: &Reading) -> Option<u32> {
        None
    }

    fn explain(&self, view: &View<'_>, reading: &Reading) -> Explanation {
        let distinct = hour_with(view).map_or(0.0, |hourly| hourly.distinct());
        let usual = libm::exp(view.profile.hourly.log_distinct.mean());
        let observed = format!("about {distinct:.0} distinct actions and resources in this hour");
        let expected = format!("about {usual:.0}");
        let history =
            categorical::history(reading.observations, view).replace("uses", "active hours");
        let sentence = format!(
            "{observed}, where {expected} is usual ({}); {history}",
            one_in(reading.p)
        );
        Explanation {
            observed,
            expected,
            sentence,
        }
    }

    fn learn(&self, _: &mut Lesson<'_>) {}
}
