//! Is this host unusual for this identity, for its peers, for everyone? Is none stated where there
//! always is one?
//!
//! Assumption, formula, n = 0 and source of a stated host: [`super::categorical`]. A use without host
//! has the posterior mean of the rate of such uses, (hostless + s·r)/(uses + s), *r* that of the
//! peers, believed to be at least [`LEAST_HOSTLESS_RATE`]: now and then another log is read, which
//! does not know hosts. It abstains while more than half of the uses come without. At n = 0 *r* is
//! one half.
//!
//! Cost: one table of 8; peers and population only for a newcomer.
//!
//! # Source
//! Beta–binomial posterior mean: Gelman et al., "Bayesian Data Analysis", §2.4.

use super::categorical::NoveltyPrior;
use super::{
    LearnContext, ScoreContext, Signal, SignalFamily, VALID_ACCOUNTS, categorical, evidence_level,
    format_odds,
};
use crate::enrich::Feature;
use crate::stats::beta_binomial::posterior_mean;
use crate::stats::hash::key32;
use crate::verdict::{EntityView, Explanation, Reading, SignalName, Technique};

/// The `host` signal.
pub struct Host;

const HOSTLESS_SPACE: u64 = 0x40;
/// Uses that the peers' rate is worth.
const PEERS_PRIOR_STRENGTH: f64 = 5.0;
/// Uses that one half is worth to the peers.
const PRIOR_STRENGTH: f64 = 5.0;
/// Peers are never believed to leave the host out more seldom than this.
const MIN_HOSTLESS_RATE: f64 = 0.01;

fn score_missing_host(context: &ScoreContext<'_>) -> Option<Reading> {
    let shared = f64::from(context.shared_weight);
    let (without, tried) = (
        context.peers.hostless / shared,
        context.peers.tried / shared,
    );
    let peers = posterior_mean(without, tried, 0.5, PRIOR_STRENGTH).max(MIN_HOSTLESS_RATE);
    let own = f64::from(context.profile_weight);
    let uses = f64::from(context.profile.failures.tried) / own;
    let without = f64::from(context.profile.hostless) / own;
    let p = posterior_mean(without, uses, peers, PEERS_PRIOR_STRENGTH);
    let level = evidence_level(uses, PEERS_PRIOR_STRENGTH);
    (p < 0.5).then(|| Reading::new(p, level, uses, key32(HOSTLESS_SPACE, &[])))
}

impl Signal for Host {
    fn name(&self) -> SignalName {
        SignalName::Host
    }

    fn family(&self) -> SignalFamily {
        SignalFamily::Origin
    }

    fn techniques(&self, _: EntityView) -> &'static [Technique] {
        &[VALID_ACCOUNTS]
    }

    fn score(&self, context: &ScoreContext<'_>) -> Option<Reading> {
        let Some(key) = context.features.host else {
            return score_missing_host(context);
        };
        let (peers, population) = (&context.peers.host, &context.population.host);
        Some(categorical::score_value(
            key,
            &context.profile.host,
            peers,
            population,
            NoveltyPrior::NONE,
            context,
        ))
    }

    fn explain(&self, context: &ScoreContext<'_>, reading: &Reading) -> Explanation {
        if context.features.host.is_some() {
            return categorical::explain(
                "host",
                Feature::Host,
                &context.profile.host,
                context,
                reading,
            );
        }
        let expected = categorical::describe_values(&context.profile.host, context.labels);
        let history = categorical::describe_history(reading, "uses", context);
        let odds = format_odds(reading.p);
        Explanation {
            observed: "no host".to_owned(),
            sentence: format!(
                "no host is stated, where there nearly always is one ({odds}); {history}: {expected}"
            ),
            expected,
        }
    }

    fn learn(&self, context: &mut LearnContext<'_>) {
        let key = context.features.host;
        if key.is_none() {
            context.baselines.peers.hostless += f64::from(context.shared_weight);
            if let Some(profile) = context.baselines.profile.as_deref_mut() {
                profile.hostless += context.profile_weight;
            }
        }
        categorical::learn_value(
            key,
            Feature::Host,
            context,
            |p| &mut p.host,
            |c| &mut c.host,
        );
    }
}
