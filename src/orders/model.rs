//! A containment order, as published on `credential.revocations`.

use crate::sources::time::format_rfc3339;
use crate::string_enum_serde;
use credwatch_core::containment::{Action, Mode, Restriction};
use credwatch_core::engine::{Alert, Decision};
use credwatch_core::event::{CredentialKind, IdentityKind};
use credwatch_core::units::EventTime;
use credwatch_core::verdict::Severity;
use serde::{Deserialize, Serialize};

/// Validity of an order, in milliseconds.
const VALIDITY_MS: i64 = 15 * 60 * 1_000;
/// Signals whose sentences make up the reason.
const MAX_REASON_SIGNALS: usize = 3;

/// A containment order. `order_id` is the idempotency key: an executor acts once on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Idempotency key.
    pub order_id: String,
    /// The alert that led to the order.
    pub alert_id: String,
    /// Time of issue, by the wall clock, RFC 3339.
    pub issued_at: String,
    /// Expiry: executors must not act on it from this time on, RFC 3339.
    pub not_after: String,
    /// Whether executors act.
    #[serde(with = "string_enum_serde")]
    pub mode: Mode,
    /// The requested action.
    #[serde(with = "string_enum_serde")]
    pub action: Action,
    /// The identity to contain.
    pub identity: OrderIdentity,
    /// The credential in question, if known.
    pub credential: Option<OrderCredential>,
    /// Severity of the alert.
    #[serde(with = "string_enum_serde")]
    pub severity: Severity,
    /// Time of the event that led to the order, RFC 3339.
    pub event_time: String,
    /// Sentences of the strongest signals.
    pub reason: String,
    /// The policy rule.
    pub policy: String,
    /// Guardrails that restricted the action or the mode.
    pub weakened_by: Vec<String>,
    /// The Security Event Token; absent in an unsigned order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
}

/// The identity of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderIdentity {
    /// Identifier.
    pub id: String,
    /// Kind.
    #[serde(with = "string_enum_serde")]
    pub kind: IdentityKind,
}

/// The credential of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCredential {
    /// Identifier.
    pub id: String,
    /// Kind, if known.
    #[serde(with = "string_enum_serde::option")]
    pub kind: Option<CredentialKind>,
    /// Issuer, if known.
    pub issuer: Option<String>,
}

impl Order {
    /// The unsigned order of `decision`, issued at `issued_at` by the wall clock.
    #[must_use]
    pub fn new(alert: &Alert, decision: &Decision, issued_at: EventTime) -> Self {
        let subject = &decision.subject;
        Self {
            order_id: decision.order_id.clone(),
            alert_id: alert.incident.alert_id.clone(),
            issued_at: format_rfc3339(issued_at),
            not_after: format_rfc3339(issued_at.saturating_add_ms(VALIDITY_MS)),
            mode: decision.guarded.mode,
            action: decision.guarded.action,
            identity: OrderIdentity {
                id: subject.id.clone(),
                kind: subject.kind,
            },
            credential: subject.credential.as_ref().map(|c| OrderCredential {
                id: c.id.clone(),
                kind: c.kind,
                issuer: c.issuer.clone(),
            }),
            severity: alert.incident.severity,
            event_time: format_rfc3339(alert.time),
            reason: reason(alert),
            policy: decision.policy.clone(),
            weakened_by: restrictions(decision),
            set: None,
        }
    }

    /// The record.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Guardrails that restricted a decision, by name.
#[must_use]
pub fn restrictions(decision: &Decision) -> Vec<String> {
    let restrictions = decision.guarded.weakened_by.iter();
    restrictions.map(Restriction::to_string).collect()
}

/// Why an alert was raised, in one line: the sentences of the strongest signals.
#[must_use]
pub fn reason(alert: &Alert) -> String {
    let signals = alert.incident.signals.iter().take(MAX_REASON_SIGNALS);
    let sentences: Vec<&str> = signals
        .map(|signal| signal.explanation.sentence.as_str())
        .collect();
    if sentences.is_empty() {
        return "many small deviations within a short time".to_owned();
    }
    sentences.join("; ")
}
