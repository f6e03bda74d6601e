//! `GET /v1/audit` and `/v1/audit/verify`: who did what, and whether the trail is whole.

use super::ConsoleService;
use super::incidents::page_limit;
use crate::console::audit_log::{AuditLog, AuditQuery, ChainState};
use crate::http::extract::Parameters;
use crate::http::problem::problem;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Which records.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(super) struct RecordsQuery {
    /// Text within the record, such as a name or an order.
    q: String,
    /// Type of the entry, such as `decision`.
    what: String,
    /// Earliest time, epoch milliseconds.
    from: Option<i64>,
    /// Latest time, epoch milliseconds.
    to: Option<i64>,
    /// The cursor of the previous page.
    after: String,
    /// Most records to return.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
}

/// Records, latest first.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditRecords {
    as_of: i64,
    #[schema(value_type = Vec<Object>)]
    records: Vec<Value>,
    /// Cursor of the next page.
    next: Option<String>,
}

/// The state of the trail.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditState {
    as_of: i64,
    shards: Vec<ChainState>,
}

#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(RecordsQuery),
    responses((status = 200, body = AuditRecords)))]
pub(super) async fn records(
    Parameters(query): Parameters<RecordsQuery>,
    console: ConsoleService,
) -> Response {
    let before = match query.after.as_str() {
        "" => None,
        cursor => match cursor.parse() {
            Ok(before) => Some(before),
            Err(_) => {
                let why = "`after` is no cursor of a previous page";
                return problem(StatusCode::BAD_REQUEST, why);
            }
        },
    };
    let limit = match page_limit(query.limit) {
        Ok(limit) => limit,
        Err(refused) => return *refused,
    };
    let query = AuditQuery {
        text: query.q,
        what: query.what,
        from: query.from,
        to: query.to,
        before,
        limit,
    };
    let (records, next) = console.model.with_audit(|audit| audit.find(&query));
    Json(AuditRecords {
        as_of: console.model.now_ms(),
        records,
        next: next.map(|next| next.to_string()),
    })
    .into_response()
}

#[utoipa::path(get, path = "/v1/audit/verify", tag = "audit",
    responses((status = 200, body = AuditState)))]
pub(super) async fn verify(console: ConsoleService) -> Response {
    Json(AuditState {
        as_of: console.model.now_ms(),
        shards: console.model.with_audit(AuditLog::chains),
    })
    .into_response()
}
