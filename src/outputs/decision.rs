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
