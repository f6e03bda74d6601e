//! Signal: unusual operation or resource.
//!
//! The prior at the top of the back-off is not flat: before any identity of the partition has used an action,
//! calls that only list are assumed common, changes of permissions rare, and actions known from attacks rarer
//! still (`models/`). The first `StopLogging` ever is thus surprising on the first day, and the first
//! `ListBuckets` is not.
//!
//! An action known from attacks remains surprising for an identity that never used it, even where others
//! have: its tail above the identity is at most that of its class, the share of such actions among the peers'
//! adopted actions, (abused + s·prior)/(adopted + s). A use that is not trusted counts once for an identity
//! and with little weight: rotations that every peer does now and then become known, and whoever would
//! teach them has to be found in one identity after the other.
//!
//! An identity that issues a key to itself does so as seldom as all do, however much else it does: there
//! the tail of the class is the whole tail.
//!
//! Assumption, formula, n = 0 and source: [`super::categorical`]. A new action usually is a new resource
//! family too, so the two are one signal, and the more surprising one is reported.
//! Cost: tables of 14 and 6 values; peers and population only for a new value.

use super::categorical::NoveltyPrior;
use super::{LearnContext, ScoreContext, Signal, SignalFamily, VALID_ACCOUNTS, categorical};
use crate::baseline::group_baseline::{GroupBaseline, prior_share_from};
use crate::catalogue::Abuse;
use crate::enrich::{Feature, action_key};
use crate::event::Activity;
use crate::stats::beta_binomial::posterior_mean;
use crate::verdict::{EntityView, Explanation, Reading, SignalName, Technique};
use std::borrow::Cow;

/// The `action` signal.
pub struct Action;

/// Mid-p tail of first uses of actions known from attacks, as `rarely_legitimate` as this one or more, given
/// the adoptions of `group` and the prior of each class (common, rare).
fn abused_shares(group: &GroupBaseline, weight: f64, prior: [f64; 2], strength: f64) -> [f64; 2] {
    let adopted: f64 = group.levels.iter().sum();
    std::array::from_fn(|class| {
        posterior_mean(
            group.abused[class] / weight,
            adopted / weight,
            prior[class],
            strength,
        )
    })
}

fn abuse_tail(abuse: Abuse, context: &ScoreContext<'_>) -> f64 {
    let prior = &context.parameters.prior;
    let weight = f64::from(context.shared_weight);
    let strength = prior.level_prior_strength;
    let prior = [prior.abused_share, prior.abused_rare_share];
    let of_all = abused_shares(context.population, weight, prior, strength);
    let [common, rare] = abused_shares(context.peers, weight, of_all, strength);
    if abuse.rarely_legitimate {
        0.5 * rare
    } else {
        rare + 0.5 * common
    }
}

/// Prior of an action, besides its use by others.
fn novelty_prior(context: &ScoreContext<'_>) -> NoveltyPrior {
    let is_upkeep = context.event.is_upkeep();
    if let Some(abuse) = context.features.abuse.filter(|_| !is_upkeep) {
        let tail = abuse_tail(abuse, context);
        return NoveltyPrior {
            unseen_tail: tail,
            max_tail: tail,
        };
    }
    let Some(level) = context.features.level.filter(|_| !is_upkeep) else {
        return NoveltyPrior::NONE;
    };
    let prior = &context.parameters.prior;
    let rank = level as usize;
    let own = prior.level_shares()[rank];
    let at_least = prior_share_from(rank, context.parameters);
    NoveltyPrior {
        unseen_tail: prior.abused_rare_share + prior.abused_share + at_least - 0.5 * own,
        max_tail: 1.0,
    }
}

fn score_action(context: &ScoreContext<'_>) -> Option<Reading> {
    let (peers, population) = (&context.peers.action, &context.population.action);
    let key = context.features.action?;
    let prior = novelty_prior(context);
    let mut reading = categorical::score_value(
        key,
        &context.profile.action,
        peers,
        population,
        prior,
        context,
    );
    if context.event.exchanges_own_key() && prior.max_tail < 1.0 {
        reading.p = reading.p.max(prior.max_tail);
    }
    Some(reading)
}

fn score_resource(context: &ScoreContext<'_>) -> Option<Reading> {
    let (peers, population) = (&context.peers.resource, &context.population.resource);
    let key = context.features.resource?;
    Some(categorical::score_value(
        key,
        &context.profile.resource,
        peers,
        population,
        NoveltyPrior::NONE,
        context,
    ))
}

/// Weight in the population from which the upkeep of a credential is known to be done by this action:
/// somebody did it within some months.
const MIN_UPKEEP_ADOPTIONS: f64 = 0.2;

/// Counts the access level and the class of an action that the peers adopted.
fn count_adoption(context: &mut LearnContext<'_>, weight: f32) {
    let Some(level) = context.features.level else {
        return;
    };
    let weight = f64::from(weight);
    let baselines = &mut context.baselines;
    for group in [&mut *baselines.peers, &mut *baselines.population] {
        group.levels[level as usize] += weight;
        if let Some(abuse) = context.features.abuse {
            group.abused[usize::from(abuse.rarely_legitimate)] += weight;
        }
    }
}

impl Signal for Action {
    fn name(&self) -> SignalName {
        SignalName::Action
    }

    fn family(&self) -> SignalFamily {
        SignalFamily::Operation
    }

    fn techniques(&self, _: EntityView) -> &'static [Technique] {
        &[VALID_ACCOUNTS]
    }

    fn score(&self, context: &ScoreContext<'_>) -> Option<Reading> {
        let known = &context.population.action;
        let is_known = |key| known.weight(key, context.shared_weight) >= MIN_UPKEEP_ADOPTIONS;
        if context.event.is_upkeep() && context.features.action.is_some_and(is_known) {
            return None;
        }
        let is_about_itself = context.event.exchanges_own_key();
        let resource = || score_resource(context).filter(|_| !is_about_itself);
        match (score_action(context), resource()) {
            (Some(action), Some(resource)) if resource.p < action.p => Some(resource),
            (action, resource) => action.or(resource),
        }
    }

    fn explain(&self, context: &ScoreContext<'_>, reading: &Reading) -> Explanation {
        let profile = context.profile;
        if context.features.action != Some(reading.deviation_key) {
            return categorical::explain(
                "resource",
                Feature::Resource,
                &profile.resource,
                context,
                reading,
            );
        }
        let mut explanation =
            categorical::explain("action", Feature::Action, &profile.action, context, reading);
        if let Some(technique) = context.features.abuse.map(|abuse| abuse.technique) {
            let known = format!(
                "; used by attackers for {} {}",
                technique.id, technique.name
            );
            explanation.sentence.push_str(&known);
        }
        explanation
    }

    fn learn(&self, context: &mut LearnContext<'_>) {
        let (action, resource) = (context.features.action, context.features.resource);
        let adoption = categorical::learn_value(
            action,
            Feature::Action,
            context,
            |p| &mut p.action,
            |c| &mut c.action,
        );
        if adoption.peer_weight > 0.0 {
            count_adoption(context, adoption.peer_weight);
        }
        record_usage(context, adoption.is_own);
        categorical::learn_value(
            resource,
            Feature::Resource,
            context,
            |p| &mut p.resource,
            |c| &mut c.resource,
        );
    }
}

/// Records the last use of the action, and the credential's scopes where they may be new.
fn record_usage(context: &mut LearnContext<'_>, is_new: bool) {
    let (Some(key), Some(profile)) = (
        context.features.action,
        context.baselines.profile.as_deref_mut(),
    ) else {
        return;
    };
    if context.profile_weight <= 0.0 {
        return;
    }
    let day = context.now.day() as u16;
    if let Some(slot) = profile.action.slot(key) {
        if is_new {
            profile.usage.reset(slot, day);
        } else {
            profile.usage.record_use(slot, day);
        }
    }
    if !is_new && context.event.activity == Activity::Use {
        return;
    }
    for scope in context.event.credential.iter().flat_map(|c| &c.scopes) {
        let key = action_key(scope, context.hash_key);
        if profile.usage.add_scope(key) {
            context.baselines.names.intern(key, || Cow::Borrowed(scope));
        }
    }
}
