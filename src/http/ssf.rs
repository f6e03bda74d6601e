//! Shared Signals transmitter: its metadata (`/.well-known/ssf-configuration`), and poll delivery of Security
//! Event Tokens (`/ssf/poll/<name>`, RFC 8936).

use super::AppState;
use super::access::{NOT_LOOPBACK, has_bearer_token};
use super::problem::problem;
use crate::clock::Stopwatch;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::time::Duration;
use tracing::{info, warn};

/// Maximum number of tokens in one response.
const MAX_SETS: usize = 64;
/// A long poll is answered after this time, if need be without tokens.
const LONG_POLL_TIMEOUT: Duration = Duration::from_secs(20);
/// Interval at which new tokens are looked for meanwhile.
const LONG_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A poll request (RFC 8936, section 2.2).
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PollRequest {
    max_events: Option<usize>,
    return_immediately: bool,
    ack: Vec<String>,
    set_errs: Map<String, Value>,
}

/// Transmitter metadata.
pub(super) async fn configuration(State(state): State<AppState>) -> Response {
    let Some(issuer) = state.signer.as_ref().map(|signer| &signer.issuer) else {
        let why = "orders are not signed: there is no signing.key_file";
        return problem(StatusCode::NOT_FOUND, why);
    };
    let base = issuer.trim_end_matches('/');
    Json(json!({
        "spec_version": "1_0",
        "issuer": issuer,
        "jwks_uri": format!("{base}/.well-known/jwks.json"),
        "delivery_methods_supported": ["urn:ietf:rfc:8935", "urn:ietf:rfc:8936"],
        "critical_subject_members": [],
        "default_subjects": "ALL",
    }))
    .into_response()
}

/// Tokens for the receiver `name`; acknowledged ones are removed from its queue.
pub(super) async fn poll(
    State(state): State<AppState>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Json(ask): Json<PollRequest>,
) -> Response {
    if !state.is_loopback {
        return problem(StatusCode::FORBIDDEN, NOT_LOOPBACK);
    }
    let found = state.poll_queues.iter().find(|known| known.name == name);
    let Some(queue) = found.filter(|known| has_bearer_token(&headers, &known.secret)) else {
        let why = "unknown receiver, or wrong bearer token";
        return problem(StatusCode::UNAUTHORIZED, why);
    };
    for id in &ask.ack {
        if queue.acknowledge(id) {
            info!(receiver = name, id, "acknowledged");
            state.metrics.add_delivery(&name, "done");
        }
    }
    for (id, problem) in &ask.set_errs {
        if queue.acknowledge(id) {
            warn!(receiver = name, id, "rejected by receiver: {problem}");
            state.metrics.add_delivery(&name, "failed");
        }
    }
    let most = ask.max_events.unwrap_or(MAX_SETS).min(MAX_SETS);
    let since = Stopwatch::start();
    // A request for no tokens only acknowledges.
    while most > 0
        && queue.is_empty()
        && !ask.return_immediately
        && since.elapsed() < LONG_POLL_TIMEOUT
    {
        tokio::time::sleep(LONG_POLL_INTERVAL).await;
    }
    let (sets, more) = queue.peek(most);
    let sets: Map<String, Value> = sets.into_iter().map(|(id, set)| (id, json!(set))).collect();
    let mut body = json!({ "sets": sets });
    if more {
        body["moreAvailable"] = json!(true);
    }
    Json(body).into_response()
}
