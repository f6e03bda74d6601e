//! Errors of the API as problem details (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// Problem details, with the text for people in `detail` and, for scripts of old, in `error`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Always `about:blank`: the status says what kind it is.
    #[serde(rename = "type")]
    #[schema(rename = "type")]
    kind: &'static str,
    /// Name of the status.
    title: String,
    /// Status.
    status: u16,
    /// What is wrong and what to do.
    detail: String,
    /// The same.
    error: String,
}

/// An error response.
pub(super) fn problem(status: StatusCode, why: &str) -> Response {
    let body = Problem {
        kind: "about:blank",
        title: status.canonical_reason().unwrap_or_default().to_owned(),
        status: status.as_u16(),
        detail: why.to_owned(),
        error: why.to_owned(),
    };
    let mut response = (status, axum::Json(body)).into_response();
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("application/problem+json");
    headers.insert(header::CONTENT_TYPE, kind);
    if status == StatusCode::UNAUTHORIZED {
        // RFC 6750, section 3.
        let challenge = HeaderValue::from_static("Bearer realm=\"credwatch\"");
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
