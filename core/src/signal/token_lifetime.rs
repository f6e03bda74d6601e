//! Signal: token lifetime far from what this issuer grants to this identity, in either
//! direction.
//!
//! # Assumption
//! Per identity, issuer and kind the logarithm of the lifetime is normal, its mean centred on the issuer's;
//! the distribution of lifetimes of an issuer has any shape.
//!
//! # Formula
//! Two-sided tail of the Student-t predictive ([`crate::stats::student`]); with fewer than
//! [`MIN_OWN_OBSERVATIONS`] own observations, the issuer's histogram ([`crate::stats::lifetime`]). The
//! larger of the two is used: a lifetime that is usual for either is not unusual.
//!
//! # At n = 0
//! The issuer's histogram; a new issuer abstains. Cost: O(4), and one histogram scan only
//! while the identity has few observations or its own tail is below one half.

use super::{
    ALTERNATE_AUTHENTICATION, FORGED_CREDENTIALS, LearnContext, ScoreContext, Signal, SignalFamily,
    categorical, format_odds,
};
use crate::baseline::profile::{IssuerLifetimes, Profile};
use crate::event::Activity;
use crate::stats::hash::key32;
use crate::stats::lifetime::LifetimeHistogram;
use crate::stats::student::{NormalPrior, student_upper_tail};
use crate::units::Span;
use crate::verdict::{EntityView, Explanation, Level, Reading, SignalName, Technique};

/// The `token_lifetime` signal.
pub struct TokenLifetime;

/// Minimum number of own observations for the identity's own level.
pub const MIN_OWN_OBSERVATIONS: f64 = 5.0;
/// Lifetimes within two per cent of the mean are treated as equal to it.
const EQUAL_LOG_TOLERANCE: f64 = 0.02;
const LIFETIME_SPACE: u64 = 0x70;

fn own_lifetimes(profile: &Profile, issuer: u32) -> Option<&IssuerLifetimes> {
    profile.lifetimes.iter().find(|slot| slot.issuer == issuer)
}

/// Whether a credential continues under the same name with a new expiry.
fn is_renewal(activity: Activity) -> bool {
    matches!(
        activity,
        Activity::Issue | Activity::Refresh | Activity::Rotate
    )
}

fn lifetimes<'v>(context: &ScoreContext<'v>) -> Option<&'v LifetimeHistogram> {
    context.issuer?.lifetimes.as_ref()
}

fn own_tail(secs: u64, slot: &IssuerLifetimes, context: &ScoreContext<'_>) -> f64 {
    let spread = context.parameters.prior.lifetime_log_sd;
    let shape = 2.0;
    let prior = NormalPrior {
        mean: slot.log_secs.mean(),
        mean_weight: 1.0,
        shape,
        scale: shape * spread * spread,
        min_scale: EQUAL_LOG_TOLERANCE,
    };
    let value = libm::log(secs as f64);
    if (value - slot.log_secs.mean()).abs() < EQUAL_LOG_TOLERANCE {
        return 1.0;
    }
    let (t, degrees) = slot
        .log_secs
        .standardise(value, context.profile_weight, &prior);
    2.0 * student_upper_tail(t.abs(), degrees)
}

impl Signal for TokenLifetime {
    fn name(&self) -> SignalName {
        SignalName::TokenLifetime
    }

    fn family(&self) -> SignalFamily {
        SignalFamily::Token
    }

    fn techniques(&self, _: EntityView) -> &'static [Technique] {
        &[ALTERNATE_AUTHENTICATION, FORGED_CREDENTIALS]
    }

    fn score(&self, context: &ScoreContext<'_>) -> Option<Reading> {
        let secs = context.features.lifetime_secs?;
        let slot = own_lifetimes(context.profile, context.features.issuer);
        let observations = slot.map_or(0.0, |s| s.log_secs.count(context.profile_weight));
        let by_issuer = || lifetimes(context).map(|histogram| histogram.tail(secs));
        let minutes = (secs / 60).to_be_bytes();
        let deviation_key = key32(
            LIFETIME_SPACE + u64::from(context.features.issuer),
            &minutes,
        );
        let (p, level) = match slot {
            Some(slot) if observations >= MIN_OWN_OBSERVATIONS => {
                let p = own_tail(secs, slot, context);
                let p = if p < 0.5 {
                    p.max(by_issuer().unwrap_or(0.0))
                } else {
                    p
                };
                (p, Level::Identity)
            }
            _ => (by_issuer()?, Level::Population),
        };
        Some(Reading::new(p, level, observations, deviation_key))
    }

    fn explain(&self, context: &ScoreContext<'_>, reading: &Reading) -> Explanation {
        let span = |secs: f64| {
            Span {
                ms: (secs * 1_000.0) as i64,
            }
            .to_string()
        };
        let observed = span(context.features.lifetime_secs.unwrap_or(0) as f64);
        let usual_secs = match own_lifetimes(context.profile, context.features.issuer) {
            Some(slot) if reading.level == Level::Identity => libm::exp(slot.log_secs.mean()),
            _ => lifetimes(context).map_or(0.0, |h| h.median_secs() as f64),
        };
        let expected = span(usual_secs);
        let history = categorical::describe_history(reading, "uses", context);
        let sentence = format!(
            "token lifetime {observed}, usually {expected} ({}); {history}",
            format_odds(reading.p)
        );
        Explanation {
            observed,
            expected,
            sentence,
        }
    }

    fn learn(&self, context: &mut LearnContext<'_>) {
        let known = context.baselines.credential.as_ref();
        let is_new =
            known.is_none_or(|record| !record.is_known()) || is_renewal(context.event.activity);
        let stated = context.features.lifetime_secs;
        let Some(secs) = stated.filter(|_| is_new && context.profile_weight > 0.0) else {
            return;
        };
        if let Some(issuer) = context.baselines.issuer.as_deref_mut() {
            let now = context.now;
            let histogram = issuer
                .lifetimes
                .get_or_insert_with(|| LifetimeHistogram::new(now));
            histogram.add(
                secs,
                context.now,
                context.parameters.decay.baseline_half_life_days(),
            );
        }
        let issuer = context.features.issuer;
        let weight = context.profile_weight;
        let Some(profile) = context.baselines.profile.as_deref_mut() else {
            return;
        };
        let known = profile
            .lifetimes
            .iter()
            .position(|slot| slot.issuer == issuer);
        let position = known.unwrap_or_else(|| {
            let weakest = |at: &usize| profile.lifetimes[*at].log_secs.count(weight);
            let slots = 0..profile.lifetimes.len();
            slots
                .min_by(|a, b| weakest(a).total_cmp(&weakest(b)))
                .unwrap_or(0)
        });
        let slot = &mut profile.lifetimes[position];
        if known.is_none() {
            *slot = IssuerLifetimes {
                issuer,
                ..IssuerLifetimes::default()
            };
        }
        slot.log_secs.add(libm::log(secs as f64), weight);
    }
}
