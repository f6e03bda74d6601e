//! `/metrics`, `/healthz`, `/readyz`, Shared Signals ([`ssf`]), and [`api`].

mod api;
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

/// What the pages tell of.
#[derive(Clone)]
pub struct AppState {
    /// Metrics.
    pub metrics: Metrics,
    /// Where each partition stands; `None` where nothing is read from Kafka.
    pub status: Option<Arc<Status>>,
    /// Where shards at work can be asked; `None` where there are none.
    pub query_router: Option<Arc<QueryRouter>>,
    /// What orders are signed with; `None` where they are not.
    pub signer: Option<Arc<Signer>>,
    /// What waits for receivers that fetch it.
    pub poll_queues: Vec<Arc<PollQueue>>,
    /// Where answers are published; `None` where there is no Kafka.
    pub feedback_requests: Option<Sender<FeedbackRequest>>,
    /// What opens `/v1`; `None`: it stays closed.
    pub token: Option<Secret>,
    /// Whether only this machine can reach the pages.
    pub is_loopback: bool,
}

/// An answer to be published, and who waits for that.
pub struct FeedbackRequest {
    /// The answer.
    pub answer: Feedback,
    /// Takes what is told of it, or why it was not published.
    pub done: oneshot::Sender<Result<String, String>>,
}

/// Why there are no pages.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {why}; choose another address for http.listen")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        why: std::io::Error,
    },
    /// The server ended.
    #[error("http: {0}")]
    Serve(std::io::Error),
}

/// A server that has its address.
pub struct Server {
    listener: TcpListener,
    router: Router,
}

impl Server {
    /// Takes the address.
    ///
    /// # Errors
    /// It is taken, or not ours.
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

    /// The address that was taken.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the runtime ends.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn serve(self) -> Result<(), HttpError> {
        axum::serve(self.listener, self.router)
            .await
            .map_err(HttpError::Serve)
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
            format!("not ready: {stage} fails and is tried again: {why}\n"),
        ),
        Readiness::Stalled { secs } => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: a commit has taken {secs} s so far; is a broker slow or down?\n"),
        ),
        Readiness::Stuck {
            topic,
            partition,
            lag,
        } => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!(
                "not ready: {topic} partition {partition} is {lag} records behind and does not move\n"
            ),
        ),
    }
}
