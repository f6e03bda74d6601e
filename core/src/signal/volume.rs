//! Common part of `rate` and `fan_out`: the running hour against past active hours.
//!
//! Assumption, formula, source: [`crate::stats::hourly_volume`]; for an identity as far as its past hours can
//! know it ([`crate::stats::knowable`]).

use super::{ScoreContext, categorical, evidence_level, format_odds};
use crate::stats::hash::key32;
use crate::stats::hourly_volume;
use crate::stats::knowable::knowable_tail;
use crate::stats::student::Moments;
use crate::verdict::{EntityView, Explanation, Reading};

/// Prior spread of the logarithm of a count in an active hour.
const LOG_SD: f64 = 0.8;
/// Prior strength of the prior for the peers, in active hours.
const PRIOR_STRENGTH: f64 = 5.0;
/// Minimum number of active hours for the identity's own level.
const MIN_OWN_HOURS: f64 = 2.0;

/// Past active hours: the identity's, its peers', and the prior.
pub(super) struct VolumeHistory<'v> {
    pub(super) own: &'v Moments,
    pub(super) peers: &'v Moments,
    pub(super) prior: f64,
}

/// The reading of `count` items in this hour; a burst is one deviation in `space`, which grows.
pub(super) fn score_volume(
    count: f64,
    past: &VolumeHistory<'_>,
    space: u64,
    context: &ScoreContext<'_>,
) -> Option<Reading> {
    let known = past.peers.count(context.shared_weight);
    let prior = PRIOR_STRENGTH * libm::log(past.prior);
    let mean = (known * past.peers.mean() + prior) / (known + PRIOR_STRENGTH);
    let tail = hourly_volume::tail(count, past.own, context.profile_weight, mean, LOG_SD)?;
    let observations = past.own.count(context.profile_weight);
    // A job that ran once before may be of any size; a spray comes from a network without history.
    let p = match context.entity {
        EntityView::Identity => knowable_tail(tail, observations),
        EntityView::Source => tail,
    };
    let level = evidence_level(observations, MIN_OWN_HOURS);
    Some(Reading::new(p, level, observations, key32(space, &[])))
}

/// Explains the reading; `observed` is what was counted.
pub(super) fn explain(
    observed: String,
    own: &Moments,
    context: &ScoreContext<'_>,
    reading: &Reading,
) -> Explanation {
    let usual = libm::exp(own.mean());
    let expected = format!("about {usual:.0} in an active hour");
    let history = categorical::describe_history(reading, "active hours", context);
    let odds = format_odds(reading.p);
    let sentence = format!("{observed}, usually {expected} ({odds}); {history}");
    Explanation {
        observed,
        expected,
        sentence,
    }
}
