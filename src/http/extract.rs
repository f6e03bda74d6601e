//! Parameters of requests, whose errors are problem details.

use super::problem::problem;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde::de::DeserializeOwned;

/// Parameters after the `?`.
pub(super) struct Parameters<T>(pub(super) T);

/// A part of the path.
pub(super) struct Segment(pub(super) String);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let parsed: Result<Query<T>, QueryRejection> =
            Query::from_request_parts(parts, state).await;
        let refused = |why: QueryRejection| problem(StatusCode::BAD_REQUEST, &why.body_text());
        parsed
            .map(|Query(parameters)| Self(parameters))
            .map_err(refused)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let parsed: Result<Path<String>, PathRejection> =
            Path::from_request_parts(parts, state).await;
        let refused = |why: PathRejection| problem(StatusCode::BAD_REQUEST, &why.body_text());
        parsed.map(|Path(segment)| Self(segment)).map_err(refused)
    }
}
