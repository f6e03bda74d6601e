//! The view by source: the same engine over source networks.
//!
//! Many identities that appear at one new network without failures may be an office that moved: that is
//! published as a notice. Failed logins are what makes it an attack. Anyone can cause them, so an alert of a
//! source names who signed in from it and whom it tried, and contains nobody: that is decided by the shard of
//! each identity, on the evidence of what was done with its credential.

use super::step_output::SourceVisitors;
use super::{Detail, Engine, SourcePosition, StepOutput};
use crate::containment::source_logins::SourceLogin;
use crate::enrich::{Features, enrich};
use crate::event::Outcome;
use crate::score::incident::AlertState;
use crate::score::subject::Subject;
use crate::sighting::Sighting;
use crate::verdict::SignalName;

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
        if sighting.outcome == Outcome::Success && !sighting.is_known_source {
            let subject = Subject::of(&sighting.identity, sighting.credential.as_ref());
            let key = self.identity_key(&subject.id);
            let login = SourceLogin {
                subject,
                key,
                time: sighting.time,
                is_published: false,
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

    /// Whether an identity signed in from the source that its open alert does not name yet.
    pub(super) fn has_unpublished_logins(&self, source: u64) -> bool {
        let logins = self.containment.source_logins.get(source);
        logins.is_some_and(|of| of.identities.iter().any(|login| !login.is_published))
            && self.open_alert(source).is_some_and(has_failures)
    }

    /// Marks the logins from the source as named by its alert.
    pub(super) fn mark_logins_published(&mut self, source: u64) {
        let of = self.containment.source_logins.get_mut(source);
        for login in of.into_iter().flat_map(|of| &mut of.identities) {
            login.is_published = true;
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
