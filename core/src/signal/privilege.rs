//! Signal: use of a permission above those used so far, or extension of the identity's own permissions.
//!
//! # Assumption
//! The rank of what an identity uses (list < read < tagging < write < permissions) is drawn from
//! a fixed distribution of its own, centred on its peers'.
//!
//! # Formula
//! Mid-p tail of the posterior mean: P(rank > r) + ½ P(rank = r), each level's share being
//! (count + s·peer share)/(n + s); the peers' share has the same form over the prior of the model.
//! Peers count first uses of an action, not uses. The population is left out, because it holds the same
//! first uses and would count them twice.
//! A rotation of one's own credential is no extension of permissions, and abstains: whether it is due is the
//! question of `refresh`, and who issues a key to himself is judged by `action`. A grant to oneself has the
//! fixed probability `self_grant_p`.
//!
//! # At n = 0
//! The peers' shares; without peers the prior. Cost: O(5).
//!
//! # Source
//! Dirichlet–multinomial posterior mean: Gelman et al., "Bayesian Data Analysis", §3.4.

use super::{
    LearnContext, ScoreContext, Signal, SignalFamily, VALID_ACCOUNTS, categorical, evidence_level,
    format_odds,
};
use crate::baseline::profile::LEVELS;
use crate::catalogue::AccessLevel;
use crate::event::Activity;
use crate::stats::hash::key32;
use crate::verdict::{EntityView, Explanation, Level, Reading, SignalName, Technique};

/// The `privilege` signal.
pub struct Privilege;

const LEVEL_SPACE: u64 = 0x11;
const SELF_GRANT: &[u8] = b"self-grant";

fn shares(counts: [f64; LEVELS], prior: [f64; LEVELS], strength: f64) -> [f64; LEVELS] {
    let total: f64 = counts.iter().sum();
    std::array::from_fn(|at| (counts[at] + strength * prior[at]) / (total + strength))
}

fn expected_shares(context: &ScoreContext<'_>) -> [f64; LEVELS] {
    let prior = &context.parameters.prior;
    let shared_weight = f64::from(context.shared_weight);
    let total: f64 = prior.level_shares().iter().sum();
    let prior_shares = prior.level_shares().map(|s| s / total);
    let peer_counts = context.peers.levels.map(|count| count / shared_weight);
    let peers = shares(peer_counts, prior_shares, prior.level_prior_strength);
    let own = context
        .profile
        .levels
        .map(|c| f64::from(c / context.profile_weight));
    shares(own, peers, prior.level_strength)
}

/// An access level as a sentence names it.
fn describe_level(level: AccessLevel) -> &'static str {
    match level {
        AccessLevel::Permissions => "permissions-management",
        other => other.as_str(),
    }
}

impl Signal for Privilege {
    fn name(&self) -> SignalName {
        SignalName::Privilege
    }

    fn family(&self) -> SignalFamily {
        SignalFamily::Operation
    }

    fn techniques(&self, _: EntityView) -> &'static [Technique] {
        &[VALID_ACCOUNTS]
    }

    fn score(&self, context: &ScoreContext<'_>) -> Option<Reading> {
        if context.event.activity == Activity::Rotate || context.event.exchanges_own_key() {
            return None;
        }
        let level = context.features.level?;
        let observations =
            f64::from(context.profile.levels.iter().sum::<f32>() / context.profile_weight);
        if context.features.self_grant {
            let deviation_key = key32(LEVEL_SPACE, SELF_GRANT);
            let p = context.parameters.prior.self_grant_p;
            return Some(Reading::new(
                p,
                Level::Population,
                observations,
                deviation_key,
            ));
        }
        if level == AccessLevel::List {
            return None;
        }
        let expected = expected_shares(context);
        let rank = level as usize;
        let above: f64 = expected[rank + 1..].iter().sum();
        let source = evidence_level(observations, context.parameters.prior.level_strength);
        let deviation_key = key32(LEVEL_SPACE, &[rank as u8]);
        Some(Reading::new(
            above + 0.5 * expected[rank],
            source,
            observations,
            deviation_key,
        ))
    }

    fn shared_key(&self, _: &ScoreContext<'_>, _: &Reading) -> Option<u32> {
        None
    }

    fn explain(&self, context: &ScoreContext<'_>, reading: &Reading) -> Explanation {
        let level = context.features.level.map_or("", describe_level);
        let expected = expected_shares(context);
        let named: Vec<String> = AccessLevel::ALL
            .iter()
            .zip(expected)
            .filter(|(_, share)| *share >= 0.005)
            .map(|(level, share)| format!("{} ({:.0} %)", describe_level(*level), share * 100.0))
            .collect();
        let expected = named.join(", ");
        let history = categorical::describe_history(reading, "uses", context);
        let sentence = if context.features.self_grant {
            "grants a permission to itself".to_owned()
        } else {
            let odds = format_odds(reading.p);
            format!("access level {level}, {odds} for this identity; {history}: {expected}")
        };
        Explanation {
            observed: level.to_owned(),
            expected,
            sentence,
        }
    }

    fn learn(&self, context: &mut LearnContext<'_>) {
        let level = context.features.level;
        if let (Some(level), Some(profile)) = (level, context.baselines.profile.as_deref_mut()) {
            profile.levels[level as usize] += context.profile_weight;
        }
    }
}
