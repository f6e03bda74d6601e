//! What people answer to an alert, and what it teaches.
//!
//! - *false positive*, *expected*: the alert closes, and what its case holds is accepted: it is news
//!   no more, and events that show it are learned like any other.
//! - *true positive*: what the case holds is unlearned, for the identity, its peers and everyone,
//!   and nothing is learned from the identity while the case is remembered.
//! - An answer taken back leaves the case as one without answer; what was unlearned is learned again
//!   from what comes.

use super::Engine;
use super::step_output::Alert;
use crate::enrich::{group_key, identity_key, kind_group};
use crate::score::incident::AnalystVerdict;
use crate::stats::hash::hash64;

/// What somebody answers to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertVerdict {
    /// An attack.
    TruePositive,
    /// No attack, and not to be told of again.
    FalsePositive,
    /// Out of the ordinary, but meant.
    Expected,
    /// What was answered before does not hold.
    Withdrawn,
}

impl Engine {
    /// Takes an answer to the alert `alert_id`; returns the closing of it where the answer closes
    /// it, or `None` where the alert is not known, or no longer. O(cases), for answers are few.
    pub fn apply_alert_verdict(
        &mut self,
        alert_id: &str,
        opinion: AlertVerdict,
    ) -> Option<Option<Alert>> {
        let identity = self.incidents.identity_of(alert_id)?;
        let standing = match opinion {
            AlertVerdict::TruePositive => AnalystVerdict::Confirmed,
            AlertVerdict::FalsePositive | AlertVerdict::Expected => AnalystVerdict::Accepted,
            AlertVerdict::Withdrawn => AnalystVerdict::Pending,
        };
        self.incidents.set_analyst_verdict(identity, standing);
        match standing {
            AnalystVerdict::Confirmed => self.unlearn(identity),
            AnalystVerdict::Accepted => {
                let closed = self.incidents.close(identity);
                return Some(closed.map(|case| self.build_close(case)));
            }
            AnalystVerdict::Pending => {}
        }
        Some(None)
    }

    /// Stops enforcement, or lets it go on: what is decided while it is paused is published and not to be
    /// carried out.
    pub fn pause(&mut self, is_paused: bool) {
        self.containment_state.is_paused = is_paused;
    }

    /// Forgets all that is known of an identity; says whether there was something. What it taught its
    /// peers has no name and stays.
    pub fn forget(&mut self, identity: &str) -> bool {
        let key = identity_key(identity);
        let had_case = self.incidents.remove(key);
        let was_reached = self.source_logins.forget(key);
        self.orders.forget(identity);
        self.store.forget(key) || had_case || was_reached
    }

    fn unlearn(&mut self, identity: u64) {
        let Some((case, alert)) = self
            .incidents
            .get(identity)
            .and_then(|case| Some((case, case.alert.as_ref()?)))
        else {
            return;
        };
        let facts = case.deviation_keys();
        let subject = &alert.subject;
        let group = subject.group.as_deref();
        let group = group.map(|name| group_key(subject.kind, name));
        let slot = self.store.find(identity);
        let group = self.store.find_group(group, kind_group(subject.kind), slot);
        let credential = subject
            .credential
            .as_ref()
            .map(|credential| hash64(identity, credential.id.as_bytes()))
            .and_then(|key| self.store.credentials.find(key));
        let Some(group) = group else { return };
        let half_life = self.settings.parameters.decay.baseline_half_life;
        let shared_weight = self
            .store
            .advance_shared_decay(self.clock.watermark(), half_life);
        let mut learnt = self.store.baselines_mut(slot, group, credential, None);
        facts.for_each(|fact| learnt.forget(fact, shared_weight));
    }
}
