//! `GET /v1/identities` and one of them: what is normal for it, and what would be unusual.

use super::ConsoleService;
use super::baselines::{Baseline, Baselines, NamedIdentities, Owner, query_problem};
use super::incidents::read_events;
use crate::console::event_history::{EventPage, EventQuery, EventRow};
use crate::console::incident::{IncidentSummary, Subject};
use crate::http::extract::{Parameters, Segment};
use crate::http::probes::probes;
use crate::sources::time::parse_rfc3339;
use axum::Json;
use axum::response::{IntoResponse, Response};
use credwatch_core::units::MS_PER_DAY;
use credwatch_core::verdict::EntityView;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// Days of past events that a page looks at.
const DAYS: i64 = 14;
/// Events that a page looks at.
const MAX_EVENTS: usize = 2_000;
/// Identities that a search returns.
const MAX_FOUND: usize = 50;

/// Which identities.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(super) struct SearchQuery {
    /// Part of a name.
    q: String,
}

/// An identity that a search found.
#[derive(Serialize, ToSchema)]
pub(super) struct FoundIdentity {
    #[serde(flatten)]
    subject: Subject,
    /// Time of its latest incident, epoch milliseconds.
    last: i64,
    /// Incidents that nobody has answered.
    open: usize,
}

/// Identities with incidents.
#[derive(Serialize, ToSchema)]
pub(super) struct FoundIdentities {
    as_of: i64,
    identities: Vec<FoundIdentity>,
}

/// A credential in use.
#[derive(Serialize, ToSchema)]
pub(super) struct CredentialUse {
    id: String,
    kind: Option<String>,
    issuer: Option<String>,
    n: usize,
    last: i64,
}

/// What an event of another kind would score.
#[derive(Serialize, ToSchema)]
pub(super) struct Probe {
    /// What is different about it.
    what: &'static str,
    /// The event.
    #[schema(value_type = Object)]
    event: Value,
    /// Score of it alone.
    nats: f64,
    /// Signals, strongest first.
    #[schema(value_type = Vec<Object>)]
    signals: Value,
}

/// One identity.
#[derive(Serialize, ToSchema)]
pub(super) struct IdentityDetail {
    as_of: i64,
    identity: Subject,
    /// Its baseline in words; null where there is none.
    #[schema(value_type = Option<Object>)]
    known: Value,
    /// Why it has no baseline; null where it has one.
    baseline_missing: Option<String>,
    /// Identities of its shard with habits like its own; null before they are learned.
    peers: Option<NamedIdentities>,
    /// Its baseline in numbers; null where there is none.
    #[schema(value_type = Option<Object>)]
    portrait: Value,
    threshold_nats: f64,
    credentials: Vec<CredentialUse>,
    history: Vec<IncidentSummary>,
    /// Uses a day, epoch day and count, where all events of the last days could be read.
    days: Vec<(i64, usize)>,
    /// Whether all events of the last days could be read.
    complete: bool,
    probes: Vec<Probe>,
}

#[utoipa::path(get, path = "/v1/identities", tag = "identities", params(SearchQuery),
    responses((status = 200, body = FoundIdentities)))]
pub(super) async fn list(
    Parameters(query): Parameters<SearchQuery>,
    console: ConsoleService,
) -> Response {
    let text = query.q.to_lowercase();
    let mut found: BTreeMap<String, FoundIdentity> = BTreeMap::new();
    console.model.with_index(|index| {
        for incident in index.all() {
            let summary = &incident.summary;
            let subject = summary.subject.id_with_owner().to_lowercase();
            if summary.view != "identity" || !subject.contains(&text) {
                continue;
            }
            let known = found.entry(summary.subject.id.clone());
            let known = known.or_insert_with(|| FoundIdentity {
                subject: summary.subject.clone(),
                last: summary.last,
                open: 0,
            });
            known.last = known.last.max(summary.last);
            known.open += usize::from(incident.is_open());
        }
    });
    let mut identities: Vec<FoundIdentity> = found.into_values().collect();
    identities.sort_by_key(|identity| {
        (
            std::cmp::Reverse(identity.open),
            std::cmp::Reverse(identity.last),
        )
    });
    identities.truncate(MAX_FOUND);
    let as_of = console.model.now_ms();
    Json(FoundIdentities { as_of, identities }).into_response()
}

#[utoipa::path(get, path = "/v1/identities/{id}", tag = "identities",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = IdentityDetail)))]
pub(super) async fn identity(
    Segment(id): Segment,
    console: ConsoleService,
    baselines: Baselines,
) -> Response {
    let model = &console.model;
    let history = model.with_index(|index| index.of_subject(&id));
    let (baseline, owner, missing) = match baselines.find(&id).await {
        Ok((baseline, owner)) => (baseline, Some(owner), None),
        Err(error) if history.is_empty() => return query_problem(&error),
        Err(error) => (Baseline::nothing(&id), None, Some(error.to_string())),
    };
    let explained = baseline.explained;
    let now = model.now_ms();
    let known = explained.known.as_ref();
    let last_seen = known.and_then(|known| parse_rfc3339(&known.last_seen));
    let to = last_seen.unwrap_or(now).min(now);
    let query = EventQuery {
        view: EntityView::Identity,
        id: id.clone(),
        from: to - DAYS * MS_PER_DAY,
        to,
        limit: MAX_EVENTS,
    };
    let events = read_events(model, query).await;
    let made = events.rows.iter().rev().find_map(|(row, record)| {
        let is_evidence = history
            .iter()
            .any(|i| (i.opened..=i.last).contains(&row.time));
        (row.outcome == "success" && !is_evidence)
            .then(|| probes(record.as_deref()?))
            .flatten()
    });
    let made = made.unwrap_or_default();
    let peers = match &owner {
        Some(owner) => owner.peers(&id).await,
        None => None,
    };
    let probes = score(owner.as_ref(), &id, made).await;
    Json(IdentityDetail {
        as_of: now,
        identity: subject(&id, &history, &events),
        known: json!(explained.known),
        baseline_missing: missing,
        peers,
        portrait: baseline.portrait,
        threshold_nats: explained.threshold_nats,
        credentials: credentials(&events),
        days: days(&events),
        complete: events.is_complete,
        history,
        probes,
    })
    .into_response()
}

/// What the latest event of the identity says of it, or else its latest incident.
fn subject(id: &str, history: &[IncidentSummary], events: &EventPage) -> Subject {
    let stated = events.rows.iter().rev().find_map(|(_, record)| {
        let event: Value = serde_json::from_slice(record.as_ref()?).ok()?;
        let text = |name: &str| event["identity"][name].as_str().map(str::to_owned);
        Some(Subject {
            id: id.to_owned(),
            kind: text("kind").unwrap_or_else(|| "service".to_owned()),
            group: text("group"),
            owner: text("owner"),
        })
    });
    let known = history.first().map(|summary| summary.subject.clone());
    stated.or(known).unwrap_or_else(|| Subject {
        id: id.to_owned(),
        ..Subject::default()
    })
}

fn credentials(events: &EventPage) -> Vec<CredentialUse> {
    let mut uses: BTreeMap<&str, CredentialUse> = BTreeMap::new();
    for (row, _) in &events.rows {
        let EventRow {
            credential: Some(id),
            ..
        } = row
        else {
            continue;
        };
        let known = uses.entry(id).or_insert_with(|| CredentialUse {
            id: id.clone(),
            kind: row.credential_kind.clone(),
            issuer: row.issuer.clone(),
            n: 0,
            last: row.time,
        });
        known.n += 1;
        known.last = row.time;
    }
    let mut uses: Vec<CredentialUse> = uses.into_values().collect();
    uses.sort_by_key(|known| -known.last);
    uses.truncate(8);
    uses
}

fn days(events: &EventPage) -> Vec<(i64, usize)> {
    let mut days = BTreeMap::new();
    for (row, _) in &events.rows {
        *days.entry(row.time.div_euclid(MS_PER_DAY)).or_insert(0) += 1;
    }
    days.into_iter().collect()
}

/// The scores of `probes`, asked one by one: each as if it were the next event.
async fn score(owner: Option<&Owner>, id: &str, probes: Vec<(&'static str, Value)>) -> Vec<Probe> {
    let mut scored = Vec::new();
    let Some(owner) = owner else {
        return scored;
    };
    for (what, event) in probes {
        if let Some(found) = owner.score(id, &event).await {
            scored.push(Probe {
                what,
                event,
                nats: found.event_nats,
                signals: json!(found.signals),
            });
        }
    }
    scored
}
