//! Alerts as OCSF 1.8.0 Detection Findings (class 2004).

use crate::orders::model::reason;
use crate::outputs::decision::decision;
use crate::outputs::verdict_line::SignalLine;
use crate::reports::runbook;
use crate::sources::time::format_rfc3339;
use credwatch_core::engine::{Alert, Phase};
use credwatch_core::event::IdentityKind;
use credwatch_core::score::subject::Subject;
use credwatch_core::verdict::{
    EntityView, Level, ObservedTechnique, Severity, SignalName, SignalVerdict,
};
use serde_json::{Map, Value, json};

const CLASS_UID: u32 = 2004;
const OCSF_VERSION: &str = "1.8.0";
/// Identities with a login from a source that are listed as evidence; the details list all of them.
const REACHED_NAMED: usize = 20;
/// Signals listed in an alert.
const SIGNALS_NAMED: usize = 6;

/// Hashes in an alert.
#[derive(Clone, Copy, Debug)]
pub struct Hashes<'a> {
    /// Of the model and the detection settings.
    pub model: &'a str,
    /// Of the configuration.
    pub configuration: &'a str,
}

/// Id and caption of a severity.
fn severity(severity: Severity) -> (u8, &'static str) {
    match severity {
        Severity::Informational => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    }
}

/// Id and caption of the type of user that an identity is.
fn user_type(kind: IdentityKind) -> (u8, &'static str) {
    match kind {
        IdentityKind::Human => (1, "User"),
        IdentityKind::Service | IdentityKind::Workload | IdentityKind::Automation => (3, "System"),
    }
}

fn activity(phase: Phase) -> (u32, &'static str, u8, &'static str) {
    match phase {
        Phase::Opened => (1, "Create", 1, "New"),
        Phase::Updated => (2, "Update", 2, "In Progress"),
        Phase::Closed => (3, "Close", 4, "Resolved"),
    }
}

/// The deviation of a signal, as an OCSF observation.
fn pattern(signal: &SignalVerdict) -> &'static str {
    match signal.name {
        SignalName::Rhythm => "OFF_HOURS",
        SignalName::Failure => "SURGE",
        _ if signal.reading.level == Level::Identity => "RARE",
        _ => "UNSEEN",
    }
}

fn anomaly_analysis(alert: &Alert, signal: &SignalVerdict) -> Value {
    let name = signal.name.as_str();
    let count = signal.reading.observations.round() as u64;
    json!({
        "analysis_targets": [{"name": alert.incident.subject.id, "type": alert.entity.as_str()}],
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

fn attack(technique: &ObservedTechnique) -> Value {
    let mut attack = json!({"technique": {"uid": technique.id, "name": technique.name}});
    if let Some((parent, _)) = technique.id.split_once('.') {
        let (parent_name, name) = technique
            .name
            .split_once(": ")
            .unwrap_or((&technique.name, &technique.name));
        attack = json!({
            "technique": {"uid": parent, "name": parent_name},
            "sub_technique": {"uid": technique.id, "name": name},
        });
    }
    attack
}

fn title(alert: &Alert) -> String {
    let entity = alert.incident.subject.id_with_owner();
    let lead = alert.incident.signals.first();
    let what = lead.map_or("many small deviations within a short time", |lead| {
        &lead.explanation.sentence
    });
    match alert.entity {
        EntityView::Identity => format!("{entity}: {what}"),
        EntityView::Source => {
            let reached = alert.visitors.logins.len() as u32 + alert.visitors.additional_logins;
            format!("{entity}: {what}; {reached} identities logged in from it")
        }
    }
}

/// The alert as JSON.
#[must_use]
pub fn to_json(alert: &Alert, hashes: Hashes<'_>) -> Vec<u8> {
    let incident = &alert.incident;
    let (activity_id, activity_name, status_id, status) = activity(alert.phase);
    let (severity_id, severity) = severity(incident.severity);
    let signals = &incident.signals[..incident.signals.len().min(SIGNALS_NAMED)];
    let analyses: Vec<Value> = signals.iter().map(|s| anomaly_analysis(alert, s)).collect();
    let finding = json!({
        "activity_id": activity_id,
        "activity_name": activity_name,
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": CLASS_UID,
        "class_name": "Detection Finding",
        "type_uid": CLASS_UID * 100 + activity_id,
        "time": alert.time.epoch_ms(),
        "start_time": incident.opened.epoch_ms(),
        "end_time": alert.time.epoch_ms(),
        "severity_id": severity_id,
        "severity": severity,
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
            "uid": incident.alert_id,
            "title": title(alert),
            "desc": reason(alert),
            "first_seen_time": incident.opened.epoch_ms(),
            "last_seen_time": alert.time.epoch_ms(),
            "related_events_count": incident.events,
            "analytic": {"type_id": 3, "type": "Statistical", "name": "credwatch", "uid": hashes.model},
            "attacks": incident.techniques.iter().map(attack).collect::<Vec<_>>(),
        },
        "anomaly_analyses": analyses,
        "evidences": evidences(alert),
        "unmapped": {"credwatch": details(alert, signals, hashes)},
    });
    serde_json::to_vec(&finding).unwrap_or_default()
}

/// The event behind the publication; for a source also the identities that logged in from it.
fn evidences(alert: &Alert) -> Vec<Value> {
    let mut of_event = match alert.entity {
        EntityView::Identity => json!({"actor": {"user": user(&alert.incident.subject)}}),
        EntityView::Source => json!({"src_endpoint": {"name": alert.incident.subject.id}}),
    };
    if let Some(event_id) = &alert.event_id {
        of_event["uid"] = json!(event_id);
    }
    if let (EntityView::Identity, Some(context)) = (alert.entity, &alert.context) {
        if context.host.is_some() || context.ip.is_some() {
            let country = context.country.as_ref();
            let location = country.map(|country| json!({"country": country}));
            of_event["src_endpoint"] =
                json!({"hostname": context.host, "ip": context.ip, "location": location});
            of_event["src_endpoint"]
                .as_object_mut()
                .into_iter()
                .for_each(without_nulls);
        }
        if let Some(action) = &context.action {
            of_event["api"] = json!({"operation": action});
        }
    }
    let reached = alert.visitors.logins.iter().take(REACHED_NAMED);
    let of_reached = reached.map(|subject| json!({"actor": {"user": user(subject)}}));
    std::iter::once(of_event).chain(of_reached).collect()
}

fn without_nulls(members: &mut Map<String, Value>) {
    members.retain(|_, value| !value.is_null());
}

fn user(subject: &Subject) -> Value {
    let (type_id, caption) = user_type(subject.kind);
    let mut user =
        json!({"uid": subject.id, "name": subject.id, "type_id": type_id, "type": caption});
    let address = subject.owner.as_deref().filter(|owner| owner.contains('@'));
    if let Some(address) = address.filter(|_| subject.kind == IdentityKind::Human) {
        user["email_addr"] = json!(address);
    }
    if let Some(credential) = &subject.credential {
        user["credential_uid"] = json!(credential.id);
    }
    user
}

fn details(alert: &Alert, signals: &[SignalVerdict], hashes: Hashes<'_>) -> Value {
    let incident = &alert.incident;
    let source = alert.position.as_ref().map(|origin| {
        json!({"topic": &*origin.topic, "partition": origin.partition, "offset": origin.offset})
    });
    let mut details = json!({
        "view": alert.entity.as_str(),
        "score_nats": alert.score_nats,
        "peak_nats": incident.peak_nats,
        "threshold_nats": alert.threshold_nats,
        "threshold_learned_share": alert.threshold_learned_share,
        "events": incident.events,
        "reasons": signals.iter().map(|s| &s.explanation.sentence).collect::<Vec<_>>(),
        "signals": signals.iter().map(SignalLine::new).collect::<Vec<_>>(),
        "model_hash": hashes.model,
        "configuration_hash": hashes.configuration,
        "runbook": runbook::of(alert),
        "event_id": alert.event_id,
        "source": source,
    });
    match alert.entity {
        EntityView::Identity => {
            details["identity"] = json!({"id": incident.subject.id, "kind": incident.subject.kind.as_str(),
                "group": incident.subject.group, "owner": incident.subject.owner});
            details["decision"] = json!(alert.decisions.first().map(decision));
            if let Some(context) = &alert.context {
                details["network"] = json!(context.network);
                details["network_databases"] = json!(context.databases);
            }
        }
        EntityView::Source => {
            let reached = |subject: &Subject| {
                let credential = subject.credential.as_ref().map(|c| &c.id);
                json!({"id": subject.id, "kind": subject.kind.as_str(), "credential": credential})
            };
            details["network"] = json!(incident.subject.id);
            details["reached"] = alert.visitors.logins.iter().map(reached).collect();
            details["reached_additional_count"] = json!(alert.visitors.additional_logins);
            details["attempted"] = json!(alert.visitors.attempted);
            details["has_more_attempted"] = json!(alert.visitors.has_more_attempted);
        }
    }
    details
}

/// Id of one publication of an alert: equal for equal cause.
#[must_use]
pub fn publication_id(alert: &Alert) -> String {
    let decided = alert.decisions.first().map(|d| d.order_id.clone());
    let cause = alert
        .event_id
        .clone()
        .or(decided)
        .unwrap_or_else(|| format_rfc3339(alert.time));
    let hash =
        blake3::hash(format!("{}\n{:?}\n{cause}", alert.incident.alert_id, alert.phase).as_bytes());
    hash.to_hex()[..32].to_owned()
}
