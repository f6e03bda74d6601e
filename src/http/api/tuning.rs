//! `GET /v1/tuning`: what another alert budget would have raised.
//!
//! The index holds what was raised, so a smaller budget can be answered from it. Of a larger one the shards
//! know the threshold; which alerts it would have raised needs the events, and `credwatch backtest`.

use super::ConsoleService;
use super::detection_health::mean_of_shards;
use crate::console::incident::IncidentSummary;
use crate::http::AppState;
use crate::http::extract::Parameters;
use crate::http::problem::problem;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use credwatch_core::units::MS_PER_DAY;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// Days that are looked at.
const DAYS: i64 = 28;
const MAX_LISTED: usize = 100;

/// A budget.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TuningQuery {
    /// Alerts a day.
    #[param(minimum = 0.1, maximum = 1000)]
    alerts_per_day: f64,
}

/// What a budget would have raised.
#[derive(Serialize, ToSchema)]
pub(super) struct Tuning {
    as_of: i64,
    /// The present threshold.
    threshold_nats: f64,
    /// The smallest score that the budget would have raised; of a budget larger than what was raised the
    /// threshold that it would have, where that is known, otherwise the present one.
    budget_nats: f64,
    /// Whether the budget is larger than what was raised, so that the alerts that it would add are not known
    /// here.
    needs_backtest: bool,
    /// Epoch day, alerts raised, and alerts that the budget would have raised.
    per_day: Vec<(i64, usize, usize)>,
    /// Alerts that it would not have raised, largest score first.
    lost: Vec<IncidentSummary>,
    /// Number of these.
    lost_count: usize,
    /// Number of these that were answered as an attack.
    lost_attacks: usize,
    /// The line to put into the configuration.
    config_line: String,
}

#[utoipa::path(get, path = "/v1/tuning", tag = "tuning", params(TuningQuery),
    responses((status = 200, body = Tuning)))]
pub(super) async fn tuning(
    State(state): State<AppState>,
    Parameters(query): Parameters<TuningQuery>,
    console: ConsoleService,
) -> Response {
    if !(0.1..=1_000.0).contains(&query.alerts_per_day) {
        return problem(
            StatusCode::BAD_REQUEST,
            "`alerts_per_day` is a number from 0.1 to 1000",
        );
    }
    let now = console.model.now_ms();
    let mut raised: Vec<IncidentSummary> = console.model.with_index(|index| {
        let recent = index
            .all()
            .filter(|i| i.summary.opened > now - DAYS * MS_PER_DAY);
        recent.map(|incident| incident.summary.clone()).collect()
    });
    raised.sort_by(|a, b| b.nats.total_cmp(&a.nats));
    let first_day = raised
        .iter()
        .map(|summary| summary.opened)
        .min()
        .unwrap_or(now);
    let days = ((now - first_day) as f64 / MS_PER_DAY as f64).clamp(1.0, DAYS as f64);
    let kept = (query.alerts_per_day * days).ceil() as usize;
    let threshold_nats = mean_of_shards(&state.metrics, "credwatch_threshold_nats");
    let lost = raised.split_off(kept.min(raised.len()));
    let mut per_day: BTreeMap<i64, (usize, usize)> = BTreeMap::new();
    for (summary, is_kept) in raised
        .iter()
        .map(|s| (s, true))
        .chain(lost.iter().map(|s| (s, false)))
    {
        let day = per_day
            .entry(summary.opened.div_euclid(MS_PER_DAY))
            .or_default();
        day.0 += 1;
        day.1 += usize::from(is_kept);
    }
    let is_attack = |summary: &&IncidentSummary| {
        let verdict = summary.verdict.as_ref();
        verdict.is_some_and(|verdict| verdict.verdict == "true_positive")
    };
    let is_larger = lost.is_empty() && kept > raised.len();
    let of_shards = match &state.query_router {
        Some(router) if is_larger => router.threshold_nats_for(query.alerts_per_day).await,
        _ => None,
    };
    Json(Tuning {
        as_of: now,
        threshold_nats,
        budget_nats: match raised.last() {
            Some(last) if !lost.is_empty() => last.nats,
            _ => of_shards.map_or(threshold_nats, |nats| nats.min(threshold_nats)),
        },
        needs_backtest: is_larger,
        per_day: per_day
            .into_iter()
            .map(|(day, (all, kept))| (day, all, kept))
            .collect(),
        lost_count: lost.len(),
        lost_attacks: lost.iter().filter(is_attack).count(),
        lost: lost.into_iter().take(MAX_LISTED).collect(),
        config_line: format!("detect.alerts_per_day = {:?}", query.alerts_per_day),
    })
    .into_response()
}
