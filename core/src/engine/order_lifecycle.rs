//! What becomes of orders: an executor's answer settles one, a failure goes on to something stronger or to a
//! person, and what waits for a person can be approved.

use super::Engine;
use super::alerting::digest;
use super::step_output::{Alert, Decision, Phase};
use crate::containment::guardrail::{Approval, GuardedAction};
use crate::containment::issued_orders::{IssuedOrder, OrderOutcome, OrderState, escalate};
use crate::containment::{Action, Restriction};
use crate::enrich::identity_key;

impl Engine {
    /// Takes an executor's answer to the order `order_id`; returns what follows from it where something
    /// does, or `None` where the order is not known here. The first answer counts, but for a success
    /// after a failure, which is only noted.
    pub fn record_outcome(
        &mut self,
        order_id: &str,
        outcome: OrderOutcome,
    ) -> Option<Option<Alert>> {
        let given = self.orders.close(order_id)?;
        if given.state == OrderState::Closed {
            return Some(None);
        }
        let wanted = match outcome {
            OrderOutcome::Done => return Some(None),
            OrderOutcome::Failed => escalate(given.action),
            OrderOutcome::Refused => Action::Notify,
        };
        let policy = format!(
            "after {} {}: {}",
            given.action,
            outcome.as_str(),
            given.policy
        );
        let key = identity_key(&given.subject.id);
        let allowed = self.apply_guardrails(wanted, &given.subject, key, Approval::Pending);
        Some(self.issue_follow_up(order_id, &given, policy, wanted, allowed))
    }

    /// Approves the order `order_id`, as `by`: it is given again, to be carried out, as far as the other
    /// guardrails allow it now. `None` where it is not known here; nothing follows where it waits for
    /// nobody.
    pub fn approve(&mut self, order_id: &str, by: &str) -> Option<Option<Alert>> {
        if self.orders.get(order_id)?.state != OrderState::AwaitingApproval {
            return Some(None);
        }
        let given = self.orders.close(order_id)?;
        let key = identity_key(&given.subject.id);
        let allowed = self.apply_guardrails(given.action, &given.subject, key, Approval::Granted);
        let policy = format!("approved by {by}: {}", given.policy);
        Some(self.issue_follow_up(order_id, &given, policy, given.action, allowed))
    }

    /// Whether a signed answer is heard for the first time; see [`super::replay_guard`].
    pub fn accept_once(&mut self, token: [u8; 16], issued_secs: i64) -> bool {
        self.replay_guard.accept_once(token, issued_secs)
    }

    fn issue_follow_up(
        &mut self,
        after: &str,
        given: &IssuedOrder,
        policy: String,
        wanted: Action,
        allowed: GuardedAction,
    ) -> Option<Alert> {
        let case = self.incidents.identity_of(&given.alert_id)?;
        let alert = self.incidents.get(case)?.alert.clone()?;
        let decision = Decision {
            subject: given.subject.clone(),
            order_id: digest(&[after, &policy, allowed.action.as_str()]),
            policy,
            requested_action: wanted,
            guarded: allowed,
        };
        self.track_order(&given.alert_id, &decision);
        Some(Alert {
            decisions: vec![decision],
            ..self.build_update(alert, Phase::Updated)
        })
    }

    /// Notes an order that somebody may answer.
    pub(super) fn track_order(&mut self, alert_id: &str, decision: &Decision) {
        let allowed = &decision.guarded;
        if allowed.action == Action::Notify {
            return;
        }
        let awaits = allowed.weakened_by.contains(&Restriction::ApprovalRequired);
        let given = IssuedOrder {
            alert_id: alert_id.to_owned(),
            subject: decision.subject.clone(),
            action: allowed.action,
            policy: decision.policy.clone(),
            at: self.clock.watermark(),
            state: if awaits {
                OrderState::AwaitingApproval
            } else {
                OrderState::Open
            },
        };
        self.orders.insert(&decision.order_id, given);
    }
}
