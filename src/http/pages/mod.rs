//! The console: pages whose frame, and what can be read without script, the server writes. Lists, charts,
//! keys and live updates are the scripts of `assets`, which use the API and nothing else.

mod assets;
mod log_in;
mod readable;
mod shell;

use super::AppState;
use super::access::{Caller, authenticate_page};
use super::oidc::CALLBACK;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use maud::Markup;

/// A page of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Now,
    Incident,
    Identity,
    Source,
    Hygiene,
    Approvals,
    Audit,
    Tuning,
    Settings,
}

impl Page {
    fn name(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Incident => "incident",
            Self::Identity => "identity",
            Self::Source => "source",
            Self::Hygiene => "hygiene",
            Self::Approvals => "approvals",
            Self::Audit => "audit",
            Self::Tuning => "tuning",
            Self::Settings => "settings",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Now => "Now",
            Self::Incident => "Incident",
            Self::Identity => "Identity",
            Self::Source => "Source",
            Self::Hygiene => "Hygiene",
            Self::Approvals => "Approvals",
            Self::Audit => "Audit",
            Self::Tuning => "Tuning",
            Self::Settings => "Settings",
        }
    }
}

/// What a page may load and who may frame it. Scripts and styles are files of ours; nothing is inline.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'";

/// The routes of the console.
pub(super) fn routes(state: &AppState) -> Router<AppState> {
    let plain = |page: Page| {
        get(
            move |state: State<AppState>, caller: Caller| async move { show(&state, &caller, page, "") },
        )
    };
    let of_id = |page: Page| {
        get(
            move |state: State<AppState>, caller: Caller, Path(id): Path<String>| async move {
                show(&state, &caller, page, &id)
            },
        )
    };
    Router::new()
        .route("/", plain(Page::Now))
        .route("/incident/{id}", of_id(Page::Incident))
        .route("/identity/{id}", of_id(Page::Identity))
        .route("/source/{network}", of_id(Page::Source))
        .route("/hygiene", plain(Page::Hygiene))
        .route("/approvals", plain(Page::Approvals))
        .route("/audit", plain(Page::Audit))
        .route("/tuning", plain(Page::Tuning))
        .route("/settings", plain(Page::Settings))
        .route_layer(from_fn_with_state(state.clone(), authenticate_page))
        .route("/login", get(log_in::form).post(log_in::log_in))
        .route("/login/oidc", get(log_in::begin_oidc))
        .route(CALLBACK, get(log_in::finish_oidc))
        .route("/logout", post(log_in::log_out))
        .route("/assets/{version}/{name}", get(assets::asset))
        .layer(map_response(with_security_headers))
}

fn show(state: &AppState, caller: &Caller, page: Page, id: &str) -> Response {
    let Some(console) = &state.console else {
        return axum::http::StatusCode::NOT_FOUND.into_response();
    };
    let content = readable::content(console, page, id);
    html(&shell::page(state, console, caller, (page, id), &content))
}

fn html(markup: &Markup) -> Response {
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    (no_store, Html(markup.0.clone())).into_response()
}

async fn with_security_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        ("content-security-policy", CONTENT_SECURITY_POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
