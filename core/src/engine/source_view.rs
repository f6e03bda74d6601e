//! The view by source: the same engine over source networks, with decisions for the identities that logged in
//! from a source.
//!
//! Many identities that appear at one new network without failures may be an office that moved: that is
//! published as a notice. Failed logins are what makes it an attack, and since anyone can cause them, they alert
//! and contain nobody.

use super::step_output::SourceVisitors;
use super::{Decision, Detail, Engine, SourcePosition, StepOutput};
use crate::containment::source_logins::SourceLogin;
use crate::enrich::{Features, enrich};
use crate::event::Outcome;
use crate::score::incident::AlertState;
use crate::score::subject::Subject;
use crate::sighting::Sighting;
use crate::verdict::{EntityView, Severity, SignalName};

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
        let keys = self.keys(&event);
        let (partition, _) = sighting.position;
        self.containment
            .source_logins
            .set_known_identities(partition, sighting.known_identities);
        if sighting.outcome == Outcome::Success && !sighting.is_known_source {
            let subject = Subject::of(&sighting.identity, sighting.credential.as_ref());
            let key = self.identity_key(&subject.id);
            let login = SourceLogin {
                subject,
                key,
                time: sighting.time,
                evidence: sighting.attributable_severity,
                decided: None,
            };
            self.containment.source_logins.record(keys.identity, login);
        }
        if sighting.outcome != Outcome::Success {
            let id = &sighting.identity.id;
            self.containment
                .source_logins
                .record_attempt(keys.identity, id, sighting.time);
        }
        let features = Features {
            is_routine: sighting.is_routine(),
            is_known_source: sighting.is_known_source,
            ..enrich(
                &event,
                keys,
                &self.settings.catalogue,
                &self.settings.hash_key,
            )
        };
        self.process(&event, &features, origin, detail)
    }

    /// Identities that logged in from the source, and those that it tried in vain.
    pub(super) fn visitors(&self, source: u64) -> SourceVisitors {
        let Some(of) = self.containment.source_logins.get(source) else {
            return SourceVisitors::default();
        };
        SourceVisitors {
            logins: of
                .identities
                .iter()
                .map(|login| login.subject.clone())
                .collect(),
            additional_logins: of.dropped,
            attempted: of.attempted.clone(),
            has_more_attempted: of.has_more_attempted,
        }
    }

    /// Whether an identity logged in from the source since the last decision, while its alert is open.
    pub(super) fn has_undecided_logins(&self, source: u64) -> bool {
        let (logins, alert) = (
            self.containment.source_logins.get(source),
            self.open_alert(source),
        );
        let (Some(of), Some(alert)) = (logins, alert.filter(|alert| has_failures(alert))) else {
            return false;
        };
        of.identities
            .iter()
            .any(|login| login.is_undecided(alert.severity))
    }

    /// Decides for each identity that logged in from the source, at the severity of its own evidence: what
    /// others did at the source contains nobody. Where that evidence does not reach the threshold, the alert
    /// names the identity, and there is no decision.
    pub(super) fn decide_for_logins(
        &mut self,
        incident: &AlertState,
        source: u64,
    ) -> Vec<Decision> {
        if !has_failures(incident) {
            return Vec::new();
        }
        let mut due = Vec::new();
        let of = self.containment.source_logins.get_mut(source);
        for login in of.into_iter().flat_map(|of| &mut of.identities) {
            if login.is_undecided(incident.severity) {
                login.decided = login.decided_at(incident.severity);
                due.push((login.subject.clone(), login.key, login.evidence));
            }
        }
        let decide = |(subject, key, evidence): &(Subject, u64, Option<Severity>)| {
            self.decide(incident, subject, *key, *evidence)
        };
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
