//! Is a refresh or rotation off its cadence?
//!
//! # Assumption
//! The logarithm of the time between two refreshes or rotations of an identity is normal.
//!
//! # Formula
//! Two-sided tail of the Student-t predictive ([`crate::stats::student`]), centred on the identity's
//! own intervals from [`OWN_ENOUGH`] on.
//!
//! # At n = 0
//! Abstains. Cost: abstains at once for other activities.

use super::{ALTERNATE_AUTHENTICATION, FactGroup, Lesson, Signal, View, categorical, one_in};
use crate::baseline::credential::secs;
use crate::event::Activity;
use crate::stats::hash::key32;
use crate::stats::student::{NormalPrior, student_upper_tail};
use crate::units::Span;
use crate::verdict::{Explanation, Level, Reading, SignalName, Technique};

/// The `refresh` signal.
pub struct Refresh;

const CADENCE_SPACE: u64 = 0x4e;
/// Own intervals from which it speaks.
pub const OWN_ENOUGH: f64 = 4.0;
/// Spread believed beforehand, in natural logarithms.
const LOG_SD: f64 = 0.7;
const SHAPE: f64 = 2.0;

fn is_renewal(activity: Activity) -> bool {
    matches!(activity, Activity::Refresh | Activity::Rotate)
}

/// Seconds since the last renewal.
fn interval_secs(now: u32, refreshed: u32) -> Option<f64> {
    (refreshed > 0).then(|| f64::from(now.saturating_sub(refreshed).max(1)))
}

impl Signal for Refresh {
    fn name(&self) -> SignalName {
        SignalName::Refresh
    }

    fn group(&self) -> FactGroup {
        FactGroup::Token
    }

    fn techniques(&self) -> &'static [Technique] {
        &[ALTERNATE_AUTHENTICATION]
    }

    fn score(&self, view: &View<'_>) -> Option<Reading> {
        if !is_renewal(view.event.activity) {
            return None;
        }
        let own = &view.profile.log_refresh;
        let observations = own.count(view.profile_weight);
        if observations < OWN_ENOUGH {
            return None;
        }
        let interval = interval_secs(secs(view.event.time), view.profile.refreshed_secs)?;
        let prior = NormalPrior {
            mean: own.mean(),
            mean_weight: 1.0,
            shape: SHAPE,
            scale: SHAPE * LOG_SD * LOG_SD,
        };
        let (t, degrees) = own.standardise(libm::log(interval), view.profile_weight, &prior);
        let p = 2.0 * student_upper_tail(t.abs(), degrees);
        let fact = key32(CADENCE_SPACE, &[u8::from(t > 0.0)]);
        Some(Reading::new(p, Level::Identity, observations, fact))
    }

    fn shared_fact(&self, _: &View<'_>, _: &Reading) -> Option<u32> {
        None
    }

    fn explain(&self, view: &View<'_>, reading: &Reading) -> Explanation {
        let span = |secs: f64| Span {
            ms: (secs * 1_000.0) as i64,
        };
        let interval = interval_secs(secs(view.event.time), view.profile.refreshed_secs);
        let usual = span(libm::exp(view.profile.log_refresh.mean()));
        let observed = format!("{} after the last", span(interval.unwrap_or(0.0)));
        let history = categorical::history(reading, "uses", view);
        let sentence = format!(
            "renewed {observed}, where {usual} is usual ({}); {history}",
            one_in(reading.p)
        );
        Explanation {
            observed,
            expected: format!("about {usual}"),
            sentence,
        }
    }

    fn learn(&self, lesson: &mut Lesson<'_>) {
        if !is_renewal(lesson.event.activity) {
            return;
        }
        let now = secs(lesson.event.time);
        let Some(profile) = lesson.learnt.profile.as_deref_mut() else {
            return;
        };
        if now < profile.refreshed_secs {
            // What comes late says nothing of the cadence.
            return;
        }
        if let Some(interval) = interval_secs(now, profile.refreshed_secs) {
            profile
                .log_refresh
                .add(libm::log(interval), lesson.profile_weight);
        }
        profile.refreshed_secs = now;
    }
}
