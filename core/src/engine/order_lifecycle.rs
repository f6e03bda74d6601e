//! What becomes of orders: an executor's answer settles one, a failure goes on to something stronger or to a
//! person, and what waits for a person can be approved.

use super::Engine;
use super::alerting::digest;
use super::step_output::{Alert, Decision, Phase};
use crate::containment::guardrail::{Allowed, Approval};
use crate::containment::issued_orders::{Given, OrderStanding, Outcome, stronger};
use crate::containment::{Action, Weakening};
use crate::enrich::identity_key;

impl Engine {
    /// Takes an executor's answer to the order `order_id`; returns what follows from it where something
    /// does, or `None` where the order is not known here. The first answer counts, but for a success
    /// after a failure, which is only noted.
    pub fn settle(&mut self, order_id: &str, outcome: Outcome) -> Option<Option<Alert>> {
        let given = self.orders.settle(order_id)?;
        if given.standing == OrderStanding::Settled {
            return Some(None);
        }
        let wanted = match outcome {
            Outcome::Done => return Some(None),
            Outcome::Failed => stronger(given.action),
            Outcome::Refused => Action::Notify,
        };
        let policy = format!(
            "after {} {}: {}",
            given.action,
            outcome.as_str(),
            given.policy
        );
        let key = identity_key(&given.subject.id);
        let allowed = self.allow(wanted, &given.subject, key, Approval::Open);
        Some(self.go_on(order_id, &given, policy, wanted, allowed))
    }

    /// Approves the order `order_id`, as `by`: it is given again, to be carried out, as far as the other
    /// guardrails allow it now. `None` where it is not known here; nothing follows where it waits for
    /// nobody.
    pub fn approve(&mut self, order_id: &str, by: &str) -> Option<Option<Alert>> {
        if self.orders.get(order_id)?.standing != OrderStanding::AwaitsApproval {
            return Some(None);
        }
        let given = self.orders.settle(order_id)?;
        let key = identity_key(&given.subject.id);
        let allowed = self.allow(given.action, &given.subject, key, Approval::Given);
        let policy = format!("approved by {by}: {}", given.policy);
        Some(self.go_on(order_id, &given, policy, given.action, allowed))
    }

    /// Whether a signed answer is heard for the first time; see [`super::replay_guard`].
    pub fn hear_once(&mut self, token: [u8; 16], issued_secs: i64) -> bool {
        self.heard.hear_once(token, issued_secs)
    }

    fn go_on(
        &mut self,
        after: &str,
        given: &Given,
        policy: String,
        wanted: Action,
        allowed: Allowed,
    ) -> Option<Alert> {
        let case = self.incidents.identity_of(&given.alert_id)?;
        let alert = self.incidents.get(case)?.alert.clone()?;
        let decision = Decision {
            subject: given.subject.clone(),
            order_id: digest(&[after, &policy, allowed.action.as_str()]),
            policy,
            wanted,
            allowed,
        };
        self.remember(&given.alert_id, &decision);
        Some(Alert {
            decisions: vec![decision],
            ..self.about(alert, Phase::Updated)
        })
    }

    /// Notes an order that somebody may answer.
    pub(super) fn remember(&mut self, alert_id: &str, decision: &Decision) {
        let allowed = &decision.allowed;
        if allowed.action == Action::Notify {
            return;
        }
        let awaits = allowed.weakened_by.contains(&Weakening::ApprovalRequired);
        let given = Given {
            alert_id: alert_id.to_owned(),
            subject: decision.subject.clone(),
            action: allowed.action,
            policy: decision.policy.clone(),
            at: self.time.now(),
            standing: if awaits {
                OrderStanding::AwaitsApproval
            } else {
                OrderStanding::Open
            },
        };
        self.orders.note(&decision.order_id, given);
    }
}
