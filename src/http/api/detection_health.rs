//! `GET /v1/health`: how detection and containment are, in one answer for the strip on every page.

use super::ConsoleService;
use crate::clock::wall_time;
use crate::console::pause_json;
use crate::http::AppState;
use crate::metrics::Metrics;
use crate::sources::time::format_day;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use credwatch_core::units::{EventTime, MS_PER_DAY, MS_PER_HOUR};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Days of `per_day`.
const DAYS: i64 = 14;

/// Events a second.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in crate::http) struct Rates {
    /// Over the last minute, oldest first.
    per_s: Vec<f64>,
}

/// Partitions.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in crate::http) struct Partitions {
    /// Those that an instance owns which announced itself, or else those of this instance.
    ready: usize,
    /// All.
    of: usize,
}

/// A use of a limit.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in crate::http) struct Limit {
    /// How much is used.
    used: f64,
    /// The limit.
    max: f64,
}

/// Containment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in crate::http) struct Containment {
    /// `dry_run` or `enforce`.
    mode: String,
    /// Who paused it, since when and why; null while it is not paused.
    #[schema(value_type = Option<Object>)]
    paused: serde_json::Value,
    /// Orders enforced within the last hour.
    hour: Limit,
    /// Share of the identities under enforced orders of the last day.
    share: Limit,
}

/// How detection and containment are.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in crate::http) struct Health {
    /// Time of this answer, epoch milliseconds.
    pub as_of: i64,
    throughput: Rates,
    events: u64,
    lag_records: u64,
    /// Age of the oldest record of the latest commit, milliseconds; 0 when idle.
    lag_ms: i64,
    partitions: Partitions,
    /// Alerts opened since midnight, UTC.
    pub alerts_today: usize,
    /// Alert budget.
    pub alerts_per_day: f64,
    per_day: Vec<(String, usize)>,
    /// Alert threshold.
    pub threshold_nats: f64,
    learned: f64,
    /// Identities with a baseline.
    pub identities: u64,
    sources: u64,
    containment: Containment,
    /// Orders that await approval.
    pub approvals: usize,
    /// Incidents that nobody has answered.
    pub open: usize,
    /// Whether answers are refused.
    pub read_only: bool,
}

#[utoipa::path(get, path = "/v1/health", tag = "health", responses((status = 200, body = Health)))]
pub(super) async fn health(State(state): State<AppState>, console: ConsoleService) -> Response {
    Json(health_of(&state, &console)).into_response()
}

/// The health of this process.
pub(in crate::http) fn health_of(state: &AppState, console: &ConsoleService) -> Health {
    let (model, settings, metrics) = (&console.model, &console.settings, &state.metrics);
    let now = model.now_ms();
    let today = now.div_euclid(MS_PER_DAY);
    let (mut per_day, mut approvals, mut open) = (BTreeMap::new(), 0, 0);
    model.with_index(|index| {
        for incident in index.all() {
            let day = incident.summary.opened.div_euclid(MS_PER_DAY);
            if today - day < DAYS {
                *per_day.entry(day).or_insert(0) += 1;
            }
            approvals += incident.waiting_orders().count();
            open += usize::from(incident.is_open());
        }
    });
    let is_enforced = |record: &serde_json::Value| {
        let decision = &record["entry"]["decision"];
        decision["mode"] == "enforce" && decision["action"] != "notify"
    };
    let (hour, pause) = model.with_audit(|audit| {
        let since = now - MS_PER_HOUR;
        (
            audit.count_since(since, "decision", is_enforced),
            audit.pause().cloned(),
        )
    });
    let contained = model.with_index(|index| {
        let orders = index.all().flat_map(|incident| &incident.summary.orders);
        let enforced =
            orders.filter(|order| order.state == "sent" && order.time >= now - MS_PER_DAY);
        let mut identities: Vec<&str> = enforced.map(|order| order.identity.as_str()).collect();
        identities.sort_unstable();
        identities.dedup();
        identities.len()
    });
    let of_identities = |name: &str| metrics.sum(name, &[("view", "identity")]);
    let identities = of_identities("credwatch_identities");
    let partitions = state
        .query_router
        .as_ref()
        .map(|router| router.partitions());
    let announced = state.instances.as_ref();
    let announced = announced.and_then(|instances| instances.partitions(wall_time().epoch_ms()));
    let (ready, of) = announced.or(partitions).unwrap_or((0, 0));
    Health {
        as_of: now,
        throughput: Rates {
            per_s: model.events_per_sec(),
        },
        events: metrics.sum("credwatch_records_total", &[("stage", "detect")]) as u64,
        lag_records: metrics.sum("credwatch_consumer_lag_records", &[]) as u64,
        lag_ms: state.status.as_ref().map_or(0, |status| status.lag_ms()),
        partitions: Partitions { ready, of },
        alerts_today: per_day.get(&today).copied().unwrap_or(0),
        alerts_per_day: settings.alerts_per_day,
        per_day: (today - DAYS + 1..=today)
            .map(|day| (day_name(day), per_day.get(&day).copied().unwrap_or(0)))
            .collect(),
        threshold_nats: mean_of_shards(metrics, "credwatch_threshold_nats"),
        learned: mean_of_shards(metrics, "credwatch_threshold_learned_ratio"),
        identities: identities as u64,
        sources: metrics.sum("credwatch_identities", &[("view", "source")]) as u64,
        containment: Containment {
            mode: settings.mode.as_str().to_owned(),
            paused: pause_json(pause.as_ref()),
            hour: Limit {
                used: hour as f64,
                max: f64::from(settings.max_per_hour),
            },
            share: Limit {
                used: contained as f64 / identities.max(1.0),
                max: settings.max_share,
            },
        },
        approvals,
        open,
        read_only: console.is_read_only,
    }
}

/// Mean of a gauge over the shards of the view by identity.
pub(super) fn mean_of_shards(metrics: &Metrics, name: &str) -> f64 {
    let shards = metrics.samples(name, &[("view", "identity")]);
    shards.iter().sum::<f64>() / shards.len().max(1) as f64
}

fn day_name(day: i64) -> String {
    let time = EventTime::from_epoch_ms(day * MS_PER_DAY);
    time.map(format_day).unwrap_or_default()
}
