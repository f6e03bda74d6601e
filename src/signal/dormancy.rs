//! Is this the first use after an unusually long silence?
//!
//! # Assumption
//! Silences longer than an hour are log-normal for an identity, centred on its peers'. Shorter
//! gaps belong to one sitting and say nothing.
//!
//! # Formula
//! Upper tail of the Student-t predictive of ln hours ([`crate::stats::student`]).
//!
//! # At n = 0
//! The peers' silences, behind them the prior's; a young identity's first weekends say nothing.
//! Cost: abstains at once within a sitting.

use super::{FactGroup, Lesson, Signal, VALID_ACCOUNTS, View, one_in, own_or_peers};
use crate::stats::hash::key32;
use crate::stats::student::{NormalPrior, student_upper_tail};
use crate::units::{EventTime, MS_PER_DAY, MS_PER_HOUR, Span};
use crate::verdict::{Explanation, Level, Reading, SignalName, Technique};

/// The `dormancy` signal.
pub struct Dormancy;

const SILENCE_SPACE: u64 = 0xd0;
/// An identity is young before it has lived through a weekend or two.
const YOUNG_MS: i64 = 10 * MS_PER_DAY;
/// A young identity's silences up to a long weekend say nothing.
const FIRST_WEEKEND_HOURS: f64 = 90.0;
/// Observations that the peers' mean is worth.
const PEERS_WORTH: f64 = 3.0;

fn silence_hours(time: EventTime, last_seen: EventTime) -> Option<f64> {
    let ms = time.ms_since(last_seen);
    (ms > MS_PER_HOUR).then(|| ms as f64 / MS_PER_HOUR as f64)
}

fn prior(view: &View<'_>) -> NormalPrior {
    let believed = &view.parameters.prior;
    let shape = 2.0;
    let mean = libm::log(believed.silence_hours);
    let known = view.peers.log_silence.count(view.shared_weight);
    let peers_mean =
        (known * view.peers.log_silence.mean() + PEERS_WORTH * mean) / (known + PEERS_WORTH);
    NormalPrior {
        mean: peers_mean,
        mean_weight: PEERS_WORTH,
        shape,
        scale: shape * believed.silence_log_sd * believed.silence_log_sd,
    }
}

impl Signal for Dormancy {
    fn name(&self) -> SignalName {
        SignalName::Dormancy
    }

    fn group(&self) -> FactGroup {
        FactGroup::Time
    }

    fn techniques(&self) -> &'static [Technique] {
        &[VALID_ACCOUNTS]
    }

    fn score(&self, view: &View<'_>) -> Option<Reading> {
        if view.profile.events == 0 {
            return None;
        }
        let hours = silence_hours(view.event.time, view.profile.last_seen)?;
        let lived_ms = view.profile.last_seen.ms_since(view.profile.first_seen);
        if lived_ms < YOUNG_MS && hours < FIRST_WEEKEND_HOURS {
            return None;
        }
        let (own, weight) = (&view.profile.log_silence, view.profile_weight);
        let (t, degrees) = own.standardise(libm::log(hours), weight, &prior(view));
        let observations = own.count(weight);
        let level = own_or_peers(observations, PEERS_WORTH);
        let fact = key32(SILENCE_SPACE, &view.features.hour.to_be_bytes());
        Some(Reading::new(
            student_upper_tail(t, degrees),
            level,
            observations,
            fact,
        ))
    }

    fn shared_fact(&self, _: &View<'_>, _: &Reading) -> Option<u32> {
        None
    }

    fn explain(&self, view: &View<'_>, reading: &Reading) -> Explanation {
        let ms = view.event.time.ms_since(view.profile.last_seen);
        let usual_hours = libm::exp(if reading.level == Level::Identity {
            view.profile.log_silence.mean()
        } else {
            prior(view).mean
        });
        let usual = Span {
            ms: (usual_hours * MS_PER_HOUR as f64) as i64,
        };
        let observed = format!("silent for {}", Span { ms });
        let expected = format!("silences of about {usual}");
        let sentence = format!(
            "first use after {}, where {usual} is usual ({})",
            Span { ms },
            one_in(reading.p)
        );
        Explanation {
            observed,
            expected,
            sentence,
        }
    }

    fn learn(&self, lesson: &mut Lesson<'_>) {
        let Some(profile) = lesson.learnt.profile.as_deref_mut() else {
            return;
        };
        if profile.events == 0 {
            return;
        }
        if let Some(hours) = silence_hours(lesson.event.time, profile.last_seen) {
            let log_hours = libm::log(hours);
            profile.log_silence.add(log_hours, lesson.profile_weight);
            lesson
                .learnt
                .peers
                .log_silence
                .add(log_hours, lesson.shared_weight);
        }
    }
}
