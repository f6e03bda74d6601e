//! Alerts as OCSF 1.8.0 Detection Findings (class 2004).

use crate::engine::{Alert, Phase};
use crate::verdict::{Severity, SignalName, SignalVerdict, Technique};
use crate::wire::order::{self, reason};
use crate::wire::time::format_rfc3339;
use crate::wire::verdict_line::SignalLine;
use serde_json::{Value, json};

const CLASS_UID: u32 = 2004;
const OCSF_VERSION: &str = "1.8.0";
/// Signals named in an alert.
const SIGNALS_NAMED: usize = 6;

/// Hashes that an alert states.
#[derive(Clone, Copy, Debug)]
pub struct Hashes<'a> {
    /// Of model and detection settings.
    pub model: &'a str,
    /// Of the configuration.
    pub configuration: &'a str,
}

fn severity_id(severity: Severity) -> u8 {
    match severity {
        Severity::Informational => 1,
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
        Severity::Critical => 5,
    }
}

fn activity(phase: Phase) -> (u32, &'static str, u8, &'static str) {
    match phase {
        Phase::Opened => (1, "Create", 1, "New"),
        Phase::Updated => (2, "Update", 2, "In Progress"),
        Phase::Closed => (3, "Close", 4, "Resolved"),
    }
}

/// What a signal's deviation looks like, in OCSF's words.
fn pattern(signal: &SignalVerdict) -> &'static str {
    match signal.name {
        SignalName::Rhythm => "OFF_HOURS",
        SignalName::Failure => "SURGE",
        _ if signal.reading.level == crate::verdict::Level::Identity => "RARE",
        _ => "UNSEEN",
    }
}

fn anomaly_analysis(identity: &str, signal: &SignalVerdict) -> Value {
    let name = signal.name.as_str();
    let count = signal.reading.observations.round() as u64;
    json!({
        "analysis_targets": [{"name": identity, "type": "identity"}],
        "anomalies": [{
            "observation_parameter": name,
            "observation_type": "tail probability",
            "observed_pattern": pattern(signal),
            "observations": [{"value": signal.explanation.observed, "count": 1}],
        }],
        "baselines": [{
            "observation_parameter": name,
            "observation_type": signal.reading.level.as_str(),
            "observations": [{"value": signal.explanation.expected, "count": count}],
        }],
    })
}

fn attack(technique: &Technique) -> Value {
    let mut attack = json!({"technique": {"uid": technique.id, "name": technique.name}});
    if let Some((parent, _)) = technique.id.split_once('.') {
        let (parent_name, name) = technique
            .name
            .split_once(": ")
            .unwrap_or((technique.name, technique.name));
        attack = json!({
            "technique": {"uid": parent, "name": parent_name},
            "sub_technique": {"uid": technique.id, "name": name},
        });
    }
    attack
}

fn title(alert: &Alert) -> String {
    let identity = &alert.case.subject.id;
    match alert.case.signals.first() {
        Some(lead) => format!("{identity}: {}", lead.explanation.sentence),
        None => format!("{identity}: many small deviations within a short time"),
    }
}

/// What to do, what to keep, what to ask afterwards.
fn runbook(alert: &Alert) -> Value {
    let credential = alert.case.subject.credential.as_ref();
    let which = credential.map_or_else(
        || "the credential in use".to_owned(),
        |c| format!("credential {}", c.id),
    );
    let owner = alert
        .case
        .subject
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

/// The alert as JSON.
#[must_use]
pub fn to_json(alert: &Alert, hashes: Hashes<'_>) -> Vec<u8> {
    let case = &alert.case;
    let subject = &case.subject;
    let (activity_id, activity_name, status_id, status) = activity(alert.phase);
    let signals = &case.signals[..case.signals.len().min(SIGNALS_NAMED)];
    let analyses: Vec<Value> = signals
        .iter()
        .map(|s| anomaly_analysis(&subject.id, s))
        .collect();
    let finding = json!({
        "activity_id": activity_id,
        "activity_name": activity_name,
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": CLASS_UID,
        "class_name": "Detection Finding",
        "type_uid": CLASS_UID * 100 + activity_id,
        "time": alert.time.epoch_ms(),
        "start_time": case.opened.epoch_ms(),
        "end_time": alert.time.epoch_ms(),
        "severity_id": severity_id(case.severity),
        "severity": case.severity.as_str(),
        "status_id": status_id,
        "status": status,
        "is_alert": true,
        "message": title(alert),
        "metadata": {
            "version": OCSF_VERSION,
            "product": {
                "name": "credwatch",
                "vendor_name": "credwatch",
                "version": env!("CARGO_PKG_VERSION"),
            },
            "uid": publication_id(alert),
        },
        "finding_info": {
            "uid": case.alert_id,
            "title": title(alert),
            "desc": reason(alert),
            "first_seen_time": case.opened.epoch_ms(),
            "last_seen_time": alert.time.epoch_ms(),
            "related_events_count": case.events,
            "analytic": {"type_id": 3, "type": "Statistical", "name": "credwatch", "uid": hashes.model},
            "attacks": case.techniques.iter().map(attack).collect::<Vec<_>>(),
        },
        "anomaly_analyses": analyses,
        "evidences": [evidence(alert)],
        "unmapped": {"credwatch": details(alert, signals, hashes)},
    });
    serde_json::to_vec(&finding).unwrap_or_default()
}

fn evidence(alert: &Alert) -> Value {
    let subject = &alert.case.subject;
    let mut user = json!({"uid": subject.id, "name": subject.id, "type": subject.kind.as_str()});
    if let Some(credential) = &subject.credential {
        user["credential_uid"] = json!(credential.id);
    }
    let mut evidence = json!({"actor": {"user": user}});
    if let Some(event_id) = &alert.event_id {
        evidence["uid"] = json!(event_id);
    }
    evidence
}

fn details(alert: &Alert, signals: &[SignalVerdict], hashes: Hashes<'_>) -> Value {
    let case = &alert.case;
    let source = alert.origin.as_ref().map(|origin| {
        json!({"topic": &*origin.topic, "partition": origin.partition, "offset": origin.offset})
    });
    json!({
        "view": "identity",
        "identity": {"id": case.subject.id, "kind": case.subject.kind.as_str(),
            "group": case.subject.group, "owner": case.subject.owner},
        "score_nats": alert.score_nats,
        "peak_nats": case.peak_nats,
        "threshold_nats": alert.threshold_nats,
        "threshold_learned_share": alert.threshold_learned_share,
        "events": case.events,
        "reasons": signals.iter().map(|s| &s.explanation.sentence).collect::<Vec<_>>(),
        "signals": signals.iter().map(SignalLine::new).collect::<Vec<_>>(),
        "model_hash": hashes.model,
        "configuration_hash": hashes.configuration,
        "decision": alert.decision.as_ref().map(order::decision),
        "runbook": runbook(alert),
        "event_id": alert.event_id,
        "source": source,
    })
}

/// Names one publication of an alert: the same for the same cause.
#[must_use]
pub fn publication_id(alert: &Alert) -> String {
    let cause = alert
        .event_id
        .clone()
        .unwrap_or_else(|| format_rfc3339(alert.time));
    let hash =
        blake3::hash(format!("{}\n{:?}\n{cause}", alert.case.alert_id, alert.phase).as_bytes());
    hash.to_hex()[..32].to_owned()
}
