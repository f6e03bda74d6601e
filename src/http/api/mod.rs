//! The API under `/v1`, which the console stands on.

mod approvals;
mod audit;
mod baselines;
mod detection_health;
mod identities;
mod incidents;
mod openapi;
mod queries;
mod settings;
mod sources;
mod stream;
mod tuning;
mod writes;

pub(super) use detection_health::{Health, health_of};
pub use stream::StreamedHealth;

use super::AppState;
use super::access::{AccessPolicy, authenticate};
use super::problem::problem;
use crate::config::ListedSetting;
use crate::console::Console;
use crate::query_router::QueryRouter;
use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use credwatch_core::containment::Mode;
use std::sync::Arc;

/// What the console shows of the configuration.
#[derive(Clone, Debug)]
pub struct ShownSettings {
    /// Alert budget.
    pub alerts_per_day: f64,
    /// Whether orders are enforced.
    pub mode: Mode,
    /// Orders that an hour may have.
    pub max_per_hour: u32,
    /// Share of the identities that may be contained, 0 to 1.
    pub max_share: f64,
    /// Hash of the model.
    pub model_hash: String,
    /// Exceptions from containment, as the configuration states them.
    pub exceptions: serde_json::Value,
    /// The configuration without secrets.
    pub configuration: Vec<ListedSetting>,
}

/// The console of a process.
#[derive(Clone)]
pub struct ConsoleService {
    /// What it shows.
    pub model: Arc<Console>,
    /// Who may see it.
    pub access: Arc<AccessPolicy>,
    /// Settings.
    pub settings: Arc<ShownSettings>,
    /// Whether answers are refused: files cannot be answered.
    pub is_read_only: bool,
    /// Health for viewers of the stream.
    pub streamed_health: Arc<StreamedHealth>,
    /// What a newcomer should know of it, on the first page.
    pub introduction: Option<&'static str>,
}

/// The routes of the API, which authenticate.
pub(super) fn routes(state: &AppState) -> Router<AppState> {
    let authenticated = from_fn_with_state(state.clone(), authenticate);
    Router::new()
        .route("/v1/explain", post(queries::explain))
        .route("/v1/drift", get(queries::drift))
        .route("/v1/feedback", post(writes::feedback))
        .route("/v1/containment/pause", post(writes::pause))
        .route("/v1/containment/resume", post(writes::resume))
        .route("/v1/health", get(detection_health::health))
        .route("/v1/incidents", get(incidents::list))
        .route("/v1/incidents/{id}", get(incidents::incident))
        .route("/v1/incidents/{id}/timeline", get(incidents::timeline))
        .route("/v1/identities", get(identities::list))
        .route("/v1/identities/{id}", get(identities::identity))
        .route("/v1/identities/{id}/baseline", get(baselines::baseline))
        .route("/v1/identities/{id}/peers", get(baselines::peers))
        .route("/v1/sources/{network}", get(sources::source))
        .route("/v1/approvals", get(approvals::list))
        .route("/v1/hygiene", get(queries::hygiene))
        .route("/v1/audit", get(audit::records))
        .route("/v1/audit/verify", get(audit::verify))
        .route("/v1/tuning", get(tuning::tuning))
        .route("/v1/settings", get(settings::settings))
        .route("/v1/stream", get(stream::stream))
        .route("/v1/openapi.json", get(openapi::document))
        .method_not_allowed_fallback(|| async {
            problem(
                StatusCode::METHOD_NOT_ALLOWED,
                "this method is not known here: see /v1/openapi.json",
            )
        })
        .route_layer(authenticated)
}

impl FromRequestParts<AppState> for ConsoleService {
    type Rejection = Response;

    async fn from_request_parts(_: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let why = "this process does not run the console stage";
        let console = state.console.clone();
        console.ok_or_else(|| problem(StatusCode::NOT_FOUND, why))
    }
}

/// The shards of this process, for questions.
struct Shards(Arc<QueryRouter>);

impl FromRequestParts<AppState> for Shards {
    type Rejection = Response;

    async fn from_request_parts(_: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let why = "this process does not run the detect stage";
        let router = state.query_router.clone();
        let router = router.ok_or_else(|| problem(StatusCode::NOT_FOUND, why));
        router.map(Self)
    }
}
