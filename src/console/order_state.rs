//! The state of a containment order, from the decision behind it.

use super::incident::{OrderSummary, text, texts};
use crate::sources::time::parse_rfc3339;
use credwatch_core::containment::{Action, Mode, Restriction};
use serde_json::Value;

/// The order of a decision in the audit trail.
#[must_use]
pub(super) fn order_of_decision(entry: &Value) -> OrderSummary {
    let decision = &entry["decision"];
    let mut order = OrderSummary {
        order_id: text(&decision["order_id"]),
        identity: text(&entry["identity"]),
        wanted: text(&decision["requested_action"]),
        action: text(&decision["action"]),
        mode: text(&decision["mode"]),
        weakened_by: texts(&decision["weakened_by"]),
        policy: text(&decision["policy"]),
        time: parse_rfc3339(entry["time"].as_str().unwrap_or_default()).unwrap_or_default(),
        state: String::new(),
        outcome: None,
    };
    order.state = state(&order).to_owned();
    order
}

fn state(order: &OrderSummary) -> &'static str {
    let is_held_by = |restriction: Restriction| {
        order
            .weakened_by
            .iter()
            .any(|held| held == restriction.as_str())
    };
    let is_notice = order.action == Action::Notify.as_str();
    let is_dry = order.mode == Mode::DryRun.as_str();
    if order.wanted == Action::Notify.as_str() {
        "notified"
    } else if is_held_by(Restriction::ApprovalRequired) && !is_held_by(Restriction::DryRun) {
        "waits"
    } else if is_notice || (is_dry && !is_held_by(Restriction::DryRun)) {
        "held"
    } else if is_dry {
        "dry_run"
    } else {
        "sent"
    }
}

/// The order to show where there are several: one that awaits approval, then the one with the largest effect.
#[must_use]
pub(super) fn most_important(orders: &[OrderSummary]) -> Option<OrderSummary> {
    let effect = |order: &&OrderSummary| {
        let states = ["notified", "held", "dry_run", "sent", "waits"];
        let state = states.iter().position(|state| *state == order.state);
        (state, Action::parse(&order.wanted), order.time)
    };
    orders.iter().max_by_key(effect).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn state_of(wanted: &str, action: &str, mode: &str, weakened_by: &[&str]) -> String {
        order_of_decision(
            &json!({"decision": {"requested_action": wanted, "action": action,
            "mode": mode, "weakened_by": weakened_by}}),
        )
        .state
    }

    #[test]
    fn an_order_states_what_became_of_it() {
        assert_eq!(state_of("notify", "notify", "enforce", &[]), "notified");
        assert_eq!(state_of("revoke", "revoke", "enforce", &[]), "sent");
        assert_eq!(
            state_of("revoke", "revoke", "dry_run", &["dry_run"]),
            "dry_run"
        );
        assert_eq!(
            state_of("suspend", "suspend", "dry_run", &["approval_required"]),
            "waits"
        );
        assert_eq!(
            state_of("suspend", "notify", "enforce", &["protected"]),
            "held"
        );
        assert_eq!(state_of("revoke", "revoke", "dry_run", &["paused"]), "held");
        let dry = ["approval_required", "dry_run"];
        assert_eq!(state_of("suspend", "suspend", "dry_run", &dry), "dry_run");
    }
}
