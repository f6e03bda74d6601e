//! Signal: too many distinct (action, resource) pairs in this hour.
//!
//! Assumption, formula and source: [`crate::stats::hourly_volume`] over the number of distinct pairs, which
//! [`crate::stats::linear_count`] estimates. Learned by [`super::rate`], which owns
//! the hour.
//!
//! # At n = 0
//! The peers' hours; without peers [`PRIOR_DISTINCT`]. Cost: abstains at once for a pair already counted
//! in this hour, and below [`MIN_DISTINCT`]; otherwise O(1).

use super::volume;
use super::volume::VolumeHistory;
use super::{LearnContext, ScoreContext, Signal, SignalFamily};
use crate::enrich::OPERATION_CLASSES;
use crate::stats::linear_count::estimate_distinct;
use crate::verdict::{EntityView, Explanation, Reading, SignalName, Technique};

/// The `fan_out` signal.
pub struct FanOut;

const FAN_SPACE: u64 = 0xf0;
/// Minimum number of distinct pairs in an hour for a reading.
pub const MIN_DISTINCT: u32 = 6;
/// Prior mean of distinct pairs in an active hour.
pub const PRIOR_DISTINCT: f64 = 3.0;
/// T1110.003: one source, many identities.
const PASSWORD_SPRAYING: Technique = Technique {
    id: "T1110.003",
    name: "Brute Force: Password Spraying",
};
/// T1580 and related techniques: discovery.
const DISCOVERY: Technique = Technique {
    id: "T1580",
    name: "Cloud Infrastructure Discovery",
};

/// Number of distinct pairs of this hour, this event included; `None` where the event adds none or there are
/// few.
fn distinct_now(context: &ScoreContext<'_>) -> Option<f64> {
    let hourly = &context.profile.hourly;
    let is_same_hour = hourly.hour == context.features.hour;
    if !is_same_hour
        || context.features.is_known_source
        || hourly.has_seen(context.features.operation_class)
    {
        return None;
    }
    let classes = hourly.distinct_classes() + 1;
    (classes >= MIN_DISTINCT).then(|| estimate_distinct(classes, OPERATION_CLASSES as u32))
}

impl Signal for FanOut {
    fn name(&self) -> SignalName {
        SignalName::FanOut
    }

    fn family(&self) -> SignalFamily {
        SignalFamily::Volume
    }

    fn techniques(&self, entity: EntityView) -> &'static [Technique] {
        match entity {
            EntityView::Identity => &[DISCOVERY],
            EntityView::Source => &[PASSWORD_SPRAYING],
        }
    }

    fn score(&self, context: &ScoreContext<'_>) -> Option<Reading> {
        let past = VolumeHistory {
            own: &context.profile.hourly.log_distinct,
            peers: &context.peers.log_distinct,
            prior: PRIOR_DISTINCT,
        };
        volume::score_volume(distinct_now(context)?, &past, FAN_SPACE, context)
    }

    fn shared_key(&self, _: &ScoreContext<'_>, _: &Reading) -> Option<u32> {
        None
    }

    fn explain(&self, context: &ScoreContext<'_>, reading: &Reading) -> Explanation {
        let distinct = distinct_now(context).unwrap_or_default();
        let what = match context.entity {
            EntityView::Identity => "distinct actions and resources",
            EntityView::Source => "distinct identities",
        };
        let observed = format!("about {distinct:.0} {what} in this hour");
        volume::explain(
            observed,
            &context.profile.hourly.log_distinct,
            context,
            reading,
        )
    }

    fn learn(&self, _: &mut LearnContext<'_>) {}
}
