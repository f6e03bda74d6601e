//! A containment decision as alerts and the audit trail state it.

use crate::orders::model::restrictions;
use credwatch_core::engine::Decision;
use serde_json::{Value, json};

/// What was requested, what the guardrails left of it, and why.
#[must_use]
pub fn decision(decision: &Decision) -> Value {
    json!({
        "policy": decision.policy,
        "requested_action": decision.requested_action.as_str(),
        "action": decision.guarded.action.as_str(),
        "mode": decision.guarded.mode.as_str(),
        "weakened_by": restrictions(decision),
        "order_id": decision.order_id,
    })
}

/// The same with its subject, where that is not the entity of the incident.
#[must_use]
pub fn decision_with_subject(of: &Decision) -> Value {
    let mut stated = decision(of);
    stated["identity"] = json!(of.subject.id);
    stated["credential"] = json!(of.subject.credential.as_ref().map(|c| &c.id));
    stated
}
