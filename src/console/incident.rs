//! One incident as lists and pages show it, assembled from its alerts and from the audit trail.

use credwatch_core::score::subject::with_owner;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use utoipa::ToSchema;

/// Whom an incident is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Subject {
    /// Identity, or network.
    pub id: String,
    /// `human`, `service`, `workload`, `automation` or `network`.
    pub kind: String,
    /// Peer group.
    pub group: Option<String>,
    /// Owner.
    pub owner: Option<String>,
}

impl Subject {
    /// Its id, and its owner where the id does not name it.
    #[must_use]
    pub fn id_with_owner(&self) -> Cow<'_, str> {
        with_owner(&self.id, self.owner.as_deref())
    }
}

/// A signal in a list.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SignalSummary {
    /// Name, as in alerts.
    pub name: String,
    /// The same for people.
    pub label: String,
    /// −ln of its tail probability.
    pub nats: f64,
}

/// What an executor or a person did about an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrderOutcome {
    /// `done`, `failed`, `refused` or `approved`.
    pub what: String,
    /// Who said so.
    pub by: String,
    /// Time from the event to the outcome, in milliseconds.
    pub took_ms: Option<i64>,
}

/// A containment order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrderSummary {
    /// Id.
    pub order_id: String,
    /// The identity to contain.
    pub identity: String,
    /// The action that the policy requested.
    pub wanted: String,
    /// What the guardrails left of it.
    pub action: String,
    /// `dry_run` or `enforce`.
    pub mode: String,
    /// Guardrails that restricted it.
    pub weakened_by: Vec<String>,
    /// The policy rule.
    pub policy: String,
    /// Event time of the decision, epoch milliseconds.
    pub time: i64,
    /// `notified`, `held`, `waits`, `dry_run` or `sent`.
    pub state: String,
    /// What became of it.
    pub outcome: Option<OrderOutcome>,
}

/// A person's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct VerdictSummary {
    /// `true_positive`, `false_positive` or `expected`.
    pub verdict: String,
    /// Who gave it.
    pub by: String,
    /// When, in epoch milliseconds.
    pub at: i64,
}

/// An incident in a list.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct IncidentSummary {
    /// Id of its alert.
    pub id: String,
    /// `identity` or `source`.
    pub view: String,
    /// Whom it is about.
    pub subject: Subject,
    /// `informational` to `critical`.
    pub severity: String,
    /// Event time of the first evidence, epoch milliseconds.
    pub opened: i64,
    /// Event time of the latest evidence, epoch milliseconds.
    pub last: i64,
    /// `active` while the engine holds the alert open, then `quiet`.
    pub state: String,
    /// One sentence of at most 90 characters.
    pub headline: String,
    /// Largest score.
    pub nats: f64,
    /// Events of evidence.
    pub events: u64,
    /// Signals, strongest first.
    pub signals: Vec<SignalSummary>,
    /// ATT&CK techniques.
    pub techniques: Vec<String>,
    /// Identities that logged in, for a source.
    pub reached: Vec<String>,
    /// The order that matters most.
    pub order: Option<OrderSummary>,
    /// All orders, latest first.
    pub orders: Vec<OrderSummary>,
    /// The answer, if there is one.
    pub verdict: Option<VerdictSummary>,
}

/// One publication of an alert.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Publication {
    /// Event time, epoch milliseconds.
    pub time: i64,
    /// Severity at that time.
    pub severity: String,
    /// Score at that time.
    pub nats: f64,
    /// `opened`, `updated` or `closed`.
    pub phase: String,
}

/// A record of the audit trail about an incident.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TrailEntry {
    /// Event time, epoch milliseconds.
    pub time: i64,
    /// `decision`, `feedback`, `approved`, `containment_done` and so on.
    pub what: String,
    /// The identity, for a decision.
    pub identity: Option<String>,
    /// The requested action.
    pub wanted: Option<String>,
    /// The action after the guardrails.
    pub action: Option<String>,
    /// `dry_run` or `enforce`.
    pub mode: Option<String>,
    /// Guardrails that restricted it.
    pub weakened_by: Vec<String>,
    /// The policy rule.
    pub policy: Option<String>,
    /// The order.
    pub order_id: Option<String>,
    /// Who, for what people and executors say.
    pub by: Option<String>,
    /// The verdict, or the reason.
    pub detail: Option<String>,
    /// Hash of the record of the event.
    pub record_hash: Option<String>,
    /// Id of the event behind a decision.
    pub event_id: Option<String>,
    /// Hash of this record of the trail.
    pub hash: String,
}

/// How a signal is called in front of people.
#[must_use]
pub fn signal_label(name: &str) -> &'static str {
    match name {
        "host" => "Host",
        "network" => "Network",
        "client" => "Client",
        "action" => "Action",
        "privilege" => "Privilege",
        "token_lifetime" => "Token lifetime",
        "credential_age" => "Credential age",
        "refresh" => "Refresh",
        "rhythm" => "Hour",
        "rate" => "Volume",
        "failure" => "Failures",
        "fan_out" => "Fan-out",
        "travel" => "Travel",
        "concurrency" => "In two places",
        "dormancy" => "Dormancy",
        "purpose" => "Purpose",
        "issuer" => "Issuer",
        _ => "Signal",
    }
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(super) fn optional(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

pub(super) fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|entry| entry.as_str().map(str::to_owned))
        .collect()
}

impl IncidentSummary {
    /// The incident of an alert; `None` where the record is none of ours.
    #[must_use]
    pub fn of_alert(alert: &Value) -> Option<Self> {
        let details = &alert["unmapped"]["credwatch"];
        let view = text(&details["view"]);
        let subject = match view.as_str() {
            "identity" => Subject {
                id: optional(&details["identity"]["id"])?,
                kind: text(&details["identity"]["kind"]),
                group: optional(&details["identity"]["group"]),
                owner: optional(&details["identity"]["owner"]),
            },
            "source" => Subject {
                id: optional(&details["network"])?,
                kind: "network".to_owned(),
                ..Subject::default()
            },
            _ => return None,
        };
        let reached = details["reached"].as_array().into_iter().flatten();
        let is_closed = alert["activity_id"] == 3;
        Some(Self {
            id: optional(&alert["finding_info"]["uid"])?,
            headline: super::headline::headline(details),
            view,
            subject,
            severity: text(&alert["severity"]).to_lowercase(),
            opened: alert["finding_info"]["first_seen_time"].as_i64()?,
            last: alert["finding_info"]["last_seen_time"].as_i64()?,
            state: if is_closed { "quiet" } else { "active" }.to_owned(),
            nats: details["peak_nats"].as_f64().unwrap_or_default(),
            events: details["events"].as_u64().unwrap_or_default(),
            signals: signals(&details["signals"]),
            techniques: techniques(&alert["finding_info"]["attacks"]),
            reached: reached.filter_map(|who| optional(&who["id"])).collect(),
            order: None,
            orders: Vec::new(),
            verdict: None,
        })
    }

    /// Takes over what a later publication of the alert says. When an alert closes, its time is not that of
    /// evidence.
    pub(super) fn update(&mut self, later: Self) {
        let last = if later.state == "quiet" {
            self.last
        } else {
            later.last
        };
        *self = Self {
            last,
            order: self.order.take(),
            orders: std::mem::take(&mut self.orders),
            verdict: self.verdict.take(),
            nats: later.nats.max(self.nats),
            ..later
        };
    }

    /// What the search looks at, in lower case.
    #[must_use]
    pub(super) fn search_text(&self) -> String {
        let group = self.subject.group.as_deref().unwrap_or_default();
        let owner = self.subject.owner.as_deref().unwrap_or_default();
        let reached = self.reached.join("\n");
        let (id, what) = (&self.subject.id, &self.headline);
        let short = self.id.get(..6).unwrap_or(&self.id);
        format!("{id}\n{what}\n{group}\n{owner}\n{reached}\n{short}").to_lowercase()
    }
}

fn signals(list: &Value) -> Vec<SignalSummary> {
    let list = list.as_array().into_iter().flatten();
    list.map(|signal| {
        let name = text(&signal["name"]);
        SignalSummary {
            label: signal_label(&name).to_owned(),
            name,
            nats: signal["surprise_nats"].as_f64().unwrap_or_default(),
        }
    })
    .collect()
}

fn techniques(attacks: &Value) -> Vec<String> {
    let attacks = attacks.as_array().into_iter().flatten();
    let id = |attack: &Value| {
        optional(&attack["sub_technique"]["uid"]).or(optional(&attack["technique"]["uid"]))
    };
    attacks.filter_map(id).collect()
}
