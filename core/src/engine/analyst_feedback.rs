//! Analyst feedback on alerts, and how it changes what is learned.
//!
//! - *false positive*, *expected*: the alert closes and the incident's deviations are accepted: they
//!   add no further evidence, and events that show them are learned with full weight.
//! - *true positive*: the incident's deviations are unlearned for the identity, its peers and the
//!   population, and nothing is learned from the identity while the incident is remembered.
//! - *withdrawn*: the incident has no verdict again; what was unlearned is learned again from new
//!   events.

use super::Engine;
use super::step_output::FeedbackEffect;
use crate::enrich::{credential_key, group_key, kind_group};
use crate::score::incident::AnalystVerdict;
use crate::units::EventTime;
use crate::verdict::AlertVerdict;

impl Engine {
    /// Applies an analyst's verdict to the alert `alert_id`. O(incidents): feedback is rare.
    pub fn apply_alert_verdict(&mut self, alert_id: &str, verdict: AlertVerdict) -> FeedbackEffect {
        let Some(identity) = self.scoring.incidents.identity_of(alert_id) else {
            return FeedbackEffect::NotFound;
        };
        let analyst_verdict = match verdict {
            AlertVerdict::TruePositive => AnalystVerdict::Confirmed,
            AlertVerdict::FalsePositive | AlertVerdict::Expected => AnalystVerdict::Accepted,
            AlertVerdict::Withdrawn => AnalystVerdict::Pending,
        };
        self.scoring
            .incidents
            .set_analyst_verdict(identity, analyst_verdict);
        match analyst_verdict {
            AnalystVerdict::Confirmed => self.unlearn(identity),
            AnalystVerdict::Accepted => {
                let closed = self.scoring.incidents.close(identity);
                return FeedbackEffect::applied(closed.map(|alert| self.build_close(alert)));
            }
            AnalystVerdict::Pending => {}
        }
        FeedbackEffect::Applied
    }

    /// Pauses or resumes containment, as commanded at `at`, and returns whether the command holds: an earlier
    /// one than the latest does not. While paused, orders are published in dry-run mode.
    pub fn pause(&mut self, is_paused: bool, at: Option<EventTime>) -> bool {
        self.containment.state.switch.command(is_paused, at)
    }

    /// Erases an identity's baseline, incident and orders; returns whether there was anything to
    /// erase. Counts that it contributed to its peers carry no name and remain.
    pub fn forget(&mut self, identity: &str) -> bool {
        let key = self.identity_key(identity);
        let had_incident = self.scoring.incidents.remove(key);
        let had_logins = self.containment.source_logins.forget(key, identity);
        self.containment.orders.forget(identity);
        self.scoring.store.forget(key, identity) || had_incident || had_logins
    }

    fn unlearn(&mut self, identity: u64) {
        let Some((incident, alert)) = self
            .scoring
            .incidents
            .get(identity)
            .and_then(|incident| Some((incident, incident.alert.as_ref()?)))
        else {
            return;
        };
        let deviations = incident.deviation_keys();
        let subject = &alert.subject;
        let hash_key = &self.settings.hash_key;
        let group = subject.group.as_deref();
        let group = group.map(|name| group_key(subject.kind, name, hash_key));
        let slot = self.scoring.store.find(identity, &subject.id);
        let group = self
            .scoring
            .store
            .find_group(group, kind_group(subject.kind), slot);
        let credential = subject
            .credential
            .as_ref()
            .map(|credential| credential_key(identity, &credential.id, hash_key))
            .and_then(|key| self.scoring.store.credentials.find(key));
        let Some(group) = group else { return };
        let half_life = self.settings.parameters.decay.baseline_half_life;
        let shared_weight = self
            .scoring
            .store
            .advance_shared_decay(self.intake.clock.watermark(), half_life);
        let mut baselines = self
            .scoring
            .store
            .baselines_mut(slot, group, credential, None);
        deviations.for_each(|deviation| baselines.forget(deviation, shared_weight));
    }
}
