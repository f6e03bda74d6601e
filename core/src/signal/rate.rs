//! Signal: too many events in this hour.
//!
//! Assumption, formula and source: [`crate::stats::hourly_volume`]; an hour is learned when it is over. A
//! source does not learn an hour in which strangers failed to sign in: it would teach an attack as usual. An
//! identity's tail is no lighter than `BURST_TAIL_P`·(p/`BURST_TAIL_P`)^`BURST_TAIL_EXPONENT`.
//!
//! # At n = 0
//! The peers' hours; without peers [`PRIOR_COUNT`]. Cost: abstains at once below [`MIN_EVENTS`]
//! events in the hour; otherwise O(1).

use super::volume;
use super::volume::VolumeHistory;
use super::{LearnContext, ScoreContext, Signal, SignalFamily, VALID_ACCOUNTS};
use crate::baseline::profile::HourlyVolume;
use crate::enrich::OPERATION_CLASSES;
use crate::event::Attribution;
use crate::stats::linear_count::estimate_distinct;
use crate::verdict::{EntityView, Explanation, Reading, SignalName, Technique};
use std::cmp::Ordering;

/// The `rate` signal.
pub struct Rate;

const RATE_SPACE: u64 = 0x4a;
/// Minimum number of events in an hour for a reading.
pub const MIN_EVENTS: u32 = 10;
/// From here on the tail of an identity's bursts is heavier than that of its hours,
const BURST_TAIL_P: f64 = 0.002;
/// by this exponent.
const BURST_TAIL_EXPONENT: f64 = 0.3;
/// Prior mean of events in an active hour.
pub const PRIOR_COUNT: f64 = 6.0;

/// Events of this hour, this one included; 0 for an hour that is over.
fn events_this_hour(context: &ScoreContext<'_>) -> u32 {
    let (hourly, features) = (&context.profile.hourly, context.features);
    match features.hour.cmp(&hourly.hour) {
        _ if features.is_known_source => 0,
        Ordering::Less => 0,
        Ordering::Equal => hourly.count + 1,
        Ordering::Greater => 1,
    }
}

/// Tail probability of a burst: backfills, exports and retries make larger ones than the ordinary hours
/// suggest, and a burst alone says nothing about who caused it.
fn burst_tail(p: f64) -> f64 {
    BURST_TAIL_P * libm::pow(p / BURST_TAIL_P, BURST_TAIL_EXPONENT)
}

impl Signal for Rate {
    fn name(&self) -> SignalName {
        SignalName::Rate
    }

    fn family(&self) -> SignalFamily {
        SignalFamily::Volume
    }

    fn techniques(&self, _: EntityView) -> &'static [Technique] {
        &[VALID_ACCOUNTS]
    }

    fn score(&self, context: &ScoreContext<'_>) -> Option<Reading> {
        let count = events_this_hour(context);
        if count < MIN_EVENTS {
            return None;
        }
        let past = VolumeHistory {
            own: &context.profile.hourly.log_count,
            peers: &context.peers.log_count,
            prior: PRIOR_COUNT,
        };
        let mut reading = volume::score_volume(f64::from(count), &past, RATE_SPACE, context)?;
        if context.entity == EntityView::Identity {
            reading.p = reading.p.max(burst_tail(reading.p));
        }
        Some(reading)
    }

    fn shared_key(&self, _: &ScoreContext<'_>, _: &Reading) -> Option<u32> {
        None
    }

    fn explain(&self, context: &ScoreContext<'_>, reading: &Reading) -> Explanation {
        let what = match context.entity {
            EntityView::Identity => "events",
            EntityView::Source => "authentications of identities that are new to it",
        };
        let observed = format!("{} {what} in this hour", events_this_hour(context));
        volume::explain(
            observed,
            &context.profile.hourly.log_count,
            context,
            reading,
        )
    }

    fn learn(&self, context: &mut LearnContext<'_>) {
        let (hour, weight, shared) = (
            context.features.hour,
            context.profile_weight,
            context.shared_weight,
        );
        let is_by_anyone = context.event.attribution() == Attribution::Anyone;
        let baselines = &mut context.baselines;
        let Some(profile) = baselines.profile.as_deref_mut() else {
            return;
        };
        let hourly = &mut profile.hourly;
        if hour > hourly.hour {
            if hourly.count > 0 && weight > 0.0 && !hourly.has_strangers {
                let log_count = libm::log(f64::from(hourly.count));
                let log_distinct = libm::log(
                    estimate_distinct(hourly.distinct_classes(), OPERATION_CLASSES as u32).max(1.0),
                );
                hourly.log_count.add(log_count, weight);
                hourly.log_distinct.add(log_distinct, weight);
                baselines.peers.log_count.add(log_count, shared);
                baselines.peers.log_distinct.add(log_distinct, shared);
            }
            *hourly = HourlyVolume {
                hour,
                count: 0,
                has_strangers: false,
                seen: [0; 2],
                ..*hourly
            };
        }
        if hour == hourly.hour && !context.features.is_known_source {
            hourly.count = hourly.count.saturating_add(1);
            hourly.has_strangers |= is_by_anyone;
            hourly.mark_seen(context.features.operation_class);
        }
    }
}
