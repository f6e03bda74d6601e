//! Signal: unusual host for the identity, its peers and the population, or no host where one is nearly always
//! stated.
//!
//! Assumption, formula, n = 0 and source of a stated host: [`super::categorical`]. A host is a machine by its
//! name, or a family of names where those turn over for the identity ([`crate::baseline::host_names`]). A use
//! without host
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
use crate::enrich::{Feature, Features};
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
        let Some(key) = context.host else {
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
        if context.host.is_some() {
            return categorical::explain(
                "host",
                feature(context.host, context.features),
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
        if context.host.is_none() {
            context.baselines.peers.hostless += f64::from(context.shared_weight);
            if let Some(profile) = context.baselines.profile.as_deref_mut() {
                profile.hostless += context.profile_weight;
            }
        }
        learn_names(context);
        categorical::learn_value(
            context.host,
            feature(context.host, context.features),
            context,
            |p| &mut p.host,
            |c| &mut c.host,
        );
    }
}

/// What `host` names: one machine, or a family of names that turn over.
fn feature(host: Option<u32>, features: &Features) -> Feature {
    if host == features.host {
        Feature::Host
    } else {
        Feature::HostFamily
    }
}

/// Counts the names of a family. Where they turn over, the name itself is remembered too, so that a name
/// counts as new once.
fn learn_names(context: &mut LearnContext<'_>) {
    let (Some(host), Some(family)) = (context.features.host, context.features.host_family) else {
        return;
    };
    let (weight, weight_now) = (context.profile_weight, context.profile_weight_now);
    let Some(profile) = context.baselines.profile.as_deref_mut() else {
        return;
    };
    if weight > 0.0 {
        let is_new = !profile.host.contains(host);
        profile.host_names.add(family, is_new, weight, weight_now);
        if context.host != Some(host) {
            profile.host.add(host, weight);
        }
    }
}
