//! Log-in by an identity provider: OpenID Connect, authorization code with PKCE. State, nonce and verifier
//! are held here; a cookie binds them to the browser that asked.

use crate::clock::{Stopwatch, wall_time};
use crate::config::ConsoleOidc;
use crate::console::access::{Person, Role};
use crate::console::sessions::random_token;
use crate::crypto::{KeySet, PublicKey};
use crate::mutex::lock;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use credwatch_core::units::MS_PER_SEC;
use form_urlencoded::Serializer;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

/// Path of the redirect URI.
pub(super) const CALLBACK: &str = "/login/callback";
/// Time to log in at the provider.
const PENDING_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// Log-ins in progress at one time.
const MAX_PENDING: usize = 1_000;
/// Tolerated difference of clocks, in seconds.
const MAX_CLOCK_SKEW_SECS: i64 = 60;
const PROVIDER_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest answer of a provider, in bytes.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// The provider does not answer as one.
    #[error("the identity provider {0}: {1}; check console.oidc_issuer")]
    Provider(String, String),
    /// This log-in was not begun here, or took too long.
    #[error("this log-in was begun elsewhere, or too long ago: begin again")]
    Unknown,
    /// The provider refused, or its token is not valid.
    #[error("the identity provider refused, or its token is not valid: {0}")]
    Token(String),
    /// The provider names no role.
    #[error(
        "{0} has none of the roles viewer, analyst, approver or admin at the identity provider"
    )]
    NoRole(String),
    /// Too many log-ins at once.
    #[error("too many log-ins at once: try again in a minute")]
    Busy,
}

struct Pending {
    verifier: String,
    nonce: String,
    since: Stopwatch,
}

/// What a provider says of itself.
#[derive(Deserialize)]
struct Provider {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
}

/// The answer of the token endpoint.
#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

/// A relying party.
pub struct OidcLogIn {
    settings: ConsoleOidc,
    pending: Mutex<HashMap<String, Pending>>,
}

impl std::fmt::Debug for OidcLogIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OidcLogIn")
            .field("issuer", &self.settings.issuer)
            .finish()
    }
}

/// Where to send the browser, and the state that binds it.
pub(super) struct Begun {
    pub(super) url: String,
    pub(super) state: String,
}

impl OidcLogIn {
    /// A relying party with `settings`.
    #[must_use]
    pub fn new(settings: ConsoleOidc) -> Self {
        Self {
            settings,
            pending: Mutex::default(),
        }
    }

    fn failed(&self, why: &dyn std::fmt::Display) -> OidcError {
        OidcError::Provider(self.settings.issuer.clone(), why.to_string())
    }

    fn provider(&self) -> Result<Provider, OidcError> {
        let issuer = self.settings.issuer.trim_end_matches('/');
        let url = format!("{issuer}/.well-known/openid-configuration");
        let provider: Provider = fetch(&url).map_err(|why| self.failed(&why))?;
        // OpenID Connect Discovery, section 4.3.
        match provider.issuer.trim_end_matches('/') == issuer {
            true => Ok(provider),
            false => Err(self.failed(&format!("it calls itself {}", provider.issuer))),
        }
    }

    /// Begins a log-in. Blocks.
    ///
    /// # Errors
    /// The provider cannot be reached, or there are too many log-ins at once.
    pub(super) fn begin(&self) -> Result<Begun, OidcError> {
        let provider = self.provider()?;
        let token = || random_token().ok_or(OidcError::Busy);
        let (state, nonce, verifier) = (token()?, token()?, token()?);
        let digest = ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes());
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest);
        let query = Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.redirect())
            .append_pair("scope", "openid profile")
            .append_pair("state", &state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .finish();
        let mut pending = lock(&self.pending);
        pending.retain(|_, one| one.since.elapsed() < PENDING_LIFETIME);
        if pending.len() >= MAX_PENDING {
            return Err(OidcError::Busy);
        }
        let one = Pending {
            verifier,
            nonce,
            since: Stopwatch::start(),
        };
        pending.insert(state.clone(), one);
        let there = provider.authorization_endpoint;
        let separator = if there.contains('?') { '&' } else { '?' };
        Ok(Begun {
            url: format!("{there}{separator}{query}"),
            state,
        })
    }

    /// Ends a log-in with the code that the provider gave the browser. Blocks.
    ///
    /// # Errors
    /// It was not begun here, the provider refused, or the person has no role.
    pub(super) fn finish(&self, state: &str, code: &str) -> Result<Person, OidcError> {
        let pending = lock(&self.pending).remove(state);
        let pending = pending.filter(|one| one.since.elapsed() < PENDING_LIFETIME);
        let pending = pending.ok_or(OidcError::Unknown)?;
        let provider = self.provider()?;
        let redirect = self.redirect();
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &redirect),
            ("client_id", &self.settings.client_id),
            ("code_verifier", &pending.verifier),
        ];
        let secret = &self.settings.client_secret;
        if !secret.is_empty() {
            form.push(("client_secret", secret.reveal()));
        }
        let mut answer = agent()
            .post(&provider.token_endpoint)
            .send_form(form)
            .map_err(|why| self.failed(&why))?;
        if !answer.status().is_success() {
            return Err(OidcError::Token(format!("it answered {}", answer.status())));
        }
        let tokens: Tokens = body_of(&mut answer).map_err(OidcError::Token)?;
        let keys = self.keys(&provider)?;
        let now = wall_time().epoch_ms() / MS_PER_SEC;
        let claims = verified_claims(&tokens.id_token, &keys)?;
        self.check(&claims, &pending.nonce, now)?;
        self.person(&claims)
    }

    fn keys(&self, provider: &Provider) -> Result<KeySet, OidcError> {
        let set: Value = fetch(&provider.jwks_uri).map_err(|why| self.failed(&why))?;
        let keys = set["keys"].as_array().into_iter().flatten();
        let signing = keys.filter(|key| key["use"] != "enc").filter_map(|key| {
            let mut key = key.clone();
            if key["alg"].is_null() {
                key["alg"] = json!("RS256");
            }
            if key["use"].is_null() {
                key["use"] = json!("sig");
            }
            serde_json::from_value::<PublicKey>(key).ok()
        });
        Ok(KeySet {
            keys: signing.collect(),
        })
    }

    /// Checks an id token by OpenID Connect Core, section 3.1.3.7.
    fn check(&self, claims: &Value, nonce: &str, now_secs: i64) -> Result<(), OidcError> {
        let wrong = |what: &str| {
            Err(OidcError::Token(format!(
                "its {what} is not the expected one"
            )))
        };
        let client = self.settings.client_id.as_str();
        let issuer = claims["iss"].as_str().unwrap_or_default();
        if issuer.trim_end_matches('/') != self.settings.issuer.trim_end_matches('/') {
            return wrong("issuer");
        }
        let audiences: Vec<&str> = match &claims["aud"] {
            Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        if !audiences.contains(&client) || (audiences.len() > 1 && claims["azp"] != client) {
            return wrong("audience");
        }
        if claims["exp"]
            .as_i64()
            .is_none_or(|expiry| expiry <= now_secs - MAX_CLOCK_SKEW_SECS)
        {
            return wrong("expiry");
        }
        match claims["nonce"] == nonce {
            true => Ok(()),
            false => wrong("nonce"),
        }
    }

    fn redirect(&self) -> String {
        format!("{}{CALLBACK}", self.settings.public_url)
    }

    /// The person of claims that were verified.
    fn person(&self, claims: &Value) -> Result<Person, OidcError> {
        let name = claims["preferred_username"]
            .as_str()
            .or(claims["sub"].as_str());
        let name = name.unwrap_or_default().to_owned();
        let path = self.settings.roles_claim.split('.');
        let listed = path.fold(claims, |value, member| &value[member]);
        let listed = listed
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let roles: Vec<Role> = listed.filter_map(Role::parse).collect();
        match roles.is_empty() || name.is_empty() {
            true => Err(OidcError::NoRole(name)),
            false => Ok(Person::new(name, roles)),
        }
    }
}

/// The claims of an id token that one of `keys` signed.
fn verified_claims(id_token: &str, keys: &KeySet) -> Result<Value, OidcError> {
    // The type is optional in an id token.
    let payload = keys
        .verify("JWT", id_token)
        .or_else(|_| keys.verify("", id_token));
    let payload = payload.map_err(|why| OidcError::Token(why.to_string()))?;
    serde_json::from_slice(&payload).map_err(|why| OidcError::Token(why.to_string()))
}

/// Redirects are not followed: they could lead anywhere.
fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(PROVIDER_TIMEOUT))
        .http_status_as_error(false)
        .max_redirects(0)
        .build()
        .into()
}

fn fetch<T: DeserializeOwned>(url: &str) -> Result<T, String> {
    let mut answer = agent().get(url).call().map_err(|why| why.to_string())?;
    match answer.status().is_success() {
        true => body_of(&mut answer),
        false => Err(format!("{url} answered {}", answer.status())),
    }
}

fn body_of<T: DeserializeOwned>(
    answer: &mut ureq::http::Response<ureq::Body>,
) -> Result<T, String> {
    let body = answer
        .body_mut()
        .with_config()
        .limit(MAX_ANSWER_BYTES)
        .read_to_vec();
    let body = body.map_err(|why| why.to_string())?;
    serde_json::from_slice(&body).map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use serde_json::json;

    fn log_in(roles_claim: &str) -> OidcLogIn {
        OidcLogIn::new(ConsoleOidc {
            issuer: "https://id.example.org".to_owned(),
            client_id: "credwatch".to_owned(),
            client_secret: Secret::default(),
            public_url: "https://console.example.org".to_owned(),
            roles_claim: roles_claim.to_owned(),
        })
    }

    #[test]
    fn roles_are_those_of_the_claim_and_no_others() {
        let claims =
            json!({"preferred_username": "ada", "realm_access": {"roles": ["analyst", "offline"]}});
        let person = log_in("realm_access.roles").person(&claims).unwrap();
        assert_eq!(person, Person::new("ada", [Role::Analyst]));
        let nobody = log_in("roles").person(&claims);
        assert!(matches!(nobody, Err(OidcError::NoRole(name)) if name == "ada"));
    }

    #[test]
    fn a_log_in_that_was_not_begun_here_is_unknown() {
        assert!(matches!(
            log_in("roles").finish("guess", "code"),
            Err(OidcError::Unknown)
        ));
    }

    #[test]
    fn every_claim_of_an_id_token_is_checked() {
        let good = json!({"iss": "https://id.example.org/", "aud": "credwatch", "exp": 1_000, "nonce": "n"});
        let check = |claims: &Value| log_in("roles").check(claims, "n", 900).is_ok();
        assert!(check(&good));
        for (member, value) in [
            ("iss", json!("https://evil.example.org")),
            ("aud", json!("other")),
            ("aud", json!(["credwatch", "other"])),
            ("exp", json!(1)),
            ("exp", json!(null)),
            ("nonce", json!("m")),
        ] {
            let mut changed = good.clone();
            changed[member] = value;
            assert!(!check(&changed), "{member}");
        }
        let mut several = good.clone();
        several["aud"] = json!(["credwatch", "other"]);
        several["azp"] = json!("credwatch");
        assert!(check(&several));
    }

    #[test]
    fn a_token_of_another_key_is_refused() {
        let signer = crate::crypto::Signer::for_tests(1);
        let token = signer.sign("JWT", br#"{"sub":"ada"}"#).unwrap();
        assert_eq!(
            verified_claims(&token, signer.keys()).unwrap()["sub"],
            "ada"
        );
        let other = crate::crypto::Signer::for_tests(2);
        assert!(verified_claims(&token, other.keys()).is_err());
    }
}
