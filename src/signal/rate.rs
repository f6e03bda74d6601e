//! Are there too many events in this hour?
//!
//! Assumption, formula and source: [`crate::stats::hourly`]; an hour is learned when it is over.
//!
//! # At n = 0
//! The peers' hours, behind them [`PRIOR_COUNT`]. Cost: abstains at once below [`SPEAKS_FROM`]
//! events in the hour; otherwise O(1).

use super::{FactGroup, Lesson, Signal, VALID_ACCOUNTS, View, categorical, one_in};
use crate::baseline::profile::Hourly;
use crate::stats::hash::{hash64, key32};
use crate::stats::hourly;
use crate::stats::student::Moments;
use crate::verdict::{Explanation, Level, Reading, SignalName, Technique};

/// The `rate` signal.
pub struct Rate;

const RATE_SPACE: u64 = 0x4a;
const SEEN_SPACE: u64 = 0x4b;
/// Fewer events in an hour are never too many.
pub const SPEAKS_FROM: u32 = 10;
/// Events in an active hour, believed beforehand.
pub const PRIOR_COUNT: f64 = 6.0;
/// Spread of their logarithm.
pub const LOG_SD: f64 = 0.8;

/// Mean of a collective's logarithms with the prior's say.
pub(super) fn believed_mean(of_peers: &Moments, shared_weight: f32, prior: f64) -> f64 {
    let known = of_peers.count(shared_weight);
    (known * of_peers.mean() + 5.0 * libm::log(prior)) / (known + 5.0)
}

/// Events of this hour, this one included.
fn count(view: &View<'_>) -> u32 {
    let hourly = &view.profile.hourly;
    if hourly.hour == view.features.hour {
        hourly.count + 1
    } else {
        1
    }
}

/// The bit of what an event does, among 128.
pub(super) fn seen_bit(view_resource: Option<&str>, action: Option<u32>) -> (usize, u64) {
    let space = SEEN_SPACE + u64::from(action.unwrap_or_default());
    let bit = hash64(space, view_resource.unwrap_or_default().as_bytes()) % 128;
    ((bit / 64) as usize, 1 << (bit % 64))
}

impl Signal for Rate {
    fn name(&self) -> SignalName {
        SignalName::Rate
    }

    fn group(&self) -> FactGroup {
        FactGroup::Volume
    }

    fn techniques(&self) -> &'static [Technique] {
        &[VALID_ACCOUNTS]
    }

    fn score(&self, view: &View<'_>) -> Option<Reading> {
        let count = count(view);
        if count < SPEAKS_FROM {
            return None;
        }
        let peers = &view.peers.log_count;
        let mean = believed_mean(peers, view.shared_weight, PRIOR_COUNT);
        let own = &view.profile.hourly.log_count;
        let p = hourly::tail(f64::from(count), own, view.profile_weight, mean, LOG_SD)?;
        let observations = own.count(view.profile_weight);
        let level = if observations >= 2.0 {
            Level::Identity
        } else {
            Level::Peers
        };
        // Each doubling of the burst is one further fact, not each event.
        let doublings = u32::BITS - count.leading_zeros();
        let fact = key32(RATE_SPACE, &[doublings as u8]);
        Some(Reading::new(p, level, observations, fact))
    }

    fn shared_fact(&self, _: &View<'_>, _: &Reading) -> Option<u32> {
        None
    }

    fn explain(&self, view: &View<'_>, reading: &Reading) -> Explanation {
        let usual = libm::exp(view.profile.hourly.log_count.mean());
        let observed = format!("{} events in this hour", count(view));
        let expected = format!("about {usual:.0} in an active hour");
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

    fn learn(&self, lesson: &mut Lesson<'_>) {
        let hour = lesson.features.hour;
        let bit = seen_bit(lesson.event.resource.as_deref(), lesson.features.action);
        let Some(profile) = lesson.learnt.profile.as_deref_mut() else {
            return;
        };
        let hourly = &mut profile.hourly;
        if hour > hourly.hour {
            if hourly.count > 0 && lesson.profile_weight > 0.0 {
                let log_count = libm::log(f64::from(hourly.count));
                let log_distinct = libm::log(hourly.distinct().max(1.0));
                hourly.log_count.add(log_count, lesson.profile_weight);
                hourly.log_distinct.add(log_distinct, lesson.profile_weight);
                lesson
                    .learnt
                    .peers
                    .log_count
                    .add(log_count, lesson.shared_weight);
                lesson
                    .learnt
                    .peers
                    .log_distinct
                    .add(log_distinct, lesson.shared_weight);
            }
            *hourly = Hourly {
                hour,
                count: 0,
                seen: [0; 2],
                ..*hourly
            };
        }
        hourly.count = hourly.count.saturating_add(1);
        hourly.seen[bit.0] |= bit.1;
    }
}
