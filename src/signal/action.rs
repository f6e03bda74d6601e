//! Is this operation, or what it touches, unusual?
//!
//! The prior at the top of the back-off is not flat: before anyone in the partition has used an
//! action, calls that only list are believed common, changes of permissions rare, and actions
//! known from attacks rarer still (`models/`). So the first `StopLogging` ever seen is news on the
//! first day, while the first `ListBuckets` is not.
//!
//! Assumption, formula, n = 0 and source: [`super::categorical`]. A new action is a new resource
//! family more often than not, so the two are one signal and the stronger speaks.
//! Cost: tables of 16 and 8; peers and population only for a newcomer.

use super::{FactGroup, Lesson, Signal, VALID_ACCOUNTS, View, categorical};
use crate::baseline::collective::prior_share_from;
use crate::enrich::Feature;
use crate::verdict::{Explanation, Reading, SignalName, Technique};

/// The `action` signal.
pub struct Action;

/// Mid-p tail of an action that nobody used yet, by what it permits.
fn prior_tail(view: &View<'_>) -> f64 {
    let prior = &view.parameters.prior;
    match view.features.abuse {
        Some(abuse) if abuse.rarely_legitimate => return 0.5 * prior.abused_rare_share,
        Some(_) => return prior.abused_rare_share + 0.5 * prior.abused_share,
        None => {}
    }
    let Some(level) = view.features.level else {
        return 1.0;
    };
    let rank = level as usize;
    let own = prior.level_shares[rank];
    prior.abused_rare_share + prior.abused_share + prior_share_from(rank, view.parameters)
        - 0.5 * own
}

fn read_action(view: &View<'_>) -> Option<Reading> {
    let (peers, population) = (&view.peers.action, &view.population.action);
    let prior = prior_tail(view);
    let key = view.features.action?;
    Some(categorical::read(
        key,
        &view.profile.action,
        peers,
        population,
        prior,
        view,
    ))
}

fn read_resource(view: &View<'_>) -> Option<Reading> {
    let (peers, population) = (&view.peers.resource, &view.population.resource);
    let key = view.features.resource?;
    Some(categorical::read(
        key,
        &view.profile.resource,
        peers,
        population,
        1.0,
        view,
    ))
}

impl Signal for Action {
    fn name(&self) -> SignalName {
        SignalName::Action
    }

    fn group(&self) -> FactGroup {
        FactGroup::Deed
    }

    fn techniques(&self) -> &'static [Technique] {
        &[VALID_ACCOUNTS]
    }

    fn score(&self, view: &View<'_>) -> Option<Reading> {
        match (read_action(view), read_resource(view)) {
            (Some(action), Some(resource)) if resource.p < action.p => Some(resource),
            (action, resource) => action.or(resource),
        }
    }

    fn explain(&self, view: &View<'_>, reading: &Reading) -> Explanation {
        let profile = view.profile;
        if view.features.action != Some(reading.fact) {
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

    fn learn(&self, lesson: &mut Lesson<'_>) {
        let (action, resource) = (lesson.features.action, lesson.features.resource);
        let adopted = categorical::learn(
            action,
            Feature::Action,
            lesson,
            |p| &mut p.action,
            |c| &mut c.action,
        );
        if let (true, Some(level)) = (adopted, lesson.features.level) {
            lesson.learnt.peers.levels[level as usize] += f64::from(lesson.shared_weight);
        }
        categorical::learn(
            resource,
            Feature::Resource,
            lesson,
            |p| &mut p.resource,
            |c| &mut c.resource,
        );
    }
}
