//! Signal: too many recent failures, or a success right after them.
//!
//! Sign-in attempts and the uses of a holder are counted apart: anyone can fail to sign in as somebody, and
//! what an outsider did must neither make the holder look bad nor hide him.
//!
//! # Assumption
//! Failures come in runs, each with its own rate; the rates spread around the usual rate, which is centred on
//! the peers', as after `RUN_TRIALS` trials, or `OWN_ATTEMPT_RUN_TRIALS` for sign-in attempts from a network
//! of the identity's own: that is how a forgotten password looks, and an outage of the identity provider.
//! Fewer than [`MIN_FAILED`] are no run. A run is one deviation, which grows. At a source only strangers
//! count: whoever usually signs in there has a view of his own, and an outage fails all of them.
//!
//! # Formula
//! With *k* failures among *m* trials in the recent window (exponentially decayed, this event
//! included), P(K ≥ k) under the beta–binomial whose Beta has the mean of the long-run failures and
//! successes plus the peers' rate with `failure_strength` trials, and a total strength of `RUN_TRIALS`
//! trials at most; what was learned from the recent window is left out. For attempts the peers' rate, or the
//! prior rate of logins where that is larger, counts alone ([`crate::stats::beta_binomial`]); a source also
//! has its own rate, of the failures of identities that usually sign in there, where that is larger. A
//! success is reported only after at least [`FAILURES_BEFORE_SUCCESS`] recent failures, with the same tail:
//! the failures ended in a success.
//!
//! # At n = 0
//! The peers' rate; without peers the prior. Cost: abstains at once without recent failures;
//! otherwise O(m), m ≤ [`MAX_TRIALS`].

use super::{
    BRUTE_FORCE, LearnContext, ScoreContext, Signal, SignalFamily, evidence_level, format_odds,
};
use crate::event::{Event, Outcome};
use crate::stats::beta_binomial::{Beta, upper_tail};
use crate::stats::hash::key32;
use crate::units::MS_PER_SEC;
use crate::verdict::{EntityView, Explanation, Reading, SignalName, Technique};

/// The `failure` signal.
pub struct Failure;

/// Minimum number of recent failures from which a success is reported.
pub const FAILURES_BEFORE_SUCCESS: u32 = 3;
/// Fewer recent failures are no run.
pub const MIN_FAILED: u32 = 3;
/// Larger windows are scaled down to this many trials.
pub const MAX_TRIALS: f32 = 400.0;
/// Strength of the rate of one run of uses, in trials: an outage fails many in a row.
const RUN_TRIALS: f64 = 30.0;
/// The same for a run of attempts where the identity usually is: whoever forgot a password tries it again.
const OWN_ATTEMPT_RUN_TRIALS: f64 = 4.0;
const FAILURE_SPACE: u64 = 0xfa;

/// Whether the event counts among the attempts, rather than among the uses of the holder.
fn is_attempt(context: &ScoreContext<'_>) -> bool {
    context.entity == EntityView::Source || context.event.is_attempt()
}

/// Failures and trials of the recent window before this event.
fn recent(context: &ScoreContext<'_>) -> (f32, f32) {
    let window = context.parameters.decay.failure_window_half_life;
    let (counts, time) = (&context.profile.failures, context.event.time);
    if is_attempt(context) {
        let (failed, succeeded) = counts.attempts.at(time, window);
        return (failed, failed + succeeded);
    }
    counts.recent_at(time, window)
}

/// Whether a source tried one identity alone this hour, which the view of that identity judges: a person's
/// typing errors are one matter.
fn is_of_one_identity(context: &ScoreContext<'_>) -> bool {
    let (hourly, features) = (&context.profile.hourly, context.features);
    let others = if hourly.hour == features.hour {
        hourly.distinct_classes() - u32::from(hourly.has_seen(features.operation_class))
    } else {
        0
    };
    context.entity == EntityView::Source && others == 0
}

/// Failures and trials of the recent window, this event included.
fn window(context: &ScoreContext<'_>) -> (u32, u32) {
    let failed_now = u8::from(context.event.outcome != Outcome::Success);
    let (failed, tried) = recent(context);
    let (failed, tried) = (failed + f32::from(failed_now), tried + 1.0);
    let scale = (MAX_TRIALS / tried).min(1.0);
    // The slack keeps integers exact through decay within the window.
    let whole = |count: f32| (count * scale + 0.25) as u32;
    (whole(failed), whole(tried).max(whole(failed)))
}

/// The rate before the recent window, which must not be scored by what was learned from it.
fn expected_rate(context: &ScoreContext<'_>) -> Beta {
    let prior = &context.parameters.prior;
    let strength = prior.failure_strength;
    let (recent_failed, recent_tried) = recent(context);
    let recent = (f64::from(recent_failed), f64::from(recent_tried));
    let mut rate =
        context
            .peers
            .failure_rate(context.shared_weight, recent, prior.failure_rate, strength);
    // Hardly any of the uses behind these rates is a login, and logins fail far more often.
    let is_attempt = is_attempt(context);
    if is_attempt {
        rate = rate.max(prior.login_failure_rate);
    }
    let (mut failed, mut tried) = (0.0, 0.0);
    if !is_attempt || context.entity == EntityView::Source {
        let counts = &context.profile.failures;
        let long_run = |count: f32| f64::from(count / context.profile_weight);
        tried = (long_run(counts.tried) - recent.1).max(0.0);
        failed = (long_run(counts.failed) - recent.0).clamp(0.0, tried);
    }
    let mut hits = failed + strength * rate;
    let mut misses = tried - failed + strength * (1.0 - rate);
    if is_attempt {
        // Failures of strangers are not learned, so the learned rate alone would be too low.
        let trials = hits + misses;
        hits = hits.max(prior.login_failure_rate * trials);
        misses = trials - hits;
    }
    let run_trials = if is_attempt && context.is_at_usual_network() {
        OWN_ATTEMPT_RUN_TRIALS
    } else {
        RUN_TRIALS
    };
    let share = (run_trials / (hits + misses)).min(1.0);
    Beta {
        hits: share * hits,
        misses: share * misses,
    }
}

impl Signal for Failure {
    fn name(&self) -> SignalName {
        SignalName::Failure
    }

    fn family(&self) -> SignalFamily {
        SignalFamily::Outcome
    }

    fn techniques(&self, _: EntityView) -> &'static [Technique] {
        &[BRUTE_FORCE]
    }

    fn score(&self, context: &ScoreContext<'_>) -> Option<Reading> {
        let succeeded = context.event.outcome == Outcome::Success;
        let abstains = match context.event.outcome {
            Outcome::Success => recent(context).0 < 0.75,
            Outcome::Error => !is_attempt(context),
            Outcome::Failure | Outcome::Denied => false,
        };
        if abstains || context.features.is_known_source || is_of_one_identity(context) {
            return None;
        }
        let (failed, tried) = window(context);
        if failed < MIN_FAILED || (succeeded && failed < FAILURES_BEFORE_SUCCESS) {
            return None;
        }
        let observations = f64::from(context.profile.failures.tried / context.profile_weight);
        let level = evidence_level(observations, context.parameters.prior.failure_strength);
        let rate = expected_rate(context);
        if rate.is_expected(failed, tried) {
            return None;
        }
        let p = upper_tail(failed, tried, rate);
        // A run is one deviation, which grows; the success that ends it is no other.
        let of_attempts = u8::from(is_attempt(context));
        let deviation_key = key32(FAILURE_SPACE, &[of_attempts]);
        Some(Reading::new(p, level, observations, deviation_key))
    }

    fn is_attributable(&self, event: &Event<'_>) -> bool {
        !event.is_attempt()
    }

    fn shared_key(&self, context: &ScoreContext<'_>, _: &Reading) -> Option<u32> {
        let action = context.features.action.unwrap_or_default();
        let space = FAILURE_SPACE + u64::from(is_attempt(context));
        Some(key32(space, &action.to_be_bytes()))
    }

    fn explain(&self, context: &ScoreContext<'_>, reading: &Reading) -> Explanation {
        let (failed, tried) = window(context);
        let rate = expected_rate(context);
        let usual = 100.0 * rate.hits / (rate.hits + rate.misses);
        let what = match context.entity {
            EntityView::Identity => "uses",
            EntityView::Source => "authentications",
        };
        let observed = format!("{failed} of {tried} recent {what} failed");
        let expected = format!("{usual:.1} % fail");
        let then = if context.event.outcome == Outcome::Success {
            ", followed by a success"
        } else {
            ""
        };
        let sentence = format!(
            "{observed}{then}, where {expected} as a rule ({})",
            format_odds(reading.p)
        );
        Explanation {
            observed,
            expected,
            sentence,
        }
    }

    fn learn(&self, context: &mut LearnContext<'_>) {
        let failed = f32::from(u8::from(context.event.outcome == Outcome::Denied));
        let (weight, shared) = (context.profile_weight, f64::from(context.shared_weight));
        for collective in [
            &mut *context.baselines.peers,
            &mut *context.baselines.population,
        ] {
            collective.failed += shared * f64::from(failed);
            collective.tried += shared;
        }
        if context.event.is_attempt() {
            learn_attempt(context);
        }
        let window = context.parameters.decay.failure_window_half_life;
        let Some(profile) = context.baselines.profile.as_deref_mut() else {
            return;
        };
        let counts = &mut profile.failures;
        let (recent_failed, recent_tried) = counts.recent_at(context.now, window);
        // The recent window counts every event, whatever its weight in learning; a late event happened
        // earlier.
        let late_ms = context.now.ms_since(context.event.time);
        let lately = if late_ms > 0 {
            window.remaining(late_ms) as f32
        } else {
            1.0
        };
        counts.recent_failed = recent_failed + lately * failed;
        counts.recent_tried = recent_tried + lately;
        counts.recent_secs = (context.now.epoch_ms() / MS_PER_SEC) as u32;
        counts.failed += weight * failed;
        counts.tried += weight;
    }
}

/// Counts the event among the attempts. A source also learns the failures of identities that usually sign
/// in there; nothing else is learned of a failure.
pub(super) fn learn_attempt(context: &mut LearnContext<'_>) {
    let window = context.parameters.decay.failure_window_half_life;
    let (time, weight) = (context.event.time, context.profile_weight);
    let Some(profile) = context.baselines.profile.as_deref_mut() else {
        return;
    };
    let counts = &mut profile.failures;
    if context.event.outcome == Outcome::Success {
        counts.attempts.add_success(time, window);
        return;
    }
    if !context.features.is_known_source {
        counts.attempts.add_failure(time, window);
    }
    if context.entity == EntityView::Source {
        counts.failed += weight;
        counts.tried += weight;
    }
}
