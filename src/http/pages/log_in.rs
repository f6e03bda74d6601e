//! Logging in with a token, and out.

use super::html as page_of;
use super::shell::{head, icon};
use crate::console::sessions::Sessions;
use crate::http::AppState;
use crate::http::access::{AccessPolicy, COOKIE, OWN_HEADER, cookie_of, session_token};
use crate::http::oidc::{OidcError, OidcLogIn};
use axum::Form;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, html};
use serde::Deserialize;
use std::sync::Arc;

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct Credentials {
    #[serde(default)]
    token: String,
}

/// The log-in page.
pub(super) async fn form(State(state): State<AppState>) -> Response {
    page(&state, None)
}

fn page(state: &AppState, error: Option<&str>) -> Response {
    let access = state.console.as_ref().map(|console| &*console.access);
    let is_open = matches!(access, None | Some(AccessPolicy::Open(_)));
    let has_oidc = matches!(access, Some(AccessPolicy::LogIn { oidc: Some(_), .. }));
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            (head("Log in", None))
            body.login {
                main id="main" {
                    div.panel { div.body {
                        h1 { (icon("brand")) "credwatch" }
                        @if is_open {
                            p { "This console needs no log-in. " a href="/" { "Open it" } }
                        } @else {
                            @if let Some(error) = error { p.bar.bad role="alert" { (error) } }
                            @if has_oidc {
                                p { a.b.main href="/login/oidc" { "Log in with the identity provider" } }
                            }
                            form method="post" action="/login" {
                                label for="token" { "Your token" }
                                input type="password" id="token" name="token" required
                                    autocomplete="current-password" autofocus;
                                button.b.main type="submit" { "Log in" }
                            }
                            p.small.dim { "Tokens are files named by console.people in the configuration." }
                        }
                    } }
                }
            }
        }
    };
    page_of(&markup)
}

/// Begins a session.
pub(super) async fn log_in(
    State(state): State<AppState>,
    headers: HeaderMap,
    Form(given): Form<Credentials>,
) -> Response {
    let access = state.console.as_ref().map(|console| &*console.access);
    let Some(AccessPolicy::LogIn {
        people, sessions, ..
    }) = access
    else {
        return page(&state, None);
    };
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    if !state.is_loopback || !matches!(site, None | Some(b"same-origin")) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let known = people.iter().find(|known| {
        let token = known.token.as_ref().filter(|token| !token.is_empty());
        token.is_some_and(|token| token.matches(given.token.trim()))
    });
    let begun = known.and_then(|known| sessions.begin(known.person.clone()));
    let Some(token) = begun else {
        let mut refused = page(&state, Some("Nobody has this token."));
        *refused.status_mut() = StatusCode::UNAUTHORIZED;
        return refused;
    };
    let secs = sessions.lifetime().as_secs();
    let headers = [
        (header::LOCATION, "/".to_owned()),
        (header::SET_COOKIE, cookie(&token, secs)),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// What the provider adds to the redirect URI.
#[derive(Deserialize)]
pub(super) struct Callback {
    #[serde(default)]
    state: String,
    #[serde(default)]
    code: String,
}

/// Cookie that binds a log-in in progress to the browser.
const LOG_IN_COOKIE: &str = "__Host-credwatch-login";

fn oidc(state: &AppState) -> Option<(Arc<OidcLogIn>, &Sessions)> {
    match &*state.console.as_ref()?.access {
        AccessPolicy::LogIn { oidc, sessions, .. } => Some((oidc.clone()?, sessions)),
        AccessPolicy::Open(_) => None,
    }
}

fn failed(state: &AppState, error: &dyn std::fmt::Display) -> Response {
    tracing::warn!("log-in by the identity provider: {error}");
    let mut refused = page(state, Some(&error.to_string()));
    *refused.status_mut() = StatusCode::UNAUTHORIZED;
    refused
}

/// Sends the browser to the identity provider.
pub(super) async fn begin_oidc(State(state): State<AppState>) -> Response {
    let Some((oidc, _)) = oidc(&state) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let begun = tokio::task::spawn_blocking(move || oidc.begin()).await;
    match begun {
        Ok(Ok(begun)) => {
            let binding = format!(
                "{LOG_IN_COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600",
                begun.state
            );
            let headers = [(header::LOCATION, begun.url), (header::SET_COOKIE, binding)];
            (StatusCode::SEE_OTHER, headers).into_response()
        }
        Ok(Err(error)) => failed(&state, &error),
        Err(error) => failed(&state, &error),
    }
}

/// Begins a session for whom the identity provider names. The page that follows is opened from here, not from
/// the provider's site, so that the browser sends the cookie.
pub(super) async fn finish_oidc(
    State(state): State<AppState>,
    headers: HeaderMap,
    Query(given): Query<Callback>,
) -> Response {
    let Some((oidc, sessions)) = oidc(&state) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if cookie_of(&headers, LOG_IN_COOKIE) != Some(&given.state) || given.state.is_empty() {
        return failed(&state, &OidcError::Unknown);
    }
    let finished =
        tokio::task::spawn_blocking(move || oidc.finish(&given.state, &given.code)).await;
    let person = match finished {
        Ok(Ok(person)) => person,
        Ok(Err(error)) => return failed(&state, &error),
        Err(error) => return failed(&state, &error),
    };
    let Some(token) = sessions.begin(person) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let begun = [(
        header::SET_COOKIE,
        cookie(&token, sessions.lifetime().as_secs()),
    )];
    let onward = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; meta http-equiv="refresh" content="0;url=/"; title { "Logged in" } }
            body { p { a href="/" { "Open the console" } } }
        }
    };
    (begun, page_of(&onward)).into_response()
}

/// A cookie that only this host gets, over TLS or on loopback, and that no script reads.
pub(super) fn cookie(token: &str, secs: u64) -> String {
    format!("{COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={secs}")
}

/// Ends the session.
pub(super) async fn log_out(State(state): State<AppState>, headers: HeaderMap) -> Response {
    let access = state.console.as_ref().map(|console| &*console.access);
    if !headers.contains_key(OWN_HEADER) {
        return StatusCode::FORBIDDEN.into_response();
    }
    if let (Some(AccessPolicy::LogIn { sessions, .. }), Some(token)) =
        (access, session_token(&headers))
    {
        sessions.end(token);
    }
    let gone = [(header::SET_COOKIE, cookie("", 0))];
    (StatusCode::NO_CONTENT, gone).into_response()
}
