//! Signal: first use after an unusually long silence.
//!
//! # Assumption
//! A silence is measured in the active hours that it should have held, by the rhythm of the identity and its
//! peers ([`expected_between`]) on days on which identities of its kind were active
//! ([`crate::baseline::activity_calendar`]): nights, weekends, holidays and machines that are seldom used
//! count for little. The logarithm is normal for an identity, centred on its peers'. Below
//! [`MIN_SPOKEN_HOURS`] a silence is a pause.
//!
//! # Formula
//! Upper tail of the Student-t predictive of ln missed hours ([`crate::stats::student`]), as far as the
//! silences of the identity and the prior can know it ([`crate::stats::knowable`]). The prior
//! is that of memoryless activity: missed hours are Exp(1), so their logarithm has mean −γ and
//! standard deviation π/√6 (Gumbel distribution).
//!
//! # At n = 0
//! The peers' silences; without peers the prior. Weekends of a new identity are ignored.
//! Cost: abstains at once within a session; otherwise a sum over the hours of the silence.

use super::{
    LearnContext, ScoreContext, Signal, SignalFamily, VALID_ACCOUNTS, evidence_level, format_odds,
};
use crate::baseline::activity_calendar::ActivityCalendar;
use crate::baseline::group_baseline::GroupBaseline;
use crate::baseline::profile::Profile;
use crate::event::IdentityKind;
use crate::parameters::Parameters;
use crate::stats::hash::key32;
use crate::stats::hour_of_week::{PeerRates, expected_between};
use crate::stats::knowable::knowable_tail;
use crate::stats::student::{NormalPrior, student_upper_tail};
use crate::units::{EventTime, MS_PER_DAY, MS_PER_HOUR, Span};
use crate::verdict::{EntityView, Explanation, Level, Reading, SignalName, Technique};

/// The `dormancy` signal.
pub struct Dormancy;

const SILENCE_SPACE: u64 = 0xd0;
/// Warm-up of an identity: one to two weekends.
const WARMUP_MS: i64 = 10 * MS_PER_DAY;
/// Silences up to a long weekend are ignored during warm-up.
const WARMUP_SILENCE_MS: i64 = 90 * MS_PER_HOUR;
/// Prior strength of the peers' mean, in observations.
const PEERS_PRIOR_STRENGTH: f64 = 3.0;
/// Prior strength of the peers' spread, as the shape parameter: half the number of observations.
const SHAPE: f64 = 2.0;
/// Mean of ln Exp(1), −γ.
const MEMORYLESS_MEAN: f64 = -0.577_215_664_901_532_9;
/// Variance of ln Exp(1), π²/6.
const MEMORYLESS_VARIANCE: f64 = 1.644_934_066_848_226_4;
/// Lower bound of the spread of ln missed hours.
const MIN_LOG_SD: f64 = 0.4;
/// Expected active hours from which a silence is a reading.
pub const MIN_SPOKEN_HOURS: f64 = 3.0;
/// Silences that miss less than this are treated as equal.
const MIN_MISSED_HOURS: f64 = 0.1;

/// Active hours that the silence should have held; `None` within a session.
fn missed_hours(
    profile: &Profile,
    peers: &GroupBaseline,
    weight: f32,
    parameters: &Parameters,
    (calendar, kind): (&ActivityCalendar, IdentityKind),
    time: EventTime,
) -> Option<f64> {
    (time.ms_since(profile.last_seen) > MS_PER_HOUR).then(|| {
        let peers = PeerRates::new(peers.rates(), profile.hours.centre());
        let days = parameters.prior.rhythm_days as f32;
        let rate = |bin| profile.hours.rate(bin, weight, peers, days);
        expected_between(
            rate,
            |day| calendar.share(kind, day),
            profile.last_seen,
            time,
        )
        .max(MIN_MISSED_HOURS)
    })
}

/// Measured on organisations 1, 2, 11 and 31: .0002 to .004, most of it where many returned at once.
const SHARED_BY_CHANCE: f64 = 0.001;

fn missed_hours_at(context: &ScoreContext<'_>) -> Option<f64> {
    let (profile, peers, weight) = (context.profile, context.peers, context.profile_weight);
    missed_hours(
        profile,
        peers,
        weight,
        context.parameters,
        (context.calendar, context.features.kind),
        context.event.time,
    )
}

fn prior(context: &ScoreContext<'_>) -> NormalPrior {
    let known = context.peers.log_silence.count(context.shared_weight);
    let peers_sum = known * context.peers.log_silence.mean();
    NormalPrior {
        mean: (peers_sum + PEERS_PRIOR_STRENGTH * MEMORYLESS_MEAN) / (known + PEERS_PRIOR_STRENGTH),
        mean_weight: PEERS_PRIOR_STRENGTH,
        shape: SHAPE,
        scale: SHAPE * MEMORYLESS_VARIANCE,
        min_scale: MIN_LOG_SD,
    }
}

impl Signal for Dormancy {
    fn name(&self) -> SignalName {
        SignalName::Dormancy
    }

    fn family(&self) -> SignalFamily {
        SignalFamily::Time
    }

    fn techniques(&self, _: EntityView) -> &'static [Technique] {
        &[VALID_ACCOUNTS]
    }

    fn score(&self, context: &ScoreContext<'_>) -> Option<Reading> {
        if context.profile.events == 0 {
            return None;
        }
        let silent_ms = context.event.time.ms_since(context.profile.last_seen);
        let lived_ms = context
            .profile
            .last_seen
            .ms_since(context.profile.first_seen);
        if lived_ms < WARMUP_MS && silent_ms < WARMUP_SILENCE_MS {
            return None;
        }
        let missed = missed_hours_at(context).filter(|missed| *missed >= MIN_SPOKEN_HOURS)?;
        let (own, weight) = (&context.profile.log_silence, context.profile_weight);
        let (t, degrees) = own.standardise(libm::log(missed), weight, &prior(context));
        let observations = own.count(weight);
        let level = evidence_level(observations, PEERS_PRIOR_STRENGTH);
        let deviation_key = key32(SILENCE_SPACE, &context.features.hour.to_be_bytes());
        let tail = student_upper_tail(t, degrees);
        let p = knowable_tail(tail, observations + PEERS_PRIOR_STRENGTH);
        Some(Reading::new(p, level, observations, deviation_key))
    }

    /// A return: after a shutdown many come back at once.
    fn shared_key(&self, context: &ScoreContext<'_>, _: &Reading) -> Option<u32> {
        Some(key32(SILENCE_SPACE, &[context.features.kind as u8]))
    }

    fn shared_by_chance(&self) -> f64 {
        SHARED_BY_CHANCE
    }

    fn explain(&self, context: &ScoreContext<'_>, reading: &Reading) -> Explanation {
        let ms = context.event.time.ms_since(context.profile.last_seen);
        let usual = libm::exp(if reading.level == Level::Identity {
            context.profile.log_silence.mean()
        } else {
            prior(context).mean
        });
        let missed = missed_hours_at(context).unwrap_or_default();
        let observed = format!("no activity for {}", Span { ms });
        let expected = format!("pauses of about {usual:.1} active hours");
        let sentence = format!(
            "first use after {}, in which {missed:.1} active hours were to be expected, where its \
             silences miss {usual:.1} ({})",
            Span { ms },
            format_odds(reading.p)
        );
        Explanation {
            observed,
            expected,
            sentence,
        }
    }

    fn learn(&self, context: &mut LearnContext<'_>) {
        let (time, weight_now) = (context.event.time, context.profile_weight_now);
        let calendar = (context.calendar, context.features.kind);
        let peers = &mut context.baselines.peers;
        let Some(profile) = context.baselines.profile.as_deref_mut() else {
            return;
        };
        if profile.events == 0 {
            return;
        }
        if let Some(missed) = missed_hours(
            profile,
            peers,
            weight_now,
            context.parameters,
            calendar,
            time,
        ) {
            let log_missed = libm::log(missed);
            profile.log_silence.add(log_missed, context.profile_weight);
            peers.log_silence.add(log_missed, context.shared_weight);
        }
    }
}
