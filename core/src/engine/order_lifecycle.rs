//! The lifecycle of an order: an executor's outcome closes it, a failure is handed to a person, and an order
//! that awaits approval can be approved.

use super::Engine;
use super::alerting::digest;
use super::replay_guard::SignerKey;
use super::step_output::{Alert, Decision, FeedbackEffect, Phase};
use crate::containment::guardrail::{Approval, GuardedAction};
use crate::containment::issued_orders::{IssuedOrder, OrderOutcome, OrderState};
use crate::containment::{Action, Restriction};

impl Engine {
    /// Records the outcome that an executor reports for the order `order_id`, and issues the follow-up
    /// order. Only the first outcome of an order has an effect.
    pub fn record_outcome(&mut self, order_id: &str, outcome: OrderOutcome) -> FeedbackEffect {
        let Some(order) = self.containment.orders.close(order_id) else {
            return FeedbackEffect::NotFound;
        };
        let requested = match outcome {
            _ if order.state == OrderState::Closed => return FeedbackEffect::Applied,
            OrderOutcome::Done => return FeedbackEffect::Applied,
            // A person looks at it: nothing says that a stronger action would succeed, or would be right.
            OrderOutcome::Failed | OrderOutcome::Refused => Action::Notify,
        };
        let policy = format!("after {} {outcome}: {}", order.action, order.policy);
        let key = self.identity_key(&order.subject.id);
        let guarded =
            self.apply_guardrails(requested, &order.subject, key, Approval::Pending, order.at);
        FeedbackEffect::applied(self.issue_follow_up(order_id, &order, policy, requested, guarded))
    }

    /// Approves the order `order_id` on behalf of `by`: a follow-up order is issued, as far as the
    /// other guardrails permit it now. An order that does not await approval is left as it is.
    pub fn approve(&mut self, order_id: &str, by: &str) -> FeedbackEffect {
        let state = self
            .containment
            .orders
            .get(order_id)
            .map(|order| order.state);
        match state {
            None => return FeedbackEffect::NotFound,
            Some(OrderState::AwaitingApproval) => {}
            Some(OrderState::Open | OrderState::Closed) => return FeedbackEffect::Applied,
        }
        let Some(order) = self.containment.orders.close(order_id) else {
            return FeedbackEffect::NotFound;
        };
        let key = self.identity_key(&order.subject.id);
        let guarded = self.apply_guardrails(
            order.action,
            &order.subject,
            key,
            Approval::Granted,
            order.at,
        );
        let policy = format!("approved by {by}: {}", order.policy);
        FeedbackEffect::applied(self.issue_follow_up(
            order_id,
            &order,
            policy,
            order.action,
            guarded,
        ))
    }

    /// Accepts the message `token` of `signer`, issued at `issued_secs`, once; returns whether it was
    /// accepted.
    pub fn accept_once(&mut self, signer: SignerKey, token: [u8; 16], issued_secs: i64) -> bool {
        self.containment
            .replay_guard
            .accept_once(signer, token, issued_secs)
    }

    fn issue_follow_up(
        &mut self,
        after: &str,
        order: &IssuedOrder,
        policy: String,
        requested: Action,
        guarded: GuardedAction,
    ) -> Option<Alert> {
        let incident = self.scoring.incidents.identity_of(&order.alert_id)?;
        let alert = self.scoring.incidents.get(incident)?.alert.clone()?;
        let decision = Decision {
            subject: order.subject.clone(),
            order_id: digest(&[after, &policy, guarded.action.as_str()]),
            policy,
            requested_action: requested,
            guarded,
        };
        self.track_order(&order.alert_id, &decision);
        Some(Alert {
            decisions: vec![decision],
            ..self.build_update(alert, Phase::Updated)
        })
    }

    /// Tracks an order for which an outcome or an approval may be reported.
    pub(super) fn track_order(&mut self, alert_id: &str, decision: &Decision) {
        let guarded = &decision.guarded;
        if guarded.action == Action::Notify {
            return;
        }
        let awaits_approval = guarded.weakened_by.contains(&Restriction::ApprovalRequired);
        let order = IssuedOrder {
            alert_id: alert_id.to_owned(),
            subject: decision.subject.clone(),
            action: guarded.action,
            policy: decision.policy.clone(),
            at: self.intake.clock.containment_time(),
            state: if awaits_approval {
                OrderState::AwaitingApproval
            } else {
                OrderState::Open
            },
        };
        self.containment.orders.insert(&decision.order_id, order);
    }
}
