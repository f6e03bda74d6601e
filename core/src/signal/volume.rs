//! What `rate` and `fan_out` share: the running hour against past active hours.
//!
//! Assumption, formula, source: [`crate::stats::hourly_volume`].

use super::{View, categorical, one_in, own_or_peers};
use crate::stats::hash::key32;
use crate::stats::hourly_volume;
use crate::stats::student::Moments;
use crate::verdict::{Explanation, Reading};

/// Spread of the logarithm of a count in an active hour.
const LOG_SD: f64 = 0.8;
/// Active hours that the prior is worth to the peers.
const PRIOR_WORTH: f64 = 5.0;
/// Active hours from which the identity speaks for itself.
const OWN_ENOUGH: f64 = 2.0;

/// Past active hours: the identity's, its peers', and what is believed beforehand.
pub(super) struct Past<'v> {
    pub(super) own: &'v Moments,
    pub(super) peers: &'v Moments,
    pub(super) prior: f64,
}

/// The reading of `count` things in this hour; each doubling of a burst is one further fact of
/// `space`, not each thing.
pub(super) fn read(count: f64, past: &Past<'_>, space: u64, view: &View<'_>) -> Option<Reading> {
    let known = past.peers.count(view.shared_weight);
    let believed = PRIOR_WORTH * libm::log(past.prior);
    let mean = (known * past.peers.mean() + believed) / (known + PRIOR_WORTH);
    let p = hourly_volume::tail(count, past.own, view.profile_weight, mean, LOG_SD)?;
    let observations = past.own.count(view.profile_weight);
    let doublings = (count as u32).max(1).ilog2() as u8;
    let level = own_or_peers(observations, OWN_ENOUGH);
    Some(Reading::new(
        p,
        level,
        observations,
        key32(space, &[doublings]),
    ))
}

/// The reading in words, `observed` being what was counted.
pub(super) fn explain(
    observed: String,
    own: &Moments,
    view: &View<'_>,
    reading: &Reading,
) -> Explanation {
    let usual = libm::exp(own.mean());
    let expected = format!("about {usual:.0} in an active hour");
    let history = categorical::history(reading, "active hours", view);
    let odds = one_in(reading.p);
    let sentence = format!("{observed}, where {expected} is usual ({odds}); {history}");
    Explanation {
        observed,
        expected,
        sentence,
    }
}
