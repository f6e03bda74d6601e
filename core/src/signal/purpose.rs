//! Signal: no purpose where one is nearly always stated.
//!
//! # Assumption
//! Uses lack a purpose at a rate of the identity's own, centred on its peers'.
//!
//! # Formula
//! Posterior mean of that rate, (missing + s·r)/(uses + s). Abstains while more than half of the
//! uses lack one.
//!
//! # At n = 0
//! The peers' rate; without peers one half: abstains. Cost: O(1).
//!
//! # Source
//! Beta–binomial posterior mean: Gelman et al., "Bayesian Data Analysis", §2.4.

use super::{
    LearnContext, ScoreContext, Signal, SignalFamily, VALID_ACCOUNTS, categorical, evidence_level,
    format_odds,
};
use crate::event::{Activity, Event};
use crate::stats::beta_binomial::posterior_mean;
use crate::stats::hash::key32;
use crate::verdict::{EntityView, Explanation, Reading, SignalName, Technique};

/// The `purpose` signal.
pub struct Purpose;

const REASON_SPACE: u64 = 0x60;
/// Prior strength of the peers' rate, in uses.
const PEERS_PRIOR_STRENGTH: f64 = 5.0;
/// Prior strength of one half for the peers, in uses.
const PRIOR_STRENGTH: f64 = 5.0;

/// Whether a purpose is expected, and missing.
fn is_missing(event: &Event<'_>) -> Option<bool> {
    matches!(event.activity, Activity::Use | Activity::Authenticate)
        .then(|| event.purpose.as_deref().is_none_or(str::is_empty))
}

impl Signal for Purpose {
    fn name(&self) -> SignalName {
        SignalName::Purpose
    }

    fn family(&self) -> SignalFamily {
        SignalFamily::Purpose
    }

    fn techniques(&self, _: EntityView) -> &'static [Technique] {
        &[VALID_ACCOUNTS]
    }

    fn score(&self, context: &ScoreContext<'_>) -> Option<Reading> {
        if !is_missing(context.event)? {
            return None;
        }
        let shared = f64::from(context.shared_weight);
        let (missing, tried) = (
            context.peers.purposeless / shared,
            context.peers.tried / shared,
        );
        let peers = posterior_mean(missing, tried, 0.5, PRIOR_STRENGTH);
        let own = f64::from(context.profile_weight);
        let uses = f64::from(context.profile.failures.tried) / own;
        let missing = f64::from(context.profile.purposeless) / own;
        let p = posterior_mean(missing, uses, peers, PEERS_PRIOR_STRENGTH);
        let level = evidence_level(uses, PEERS_PRIOR_STRENGTH);
        (p < 0.5).then(|| Reading::new(p, level, uses, key32(REASON_SPACE, &[])))
    }

    fn shared_key(&self, _: &ScoreContext<'_>, _: &Reading) -> Option<u32> {
        None
    }

    fn explain(&self, context: &ScoreContext<'_>, reading: &Reading) -> Explanation {
        let history = categorical::describe_history(reading, "uses", context);
        Explanation {
            observed: "no purpose".to_owned(),
            expected: "a stated purpose".to_owned(),
            sentence: format!(
                "no purpose is stated, which is rare for this identity ({}); {history}",
                format_odds(reading.p)
            ),
        }
    }

    fn learn(&self, context: &mut LearnContext<'_>) {
        if is_missing(context.event) != Some(true) {
            return;
        }
        context.baselines.peers.purposeless += f64::from(context.shared_weight);
        if let Some(profile) = context.baselines.profile.as_deref_mut() {
            profile.purposeless += context.profile_weight;
        }
    }
}
