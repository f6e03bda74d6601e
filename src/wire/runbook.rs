//! What to do about an alert, what to keep, what to ask afterwards.

use crate::engine::Alert;
use crate::verdict::EntityView;
use serde_json::{Value, json};

/// The runbook of `alert`.
#[must_use]
pub fn of(alert: &Alert) -> Value {
    match alert.entity {
        EntityView::Identity => of_identity(alert),
        EntityView::Source => of_source(alert),
    }
}

fn of_identity(alert: &Alert) -> Value {
    let subject = &alert.case.subject;
    let which = subject.credential.as_ref().map_or_else(
        || "the credential in use".to_owned(),
        |c| format!("credential {}", c.id),
    );
    let owner = subject
        .owner
        .as_deref()
        .unwrap_or("the owner of the identity");
    json!({
        "containment": [
            format!("ask {owner} whether this use is theirs"),
            format!("if not: end {which}, then every session issued from it"),
            "check what the identity created or granted since the first event of this alert",
        ],
        "preserve": [
            "the triggering events at the coordinates below, before retention removes them",
            "session and access logs of the identity for the day before the first event",
        ],
        "review": [
            "how was the credential obtained, and where else is it stored?",
            "would a shorter lifetime, a narrower scope or a pinned network have prevented it?",
        ],
    })
}

fn of_source(alert: &Alert) -> Value {
    let network = &alert.case.subject.id;
    json!({
        "containment": [
            format!("block {network} for authentication, or demand a second factor from there"),
            "end the sessions of the identities that succeeded from there, and reset their passwords",
            "look at what these identities did since they succeeded",
        ],
        "preserve": [
            "the authentications from this network, before retention removes them",
            "the sign-in logs of the identities that succeeded, for the day before",
        ],
        "review": [
            "does an office, a VPN or a provider of yours use this network? then answer: expected",
            "which identities have no second factor, and which passwords are known from breaches?",
        ],
    })
}
