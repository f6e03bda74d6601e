//! HTTP server: `/metrics`, `/healthz`, `/readyz`, Shared Signals (`ssf`), the API (`api`), and the console
//! (`pages`).

pub mod access;
mod api;
mod connections;
mod extract;
pub mod oidc;
mod pages;
mod probes;
mod problem;
mod ssf;

pub use api::{ConsoleService, ShownSettings, StreamedHealth};

use crate::config::Secret;
use crate::crypto::{KeySet, Signer};
use crate::feedback::model::Feedback;
use crate::instances::InstanceDirectory;
use crate::metrics::Metrics;
use crate::query_router::QueryRouter;
use crate::receivers::poll_queue::PollQueue;
use crate::status::{Readiness, Status};
use axum::extract::DefaultBodyLimit;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;

/// Largest body of a request, in bytes: events to explain may be many.
const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;

/// State shared by the request handlers.
#[derive(Clone)]
pub struct AppState {
    /// Metrics.
    pub metrics: Metrics,
    /// Progress of each partition; `None` where nothing is read from Kafka.
    pub status: Option<Arc<Status>>,
    /// Router to running shards; `None` where there are none.
    pub query_router: Option<Arc<QueryRouter>>,
    /// The other instances; `None` where this one is not announced.
    pub instances: Option<Arc<InstanceDirectory>>,
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
    /// The console; `None` where its stage does not run.
    pub console: Option<ConsoleService>,
    /// Number that no other process has, for cursors of the stream.
    pub process_id: u64,
}

impl AppState {
    /// The state of a process without Kafka: a console over shards of its own.
    #[must_use]
    pub fn without_kafka(
        listen: SocketAddr,
        metrics: Metrics,
        console: ConsoleService,
        query_router: Option<Arc<QueryRouter>>,
        feedback_requests: Option<Sender<FeedbackRequest>>,
    ) -> Self {
        Self {
            metrics,
            status: None,
            query_router,
            instances: None,
            signer: None,
            poll_queues: Vec::new(),
            feedback_requests,
            token: None,
            is_loopback: listen.ip().is_loopback(),
            console: Some(console),
            process_id: u64::from(std::process::id()),
        }
    }
}

/// Feedback to publish, and the channel for the result.
pub struct FeedbackRequest {
    /// The feedback.
    pub feedback: Feedback,
    /// Receives the confirmation, or the error.
    pub done: oneshot::Sender<Result<String, NotPublished>>,
}

/// Why feedback was not published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotPublished {
    /// It concerns nothing, or is not accepted.
    Refused(String),
    /// It could not be published now.
    Unavailable(String),
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
        let router = api::routes(&pages)
            .merge(pages::routes(&pages))
            .fallback(nothing_here)
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
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

async fn nothing_here() -> Response {
    let why = "there is nothing here: the API is described at /v1/openapi.json";
    problem::problem(StatusCode::NOT_FOUND, why)
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
        let lag_secs = status.lag_ms() as f64 / 1_000.0;
        pages.metrics.lag_seconds.set(lag_secs);
        let halted = i64::try_from(status.halted()).unwrap_or(i64::MAX);
        pages.metrics.halted_partitions.set(halted);
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
        Readiness::Joining { worker } => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!(
                "not ready: {worker} joins its group or restores its shards (is the broker reachable?)\n"
            ),
        ),
        Readiness::Failing { stage, why } => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {stage} failed and will be retried: {why}\n"),
        ),
        Readiness::Halted {
            topic,
            partition,
            why,
        } => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {topic} partition {partition} is halted, others continue: {why}\n"),
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
