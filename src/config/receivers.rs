//! Feedback, receivers and Keycloak realms.

use super::Secret;
use super::raw::{RawDeliver, RawFeedback, RawRealm, RawReceiver, RawReceiverKind, RawStream};
use super::secret::{read_secret, warn_if_exposed};
use crate::crypto::{KeySet, Signer, SigningKey};
use crate::feedback::signed_feedback::{FeedbackVerifier, SignerRole, TrustedSigner};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Verification and signing of feedback.
#[derive(Clone, Debug, Default)]
pub struct Feedback {
    /// How feedback is verified.
    pub verifier: FeedbackVerifier,
    /// Key that published feedback is signed with; `None`: unsigned.
    pub key: Option<Arc<SigningKey>>,
}

/// Address of a receiver, and its shared secret.
#[derive(Clone, Debug, Default)]
pub struct Endpoint {
    /// Base URL.
    pub url: String,
    /// Shared secret or bearer token.
    pub secret: Secret,
    /// Whether the address may be loopback, private or link-local.
    pub allow_private_addresses: bool,
    /// PEM file of additional trusted certificates; empty: none.
    pub ca_file: String,
}

/// Protocol of a receiver.
#[derive(Clone, Debug)]
pub enum ReceiverKind {
    /// Alerts or orders as JSON, signed by HMAC (Standard Webhooks).
    Webhook(Endpoint),
    /// Security Event Tokens, pushed (RFC 8935).
    SsfPush(Endpoint),
    /// Security Event Tokens that the receiver polls (RFC 8936) with this bearer token.
    SsfPoll(Secret),
    /// A program that reads an order from its standard input.
    Command {
        /// The program and its arguments.
        argv: Vec<String>,
        /// Names of the environment variables that it inherits, besides `PATH`.
        environment: Vec<String>,
    },
    /// A Keycloak realm, in which orders are executed.
    Keycloak(Realm),
}

/// A receiver of alerts or orders.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// Name in metrics, consumer groups and feedback.
    pub name: String,
    /// Protocol.
    pub kind: ReceiverKind,
    /// Whether it receives alerts.
    pub receives_alerts: bool,
    /// Whether it receives orders.
    pub receives_orders: bool,
}

/// A Keycloak realm.
#[derive(Clone, Debug)]
pub struct Realm {
    /// Name in metrics and feedback.
    pub name: String,
    /// Address of the server, and the client's secret.
    pub endpoint: Endpoint,
    /// Name of the realm in Keycloak: issuer of its credentials.
    pub realm: String,
    /// The client whose service account reads events and executes orders.
    pub client_id: String,
    /// Topic for its events; empty: events are not polled.
    pub topic: String,
    /// Poll interval.
    pub poll_interval: Duration,
    /// Whether orders are executed.
    pub executes_orders: bool,
}

/// Delivery to receivers.
#[derive(Clone, Debug)]
pub struct Deliver {
    /// Receivers.
    pub receivers: Vec<Receiver>,
    /// Timeout of one attempt.
    pub timeout: Duration,
    /// Attempts before a record is sent to the dead-letter topic.
    pub attempts: u32,
    /// Consecutive failures after which the circuit breaker opens.
    pub circuit_failures: u32,
    /// Time for which it stays open.
    pub circuit_open: Duration,
}

pub(super) fn feedback(
    raw: RawFeedback,
    signer: Option<&Signer>,
    problems: &mut Vec<String>,
) -> Feedback {
    warn_if_exposed("feedback.key_file", &raw.key_file);
    let own = (!raw.key_file.is_empty()).then(|| SigningKey::read(&raw.key_file));
    let key = match own {
        Some(Ok(key)) => Some(Arc::new(key)),
        Some(Err(error)) => {
            problems.push(format!("`feedback.key_file`: {error}"));
            None
        }
        None => signer.map(|signer| Arc::clone(&signer.key)),
    };
    let mut named = Vec::new();
    for (at, raw) in raw.signers.into_iter().enumerate() {
        match KeySet::read(Path::new(&raw.keys_file.0)) {
            Ok(keys) => named.push(TrustedSigner {
                by: Some(raw.name.0),
                keys,
                roles: raw.roles,
            }),
            Err(error) => problems.push(format!("`feedback.signers[{at}].keys_file`: {error}")),
        }
    }
    // The key of this service signs for the users that it authenticated.
    let own = signer.map(|signer| TrustedSigner {
        by: None,
        keys: signer.keys().clone(),
        roles: SignerRole::ALL.to_vec(),
    });
    let requires_signature = raw.require_signature;
    let signers: Vec<TrustedSigner> = own.into_iter().chain(named).collect();
    if requires_signature && signers.is_empty() {
        let why = "`feedback.require_signature` is set, and no key is trusted: set feedback.signers or \
                   signing.key_file";
        problems.push(why.to_owned());
    }
    Feedback {
        verifier: FeedbackVerifier {
            requires_signature,
            signers,
        },
        key,
    }
}

/// The endpoint of the table at `path`.
fn endpoint(
    path: &str,
    url: &str,
    secret_file: &str,
    allow_private_addresses: bool,
    ca_file: &str,
    problems: &mut Vec<String>,
) -> Endpoint {
    if !url.starts_with("https://") && !url.starts_with("http://") {
        problems.push(format!(
            "`{path}.url` must begin with https:// (or http://, in a network that you trust)"
        ));
    }
    Endpoint {
        url: url.trim_end_matches('/').to_owned(),
        secret: read_secret(&format!("{path}.secret_file"), secret_file, problems),
        allow_private_addresses,
        ca_file: ca_file.to_owned(),
    }
}

fn receiver(raw: RawReceiver, problems: &mut Vec<String>) -> Receiver {
    let path = format!("deliver.receivers.{}", raw.name.0);
    let endpoint = |problems: &mut Vec<String>| {
        let private = raw.allow_private_addresses;
        endpoint(
            &path,
            &raw.url,
            &raw.secret_file,
            private,
            &raw.ca_file,
            problems,
        )
    };
    let kind = match raw.kind {
        RawReceiverKind::Webhook => ReceiverKind::Webhook(endpoint(problems)),
        RawReceiverKind::SsfPush => ReceiverKind::SsfPush(endpoint(problems)),
        RawReceiverKind::SsfPoll => {
            let path = format!("{path}.secret_file");
            let secret = read_secret(&path, &raw.secret_file, problems);
            if secret.is_empty() {
                problems.push(format!("`{path}` must hold the receiver's bearer token"));
            }
            ReceiverKind::SsfPoll(secret)
        }
        RawReceiverKind::Command => {
            if raw.argv.is_empty() {
                problems.push(format!("`{path}.argv` must name a program"));
            }
            ReceiverKind::Command {
                argv: raw.argv,
                environment: raw.environment,
            }
        }
    };
    let is_webhook = raw.kind == RawReceiverKind::Webhook;
    let default = if is_webhook {
        RawStream::Alerts
    } else {
        RawStream::Orders
    };
    let receives = |stream| match raw.streams.as_slice() {
        [] => stream == default,
        streams => streams.contains(&stream),
    };
    let receives_alerts = receives(RawStream::Alerts);
    if receives_alerts && !is_webhook {
        problems.push(format!(
            "`{path}.streams` must be [\"orders\"]: only webhooks receive alerts"
        ));
    }
    Receiver {
        receives_alerts,
        receives_orders: receives(RawStream::Orders),
        name: raw.name.0,
        kind,
    }
}

pub(super) fn realms(raw: Vec<RawRealm>, problems: &mut Vec<String>) -> Vec<Realm> {
    let mut realm = |(at, raw): (usize, RawRealm)| {
        let path = format!("keycloak.realms[{at}]");
        let (url, private) = (&raw.url.0, raw.allow_private_addresses);
        Realm {
            endpoint: endpoint(
                &path,
                url,
                &raw.secret_file,
                private,
                &raw.ca_file,
                problems,
            ),
            name: raw.name.0,
            realm: raw.realm.0,
            client_id: raw.client_id.0,
            topic: raw.topic,
            poll_interval: Duration::from_millis(raw.poll_interval_ms.as_u64()),
            executes_orders: raw.execute_orders,
        }
    };
    raw.into_iter().enumerate().map(&mut realm).collect()
}

pub(super) fn deliver(
    raw: RawDeliver,
    realms: &[Realm],
    is_signed: bool,
    problems: &mut Vec<String>,
) -> Deliver {
    let receivers = raw.receivers.into_iter();
    let mut receivers: Vec<Receiver> = receivers.map(|raw| receiver(raw, problems)).collect();
    let executing = realms.iter().filter(|realm| realm.executes_orders);
    receivers.extend(executing.map(|realm| Receiver {
        name: realm.name.clone(),
        kind: ReceiverKind::Keycloak(realm.clone()),
        receives_alerts: false,
        receives_orders: true,
    }));
    let mut names: Vec<&str> = receivers.iter().map(|r| r.name.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        let name = twice[0];
        problems.push(format!(
            "`deliver.receivers`: two receivers are named \"{name}\""
        ));
    }
    let needs_signature = |r: &&Receiver| !matches!(r.kind, ReceiverKind::Webhook(_));
    let unsigned = receivers.iter().find(needs_signature);
    if let Some(receiver) = unsigned.filter(|_| !is_signed) {
        let name = &receiver.name;
        problems.push(format!(
            "`deliver.receivers`: \"{name}\" executes signed orders only: set signing.key_file"
        ));
    }
    Deliver {
        receivers,
        timeout: Duration::from_millis(raw.timeout_ms.as_u64()),
        attempts: raw.attempts.0 as u32,
        circuit_failures: raw.circuit_failures.0 as u32,
        circuit_open: Duration::from_millis(raw.circuit_open_ms.as_u64()),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Sources};

    fn problems(file: &str) -> String {
        let sources = Sources {
            files: vec![("mine.toml".to_owned(), file.to_owned())],
            environment: Vec::new(),
        };
        Config::load(&sources).unwrap_err().problems.join("\n")
    }

    #[test]
    fn all_problems_of_all_receivers_are_reported_at_once() {
        let found = problems(
            "[[deliver.receivers]]\nname = \"a\"\nkind = \"pigeon\"\ncolour = 1\n\
             [[deliver.receivers]]\nname = \"a\"\nkind = \"webhook\"\nurl = \"ftp://x\"\n\
             streams = [\"pie\"]\n\
             [[deliver.receivers]]\nname = \"a\"\nkind = \"command\"\nargv = []\n\
             [feedback]\nrequire_signature = true\n",
        );
        for expected in [
            "mine.toml: `deliver.receivers[0].kind` must be one of `webhook`, `ssf_push`",
            "`deliver.receivers[0].colour` is an unknown key",
            "`deliver.receivers[1].streams",
            "`deliver.receivers.a.url` must begin with https://",
            "two receivers are named \"a\"",
            "argv` must name a program",
            "no key is trusted",
            "executes signed orders only",
        ] {
            assert!(found.contains(expected), "{expected}:\n{found}");
        }
    }
}
