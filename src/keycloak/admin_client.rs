//! Client of Keycloak's admin API with a service account: reads events, deletes sessions, disables users, and
//! requires a new password.

use crate::clock::Stopwatch;
use crate::config::{Realm, Secret};
use crate::http_client::{HttpClient, HttpClientError, HttpResponse};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::time::Duration;

/// Maximum size of a response; a page of events is far smaller.
const MAX_RESPONSE_BYTES: u64 = 16 * 1024 * 1024;
/// A token is renewed this long before it expires.
const TOKEN_EXPIRY_MARGIN: Duration = Duration::from_secs(10);
/// Maximum number of deletions of one session.
const MAX_DELETE_ATTEMPTS: u32 = 60;
/// Number of consecutive checks after which a session counts as absent,
const ABSENT_CONFIRMATIONS: u32 = 3;
/// and the interval between them, after which refreshes in progress are complete.
const ABSENT_INTERVAL: Duration = Duration::from_millis(50);

/// Why a request to the realm failed.
#[derive(Debug, thiserror::Error)]
pub enum KeycloakError {
    /// No response.
    #[error(transparent)]
    Outbound(#[from] HttpClientError),
    /// The request was rejected.
    #[error("Keycloak rejected {what}: {response}; {hint}")]
    Rejected {
        /// The request.
        what: String,
        /// The response.
        response: String,
        /// The remedy.
        hint: &'static str,
    },
    /// The object does not exist.
    #[error("{0} does not exist")]
    Absent(String),
    /// The server failed.
    #[error("Keycloak failed on {what}: {response}")]
    Unavailable {
        /// The request.
        what: String,
        /// The response.
        response: String,
    },
}

impl KeycloakError {
    /// Whether a retry may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Outbound(_) | Self::Unavailable { .. })
    }
}

/// Kind of event: of users, or of administrators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Logins, refreshes and the like.
    Users,
    /// Actions of administrators.
    Administrators,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    expires_in: u64,
}

/// A client of one realm.
#[derive(Debug)]
pub struct AdminClient {
    http: HttpClient,
    realm: Realm,
    token: Option<(Secret, Stopwatch, Duration)>,
}

impl AdminClient {
    /// A client of `realm` with the given `timeout`.
    ///
    /// # Errors
    /// The certificates cannot be read.
    pub fn new(realm: &Realm, timeout: Duration) -> Result<Self, KeycloakError> {
        Ok(Self {
            http: HttpClient::new(&realm.endpoint, timeout, MAX_RESPONSE_BYTES)?,
            realm: realm.clone(),
            token: None,
        })
    }

    /// One page of events since `since_ms`, oldest first, as raw JSON.
    ///
    /// # Errors
    /// The realm does not respond, or rejects the request.
    pub fn events(
        &mut self,
        of: EventKind,
        since_ms: i64,
        first: usize,
        most: usize,
    ) -> Result<Vec<Box<RawValue>>, KeycloakError> {
        let path = match of {
            EventKind::Users => "events",
            EventKind::Administrators => "admin-events",
        };
        let query = format!("dateFrom={since_ms}&direction=asc&first={first}&max={most}");
        let reply = self.call("GET", &format!("{path}?{query}"), None)?;
        serde_json::from_slice(&reply.body).map_err(|why| KeycloakError::Unavailable {
            what: path.to_owned(),
            response: why.to_string(),
        })
    }

    /// Deletes one session of a user; returns whether it existed. A session of another user is not
    /// deleted.
    ///
    /// # Errors
    /// The request failed, or there is no such user.
    pub fn end_session(&mut self, user: &str, session: &str) -> Result<bool, KeycloakError> {
        let is_theirs = self.sessions(user)?.iter().any(|known| known == session);
        if is_theirs {
            self.end(session)?;
        }
        Ok(is_theirs)
    }

    /// Deletes a session until it stays absent: a refresh in progress restores it (observed with 26.4), and
    /// then no list shows it, but deleting it again finds it.
    fn end(&mut self, session: &str) -> Result<(), KeycloakError> {
        let path = format!("sessions/{}", segment(session)?);
        let mut away = 0;
        for _ in 0..MAX_DELETE_ATTEMPTS {
            match self.call("DELETE", &path, None) {
                Ok(_) => away = 0,
                Err(KeycloakError::Absent(_)) => away += 1,
                Err(error) => return Err(error),
            }
            if away == ABSENT_CONFIRMATIONS {
                return Ok(());
            }
            std::thread::sleep(ABSENT_INTERVAL);
        }
        Err(KeycloakError::Unavailable {
            what: format!("DELETE {path}"),
            response: format!("it was restored {MAX_DELETE_ATTEMPTS} times"),
        })
    }

    fn sessions(&mut self, user: &str) -> Result<Vec<String>, KeycloakError> {
        #[derive(Deserialize)]
        struct Session {
            id: String,
        }
        let path = format!("users/{}/sessions", segment(user)?);
        let reply = self.call("GET", &path, None)?;
        // A malformed response must not be taken for an empty list.
        let sessions = serde_json::from_slice(&reply.body);
        let sessions: Vec<Session> = sessions.map_err(|why| KeycloakError::Unavailable {
            what: path,
            response: why.to_string(),
        })?;
        Ok(sessions.into_iter().map(|session| session.id).collect())
    }

    /// Deletes all sessions of a user, and revokes earlier tokens.
    ///
    /// # Errors
    /// The request failed, or there is no such user.
    pub fn end_sessions(&mut self, user: &str) -> Result<(), KeycloakError> {
        for session in self.sessions(user)? {
            self.end(&session)?;
        }
        self.call("POST", &format!("users/{}/logout", segment(user)?), None)?;
        Ok(())
    }

    /// Disables a user.
    ///
    /// # Errors
    /// The request failed, or there is no such user.
    pub fn disable(&mut self, user: &str) -> Result<(), KeycloakError> {
        self.change(user, |user| user["enabled"] = json!(false))
    }

    /// Requires a new password at the user's next login.
    ///
    /// # Errors
    /// The request failed, or there is no such user.
    pub fn require_new_password(&mut self, user: &str) -> Result<(), KeycloakError> {
        const ACTION: &str = "UPDATE_PASSWORD";
        self.change(user, |user| match user["requiredActions"].as_array_mut() {
            Some(actions) if actions.iter().any(|action| action == ACTION) => {}
            Some(actions) => actions.push(json!(ACTION)),
            None => user["requiredActions"] = json!([ACTION]),
        })
    }

    /// Fields that are not sent are deleted from the user, so all of them are sent back.
    fn change(&mut self, user: &str, change: impl FnOnce(&mut Value)) -> Result<(), KeycloakError> {
        let path = format!("users/{}", segment(user)?);
        let reply = self.call("GET", &path, None)?;
        let user = serde_json::from_slice(&reply.body);
        let mut user: Value = user.map_err(|why| KeycloakError::Unavailable {
            what: path.clone(),
            response: why.to_string(),
        })?;
        change(&mut user);
        self.call("PUT", &path, Some(&user))?;
        Ok(())
    }

    fn call(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<HttpResponse, KeycloakError> {
        let had_token = self.token.is_some();
        let mut reply = self.call_once(method, path, body)?;
        if reply.status == 401 && had_token {
            self.token = None;
            reply = self.call_once(method, path, body)?;
        }
        check_status(&format!("{method} {}", without_query(path)), reply)
    }

    fn call_once(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<HttpResponse, KeycloakError> {
        let bearer = format!("Bearer {}", self.bearer()?);
        let (base, realm) = (&self.realm.endpoint.url, &self.realm.realm);
        let url = format!("{base}/admin/realms/{realm}/{path}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        let body = body.map(Value::to_string).unwrap_or_default();
        Ok(self.http.send(method, &url, &headers, body.as_bytes())?)
    }

    fn bearer(&mut self) -> Result<String, KeycloakError> {
        if let Some((token, since, lifetime)) = &self.token
            && since.elapsed() + TOKEN_EXPIRY_MARGIN < *lifetime
        {
            return Ok(token.reveal().to_owned());
        }
        let (base, realm) = (&self.realm.endpoint.url, &self.realm.realm);
        let url = format!("{base}/realms/{realm}/protocol/openid-connect/token");
        let form = token_form(&self.realm.client_id, self.realm.endpoint.secret.reveal());
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let reply = self.http.send("POST", &url, &headers, form.as_bytes())?;
        let reply = check_status("the token request", reply)?;
        let token = serde_json::from_slice(&reply.body);
        // The response contains a secret, so it is not logged.
        let token: Token = token.map_err(|_| KeycloakError::Unavailable {
            what: "the token request".to_owned(),
            response: "no token in the response".to_owned(),
        })?;
        let lifetime = Duration::from_secs(token.expires_in);
        let secret = Secret::new(token.access_token.clone());
        self.token = Some((secret, Stopwatch::start(), lifetime));
        Ok(token.access_token)
    }
}

fn check_status(what: &str, reply: HttpResponse) -> Result<HttpResponse, KeycloakError> {
    let what = what.to_owned();
    match reply.status {
        200..=299 => Ok(reply),
        404 => Err(KeycloakError::Absent(what)),
        408 | 429 | 500..=599 => Err(KeycloakError::Unavailable {
            what,
            response: reply.summary(),
        }),
        _ => Err(KeycloakError::Rejected {
            what,
            response: reply.summary(),
            hint: "check client_id, secret_file and the roles of the service account",
        }),
    }
}

fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}

/// A segment of a path; a malformed id could change the path.
fn segment(id: &str) -> Result<&str, KeycloakError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    let is_id = !id.is_empty() && !id.starts_with('.') && id.bytes().all(is_plain);
    is_id
        .then_some(id)
        .ok_or_else(|| KeycloakError::Absent(format!("user or session {id:?}")))
}

/// The form of a token request by client credentials.
fn token_form(client_id: &str, client_secret: &str) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", client_id)
        .append_pair("client_secret", client_secret)
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_cannot_change_the_path_and_secrets_are_form_encoded() {
        assert!(segment("6f9fa5b7-2c74-4b86-b58d-abf341d0905a").is_ok());
        for bad in ["", "../realms", "a/b", "a?b", "a b", "..", "name/ada"] {
            assert!(segment(bad).is_err(), "{bad}");
        }
        let form = "grant_type=client_credentials&client_id=a&client_secret=a%26b%3Dc+d";
        assert_eq!(token_form("a", "a&b=c d"), form);
    }
}
