//! Who sends a request: a bearer token, a session, a trusted proxy, or anybody on a console without log-in.

use super::AppState;
use super::oidc::OidcLogIn;
use super::problem::problem;
use crate::config::Secret;
use crate::console::access::{Person, Right, Role};
use crate::console::sessions::{Limited, Sessions};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// Why the API is available on loopback only.
pub(super) const NOT_LOOPBACK: &str = "the API is available on loopback only, because http.listen has \
                                       no TLS: put a TLS proxy in front of a loopback address";
/// Cookie of a session. The prefix keeps it to this host, to TLS and to the path `/`.
pub(super) const COOKIE: &str = "__Host-credwatch";
/// A header that no other site can send.
pub(super) const OWN_HEADER: &str = "x-credwatch";

/// A person whom a token of their own, or the proxy, identifies.
#[derive(Clone, Debug)]
pub struct KnownPerson {
    /// Name and roles.
    pub person: Person,
    /// Token for logging in and for the API; `None`: identified by the proxy or the identity provider only.
    pub token: Option<Secret>,
}

/// A proxy that authenticates people.
#[derive(Clone, Debug)]
pub struct TrustedProxy {
    /// Header with the name of the person.
    pub user_header: String,
    /// What the proxy sends in `X-Credwatch-Proxy`, so that nobody else can name a person.
    pub secret: Secret,
}

/// How requests are authenticated.
#[derive(Debug)]
pub enum AccessPolicy {
    /// Everybody is this person: for a demonstration, or for files.
    Open(Person),
    /// People log in.
    LogIn {
        /// Those who may.
        people: Vec<KnownPerson>,
        /// A proxy that authenticates them.
        proxy: Option<TrustedProxy>,
        /// Their sessions.
        sessions: Sessions,
        /// An identity provider that authenticates them.
        oidc: Option<Arc<OidcLogIn>>,
    },
}

/// How the sender of a request was identified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    /// The token of the service, whose holder may name others.
    ServiceToken,
    /// A token of a person.
    PersonToken,
    /// A session, by its token.
    Session(String),
    /// A trusted proxy.
    Proxy,
    /// A console without log-in.
    Open,
}

/// The sender of a request.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) person: Person,
    pub(super) channel: Channel,
}

impl Caller {
    /// Whether the caller may; otherwise the response that says why not.
    pub(super) fn require(&self, right: Right) -> Result<(), Box<Response>> {
        if self.person.may(right) {
            return Ok(());
        }
        let (name, role) = (&self.person.name, right.lowest_role());
        let why = format!(
            "{name} may not do that: it takes the role {role}, which an administrator gives"
        );
        Err(Box::new(problem(StatusCode::FORBIDDEN, &why)))
    }
}

/// Whether a request carries the token.
pub(super) fn has_bearer_token(headers: &HeaderMap, expected: &Secret) -> bool {
    bearer(headers).is_some_and(|token| !expected.is_empty() && expected.matches(token))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(header::AUTHORIZATION)?;
    let (scheme, token) = given.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then_some(token)
}

/// The token in the cookie of a session.
pub(super) fn session_token(headers: &HeaderMap) -> Option<&str> {
    cookie_of(headers, COOKIE)
}

/// The value of a cookie.
pub(super) fn cookie_of<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let cookies = cookies.filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// Who sends a request, or why nobody is known to.
fn identify(state: &AppState, headers: &HeaderMap) -> Result<Caller, (StatusCode, &'static str)> {
    if !state.is_loopback {
        return Err((StatusCode::FORBIDDEN, NOT_LOOPBACK));
    }
    let service_token = state.token.as_ref().filter(|token| !token.is_empty());
    if service_token.is_some_and(|token| has_bearer_token(headers, token)) {
        return Ok(Caller {
            person: Person::new("service token", Role::ALL),
            channel: Channel::ServiceToken,
        });
    }
    let access = state.console.as_ref().map(|console| &console.access);
    match access.map(AsRef::as_ref) {
        Some(AccessPolicy::Open(person)) if is_local_name(headers) => Ok(Caller {
            person: person.clone(),
            channel: Channel::Open,
        }),
        Some(AccessPolicy::Open(_)) => Err((
            StatusCode::FORBIDDEN,
            "this console has no log-in: open it by the address that it printed",
        )),
        Some(AccessPolicy::LogIn {
            people,
            proxy,
            sessions,
            ..
        }) => by_log_in(headers, people, proxy.as_ref(), sessions),
        None if service_token.is_none() => {
            let why = "the API is off: set http.token_file, or CREDWATCH_HTTP__TOKEN";
            Err((StatusCode::FORBIDDEN, why))
        }
        None => Err((
            StatusCode::UNAUTHORIZED,
            "send the bearer token of http.token_file",
        )),
    }
}

fn by_log_in(
    headers: &HeaderMap,
    people: &[KnownPerson],
    proxy: Option<&TrustedProxy>,
    sessions: &Sessions,
) -> Result<Caller, (StatusCode, &'static str)> {
    let caller = |person: &Person, channel: Channel| Caller {
        person: person.clone(),
        channel,
    };
    let of_token = |known: &&KnownPerson| {
        let token = known.token.as_ref();
        token.is_some_and(|token| has_bearer_token(headers, token))
    };
    if let Some(known) = people.iter().find(of_token) {
        return Ok(caller(&known.person, Channel::PersonToken));
    }
    if let Some(token) = session_token(headers)
        && let Some(person) = sessions.find(token)
    {
        return Ok(caller(&person, Channel::Session(token.to_owned())));
    }
    if let Some(proxy) = proxy
        && let Some(name) = named_by_proxy(headers, proxy)
        && let Some(known) = people.iter().find(|known| known.person.name == name)
    {
        return Ok(caller(&known.person, Channel::Proxy));
    }
    let why = "log in, or send a bearer token: one of http.token_file or of console.people";
    Err((StatusCode::UNAUTHORIZED, why))
}

fn named_by_proxy<'h>(headers: &'h HeaderMap, proxy: &TrustedProxy) -> Option<&'h str> {
    let secret = headers.get("x-credwatch-proxy")?.to_str().ok()?;
    if proxy.secret.is_empty() || !proxy.secret.matches(secret) {
        return None;
    }
    headers.get(&proxy.user_header)?.to_str().ok()
}

/// Whether the request names this host by a name that no other site can make point here.
fn is_local_name(headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let name = host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
    matches!(name, Some("localhost" | "127.0.0.1" | "[::1]"))
}

/// Whether a write with ambient authority comes from a page of ours.
fn is_own_page(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    headers.contains_key(OWN_HEADER) && matches!(site, None | Some(b"same-origin"))
}

/// Identifies the sender of a request to the API; rejects requests of nobody, and writes from other sites.
pub(super) async fn authenticate(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = match identify(&state, request.headers()) {
        Ok(caller) => caller,
        Err((status, why)) => return problem(status, why),
    };
    let is_ambient = !matches!(caller.channel, Channel::ServiceToken | Channel::PersonToken);
    let is_write = request.method() != Method::GET && request.method() != Method::HEAD;
    if is_ambient && is_write && !is_own_page(request.headers()) {
        let why = "a write comes from a page of this console: send the header X-Credwatch";
        return problem(StatusCode::FORBIDDEN, why);
    }
    if let Err(refused) = caller.require(Right::Read) {
        return *refused;
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// Sends browsers that nobody is logged in with to the log-in page.
pub(super) async fn authenticate_page(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    match identify(&state, request.headers()) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err((StatusCode::UNAUTHORIZED, _)) => {
            let there = [(header::LOCATION, "/login")];
            (StatusCode::SEE_OTHER, there).into_response()
        }
        Err((status, why)) => (status, why).into_response(),
    }
}

impl<S: Sync> axum::extract::FromRequestParts<S> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| problem(StatusCode::UNAUTHORIZED, "log in"))
    }
}

impl AccessPolicy {
    /// Whether the session of `caller` may do another `what` now.
    pub(super) fn admits(&self, caller: &Caller, what: Limited) -> bool {
        match (self, &caller.channel) {
            (Self::LogIn { sessions, .. }, Channel::Session(token)) => sessions.admits(token, what),
            _ => true,
        }
    }
}
