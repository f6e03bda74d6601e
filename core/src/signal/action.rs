//! Is this operation, or what it touches, unusual?
//!
//! The prior at the top of the back-off is not flat: before anyone in the partition has used an
//! action, calls that only list are believed common, changes of permissions rare, and actions
//! known from attacks rarer still (`models/`). So the first `StopLogging` ever seen is news on the
//! first day, while the first `ListBuckets` is not.
//!
//! An action known from attacks stays news to who never did it, even where somebody else has: its
//! tail above the identity is at most that of its class, the share of such actions among what
//! peers took up, (abused + s·believed)/(taken up + s). Only trusted uses are taken up.
//!
//! Assumption, formula, n = 0 and source: [`super::categorical`]. A new action is a new resource
//! family more often than not, so the two are one signal and the stronger speaks.
//! Cost: tables of 16 and 8; peers and population only for a newcomer.

use super::categorical::NoveltyPrior;
use super::{LearnContext, ScoreContext, Signal, SignalFamily, VALID_ACCOUNTS, categorical};
use crate::baseline::group_baseline::{GroupBaseline, prior_share_from};
use crate::catalogue::{Abuse, action_hash};
use crate::enrich::Feature;
use crate::event::Activity;
use crate::stats::beta_binomial::posterior_mean;
use crate::stats::hash::fold32;
use crate::verdict::{EntityView, Explanation, Reading, SignalName, Technique};
use std::borrow::Cow;

/// The `action` signal.
pub struct Action;

/// Mid-p tail of first uses of actions known from attacks, as `rarely_legitimate` as this one or
/// more, where `group` does as it does and `believed` is thought of each class (common, rare).
fn abused_shares(group: &GroupBaseline, weight: f64, believed: [f64; 2], worth: f64) -> [f64; 2] {
    let adopted: f64 = group.levels.iter().sum();
    std::array::from_fn(|class| {
        posterior_mean(
            group.abused[class] / weight,
            adopted / weight,
            believed[class],
            worth,
        )
    })
}

fn abuse_tail(abuse: Abuse, view: &ScoreContext<'_>) -> f64 {
    let prior = &view.parameters.prior;
    let weight = f64::from(view.shared_weight);
    let worth = prior.level_prior_strength;
    let believed = [prior.abused_share, prior.abused_rare_share];
    let of_all = abused_shares(view.population, weight, believed, worth);
    let [common, rare] = abused_shares(view.peers, weight, of_all, worth);
    if abuse.rarely_legitimate {
        0.5 * rare
    } else {
        rare + 0.5 * common
    }
}

/// What is believed of an action before or besides its use by others.
fn novelty_prior(view: &ScoreContext<'_>) -> NoveltyPrior {
    if let Some(abuse) = view.features.abuse {
        let tail = abuse_tail(abuse, view);
        return NoveltyPrior {
            unseen_tail: tail,
            max_tail: tail,
        };
    }
    let Some(level) = view.features.level else {
        return NoveltyPrior::NONE;
    };
    let prior = &view.parameters.prior;
    let rank = level as usize;
    let own = prior.level_shares()[rank];
    let at_least = prior_share_from(rank, view.parameters);
    NoveltyPrior {
        unseen_tail: prior.abused_rare_share + prior.abused_share + at_least - 0.5 * own,
        max_tail: 1.0,
    }
}

fn score_action(view: &ScoreContext<'_>) -> Option<Reading> {
    let (peers, population) = (&view.peers.action, &view.population.action);
    let key = view.features.action?;
    Some(categorical::score_value(
        key,
        &view.profile.action,
        peers,
        population,
        novelty_prior(view),
        view,
    ))
}

fn score_resource(view: &ScoreContext<'_>) -> Option<Reading> {
    let (peers, population) = (&view.peers.resource, &view.population.resource);
    let key = view.features.resource?;
    Some(categorical::score_value(
        key,
        &view.profile.resource,
        peers,
        population,
        NoveltyPrior::NONE,
        view,
    ))
}

fn count_adoption(lesson: &mut LearnContext<'_>) {
    let Some(level) = lesson.features.level else {
        return;
    };
    let weight = f64::from(lesson.shared_weight);
    let learnt = &mut lesson.baselines;
    for group in [&mut *learnt.peers, &mut *learnt.population] {
        group.levels[level as usize] += weight;
        if let Some(abuse) = lesson.features.abuse {
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

    fn score(&self, view: &ScoreContext<'_>) -> Option<Reading> {
        match (score_action(view), score_resource(view)) {
            (Some(action), Some(resource)) if resource.p < action.p => Some(resource),
            (action, resource) => action.or(resource),
        }
    }

    fn explain(&self, view: &ScoreContext<'_>, reading: &Reading) -> Explanation {
        let profile = view.profile;
        if view.features.action != Some(reading.deviation_key) {
            return categorical::explain(
                "resource",
                Feature::Resource,
                &profile.resource,
                view,
                reading,
            );
        }
        let mut explanation =
            categorical::explain("action", Feature::Action, &profile.action, view, reading);
        if let Some(technique) = view.features.abuse.map(|abuse| abuse.technique) {
            let known = format!(
                "; known from attacks as {} {}",
                technique.id, technique.name
            );
            explanation.sentence.push_str(&known);
        }
        explanation
    }

    fn learn(&self, lesson: &mut LearnContext<'_>) {
        let (action, resource) = (lesson.features.action, lesson.features.resource);
        let adopted = categorical::learn_value(
            action,
            Feature::Action,
            lesson,
            |p| &mut p.action,
            |c| &mut c.action,
        );
        if adopted {
            count_adoption(lesson);
        }
        record_usage(lesson, adopted);
        categorical::learn_value(
            resource,
            Feature::Resource,
            lesson,
            |p| &mut p.resource,
            |c| &mut c.resource,
        );
    }
}

/// Notes when the action was used last, and what the credential permits where it may be new.
fn record_usage(lesson: &mut LearnContext<'_>, is_new: bool) {
    let (Some(key), Some(profile)) = (
        lesson.features.action,
        lesson.baselines.profile.as_deref_mut(),
    ) else {
        return;
    };
    if lesson.profile_weight <= 0.0 {
        return;
    }
    let day = lesson.now.day() as u16;
    if let Some(slot) = profile.action.slot(key) {
        if is_new {
            profile.usage.reset(slot, day);
        } else {
            profile.usage.record_use(slot, day);
        }
    }
    if !is_new && lesson.event.activity == Activity::Use {
        return;
    }
    for scope in lesson.event.credential.iter().flat_map(|c| &c.scopes) {
        let key = fold32(action_hash(scope));
        if profile.usage.add_scope(key) {
            lesson.baselines.names.intern(key, || Cow::Borrowed(scope));
        }
    }
}
