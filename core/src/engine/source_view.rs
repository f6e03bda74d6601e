//! The view by source: the same engine over source networks, with decisions for the identities that logged in
//! from a source.
//!
//! Many identities that appear at one new network without failures may be an office that moved: that is
//! published as a notice, and nobody is contained. Failed logins are what makes it an attack.

use super::{Decision, Detail, Engine, SourcePosition, StepOutput};
use crate::containment::Action;
use crate::enrich::{Features, Keys, enrich, identity_key};
use crate::event::Outcome;
use crate::score::incident::AlertState;
use crate::score::subject::Subject;
use crate::sighting::Sighting;
use crate::verdict::{EntityView, SignalName};

impl Engine {
    /// Scores one authentication under its source, and learns from it; the original event was read at
    /// `origin`.
    pub fn step_sighting(
        &mut self,
        sighting: &Sighting<'_>,
        origin: &SourcePosition,
        detail: Detail,
    ) -> StepOutput {
        let event = sighting.as_event();
        let keys = Keys::of(&event);
        let (partition, _) = sighting.position;
        self.containment
            .source_logins
            .set_known_identities(partition, sighting.known_identities);
        if sighting.outcome == Outcome::Success && !sighting.is_known_source {
            let subject = Subject::of(&sighting.identity, sighting.credential.as_ref());
            let key = identity_key(&subject.id);
            self.containment
                .source_logins
                .record(keys.identity, subject, key, sighting.time);
        }
        let features = Features {
            is_routine: sighting.is_routine(),
            ..enrich(&event, keys, &self.settings.catalogue)
        };
        self.process(&event, &features, origin, detail)
    }

    /// Identities that logged in from the source, and the number of evicted ones.
    pub(super) fn successful_logins(&self, source: u64) -> (Vec<Subject>, u32) {
        let of = self.containment.source_logins.get(source);
        of.map_or((Vec::new(), 0), |of| {
            let subjects = of.identities.iter().map(|logins| logins.subject.clone());
            (subjects.collect(), of.dropped)
        })
    }

    /// Whether an identity logged in from the source since the last decision, while its alert is open.
    pub(super) fn has_undecided_logins(&self, source: u64) -> bool {
        let Some(of) = self.containment.source_logins.get(source) else {
            return false;
        };
        of.identities
            .iter()
            .any(|logins| logins.requested_action.is_none())
            && self.open_alert(source).is_some_and(has_failures)
    }

    /// Decides for each identity that logged in from the source and has no such strong request yet.
    pub(super) fn decide_for_logins(
        &mut self,
        incident: &AlertState,
        source: u64,
    ) -> Vec<Decision> {
        let Some(of) = self
            .containment
            .source_logins
            .get(source)
            .filter(|_| has_failures(incident))
        else {
            return Vec::new();
        };
        let requested: Vec<Action> = of
            .identities
            .iter()
            .map(|logins| self.policy_action(incident, &logins.subject).0)
            .collect();
        let mut due = Vec::new();
        let of = self.containment.source_logins.get_mut(source);
        for (logins, requested) in of
            .into_iter()
            .flat_map(|of| &mut of.identities)
            .zip(requested)
        {
            if logins
                .requested_action
                .is_none_or(|before| requested > before)
            {
                logins.requested_action = Some(requested);
                due.push((logins.subject.clone(), logins.key));
            }
        }
        let decide = |(subject, key): &(Subject, u64)| self.decide(incident, subject, *key);
        due.iter().map(decide).collect()
    }

    /// Number of identities that the blast radius is measured against: those of this shard, or this shard's
    /// share of all.
    pub(super) fn active_identities(&self) -> usize {
        match self.settings.entity {
            EntityView::Identity => self.scoring.store.len(),
            EntityView::Source => {
                (self.containment.source_logins.known_identities()
                    / u64::from(self.settings.shards.max(1))) as usize
            }
        }
    }
}

fn has_failures(incident: &AlertState) -> bool {
    let of_failures = |name: SignalName| name == SignalName::Failure;
    incident
        .signals
        .iter()
        .any(|signal| of_failures(signal.name))
}
