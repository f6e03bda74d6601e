//! `GET /v1/sources/{network}`: whom a network reached.

use super::ConsoleService;
use super::baselines::NamedIdentities;
use super::incidents::read_events;
use crate::console::event_history::{EventPage, EventQuery, EventRow};
use crate::console::incident::IncidentSummary;
use crate::http::AppState;
use crate::http::extract::Segment;
use crate::query_router::QueryRouter;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use credwatch_core::units::{MS_PER_DAY, MS_PER_MINUTE};
use credwatch_core::verdict::EntityView;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Days of sightings that a page looks at.
const DAYS: i64 = 7;
const MAX_EVENTS: usize = 5_000;

/// An identity that was tried.
#[derive(Serialize, ToSchema)]
pub(super) struct TriedIdentity {
    id: String,
    tries: usize,
    failed: usize,
    ok: usize,
    first: i64,
    last: i64,
}

/// A source network.
#[derive(Serialize, ToSchema)]
pub(super) struct SourceDetail {
    as_of: i64,
    network: String,
    country: Option<String>,
    asn: Option<u32>,
    /// For whom it is usual, in the partitions of this instance; null where this process has no baselines.
    usual_for: Option<NamedIdentities>,
    tried: usize,
    failed: usize,
    identities: Vec<TriedIdentity>,
    /// Minutes since the epoch with the number of tries.
    rate: Vec<(i64, usize)>,
    incidents: Vec<IncidentSummary>,
    /// Whether all sightings of the last days could be read.
    complete: bool,
}

#[utoipa::path(get, path = "/v1/sources/{network}", tag = "sources",
    params(("network" = String, Path, description = "A network prefix, percent-encoded")),
    responses((status = 200, body = SourceDetail)))]
pub(super) async fn source(
    Segment(network): Segment,
    State(state): State<AppState>,
    console: ConsoleService,
) -> Response {
    let model = &console.model;
    let now = model.now_ms();
    let query = EventQuery {
        view: EntityView::Source,
        id: network.clone(),
        from: now - DAYS * MS_PER_DAY,
        to: now,
        limit: MAX_EVENTS,
    };
    let events = read_events(model, query).await;
    let incidents = model.with_index(|index| index.of_subject(&network));
    let latest = |name: fn(&EventRow) -> bool| {
        events
            .rows
            .iter()
            .rev()
            .map(|(row, _)| row)
            .find(|row| name(row))
    };
    let failed = |outcome: &str| outcome != "success";
    Json(SourceDetail {
        as_of: now,
        country: latest(|row| row.country.is_some()).and_then(|row| row.country.clone()),
        asn: latest(|row| row.asn.is_some()).and_then(|row| row.asn),
        usual_for: usual_for(state.query_router.as_deref(), &network).await,
        tried: events.rows.len(),
        failed: events
            .rows
            .iter()
            .filter(|(row, _)| failed(&row.outcome))
            .count(),
        identities: tried(&events),
        rate: rate(&events),
        complete: events.is_complete,
        network,
        incidents,
    })
    .into_response()
}

async fn usual_for(router: Option<&QueryRouter>, network: &str) -> Option<NamedIdentities> {
    let (address, _) = network.split_once('/')?;
    let users = router?.users_of_network(address.parse().ok()?).await;
    Some(users.into())
}

fn tried(events: &EventPage) -> Vec<TriedIdentity> {
    let mut found: BTreeMap<&str, TriedIdentity> = BTreeMap::new();
    for (row, _) in &events.rows {
        let known = found.entry(&row.identity).or_insert_with(|| TriedIdentity {
            id: row.identity.clone(),
            tries: 0,
            failed: 0,
            ok: 0,
            first: row.time,
            last: row.time,
        });
        let is_ok = row.outcome == "success";
        known.tries += 1;
        known.ok += usize::from(is_ok);
        known.failed += usize::from(!is_ok);
        known.last = row.time;
    }
    let mut found: Vec<TriedIdentity> = found.into_values().collect();
    found.sort_by_key(|known| std::cmp::Reverse((known.ok.min(1) * known.failed, known.tries)));
    found.truncate(200);
    found
}

fn rate(events: &EventPage) -> Vec<(i64, usize)> {
    let mut minutes = BTreeMap::new();
    for (row, _) in &events.rows {
        *minutes
            .entry(row.time.div_euclid(MS_PER_MINUTE))
            .or_insert(0) += 1;
    }
    minutes.into_iter().collect()
}
