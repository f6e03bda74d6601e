//! `GET /v1/incidents`, one of them, and its timeline.

use super::ConsoleService;
use super::baselines::Baselines;
use crate::console::Console;
use crate::console::event_history::{EventPage, EventQuery, EventRow};
use crate::console::incident::{IncidentSummary, Publication, TrailEntry, signal_label};
use crate::console::incident_index::{Rank, StoredIncident, most_urgent};
use crate::http::AppState;
use crate::http::extract::{Parameters, Segment};
use crate::http::problem::problem;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use credwatch_core::units::MS_PER_HOUR;
use credwatch_core::verdict::EntityView;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Largest page of a list.
const MAX_PAGE: usize = 500;
/// Events of a timeline, and of the evidence.
const MAX_EVENTS: usize = 2_000;
/// Longest time before an incident that a timeline shows, in hours.
const MAX_HOURS_BEFORE: u16 = 168;

/// Which incidents.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(super) struct ListQuery {
    /// `open` (nobody has answered), `waits` (an order awaits approval) or `answered`; all if omitted.
    state: String,
    /// Part of a name, headline, group, owner or id.
    q: String,
    /// Severity.
    severity: String,
    /// Kind of the subject.
    kind: String,
    /// The cursor of the previous page.
    after: String,
    /// Most incidents to return.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
}

impl ListQuery {
    /// Whether an incident has the severity, the kind and the text, which is in lower case.
    fn matches(&self, incident: &StoredIncident, text: &str) -> bool {
        let summary = &incident.summary;
        (self.severity.is_empty() || summary.severity == self.severity)
            && (self.kind.is_empty() || summary.subject.kind == self.kind)
            && incident.matches(text)
    }
}

/// A page of incidents, most urgent first.
#[derive(Serialize, ToSchema)]
pub(super) struct IncidentPage {
    as_of: i64,
    incidents: Vec<IncidentSummary>,
    /// Cursor of the next page.
    next: Option<String>,
    /// Incidents that match, over all pages.
    total: usize,
    /// Incidents by state, whatever the query.
    open: usize,
    waits: usize,
    answered: usize,
}

/// A signal of an incident.
#[derive(Clone, Serialize, ToSchema)]
pub(super) struct SignalDetail {
    name: String,
    label: &'static str,
    p: f64,
    surprise_nats: f64,
    observed: String,
    expected: String,
    /// Whose history was asked: `identity`, `peers` or `population`.
    level: String,
    observations: u64,
    sentence: String,
}

/// An incident with all that its page needs.
#[derive(Serialize, ToSchema)]
pub(super) struct IncidentDetail {
    as_of: i64,
    summary: IncidentSummary,
    threshold_nats: f64,
    identities: u64,
    signals: Vec<SignalDetail>,
    #[schema(value_type = Option<Object>)]
    credential: Value,
    #[schema(value_type = Vec<Object>)]
    attacks: Value,
    trail: Vec<TrailEntry>,
    publications: Vec<Publication>,
    evidence: Vec<EventRow>,
    /// Whether the evidence is all that there was.
    evidence_complete: bool,
    history: Vec<IncidentSummary>,
    #[schema(value_type = Object)]
    runbook: Value,
    /// What is usual for the identity; null for a source, or where its baseline is elsewhere.
    #[schema(value_type = Option<Object>)]
    portrait: Value,
}

/// The time before an incident.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TimelineQuery {
    /// Hours, as `72h`; at most `168h`.
    #[serde(default = "three_days")]
    before: String,
}

fn three_days() -> String {
    "72h".to_owned()
}

/// Events around an incident, oldest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Timeline {
    as_of: i64,
    events: Vec<EventRow>,
    /// Whether these are all.
    complete: bool,
}

#[utoipa::path(get, path = "/v1/incidents", tag = "incidents", params(ListQuery),
    responses((status = 200, body = IncidentPage)))]
pub(super) async fn list(
    Parameters(query): Parameters<ListQuery>,
    console: ConsoleService,
) -> Response {
    let after = Rank::of_cursor(&query.after);
    if after.is_none() && !query.after.is_empty() {
        let why = "`after` is no cursor of a previous page";
        return problem(StatusCode::BAD_REQUEST, why);
    }
    if !["", "open", "waits", "answered"].contains(&query.state.as_str()) {
        return problem(
            StatusCode::BAD_REQUEST,
            "`state` is open, waits or answered",
        );
    }
    match page_limit(query.limit) {
        Ok(limit) => Json(page(&console.model, &query, after.as_ref(), limit)).into_response(),
        Err(refused) => *refused,
    }
}

/// Entries of a page, 100 where the request does not say.
pub(super) fn page_limit(limit: Option<u16>) -> Result<usize, Box<Response>> {
    let limit = usize::from(limit.unwrap_or(100));
    match (1..=MAX_PAGE).contains(&limit) {
        true => Ok(limit),
        false => {
            let why = "`limit` is a number from 1 to 500";
            Err(Box::new(problem(StatusCode::BAD_REQUEST, why)))
        }
    }
}

fn page(model: &Console, query: &ListQuery, after: Option<&Rank>, limit: usize) -> IncidentPage {
    let text = query.q.to_lowercase();
    model.with_index(|index| {
        let (mut found, mut total, mut open, mut waits) = (Vec::new(), 0, 0, 0);
        for incident in index.all() {
            let is_open = incident.is_open();
            let is_waiting = incident.waiting_orders().next().is_some();
            open += usize::from(is_open);
            waits += usize::from(is_waiting);
            let has_state = match query.state.as_str() {
                "open" => is_open,
                "waits" => is_waiting,
                "answered" => !is_open,
                _ => true,
            };
            if has_state && query.matches(incident, &text) {
                total += 1;
                if after.is_none_or(|after| incident.rank < *after) {
                    found.push(incident);
                }
            }
        }
        let has_more = most_urgent(&mut found, limit);
        let next = found.last().filter(|_| has_more);
        IncidentPage {
            as_of: model.now_ms(),
            next: next.map(|incident| incident.rank.to_cursor()),
            incidents: found
                .into_iter()
                .map(|incident| incident.summary.clone())
                .collect(),
            total,
            open,
            waits,
            answered: index.len() - open,
        }
    })
}

fn not_found(id: &str) -> Response {
    let why = format!(
        "there is no incident {id}: it may be older than the retention of the alerts topic"
    );
    problem(StatusCode::NOT_FOUND, &why)
}

#[utoipa::path(get, path = "/v1/incidents/{id}", tag = "incidents",
    params(("id" = String, Path, description = "Id of its alert, or the first six characters of it")),
    responses((status = 200, body = IncidentDetail)))]
pub(super) async fn incident(
    State(state): State<AppState>,
    Segment(id): Segment,
    console: ConsoleService,
    baselines: Result<Baselines, Response>,
) -> Response {
    let model = &console.model;
    let Some(found) = model.with_index(|index| index.find(&id).cloned()) else {
        return not_found(&id);
    };
    let evidence = read_events(model, window(&found, 0)).await;
    let portrait = match (baselines, found.summary.view.as_str()) {
        (Ok(baselines), "identity") => baselines.find(&found.summary.subject.id).await.ok(),
        _ => None,
    };
    let mut history = model.with_index(|index| index.of_subject(&found.summary.subject.id));
    history.retain(|other| other.id != found.summary.id);
    history.truncate(10);
    let identities = state
        .metrics
        .sum("credwatch_identities", &[("view", "identity")]) as u64;
    let portrait = portrait.map_or(Value::Null, |(baseline, _)| baseline.portrait);
    Json(detail(
        &found,
        &evidence,
        history,
        portrait,
        (model.now_ms(), identities),
    ))
    .into_response()
}

fn detail(
    found: &StoredIncident,
    events: &EventPage,
    history: Vec<IncidentSummary>,
    portrait: Value,
    (as_of, identities): (i64, u64),
) -> IncidentDetail {
    let alert = found.alert();
    let details = &alert["unmapped"]["credwatch"];
    let user = &alert["evidences"][0]["actor"]["user"];
    let evidence = evidence(found, events);
    let credential = evidence.iter().rev().find(|row| row.credential.is_some());
    IncidentDetail {
        as_of,
        summary: found.summary.clone(),
        threshold_nats: details["threshold_nats"].as_f64().unwrap_or_default(),
        identities,
        signals: signal_details(details),
        credential: match credential {
            Some(row) => serde_json::json!({"id": row.credential, "kind": row.credential_kind,
                "issuer": row.issuer}),
            None => user["credential_uid"]
                .as_str()
                .map_or(Value::Null, |id| serde_json::json!({"id": id})),
        },
        attacks: alert["finding_info"]["attacks"].clone(),
        trail: found.trail.clone(),
        publications: found.publications.clone(),
        evidence,
        evidence_complete: events.is_complete,
        history,
        runbook: details["runbook"].clone(),
        portrait,
    }
}

fn signal_details(details: &Value) -> Vec<SignalDetail> {
    let signals = details["signals"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let detail = |(at, signal): (usize, &Value)| SignalDetail {
        label: signal_label(signal["name"].as_str().unwrap_or_default()),
        name: text(&signal["name"]),
        p: signal["p"].as_f64().unwrap_or(1.0),
        surprise_nats: signal["surprise_nats"].as_f64().unwrap_or_default(),
        observed: text(&signal["observed"]),
        expected: text(&signal["expected"]),
        level: text(&signal["level"]),
        observations: signal["observations"].as_u64().unwrap_or_default(),
        sentence: text(&details["reasons"][at]),
    };
    signals.enumerate().map(detail).collect()
}

/// The events of an incident: those that the audit trail names, and others of the same time from the same
/// host or address.
fn evidence(found: &StoredIncident, events: &EventPage) -> Vec<EventRow> {
    let rows = || events.rows.iter().map(|(row, _)| row);
    let is_named = |row: &EventRow| {
        let id = Some(row.event_id.as_str());
        found
            .trail
            .iter()
            .any(|entry| entry.event_id.as_deref() == id)
    };
    if found.summary.view == "source" {
        return rows().cloned().collect();
    }
    let named: Vec<&EventRow> = rows().filter(|row| is_named(row)).collect();
    let is_alike = |row: &&EventRow| {
        is_named(row)
            || named.iter().any(|named| {
                (row.host.is_some() && row.host == named.host)
                    || (row.ip.is_some() && row.ip == named.ip)
            })
    };
    if named.is_empty() {
        return rows().cloned().collect();
    }
    rows().filter(is_alike).cloned().collect()
}

fn window(found: &StoredIncident, hours_before: u16) -> EventQuery {
    let summary = &found.summary;
    EventQuery {
        view: EntityView::parse(&summary.view).unwrap_or(EntityView::Identity),
        id: summary.subject.id.clone(),
        from: summary.opened - i64::from(hours_before) * MS_PER_HOUR,
        to: summary.last,
        limit: MAX_EVENTS,
    }
}

/// Reads events without holding up other requests.
pub(super) async fn read_events(model: &Console, query: EventQuery) -> EventPage {
    let events = Arc::clone(&model.events);
    let read = tokio::task::spawn_blocking(move || events.read(&query));
    read.await.unwrap_or_default()
}

#[utoipa::path(get, path = "/v1/incidents/{id}/timeline", tag = "incidents",
    params(("id" = String, Path, description = "Id of its alert"), TimelineQuery),
    responses((status = 200, body = Timeline)))]
pub(super) async fn timeline(
    Segment(id): Segment,
    Parameters(query): Parameters<TimelineQuery>,
    console: ConsoleService,
) -> Response {
    let hours = query
        .before
        .strip_suffix('h')
        .and_then(|hours| hours.parse().ok());
    let Some(hours) = hours.filter(|hours| *hours <= MAX_HOURS_BEFORE) else {
        return problem(
            StatusCode::BAD_REQUEST,
            "`before` is a number of hours up to 168h, such as 72h",
        );
    };
    let model = &console.model;
    let Some(found) = model.with_index(|index| index.find(&id).cloned()) else {
        return not_found(&id);
    };
    let page = read_events(model, window(&found, hours)).await;
    Json(Timeline {
        as_of: model.now_ms(),
        complete: page.is_complete,
        events: page.rows.into_iter().map(|(row, _)| row).collect(),
    })
    .into_response()
}
