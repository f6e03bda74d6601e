//! `GET /v1/settings`: the configuration without secrets, who asks, and versions.

use super::ConsoleService;
use crate::config::ListedSetting;
use crate::console::access::Right;
use crate::http::AppState;
use crate::http::access::{Caller, Channel};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// The person who asks.
#[derive(Serialize, ToSchema)]
pub(super) struct You {
    name: String,
    may: Vec<Right>,
    /// Whether a session can be ended.
    can_log_out: bool,
}

/// Settings.
#[derive(Serialize, ToSchema)]
pub(super) struct Settings {
    as_of: i64,
    you: You,
    version: &'static str,
    commit: &'static str,
    model_hash: String,
    configuration: Vec<ListedSetting>,
    /// Ids of the keys that orders are signed with.
    keys: Vec<String>,
}

#[utoipa::path(get, path = "/v1/settings", tag = "settings",
    responses((status = 200, body = Settings)))]
pub(super) async fn settings(
    State(state): State<AppState>,
    caller: Caller,
    console: ConsoleService,
) -> Response {
    let keys = state.signer.as_ref().map(|signer| signer.keys().ids());
    Json(Settings {
        as_of: console.model.now_ms(),
        you: You {
            name: caller.person.name.clone(),
            may: match console.is_read_only {
                true => vec![Right::Read],
                false => caller.person.rights(),
            },
            can_log_out: matches!(caller.channel, Channel::Session(_)),
        },
        version: env!("CARGO_PKG_VERSION"),
        commit: env!("BUILD_COMMIT"),
        model_hash: console.settings.model_hash.clone(),
        configuration: console.settings.configuration.clone(),
        keys: keys.unwrap_or_default(),
    })
    .into_response()
}
