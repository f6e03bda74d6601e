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
use crate::reports::unused_privileges::UnusedPrivilegesReport;
use crate::service_client::{ServiceClient, ServiceError};
use crate::shard::QueryError;
use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use credwatch_core::engine::{LogNormal, Portrait, ValueShare};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tracing::{debug, warn};

/// A page waits no longer than this for another instance.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Other instances that are asked for one identity.
const MAX_ASKED: usize = 16;

const EXPLAIN: &str = "/v1/explain";

/// The other instance answers from its own shards.
fn explain_query(id: &str) -> Vec<(&'static str, String)> {
    vec![("identity", id.to_owned()), ("forward", "false".to_owned())]
}

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

/// The shard that answered.
#[derive(Debug)]
pub(super) enum Owner {
    /// Of this process.
    Here(Arc<QueryRouter>),
    /// Of the instance at an address.
    Instance(Arc<InstanceDirectory>, String),
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
    /// The baseline of `id`, and where it is.
    ///
    /// # Errors
    /// No instance that could be asked has one.
    pub(super) async fn find(&self, id: &str) -> Result<(Baseline, Owner), QueryError> {
        let here = read(&self.here, id).await;
        let error = match here {
            Ok(found) => return Ok((found, Owner::Here(Arc::clone(&self.here)))),
            Err(error) => error,
        };
        let Some(instances) = &self.instances else {
            return Err(error);
        };
        let path = format!("/v1/identities/{}/baseline", percent_encoded(id));
        let others = instances.others(id, wall_time().epoch_ms());
        for url in others.into_iter().take(MAX_ASKED) {
            match ask(instances, &url, &path, Vec::new(), None).await {
                Ok(found) => return Ok((found, Owner::Instance(Arc::clone(instances), url))),
                Err(error) => debug!(%error, "no baseline of {id}"),
            }
        }
        Err(error)
    }
}

impl Baselines {
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
        let Some(instances) = self
            .instances
            .as_ref()
            .filter(|_| !here.as_ref().is_ok_and(is_known))
        else {
            return here;
        };
        let others = instances.others(id, wall_time().epoch_ms());
        for url in others.into_iter().take(MAX_ASKED) {
            let asked = ask(
                instances,
                &url,
                EXPLAIN,
                explain_query(id),
                Some(events.to_vec()),
            );
            match asked.await {
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
    pub(super) async fn unused_privileges(
        &self,
        days: u16,
    ) -> Result<UnusedPrivilegesReport, QueryError> {
        let mut report = self.here.unused_privileges(days).await?;
        let Some(instances) = &self.instances else {
            return Ok(report);
        };
        let others = instances.others("", wall_time().epoch_ms());
        for url in others.into_iter().take(MAX_ASKED) {
            let query = vec![("days", days.to_string())];
            match ask(instances, &url, "/v1/drift", query, None).await {
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
            Self::Instance(instances, url) => {
                let asked = ask(instances, url, EXPLAIN, explain_query(id), Some(event));
                asked.await.ok()
            }
        };
        explained.and_then(|explained: BaselineExplanation| explained.events.into_iter().next())
    }
}

/// Asks the instance at `url`, on a thread that may wait.
async fn ask<T: DeserializeOwned + Send + 'static>(
    instances: &Arc<InstanceDirectory>,
    url: &str,
    path: &str,
    query: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
) -> Result<T, ServiceError> {
    let (instances, url, path) = (Arc::clone(instances), url.to_owned(), path.to_owned());
    let asked = tokio::task::spawn_blocking(move || {
        let query: Vec<(&str, &str)> = query.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let service = ServiceClient::new(&url, instances.token()).with_timeout(RESPONSE_TIMEOUT);
        service.ask(&path, &query, body.as_deref())
    });
    asked
        .await
        .unwrap_or_else(|error| Err(ServiceError::new("another instance", &error)))
}

/// `text` as a segment of a path.
fn percent_encoded(text: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
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
