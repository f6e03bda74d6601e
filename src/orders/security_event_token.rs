//! Security Event Tokens (RFC 8417): the signed claim of an order. A detector claims that a credential is
//! compromised (RISC) or that a risk has changed (CAEP); that something was revoked is claimed by the
//! executor.
//!
//! The order itself is part of the token, under `credwatch_order`, so that the requested action is signed
//! too.

use super::model::Order;
use credwatch_core::units::{EventTime, MS_PER_SEC};
use credwatch_core::verdict::Severity;
use serde_json::{Value, json};

/// Type of the token, in its header.
pub const TYPE: &str = "secevent+jwt";
/// Member of the payload that repeats the order.
pub const ORDER: &str = "credwatch_order";
const COMPROMISE: &str =
    "https://schemas.openid.net/secevent/risc/event-type/credential-compromise";
const RISK: &str = "https://schemas.openid.net/secevent/caep/event-type/risk-level-change";

fn subject(identity: &str) -> Value {
    let is_email = identity.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty() && host.contains('.') && !identity.contains([' ', '/', ':'])
    });
    if is_email {
        json!({"format": "email", "email": identity})
    } else {
        json!({"format": "opaque", "id": identity})
    }
}

fn risk(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "HIGH",
        Severity::Medium => "MEDIUM",
        Severity::Low | Severity::Informational => "LOW",
    }
}

/// The payload of the token for `order`, issued at `issued_at` for an event at `occurred_at`.
#[must_use]
pub fn payload(
    order: &Order,
    issuer: &str,
    audience: &str,
    issued_at: EventTime,
    occurred_at: EventTime,
) -> Vec<u8> {
    let mut claim = json!({
        "event_timestamp": occurred_at.epoch_ms() / MS_PER_SEC,
        "initiating_entity": "policy",
        "reason_admin": {"en": order.reason},
    });
    let kind = match order.credential.as_ref().and_then(|c| c.kind) {
        Some(kind) => {
            claim["credential_type"] = json!(kind.as_str());
            COMPROMISE
        }
        None => {
            claim["principal"] = json!("USER");
            claim["current_level"] = json!(risk(order.severity));
            claim["risk_reason"] = json!(order.reason);
            RISK
        }
    };
    let token = json!({
        "iss": issuer,
        "aud": audience,
        "jti": order.order_id,
        "txn": order.alert_id,
        "iat": issued_at.epoch_ms() / MS_PER_SEC,
        "sub_id": subject(&order.identity.id),
        "events": {kind: claim},
        ORDER: order,
    });
    token.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_address_is_recognized_and_a_resource_name_is_not() {
        assert_eq!(subject("ada@example.org")["format"], "email");
        for id in ["arn:aws:iam::1:user/a@b.c", "svc-1", "@x.y", "a b@c.d"] {
            assert_eq!(subject(id), json!({"format": "opaque", "id": id}));
        }
    }
}
