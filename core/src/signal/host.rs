//! Signal: unusual host for the identity, its peers and the population, or no host where one is nearly always
//! stated.
//!
//! Assumption, formula, n = 0 and source of a stated host: [`super::categorical`]. A use without host
//! has the posterior mean of the rate of such uses, (hostless + s·r)/(uses + s), with *r* that of the peers,
//! at least `MIN_HOSTLESS_RATE`: occasionally events come from another log, which does not state hosts. It
//! abstains while more than half of the uses state none. At n = 0 *r* is
//! one half.
//!
//! Cost: one table of 8 values; peers and population only for a new value.
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
/// Prior strength of the peers' rate, in uses.
const PEERS_PRIOR_STRENGTH: f64 = 5.0;
/// Prior strength of one half for the peers, in uses.
const PRIOR_STRENGTH: f64 = 5.0;
/// Lower bound of the peers' rate.
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
                "no host is stated, which is rare for this identity ({odds}); {history}: {expected}"
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
