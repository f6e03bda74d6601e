//! Report of one incident, assembled from published records: timeline, evidence, decisions, actions with
//! outcomes, what to preserve, and what to review and change afterwards.

use crate::sources::time::{format_rfc3339, parse_rfc3339};
use credwatch_core::units::EventTime;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// An entry of the timeline.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct TimelineEntry {
    /// Event time, RFC 3339.
    pub time: String,
    /// Description.
    pub description: String,
}

/// Position and hash of an event, for evidence.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Evidence {
    /// Event id.
    pub event_id: String,
    /// Topic, partition and offset.
    pub source: String,
    /// Hash of the record.
    pub record_hash: String,
}

/// An incident.
#[derive(Debug, Serialize)]
pub struct IncidentReport {
    /// The alert's id.
    pub alert_id: String,
    /// Latest title.
    pub title: String,
    /// Severity.
    pub severity: String,
    /// Status.
    pub status: String,
    /// Timeline.
    pub timeline: Vec<TimelineEntry>,
    /// Sentences of the signals, strongest first.
    pub reasons: Vec<String>,
    /// Evidence to preserve.
    pub evidence: BTreeSet<Evidence>,
    /// Time from event to containment, in milliseconds, where an executor reported one.
    pub contained_ms: Option<i64>,
    /// The runbook of the last publication.
    pub runbook: Value,
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

impl IncidentReport {
    /// The incident of `alert_id`, from alerts and audit records in the order of their topics;
    /// `None` where there is no such alert.
    #[must_use]
    pub fn collect(alert_id: &str, alerts: &[Value], audit: &[Value]) -> Option<Self> {
        let is_meant = |alert: &&Value| alert["finding_info"]["uid"] == alert_id;
        let alerts: Vec<&Value> = alerts.iter().filter(is_meant).collect();
        let last = alerts.iter().max_by_key(|alert| alert["time"].as_i64())?;
        let details = &last["unmapped"]["credwatch"];
        let mut incident = Self {
            alert_id: alert_id.to_owned(),
            title: text(&last["message"]).to_owned(),
            severity: text(&last["severity"]).to_lowercase(),
            status: text(&last["status"]).to_owned(),
            timeline: Vec::new(),
            reasons: texts(&details["reasons"]),
            evidence: BTreeSet::new(),
            contained_ms: None,
            runbook: details["runbook"].clone(),
        };
        alerts.iter().for_each(|alert| incident.note_alert(alert));
        let mut orders = BTreeSet::new();
        for record in audit {
            incident.note_entry(&record["entry"], &mut orders);
        }
        incident
            .timeline
            .sort_by_key(|entry| parse_rfc3339(&entry.time));
        Some(incident)
    }

    fn note(&mut self, time: &str, what: String) {
        self.timeline.push(TimelineEntry {
            time: time.to_owned(),
            description: what,
        });
    }

    fn note_alert(&mut self, alert: &Value) {
        let time = alert["time"].as_i64().and_then(EventTime::from_epoch_ms);
        let time = time.map(format_rfc3339).unwrap_or_default();
        let details = &alert["unmapped"]["credwatch"];
        let score = details["score_nats"].as_f64().unwrap_or(0.0);
        let what = text(&alert["activity_name"]);
        let severity = text(&alert["severity"]).to_lowercase();
        let what = match what {
            "Create" => format!(
                "alert opened, {severity}, {score:.1} nats: {}",
                text(&alert["message"])
            ),
            "Close" => "alert closed".to_owned(),
            _ => format!(
                "alert updated, {severity}, {score:.1} nats: {}",
                text(&alert["message"])
            ),
        };
        self.note(&time, what);
    }

    fn note_entry(&mut self, entry: &Value, orders: &mut BTreeSet<String>) {
        let (time, what) = (text(&entry["time"]), text(&entry["type"]));
        let order_id = text(&entry["order_id"]);
        let is_ours = entry["alert_id"] == self.alert_id.as_str() || orders.contains(order_id);
        if !is_ours {
            return;
        }
        if what == "decision" {
            orders.insert(text(&entry["decision"]["order_id"]).to_owned());
            self.note(time, describe_decision(entry));
            if entry["event_id"].is_string() {
                self.evidence.insert(evidence(entry));
            }
            return;
        }
        if what == "containment_done" {
            self.contained_ms = self.contained_ms.or(entry["took_ms"].as_i64());
        }
        self.note(time, describe_feedback(entry));
    }
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.map(|entry| text(entry).to_owned()).collect()
}

fn describe_decision(entry: &Value) -> String {
    let decision = &entry["decision"];
    let (action, requested) = (
        text(&decision["action"]),
        text(&decision["requested_action"]),
    );
    let mut line = format!(
        "decided for {}{}: {action}, {}, by \"{}\"",
        text(&entry["identity"]),
        describe_event(&entry["event"]),
        text(&decision["mode"]),
        text(&decision["policy"])
    );
    let weakened = texts(&decision["weakened_by"]);
    if !weakened.is_empty() {
        line += &format!(
            " (requested {requested}, restricted by {})",
            weakened.join(", ")
        );
    }
    line + &format!(", order {}", text(&decision["order_id"]))
}

/// ` (iam:CreateAccessKey, from vps-1 203.0.113.9, for job/7)`; empty where nothing is stated.
fn describe_event(event: &Value) -> String {
    let from: Vec<&str> = [&event["host"], &event["ip"]].map(text).to_vec();
    let from = from.join(" ").trim().to_owned();
    let parts = [
        ("", text(&event["action"])),
        ("from ", &from),
        ("for ", text(&event["purpose"])),
    ];
    let stated = parts.iter().filter(|(_, part)| !part.is_empty());
    let stated: Vec<String> = stated.map(|(word, part)| format!("{word}{part}")).collect();
    if stated.is_empty() {
        return String::new();
    }
    format!(" ({})", stated.join(", "))
}

fn describe_feedback(entry: &Value) -> String {
    let mut line = format!("{} says ", text(&entry["by"]));
    line += match text(&entry["type"]) {
        "feedback" => text(&entry["verdict"]),
        "containment_done" => "contained",
        "containment_failed" => "containment failed",
        "containment_refused" => "containment rejected",
        other => other,
    };
    if let Some(ms) = entry["took_ms"].as_i64() {
        line += &format!(", {:.1} s after the event", ms as f64 / 1_000.0);
    }
    match text(&entry["reason"]) {
        "" => line,
        reason => line + ": " + reason,
    }
}

fn evidence(entry: &Value) -> Evidence {
    let source = entry["source"].as_array();
    let place = |place: &[Value]| {
        format!(
            "{} partition {} offset {}",
            text(&place[0]),
            place[1],
            place[2]
        )
    };
    Evidence {
        event_id: text(&entry["event_id"]).to_owned(),
        source: source
            .filter(|source| source.len() == 3)
            .map(|source| place(source))
            .unwrap_or_default(),
        record_hash: text(&entry["record_hash"]).to_owned(),
    }
}

impl fmt::Display for IncidentReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Incident {} ({}, {})",
            self.alert_id, self.severity, self.status
        )?;
        writeln!(f, "{}\n\nTimeline", self.title)?;
        for entry in &self.timeline {
            writeln!(f, "  {}  {}", entry.time, entry.description)?;
        }
        if let Some(ms) = self.contained_ms {
            writeln!(
                f,
                "  contained {:.1} s after the event",
                ms as f64 / 1_000.0
            )?;
        }
        writeln!(f, "\nWhy")?;
        for reason in &self.reasons {
            writeln!(f, "  - {reason}")?;
        }
        writeln!(
            f,
            "\nEvidence (verified by the audit trail: credwatch verify audit)"
        )?;
        for evidence in &self.evidence {
            writeln!(
                f,
                "  - {}: {}, {}",
                evidence.event_id, evidence.source, evidence.record_hash
            )?;
        }
        let sections = [
            ("Containment", "containment"),
            ("Preserve", "preserve"),
            ("Review afterwards", "review"),
            ("Controls to consider", "controls"),
        ];
        for (heading, member) in sections {
            writeln!(f, "\n{heading}")?;
            for step in texts(&self.runbook[member]) {
                writeln!(f, "  - {step}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_incident_is_reported_in_order_with_the_outcomes_of_its_orders() {
        let alert = |time: i64, name: &str| {
            json!({"finding_info": {"uid": "a1"}, "time": time, "activity_name": name, "severity": "high",
                "status": "New", "message": "svc: odd",
                "unmapped": {"credwatch": {"score_nats": 12.0, "reasons": ["odd host"],
                    "runbook": {"containment": ["end it"], "preserve": ["logs"], "review": ["how?"],
                        "controls": ["pin it"]}}}})
        };
        let alerts = [
            alert(1_772_438_400_000, "Create"),
            alert(1_772_438_500_000, "Close"),
        ];
        let audit = [
            json!({"entry": {"type": "decision", "time": "2026-03-02T08:00:00Z", "alert_id": "a1",
                "identity": "svc", "event_id": "e1",
                "event": {"action": "iam:CreateAccessKey", "host": "vps-1", "ip": "203.0.113.9",
                    "purpose": null},
                "source": ["t", 0, 7], "record_hash": "blake3:aa",
                "decision": {"action": "revoke", "requested_action": "suspend", "mode": "enforce",
                    "policy": "p",
                    "weakened_by": ["exception"], "order_id": "o1"}}}),
            json!({"entry": {"type": "containment_done", "time": "2026-03-02T08:00:01Z", "order_id": "o1",
                "by": "idp", "took_ms": 340, "reason": "ended"}}),
            json!({"entry": {"type": "containment_done", "time": "2026-03-02T08:00:01Z", "order_id": "o9"}}),
            json!({"entry": {"type": "feedback", "time": "2026-03-02T08:01:00Z", "alert_id": "a1",
                "by": "ada", "verdict": "true_positive"}}),
        ];
        let incident = IncidentReport::collect("a1", &alerts, &audit).unwrap();
        assert_eq!(
            (incident.timeline.len(), incident.contained_ms),
            (5, Some(340))
        );
        let text = incident.to_string();
        for part in [
            "restricted by exception",
            "svc (iam:CreateAccessKey, from vps-1 203.0.113.9)",
            "idp says contained, 0.3 s",
            "ada says true_positive",
            "e1: t partition 0 offset 7, blake3:aa",
            "pin it",
            "alert closed",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(IncidentReport::collect("a2", &alerts, &audit).is_none());
    }
}
