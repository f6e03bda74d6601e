//! Containment orders (`credential.revocations`).

use crate::crypto::Signer;
use crate::orders::security_event_token;
use crate::sources::time::format_rfc3339;
use credwatch_core::engine::{Alert, Decision};
use credwatch_core::units::EventTime;
use serde::Serialize;
use serde_json::{Value, json};

/// An order is void after this.
const VALID_FOR_MS: i64 = 15 * 60 * 1_000;

/// An order, without its signature.
#[derive(Debug, Serialize)]
pub struct Order<'a> {
    /// The idempotency key.
    pub order_id: &'a str,
    /// The alert that it comes from.
    pub alert_id: &'a str,
    issued_at: String,
    not_after: String,
    mode: &'static str,
    action: &'static str,
    /// Whom it is about.
    pub identity: OrderIdentity<'a>,
    /// The credential, if one is known.
    pub credential: Option<OrderCredential<'a>>,
    severity: &'static str,
    event_time: String,
    /// Why.
    pub reason: String,
    policy: &'a str,
    weakened_by: Vec<&'static str>,
}

/// Whom an order is about.
#[derive(Debug, Serialize)]
pub struct OrderIdentity<'a> {
    /// Identifier.
    pub id: &'a str,
    kind: &'static str,
}

/// Which credential.
#[derive(Debug, Serialize)]
pub struct OrderCredential<'a> {
    id: &'a str,
    /// Its kind, if known.
    pub kind: Option<&'static str>,
    issuer: Option<&'a str>,
}

#[derive(Serialize)]
struct Signed<'a> {
    #[serde(flatten)]
    order: &'a Order<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    set: Option<String>,
}

/// Why, in one line: the strongest signals' sentences.
#[must_use]
pub fn reason(alert: &Alert) -> String {
    let sentences: Vec<&str> = alert
        .incident
        .signals
        .iter()
        .take(3)
        .map(|signal| signal.explanation.sentence.as_str())
        .collect();
    if sentences.is_empty() {
        return "many small deviations within a short time".to_owned();
    }
    sentences.join("; ")
}

/// The order of `decision` as JSON, issued at `issued_at` by the wall clock, signed where there is a
/// `signer`.
#[must_use]
pub fn to_json(
    alert: &Alert,
    decision: &Decision,
    issued_at: EventTime,
    signer: Option<&Signer>,
) -> Vec<u8> {
    let subject = &decision.subject;
    let order = Order {
        order_id: &decision.order_id,
        alert_id: &alert.incident.alert_id,
        issued_at: format_rfc3339(issued_at),
        not_after: format_rfc3339(issued_at.saturating_add_ms(VALID_FOR_MS)),
        mode: decision.guarded.mode.as_str(),
        action: decision.guarded.action.as_str(),
        identity: OrderIdentity {
            id: &subject.id,
            kind: subject.kind.as_str(),
        },
        credential: subject
            .credential
            .as_ref()
            .map(|credential| OrderCredential {
                id: &credential.id,
                kind: credential.kind.map(|kind| kind.as_str()),
                issuer: credential.issuer.as_deref(),
            }),
        severity: alert.incident.severity.as_str(),
        event_time: format_rfc3339(alert.time),
        reason: reason(alert),
        policy: &decision.policy,
        weakened_by: weakened_by(decision),
    };
    let set = signer.and_then(|signer| {
        let (issuer, audience) = (&signer.issuer, &signer.audience);
        let severity = alert.incident.severity;
        let payload = security_event_token::payload(
            &order, severity, issuer, audience, issued_at, alert.time,
        );
        signer.sign(security_event_token::TYPE, &payload)
    });
    serde_json::to_vec(&Signed { order: &order, set }).unwrap_or_default()
}

fn weakened_by(decision: &Decision) -> Vec<&'static str> {
    let weakenings = &decision.guarded.weakened_by;
    weakenings.iter().map(|w| w.as_str()).collect()
}

/// What was wanted, what was allowed and why, as alerts and the audit trail state it.
#[must_use]
pub fn decision(decision: &Decision) -> Value {
    json!({
        "policy": decision.policy,
        "wanted": decision.requested_action.as_str(),
        "action": decision.guarded.action.as_str(),
        "mode": decision.guarded.mode.as_str(),
        "weakened_by": weakened_by(decision),
        "order_id": decision.order_id,
    })
}

/// The same with whom it is about, where that is not the entity of the case.
#[must_use]
pub fn decision_of(of: &Decision) -> Value {
    let mut stated = decision(of);
    stated["identity"] = json!(of.subject.id);
    stated["credential"] = json!(of.subject.credential.as_ref().map(|c| &c.id));
    stated
}
