//! `GET /v1/identities/{id}/baseline`, and the same for a page: from the shards of this process, or else from
//! the instance that owns the identity.

use super::Shards;
use crate::clock::wall_time;
use crate::http::AppState;
use crate::http::extract::Segment;
use crate::http::problem::problem;
use crate::instances::InstanceDirectory;
use crate::query_router::QueryRouter;
use crate::reports::explanation::{BaselineExplanation, ScoredEvent};
use crate::reports::hygiene::HygieneReport;
use crate::service_client::{ServiceClient, ServiceError};
use crate::shard::QueryError;
use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use credwatch_core::engine::{IdentitySample, LogNormal, Portrait, ValueShare};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tracing::{debug, warn};
use utoipa::ToSchema;

/// A page waits no longer than this for another instance.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Other instances that are asked for one identity.
const MAX_ASKED: usize = 16;

/// The baseline of an identity.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Baseline {
    /// In words.
    #[serde(flatten)]
    pub(super) explained: BaselineExplanation,
    /// In numbers; null where there is none.
    pub(super) portrait: Value,
}

impl Baseline {
    /// Of an identity that has none.
    pub(super) fn nothing(id: &str) -> Self {
        Self {
            explained: BaselineExplanation::nothing(id),
            portrait: Value::Null,
        }
    }
}

/// How many identities have something in common, and a few of them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct NamedIdentities {
    n: usize,
    sample: Vec<String>,
}

impl From<IdentitySample> for NamedIdentities {
    fn from(of: IdentitySample) -> Self {
        Self {
            n: of.identities,
            sample: of.sample,
        }
    }
}

/// The shard that answered.
#[derive(Debug)]
pub(super) enum Owner {
    /// Of this process.
    Here(Arc<QueryRouter>),
    /// Of another one.
    Other(Instance),
}

/// Another instance.
#[derive(Debug)]
pub(super) struct Instance {
    directory: Arc<InstanceDirectory>,
    url: String,
}

#[utoipa::path(get, path = "/v1/identities/{id}/baseline", tag = "identities",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = Object)))]
pub(super) async fn baseline(Segment(id): Segment, Shards(router): Shards) -> Response {
    match read(&router, &id).await {
        Ok(baseline) => Json(baseline).into_response(),
        Err(error) => query_problem(&error),
    }
}

#[utoipa::path(get, path = "/v1/identities/{id}/peers", tag = "identities",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = Option<NamedIdentities>)))]
pub(super) async fn peers(Segment(id): Segment, Shards(router): Shards) -> Response {
    match router.learned_peers(&id).await {
        Ok(peers) => Json(peers.map(NamedIdentities::from)).into_response(),
        Err(error) => query_problem(&error),
    }
}

async fn read(router: &QueryRouter, id: &str) -> Result<Baseline, QueryError> {
    let explained = router.explain_identity(id, b"").await?;
    let portrait = router.portrait(id).await?;
    Ok(Baseline {
        explained,
        portrait: portrait.as_ref().map_or(Value::Null, portrait_json),
    })
}

/// The response to a query without a result.
pub(super) fn query_problem(error: &QueryError) -> Response {
    let status = match error {
        QueryError::Unknown(_) | QueryError::OtherInstance { .. } => StatusCode::NOT_FOUND,
        QueryError::NoEvent(_) => StatusCode::UNPROCESSABLE_ENTITY,
        QueryError::Rebalancing => StatusCode::SERVICE_UNAVAILABLE,
    };
    problem(status, &error.to_string())
}

/// The baselines of all instances.
pub(super) struct Baselines {
    here: Arc<QueryRouter>,
    instances: Option<Arc<InstanceDirectory>>,
}

impl FromRequestParts<AppState> for Baselines {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let Shards(here) = Shards::from_request_parts(parts, state).await?;
        let instances = state.instances.clone();
        Ok(Self { here, instances })
    }
}

impl Baselines {
    /// The other instances, most likely owner of `id` first.
    fn others(&self, id: &str) -> Vec<Instance> {
        let Some(directory) = &self.instances else {
            return Vec::new();
        };
        let urls = directory.others(id, wall_time().epoch_ms());
        let instance = |url| Instance {
            directory: Arc::clone(directory),
            url,
        };
        urls.into_iter().take(MAX_ASKED).map(instance).collect()
    }

    /// The baseline of `id`, and where it is.
    ///
    /// # Errors
    /// No instance that could be asked has one.
    pub(super) async fn find(&self, id: &str) -> Result<(Baseline, Owner), QueryError> {
        let error = match read(&self.here, id).await {
            Ok(found) => return Ok((found, Owner::Here(Arc::clone(&self.here)))),
            Err(error) => error,
        };
        let segment = utf8_percent_encode(id, NON_ALPHANUMERIC);
        let path = format!("/v1/identities/{segment}/baseline");
        for other in self.others(id) {
            match other.ask(&path, Vec::new(), None).await {
                Ok(found) => return Ok((found, Owner::Other(other))),
                Err(error) => debug!(%error, "no baseline of {id}"),
            }
        }
        Err(error)
    }

    /// The baseline of `id` and the scores of `events`, from the shards of this process.
    ///
    /// # Errors
    /// As for [`QueryRouter::explain_identity`].
    pub(super) async fn explain_here(
        &self,
        id: &str,
        events: &[u8],
    ) -> Result<BaselineExplanation, QueryError> {
        self.here.explain_identity(id, events).await
    }

    /// The same, from the instance that knows it.
    ///
    /// # Errors
    /// As for [`QueryRouter::explain_identity`].
    pub(super) async fn explain(
        &self,
        id: &str,
        events: &[u8],
    ) -> Result<BaselineExplanation, QueryError> {
        let here = self.explain_here(id, events).await;
        let is_known = |explained: &BaselineExplanation| explained.known.is_some();
        if here.as_ref().is_ok_and(is_known) {
            return here;
        }
        for other in self.others(id) {
            match other.explain(id, events.to_vec()).await {
                Ok(found) if is_known(&found) => return Ok(found),
                Ok(_) => {}
                Err(error) => debug!(%error, "no baseline of {id}"),
            }
        }
        here
    }

    /// Privileges unused for `days` days, of all instances that answer; the report says of how many
    /// partitions.
    ///
    /// # Errors
    /// A partition of this process is moving.
    pub(super) async fn hygiene(&self, days: u16) -> Result<HygieneReport, QueryError> {
        let mut report = self.here.hygiene(days).await?;
        for other in self.others("") {
            let query = vec![("days", days.to_string())];
            match other.ask("/v1/drift", query, None).await {
                Ok(of_instance) => report.merge(of_instance),
                Err(error) => warn!(%error, "unused privileges of another instance are missing"),
            }
        }
        Ok(report)
    }
}

impl Owner {
    /// What `event` would score for `id` if it were the next one; `None` where that is not known.
    pub(super) async fn score(&self, id: &str, event: &Value) -> Option<ScoredEvent> {
        let event = event.to_string().into_bytes();
        let explained = match self {
            Self::Here(router) => router.explain_identity(id, &event).await.ok(),
            Self::Other(instance) => instance.explain(id, event).await.ok(),
        };
        explained.and_then(|explained| explained.events.into_iter().next())
    }
}

impl Owner {
    /// Identities with habits like those of `id`; `None` where they are not known.
    pub(super) async fn peers(&self, id: &str) -> Option<NamedIdentities> {
        match self {
            Self::Here(router) => router.learned_peers(id).await.ok()?.map(Into::into),
            Self::Other(instance) => {
                let segment = utf8_percent_encode(id, NON_ALPHANUMERIC);
                let path = format!("/v1/identities/{segment}/peers");
                instance.ask(&path, Vec::new(), None).await.ok()?
            }
        }
    }
}

impl Instance {
    /// The baseline of `id` and the scores of `events`, from its own shards.
    async fn explain(
        &self,
        id: &str,
        events: Vec<u8>,
    ) -> Result<BaselineExplanation, ServiceError> {
        let query = vec![("identity", id.to_owned()), ("forward", "false".to_owned())];
        self.ask("/v1/explain", query, Some(events)).await
    }

    /// Requests `path`, on a thread that may wait.
    async fn ask<T: DeserializeOwned + Send + 'static>(
        &self,
        path: &str,
        query: Vec<(&'static str, String)>,
        body: Option<Vec<u8>>,
    ) -> Result<T, ServiceError> {
        let directory = Arc::clone(&self.directory);
        let (url, path) = (self.url.clone(), path.to_owned());
        let asked = tokio::task::spawn_blocking(move || {
            let query: Vec<(&str, &str)> = query.iter().map(|(k, v)| (*k, v.as_str())).collect();
            let service = ServiceClient::new(&url, directory.token());
            let service = service.with_timeout(RESPONSE_TIMEOUT);
            service.ask(&path, &query, body.as_deref())
        });
        asked
            .await
            .unwrap_or_else(|error| Err(ServiceError::new(&self.url, &error)))
    }
}

/// A portrait as JSON.
fn portrait_json(portrait: &Portrait) -> Value {
    let shares = |values: &[ValueShare]| -> Value {
        values
            .iter()
            .map(|value| json!({"name": value.name, "share": value.share}))
            .collect()
    };
    let log_normal = |of: &LogNormal| {
        let (n, mean, sd) = (of.observations, of.mean_log, of.sd_log);
        json!({"n": n, "mean_log": mean, "sd_log": sd})
    };
    let optional = |of: &Option<LogNormal>| of.as_ref().map(log_normal);
    json!({
        "hosts": shares(&portrait.hosts),
        "prefixes": shares(&portrait.prefixes),
        "networks": shares(&portrait.networks),
        "countries": shares(&portrait.countries),
        "clients": shares(&portrait.clients),
        "actions": shares(&portrait.actions),
        "resources": shares(&portrait.resources),
        "hours": portrait.hours.to_vec(),
        "rate": optional(&portrait.events_per_hour),
        "fan_out": optional(&portrait.distinct_per_hour),
        "lifetimes": portrait.lifetimes_secs.iter().map(log_normal).collect::<Vec<_>>(),
        "refresh": optional(&portrait.refresh_secs),
        "failure_share": portrait.failure_share,
    })
}
