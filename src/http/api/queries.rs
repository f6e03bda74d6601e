//! Queries of the running shards: `POST /v1/explain`, `GET /v1/drift` and `GET /v1/hygiene`.

use super::baselines::{Baselines, query_problem};
use super::{ConsoleService, Shards};
use crate::console::sessions::Limited;
use crate::http::AppState;
use crate::http::access::Caller;
use crate::http::extract::Parameters;
use crate::http::problem::problem;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

/// The identity of a query.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ExplainQuery {
    /// Its id.
    identity: String,
    /// Whether other instances are asked where this one does not own it.
    #[serde(default = "yes")]
    forward: bool,
}

fn yes() -> bool {
    true
}

/// Minimum time without use.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DriftQuery {
    /// Days.
    #[serde(default = "default_days")]
    #[param(minimum = 0, maximum = 65535)]
    days: u16,
}

fn default_days() -> u16 {
    14
}

/// The baseline of an identity, and what the events in the body would score.
#[utoipa::path(post, path = "/v1/explain", tag = "identities", params(ExplainQuery),
    request_body(content = String, description = "Events in any format, or nothing"),
    responses((status = 200, body = Object), (status = 413, description = "The body is too large"),
        (status = 422, description = "The body is malformed"),
        (status = 429, description = "Too many requests")))]
pub(super) async fn explain(
    State(state): State<AppState>,
    caller: Caller,
    Parameters(target): Parameters<ExplainQuery>,
    baselines: Baselines,
    events: Bytes,
) -> Response {
    let access = state.console.as_ref().map(|console| &console.access);
    if access.is_some_and(|access| !access.admits(&caller, Limited::Explain)) {
        let why = "too many explanations within a second: wait, and try again";
        return problem(StatusCode::TOO_MANY_REQUESTS, why);
    }
    let asked = match target.forward {
        true => baselines.explain(&target.identity, &events).await,
        false => baselines.explain_here(&target.identity, &events).await,
    };
    match asked {
        Ok(explained) => Json(explained).into_response(),
        Err(error) => query_problem(&error),
    }
}

/// Unused privileges.
#[utoipa::path(get, path = "/v1/drift", tag = "hygiene", params(DriftQuery),
    responses((status = 200, body = Object)))]
pub(super) async fn drift(
    Parameters(since): Parameters<DriftQuery>,
    Shards(router): Shards,
) -> Response {
    match router.hygiene(since.days).await {
        Ok(unused) => Json(unused).into_response(),
        Err(error) => problem(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

/// Unused privileges, overdue rotations, and exceptions from containment.
#[utoipa::path(get, path = "/v1/hygiene", tag = "hygiene", params(DriftQuery),
    responses((status = 200, body = Object)))]
pub(super) async fn hygiene(
    Parameters(since): Parameters<DriftQuery>,
    console: ConsoleService,
    baselines: Baselines,
) -> Response {
    match baselines.hygiene(since.days).await {
        Ok(report) => Json(json!({
            "as_of": console.model.now_ms(),
            "rotations": report.overdue_rotations(),
            "unused": report,
            "exceptions": console.settings.exceptions,
        }))
        .into_response(),
        Err(error) => problem(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}
