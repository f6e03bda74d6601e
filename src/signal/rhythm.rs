//! Is this hour of the week unusual?
//!
//! Assumption, formula and source: [`crate::stats::hour_of_week`]. An hour counts once, so the
//! signal speaks at the first event of an hour and abstains for the rest of it.
//!
//! # At n = 0
//! The peers' hours. Cost: 48 multiply-adds, once an hour and identity.

use super::{FactGroup, Lesson, Signal, VALID_ACCOUNTS, View, categorical, one_in};
use crate::stats::hash::key32;
use crate::stats::hour_of_week::{HourDensity, tail};
use crate::verdict::{Explanation, Level, Reading, SignalName, Technique};

/// The `rhythm` signal.
pub struct Rhythm;

const HOUR_SPACE: u64 = 0x24;

fn density(view: &View<'_>) -> HourDensity {
    let prior_hours = view.parameters.prior.peer_hours as f32;
    let own = &view.profile.hours;
    own.density(view.profile_weight, view.peers.density(), prior_hours)
}

impl Signal for Rhythm {
    fn name(&self) -> SignalName {
        SignalName::Rhythm
    }

    fn group(&self) -> FactGroup {
        FactGroup::Time
    }

    fn techniques(&self) -> &'static [Technique] {
        &[VALID_ACCOUNTS]
    }

    fn score(&self, view: &View<'_>) -> Option<Reading> {
        if view.features.hour == view.profile.active_hour {
            return None;
        }
        let observations = view.profile.hours.observations(view.profile_weight);
        let p = tail(&density(view), view.features.hour_bin);
        let level = if observations >= view.parameters.prior.peer_hours {
            Level::Identity
        } else {
            Level::Peers
        };
        let fact = key32(HOUR_SPACE, &[view.features.hour_bin as u8]);
        Some(Reading::new(p, level, observations, fact))
    }

    fn explain(&self, view: &View<'_>, reading: &Reading) -> Explanation {
        let name = |bin: usize| {
            let day = if bin < 24 { "working day" } else { "weekend" };
            format!("{:02}:00 UTC on a {day}", bin % 24)
        };
        let density = density(view);
        let busiest = (0..density.len())
            .max_by(|a, b| density[*a].total_cmp(&density[*b]))
            .unwrap_or(0);
        let observed = name(view.features.hour_bin);
        let expected = format!("most often {}", name(busiest));
        let history =
            categorical::history(reading.observations, view).replace("uses", "active hours");
        let odds = one_in(reading.p);
        let sentence = format!("active at {observed}, {odds} for it; {history}: {expected}");
        Explanation {
            observed,
            expected,
            sentence,
        }
    }

    fn learn(&self, lesson: &mut Lesson<'_>) {
        let (hour, bin) = (lesson.features.hour, lesson.features.hour_bin);
        let Some(profile) = lesson.learnt.profile.as_deref_mut() else {
            return;
        };
        if profile.active_hour >= hour || lesson.profile_weight <= 0.0 {
            return;
        }
        profile.active_hour = hour;
        profile.hours.add(bin, lesson.profile_weight);
        let (weight, weight_now) = (lesson.shared_weight, lesson.shared_weight_now);
        lesson.learnt.peers.add_hour(bin, weight, weight_now);
    }
}
