//! The API under `/v1`: queries of running shards, and feedback. On loopback only, and with a bearer token.

use super::{AppState, FeedbackRequest};
use crate::config::Secret;
use crate::feedback::model::{ContainmentCommand, Feedback};
use crate::shard::QueryError;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::oneshot;

/// Why the API is available on loopback only.
pub(super) const NOT_LOOPBACK: &str = "the API is available on loopback only, because http.listen has \
                                       no TLS: put a TLS proxy in front of a loopback address";

/// Parameters of an identity query.
#[derive(Deserialize)]
pub(super) struct ExplainQuery {
    identity: String,
}

pub(super) fn problem(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}

/// Whether a request carries the token.
pub(super) fn has_bearer_token(headers: &HeaderMap, expected: &Secret) -> bool {
    let given = headers.get(header::AUTHORIZATION);
    let given = given.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    !expected.is_empty() && given.is_some_and(|given| expected.matches(given))
}

/// Rejects requests without the token.
pub(super) async fn guard(State(state): State<AppState>, request: Request, next: Next) -> Response {
    match check_access(&state, request.headers()) {
        Ok(()) => next.run(request).await,
        Err((status, why)) => problem(status, why),
    }
}

fn check_access(state: &AppState, headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
    let Some(expected) = state.token.as_ref().filter(|token| !token.is_empty()) else {
        let why = "the API is off: set http.token_file, or CREDWATCH_HTTP__TOKEN";
        return Err((StatusCode::FORBIDDEN, why));
    };
    if !state.is_loopback {
        return Err((StatusCode::FORBIDDEN, NOT_LOOPBACK));
    }
    if !has_bearer_token(headers, expected) {
        let why = "send the bearer token of http.token_file";
        return Err((StatusCode::UNAUTHORIZED, why));
    }
    Ok(())
}

/// The baseline of an identity, and what the events in the body would score.
pub(super) async fn explain(
    State(state): State<AppState>,
    Query(target): Query<ExplainQuery>,
    events: Bytes,
) -> Response {
    let Some(router) = &state.query_router else {
        return problem(
            StatusCode::NOT_FOUND,
            "this process does not run the detect stage",
        );
    };
    match router.explain_identity(&target.identity, &events).await {
        Ok(explained) => Json(explained).into_response(),
        Err(error) => {
            let status = match error {
                QueryError::Unknown(_) | QueryError::OtherInstance { .. } => StatusCode::NOT_FOUND,
                QueryError::NoEvent(_) => StatusCode::UNPROCESSABLE_ENTITY,
                QueryError::Rebalancing => StatusCode::SERVICE_UNAVAILABLE,
            };
            problem(status, &error.to_string())
        }
    }
}

/// Minimum time without use.
#[derive(Deserialize)]
pub(super) struct DriftQuery {
    days: u16,
}

/// Unused privileges.
pub(super) async fn drift(
    State(state): State<AppState>,
    Query(since): Query<DriftQuery>,
) -> Response {
    let Some(router) = &state.query_router else {
        return problem(
            StatusCode::NOT_FOUND,
            "this process does not run the detect stage",
        );
    };
    match router.unused_privileges(since.days).await {
        Ok(unused) => Json(unused).into_response(),
        Err(error) => problem(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

/// Author and reason.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthorBody {
    by: String,
    reason: Option<String>,
}

/// Publishes feedback, as on the feedback topic.
pub(super) async fn feedback(State(state): State<AppState>, record: Bytes) -> Response {
    match Feedback::parse(&record) {
        Ok(feedback) => publish(&state, feedback).await,
        Err(error) => problem(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()),
    }
}

/// Pauses containment.
pub(super) async fn pause(State(state): State<AppState>, Json(who): Json<AuthorBody>) -> Response {
    set_containment(&state, ContainmentCommand::Pause, who).await
}

/// Resumes containment.
pub(super) async fn resume(State(state): State<AppState>, Json(who): Json<AuthorBody>) -> Response {
    set_containment(&state, ContainmentCommand::Resume, who).await
}

async fn set_containment(
    state: &AppState,
    containment: ContainmentCommand,
    who: AuthorBody,
) -> Response {
    let feedback = Feedback {
        containment: Some(containment),
        by: who.by,
        reason: who.reason,
        ..Feedback::default()
    };
    match feedback.command() {
        Ok(_) => publish(state, feedback).await,
        Err(error) => problem(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()),
    }
}

async fn publish(state: &AppState, feedback: Feedback) -> Response {
    let Some(feedback_requests) = &state.feedback_requests else {
        return problem(
            StatusCode::NOT_FOUND,
            "this process does not publish feedback",
        );
    };
    let (done, confirmation) = oneshot::channel();
    let is_taken = feedback_requests
        .send(FeedbackRequest { feedback, done })
        .await
        .is_ok();
    match confirmation.await {
        Ok(Ok(confirmation)) if is_taken => {
            Json(json!({"confirmation": confirmation.trim()})).into_response()
        }
        Ok(Err(why)) => problem(StatusCode::SERVICE_UNAVAILABLE, &why),
        _ => problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "the service is shutting down",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use crate::metrics::Metrics;

    fn status(token: Option<&str>, is_loopback: bool, authorization: &str) -> Option<StatusCode> {
        let state = AppState {
            metrics: Metrics::new("test").unwrap(),
            status: None,
            query_router: None,
            signer: None,
            poll_queues: Vec::new(),
            feedback_requests: None,
            token: token.map(|token| Secret::new(token.to_owned())),
            is_loopback,
        };
        let mut headers = HeaderMap::new();
        headers.insert("authorization", authorization.parse().unwrap());
        check_access(&state, &headers)
            .err()
            .map(|(status, _)| status)
    }

    #[test]
    fn the_api_requires_a_token_and_loopback() {
        let (forbidden, unauthorized) = (StatusCode::FORBIDDEN, StatusCode::UNAUTHORIZED);
        assert_eq!(status(Some("secret"), true, "Bearer secret"), None);
        assert_eq!(
            status(Some("secret"), true, "Bearer guess"),
            Some(unauthorized)
        );
        assert_eq!(
            status(Some("secret"), false, "Bearer secret"),
            Some(forbidden)
        );
        assert_eq!(status(None, true, "Bearer "), Some(forbidden));
        assert_eq!(status(Some(""), true, "Bearer "), Some(forbidden));
    }
}
