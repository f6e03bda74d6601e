//! Signal: unusual hour of the week.
//!
//! Assumption, formula and source: [`crate::stats::hour_of_week`]. An hour counts once, so the
//! signal gives a reading at the first event of an hour and abstains for the rest of it.
//!
//! # At n = 0
//! Abstains for `WARMUP_DAYS`; then the peers' hours have the weight of one day. Cost: some 100
//! multiply-adds, once per hour and identity.

use super::{
    LearnContext, ScoreContext, Signal, SignalFamily, VALID_ACCOUNTS, categorical, evidence_level,
    format_odds,
};
use crate::stats::hash::key32;
use crate::stats::hour_of_week::{HourRates, PeerRates, days_between, relative_bin, tail};
use crate::stats::knowable::knowable_tail;
use crate::verdict::{EntityView, Explanation, Reading, SignalName, Technique};

/// The `rhythm` signal.
pub struct Rhythm;

const HOUR_SPACE: u64 = 0x24;

fn rates(context: &ScoreContext<'_>) -> HourRates {
    let prior_days = context.parameters.prior.rhythm_days as f32;
    let own = &context.profile.hours;
    own.rates(
        context.profile_weight,
        Some(PeerRates::new(context.peers.rates(), own.centre())),
        prior_days,
    )
}

/// Warm-up of an identity: a working week, in days.
const WARMUP_DAYS: f32 = 4.5;
/// Hours in a day.
const HOURS_PER_DAY: u32 = 24;
/// Minimum number of active hours for the identity's own level.
const MIN_OWN_HOURS: f64 = 6.0;

/// Measured on organisations 1, 2, 11 and 31: .0004 to .001 for one hour.
const SHARED_BY_CHANCE: f64 = 0.001;

impl Signal for Rhythm {
    fn name(&self) -> SignalName {
        SignalName::Rhythm
    }

    fn family(&self) -> SignalFamily {
        SignalFamily::Time
    }

    fn techniques(&self, _: EntityView) -> &'static [Technique] {
        &[VALID_ACCOUNTS]
    }

    fn score(&self, context: &ScoreContext<'_>) -> Option<Reading> {
        if context.features.hour == context.profile.active_hour {
            return None;
        }
        if context.profile.hours.days(context.profile_weight) < WARMUP_DAYS {
            return None;
        }
        let observations = context.profile.hours.observations(context.profile_weight);
        let p = knowable_tail(
            tail(&rates(context), context.features.hour_bin),
            observations,
        );
        let level = evidence_level(observations, MIN_OWN_HOURS);
        // One session at unusual hours is one deviation, however many hours it lasts.
        let deviation_key = key32(HOUR_SPACE, &[]);
        Some(Reading::new(p, level, observations, deviation_key))
    }

    /// The hour itself: a night of all hands is nobody's own.
    fn shared_key(&self, context: &ScoreContext<'_>, _: &Reading) -> Option<u32> {
        Some(key32(HOUR_SPACE, &context.features.hour.to_be_bytes()))
    }

    fn shared_by_chance(&self) -> f64 {
        SHARED_BY_CHANCE
    }

    fn explain(&self, context: &ScoreContext<'_>, reading: &Reading) -> Explanation {
        let name = |bin: usize| {
            let day = if bin < 24 { "working day" } else { "weekend" };
            format!("{:02}:00 UTC on a {day}", bin % 24)
        };
        let rates = rates(context);
        let busiest = (0..rates.len())
            .max_by(|a, b| rates[*a].total_cmp(&rates[*b]))
            .unwrap_or(0);
        let observed = name(context.features.hour_bin);
        let expected = format!("usually {}", name(busiest));
        let history = categorical::describe_history(reading, "active hours", context);
        let odds = format_odds(reading.p);
        let sentence =
            format!("active at {observed}, {odds} for this identity; {history}: {expected}");
        Explanation {
            observed,
            expected,
            sentence,
        }
    }

    fn learn(&self, context: &mut LearnContext<'_>) {
        let (hour, bin) = (context.features.hour, context.features.hour_bin);
        let Some(profile) = context.baselines.profile.as_deref_mut() else {
            return;
        };
        if profile.active_hour >= hour {
            return;
        }
        let today = i64::from(hour / HOURS_PER_DAY);
        // A day counts when it is over: at noon, the evening is not empty yet.
        let days = match profile.active_hour {
            0 => [0; 2],
            active => days_between(i64::from(active / HOURS_PER_DAY) - 1, today - 1),
        };
        profile.active_hour = hour;
        if context.profile_weight <= 0.0 {
            return;
        }
        profile.hours.add(bin, context.profile_weight);
        profile.hours.add_days(days, context.profile_weight);
        let (weight, weight_now) = (context.shared_weight, context.shared_weight_now);
        // Peers learn the hours of a colleague once it is known when he works.
        if profile.hours.observations(context.profile_weight_now) < MIN_OWN_HOURS {
            return;
        }
        let bin = profile
            .hours
            .centre()
            .map_or(bin, |centre| relative_bin(bin, centre));
        let peers = &mut context.baselines.peers;
        peers.add_hour(bin, days, weight, weight_now);
    }
}
