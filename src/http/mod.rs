//! HTTP server: `/metrics`, `/healthz`, `/readyz`, Shared Signals (`ssf`), and the API (`api`).

mod api;
mod connections;
mod ssf;

use crate::config::Secret;
use crate::crypto::{KeySet, Signer};
use crate::feedback::model::Feedback;
use crate::metrics::Metrics;
use crate::query_router::QueryRouter;
use crate::receivers::poll_queue::PollQueue;
use crate::status::{Readiness, Status};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;

/// State shared by the request handlers.
#[derive(Clone)]
pub struct AppState {
    /// Metrics.
    pub metrics: Metrics,
    /// Progress of each partition; `None` where nothing is read from Kafka.
    pub status: Option<Arc<Status>>,
    /// Router to running shards; `None` where there are none.
    pub query_router: Option<Arc<QueryRouter>>,
    /// Key that orders are signed with; `None` where they are unsigned.
    pub signer: Option<Arc<Signer>>,
    /// Poll queues of SSF receivers.
    pub poll_queues: Vec<Arc<PollQueue>>,
    /// Publishes feedback; `None` without Kafka.
    pub feedback_requests: Option<Sender<FeedbackRequest>>,
    /// Bearer token of `/v1`; `None`: `/v1` is disabled.
    pub token: Option<Secret>,
    /// Whether the server listens on loopback only.
    pub is_loopback: bool,
}

/// Feedback to publish, and the channel for the result.
pub struct FeedbackRequest {
    /// The feedback.
    pub feedback: Feedback,
    /// Receives the confirmation, or the error.
    pub done: oneshot::Sender<Result<String, String>>,
}

/// Why the server failed.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is in use or not local.
    #[error("cannot listen on {address}: {why}; choose another address for http.listen")]
    Bind {
        /// Address.
        address: SocketAddr,
        /// Reason.
        why: std::io::Error,
    },
}

/// A server with its listening socket.
pub struct Server {
    listener: TcpListener,
    router: Router,
}

impl Server {
    /// Binds the address.
    ///
    /// # Errors
    /// It is in use, or not local.
    pub async fn bind(address: SocketAddr, pages: AppState) -> Result<Self, HttpError> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|why| HttpError::Bind { address, why })?;
        let guarded = from_fn_with_state(pages.clone(), api::guard);
        let router = Router::new()
            .route("/v1/explain", post(api::explain))
            .route("/v1/drift", get(api::drift))
            .route("/v1/feedback", post(api::feedback))
            .route("/v1/containment/pause", post(api::pause))
            .route("/v1/containment/resume", post(api::resume))
            .route_layer(guarded)
            .route("/.well-known/jwks.json", get(keys))
            .route("/.well-known/ssf-configuration", get(ssf::configuration))
            .route("/ssf/poll/{name}", post(ssf::poll))
            .route("/metrics", get(metrics))
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .with_state(pages);
        Ok(Self { listener, router })
    }

    /// The bound address.
    ///
    /// # Errors
    /// The socket was closed.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the runtime shuts down.
    pub async fn serve(self) {
        connections::serve(self.listener, self.router).await;
    }
}

async fn keys(State(pages): State<AppState>) -> Json<KeySet> {
    let keys = pages.signer.map(|signer| signer.keys().clone());
    Json(keys.unwrap_or_default())
}

async fn metrics(State(pages): State<AppState>) -> impl IntoResponse {
    if let Some(status) = &pages.status {
        pages
            .metrics
            .assigned_partitions
            .set(status.assigned() as f64);
    }
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, pages.metrics.text())
}

async fn ready(State(pages): State<AppState>) -> impl IntoResponse {
    let Some(status) = &pages.status else {
        return (StatusCode::OK, "ready\n".to_owned());
    };
    match status.readiness() {
        Readiness::Ready { partitions } => {
            (StatusCode::OK, format!("ready: {partitions} partitions\n"))
        }
        Readiness::Unassigned => (
            StatusCode::SERVICE_UNAVAILABLE,
            "not ready: no partition is assigned (is the broker reachable?)\n".to_owned(),
        ),
        Readiness::Failing { stage, why } => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {stage} failed and will be retried: {why}\n"),
        ),
        Readiness::Stalled { secs } => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: a commit has taken {secs} s so far: check the brokers\n"),
        ),
        Readiness::Stuck {
            topic,
            partition,
            lag,
        } => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!(
                "not ready: {topic} partition {partition} is {lag} records behind and makes no progress\n"
            ),
        ),
    }
}
