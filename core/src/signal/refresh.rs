//! Signal: refresh or rotation off its cadence.
//!
//! # Assumption
//! The logarithm of the time between two refreshes of one credential, or two rotations of an identity,
//! is normal, with parameters of the identity's own: laptop and phone each keep their cadence.
//!
//! # Formula
//! Two-sided tail of the Student-t predictive ([`crate::stats::student`]), centred on the identity's
//! own intervals, of which there must be at least [`MIN_OWN_INTERVALS`].
//!
//! Whoever forgot a password renews it when he remembers that: passwords have no cadence.
//!
//! # At n = 0
//! Abstains. Cost: abstains at once for other activities.

use super::{
    ALTERNATE_AUTHENTICATION, LearnContext, ScoreContext, Signal, SignalFamily, categorical,
    format_odds,
};
use crate::baseline::credential::{CredentialRecord, secs};
use crate::baseline::profile::Profile;
use crate::event::{Activity, CredentialKind, Event};
use crate::stats::hash::key32;
use crate::stats::student::{NormalPrior, student_upper_tail};
use crate::units::Span;
use crate::verdict::{EntityView, Explanation, Level, Reading, SignalName, Technique};

/// The `refresh` signal.
pub struct Refresh;

const CADENCE_SPACE: u64 = 0x4e;
/// Minimum number of own intervals for a reading.
pub const MIN_OWN_INTERVALS: f64 = 4.0;
/// Prior spread, in natural logarithms.
const LOG_SD: f64 = 0.7;
const SHAPE: f64 = 2.0;
/// Lower bound of the spread, in natural logarithms: timers start late.
const MIN_LOG_SD: f64 = 0.05;

fn is_renewal(event: &Event<'_>) -> bool {
    let kind = event.credential.as_ref().and_then(|of| of.kind);
    matches!(event.activity, Activity::Refresh | Activity::Rotate)
        && kind != Some(CredentialKind::Password)
}

/// Time of the previous renewal of what `event` renews, in seconds since the epoch; 0 where unknown. A
/// refresh that names its credential is measured per credential, anything else per identity.
fn renewed_secs(
    event: &Event<'_>,
    credential: Option<&CredentialRecord>,
    profile: &Profile,
) -> u32 {
    if event.activity == Activity::Refresh && event.credential.is_some() {
        credential.map_or(0, |record| record.refreshed_secs)
    } else {
        profile.refreshed_secs
    }
}

/// Seconds since the last renewal.
fn interval_secs(context: &ScoreContext<'_>) -> Option<f64> {
    let renewed = renewed_secs(context.event, context.credential, context.profile);
    let now = secs(context.event.time);
    (renewed > 0).then(|| f64::from(now.saturating_sub(renewed).max(1)))
}

impl Signal for Refresh {
    fn name(&self) -> SignalName {
        SignalName::Refresh
    }

    fn family(&self) -> SignalFamily {
        SignalFamily::Token
    }

    fn techniques(&self, _: EntityView) -> &'static [Technique] {
        &[ALTERNATE_AUTHENTICATION]
    }

    fn score(&self, context: &ScoreContext<'_>) -> Option<Reading> {
        if !is_renewal(context.event) {
            return None;
        }
        let own = &context.profile.log_refresh;
        let observations = own.count(context.profile_weight);
        if observations < MIN_OWN_INTERVALS {
            return None;
        }
        let interval = interval_secs(context)?;
        let prior = NormalPrior {
            mean: own.mean(),
            mean_weight: 1.0,
            shape: SHAPE,
            scale: SHAPE * LOG_SD * LOG_SD,
            min_scale: MIN_LOG_SD,
        };
        let (t, degrees) = own.standardise(libm::log(interval), context.profile_weight, &prior);
        // A late refresh is a silence, which `dormancy` scores.
        if t > 0.0 && context.event.activity == Activity::Refresh {
            return None;
        }
        let p = 2.0 * student_upper_tail(t.abs(), degrees);
        let by_chance = -libm::expm1(-interval / libm::exp(own.mean()));
        let p = if t < 0.0 { p.max(by_chance) } else { p };
        let deviation_key = key32(CADENCE_SPACE, &[u8::from(t > 0.0)]);
        Some(Reading::new(
            p,
            Level::Identity,
            observations,
            deviation_key,
        ))
    }

    fn shared_key(&self, _: &ScoreContext<'_>, _: &Reading) -> Option<u32> {
        None
    }

    fn explain(&self, context: &ScoreContext<'_>, reading: &Reading) -> Explanation {
        let span = |secs: f64| Span {
            ms: (secs * 1_000.0) as i64,
        };
        let interval = interval_secs(context);
        let usual = span(libm::exp(context.profile.log_refresh.mean()));
        let observed = format!("{} after the last", span(interval.unwrap_or(0.0)));
        let history = categorical::describe_history(reading, "uses", context);
        let sentence = format!(
            "renewed {observed}, where {usual} is usual ({}); {history}",
            format_odds(reading.p)
        );
        Explanation {
            observed,
            expected: format!("about {usual}"),
            sentence,
        }
    }

    fn learn(&self, context: &mut LearnContext<'_>) {
        if !is_renewal(context.event) {
            return;
        }
        let now = secs(context.event.time);
        let (profile, credential) = (
            context.baselines.profile.as_deref_mut(),
            context.baselines.credential.as_deref_mut(),
        );
        let Some(profile) = profile else { return };
        let renewed = renewed_secs(context.event, credential.as_deref(), profile);
        if now < renewed {
            // A late event carries no information on the cadence.
            return;
        }
        if renewed > 0 {
            let interval = f64::from((now - renewed).max(1));
            profile
                .log_refresh
                .add(libm::log(interval), context.profile_weight);
        }
        if let Some(record) = credential {
            record.refreshed_secs = now;
        }
        profile.refreshed_secs = profile.refreshed_secs.max(now);
    }
}
