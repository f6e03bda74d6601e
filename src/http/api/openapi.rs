//! `GET /v1/openapi.json`: the API as an OpenAPI 3.1 document.

use super::{
    approvals, audit, baselines, detection_health, identities, incidents, queries, settings,
    sources, stream, tuning, writes,
};
use crate::http::problem::Problem;
use axum::Json;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, OpenApi as Document, Ref, RefOr, ResponseBuilder, Responses};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "credwatch",
        description = "Incidents, identities, audit trail and containment. Times are \
        epoch milliseconds. Errors are problem details (RFC 9457)."
    ),
    paths(
        detection_health::health,
        incidents::list,
        incidents::incident,
        incidents::timeline,
        identities::list,
        identities::identity,
        baselines::baseline,
        baselines::peers,
        sources::source,
        approvals::list,
        audit::records,
        audit::verify,
        tuning::tuning,
        settings::settings,
        queries::explain,
        queries::drift,
        queries::hygiene,
        writes::feedback,
        writes::pause,
        writes::resume,
        stream::stream,
    ),
    components(schemas(Problem))
)]
struct Api;

/// What every request may be answered.
const COMMON: [(&str, &str); 6] = [
    ("400", "A parameter is malformed"),
    ("401", "Nobody is logged in"),
    ("403", "Not permitted"),
    ("404", "There is no such thing here"),
    ("405", "The method is not known here"),
    ("503", "Not now: try again"),
];

/// The document.
pub(super) async fn document() -> Json<Document> {
    let mut document = Api::openapi();
    let components = document.components.get_or_insert_default();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    let cookie = ApiKey::Cookie(ApiKeyValue::new(crate::http::access::COOKIE));
    components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post].into_iter().flatten();
        operations.for_each(|operation| describe_errors(&mut operation.responses));
    }
    Json(document)
}

/// Every error is problem details, whichever handler answers it.
fn describe_errors(responses: &mut Responses) {
    for (status, what) in COMMON {
        let response = ResponseBuilder::new().description(what).build();
        let known = responses.responses.entry(status.to_owned());
        known.or_insert_with(|| response.into());
    }
    let is_error = |status: &str| status.starts_with(['4', '5']);
    for (status, response) in &mut responses.responses {
        if let RefOr::T(response) = response
            && is_error(status)
        {
            let problem = Content::new(Some(Ref::from_schema_name("Problem")));
            response.content = [("application/problem+json".to_owned(), problem)].into();
        }
    }
}
