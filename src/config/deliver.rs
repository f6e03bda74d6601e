//! Whose answers are believed, who is told, and who carries orders out.

use super::Secret;
use super::entry::{Entry, each};
use super::reader::Reader;
use crate::crypto::{KeySet, Signer, SigningKey};
use crate::feedback::signed_feedback::{FeedbackVerifier, TrustedSigner};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Answers on the feedback topic.
#[derive(Clone, Debug, Default)]
pub struct Feedback {
    /// What is believed of them.
    pub verifier: FeedbackVerifier,
    /// What our own are signed with; `None`: they are not.
    pub key: Option<Arc<SigningKey>>,
}

/// Where a receiver is, and how it knows us.
#[derive(Clone, Debug, Default)]
pub struct Endpoint {
    /// Its address.
    pub url: String,
    /// What it knows us by.
    pub secret: Secret,
    /// Whether it may be on this machine, or in a private or link-local network.
    pub allow_private_addresses: bool,
    /// Certificates, as PEM, that it may be proved by beside the public ones; empty: none.
    pub ca_file: String,
}

/// How something is carried to a receiver.
#[derive(Clone, Debug)]
pub enum ReceiverKind {
    /// Alerts, and orders, as JSON, signed by HMAC as Standard Webhooks has it.
    Webhook(Endpoint),
    /// Security Event Tokens, pushed (RFC 8935).
    SsfPush(Endpoint),
    /// Security Event Tokens that it fetches by itself (RFC 8936), by this token.
    SsfPoll(Secret),
    /// A program: an order on its standard input.
    Command {
        /// The program and its arguments.
        argv: Vec<String>,
    },
    /// A realm of Keycloak, that carries orders out.
    Keycloak(Realm),
}

/// Somebody who is told.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// Its name in metrics, consumer groups and answers.
    pub name: String,
    /// How.
    pub kind: ReceiverKind,
    /// Whether it gets alerts.
    pub receives_alerts: bool,
    /// Whether it gets orders.
    pub receives_orders: bool,
}

/// A realm of Keycloak.
#[derive(Clone, Debug)]
pub struct Realm {
    /// Its name in metrics and answers.
    pub name: String,
    /// Where the server is; its secret is that of the client.
    pub endpoint: Endpoint,
    /// The realm's own name: issuer of its credentials.
    pub realm: String,
    /// The client whose service account asks for events and carries orders out.
    pub client_id: String,
    /// Topic for its events; empty: they are not asked for.
    pub topic: String,
    /// How often it is asked.
    pub poll_interval: Duration,
    /// Whether orders are carried out.
    pub executes_orders: bool,
}

/// How things are carried.
#[derive(Clone, Debug)]
pub struct Deliver {
    /// Who is told.
    pub receivers: Vec<Receiver>,
    /// A receiver that has not answered by then has failed.
    pub timeout: Duration,
    /// So many attempts, and then it is set aside.
    pub attempts: u32,
    /// After so many failures in a row a receiver is left alone.
    pub circuit_failures: u32,
    /// For so long.
    pub circuit_open: Duration,
}

pub(super) fn feedback_of(reader: &mut Reader<'_>, signer: Option<&Signer>) -> Feedback {
    let key_file = reader.text("feedback.key_file");
    let own = (!key_file.is_empty()).then(|| SigningKey::read(&key_file));
    let key = match own {
        Some(Ok(key)) => Some(Arc::new(key)),
        Some(Err(error)) => {
            reader.problems.push(format!("`feedback`: {error}"));
            None
        }
        None => signer.map(|signer| Arc::clone(&signer.key)),
    };
    let named = each(reader, "feedback.signers", |entry| {
        entry.only(&["by", "keys_file"]);
        let (by, file) = (entry.text("by"), entry.text("keys_file"));
        match KeySet::read(Path::new(&file)) {
            Ok(keys) => Some(TrustedSigner { by: Some(by), keys }),
            Err(error) => {
                entry.problem(&error.to_string());
                None
            }
        }
    });
    // What this service signs vouches for whom it let in.
    let own = signer.map(|signer| TrustedSigner {
        by: None,
        keys: signer.keys().clone(),
    });
    let requires_signature = reader.flag("feedback.require_signature");
    let signers: Vec<TrustedSigner> = own.into_iter().chain(named).collect();
    if requires_signature && signers.is_empty() {
        let problem = "`feedback.require_signature` is set, and nobody is trusted: name feedback.signers, or \
                       signing.key_file";
        reader.problems.push(problem.to_owned());
    }
    Feedback {
        verifier: FeedbackVerifier {
            requires_signature,
            signers,
        },
        key,
    }
}

fn endpoint(entry: &mut Entry<'_>) -> Endpoint {
    let url = entry.text("url");
    if !url.starts_with("https://") && !url.starts_with("http://") {
        entry.problem("`url` must begin with https:// (or http://, in a network that you trust)");
    }
    Endpoint {
        url: url.trim_end_matches('/').to_owned(),
        secret: entry.secret("secret_file"),
        allow_private_addresses: entry.flag("allow_private"),
        ca_file: entry.text_or("ca_file", ""),
    }
}

fn receiver(entry: &mut Entry<'_>) -> Option<Receiver> {
    entry.only(&[
        "name",
        "kind",
        "url",
        "secret_file",
        "allow_private",
        "ca_file",
        "argv",
        "takes",
    ]);
    let name = entry.text("name");
    let takes = entry.words("takes", |word| match word {
        "alerts" | "orders" => Some(word == "alerts"),
        _ => None,
    });
    let (kind, default) = match entry.text("kind").as_str() {
        "webhook" => (ReceiverKind::Webhook(endpoint(entry)), true),
        "ssf_push" => (ReceiverKind::SsfPush(endpoint(entry)), false),
        "ssf_poll" => {
            let secret = entry.secret("secret_file");
            if secret.is_empty() {
                entry.problem("`secret_file` must hold the token by which it is let in");
            }
            (ReceiverKind::SsfPoll(secret), false)
        }
        "command" => {
            let argv = entry.texts("argv");
            if argv.is_empty() {
                entry.problem("`argv` must name a program");
            }
            (ReceiverKind::Command { argv }, false)
        }
        other => {
            entry.problem(&format!(
                "`kind` is \"{other}\", must be one of: webhook, ssf_push, ssf_poll, command"
            ));
            return None;
        }
    };
    let takes_alerts = if takes.is_empty() {
        default
    } else {
        takes.contains(&true)
    };
    if takes_alerts && !matches!(kind, ReceiverKind::Webhook(_)) {
        entry.problem("`takes` must be [\"orders\"]: alerts are for webhooks");
    }
    Some(Receiver {
        name,
        kind,
        receives_alerts: takes_alerts,
        receives_orders: if takes.is_empty() {
            !default
        } else {
            takes.contains(&false)
        },
    })
}

fn realm(entry: &mut Entry<'_>) -> Option<Realm> {
    entry.only(&[
        "name",
        "url",
        "realm",
        "client_id",
        "secret_file",
        "allow_private",
        "ca_file",
        "topic",
        "poll_ms",
        "carry_out",
    ]);
    Some(Realm {
        name: entry.text("name"),
        endpoint: endpoint(entry),
        realm: entry.text("realm"),
        client_id: entry.text("client_id"),
        topic: entry.text_or("topic", ""),
        poll_interval: Duration::from_millis(entry.whole_or("poll_ms", 250, 10, 3_600_000)),
        executes_orders: entry.flag("carry_out"),
    })
}

pub(super) fn realms_of(reader: &mut Reader<'_>) -> Vec<Realm> {
    each(reader, "keycloak.realms", realm)
}

pub(super) fn deliver_of(reader: &mut Reader<'_>, realms: &[Realm], is_signed: bool) -> Deliver {
    let mut receivers = each(reader, "deliver.receivers", receiver);
    let carrying = realms.iter().filter(|realm| realm.executes_orders);
    receivers.extend(carrying.map(|realm| Receiver {
        name: realm.name.clone(),
        kind: ReceiverKind::Keycloak(realm.clone()),
        receives_alerts: false,
        receives_orders: true,
    }));
    let mut names: Vec<&str> = receivers.iter().map(|r| r.name.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        let problem = format!("`deliver`: two receivers are named \"{}\"", twice[0]);
        reader.problems.push(problem);
    }
    let needs_signature = |r: &&Receiver| !matches!(r.kind, ReceiverKind::Webhook(_));
    if let Some(receiver) = receivers
        .iter()
        .find(needs_signature)
        .filter(|_| !is_signed)
    {
        let name = &receiver.name;
        let problem = format!(
            "`deliver`: {name} acts on signed orders only, and there is no signing.key_file"
        );
        reader.problems.push(problem);
    }
    Deliver {
        receivers,
        timeout: Duration::from_millis(reader.whole("deliver.timeout_ms", 10, 600_000) as u64),
        attempts: reader.whole("deliver.attempts", 1, 1_000) as u32,
        circuit_failures: reader.whole("deliver.breaker_failures", 1, 1_000) as u32,
        circuit_open: Duration::from_millis(
            reader.whole("deliver.breaker_rest_ms", 10, 86_400_000) as u64,
        ),
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
    fn every_mistake_of_a_receiver_is_told_at_once() {
        let told = problems(
            "[[deliver.receivers]]\nname = \"a\"\nkind = \"webhook\"\nurl = \"ftp://x\"\ntakes = [\"pie\"]\n\
             [[deliver.receivers]]\nname = \"a\"\nkind = \"command\"\nargv = []\n\
             [[deliver.receivers]]\nname = \"b\"\nkind = \"pigeon\"\n[feedback]\nrequire_signature = true\n",
        );
        for expected in [
            "https://",
            "pie",
            "two receivers",
            "argv",
            "pigeon",
            "nobody is trusted",
            "signed orders",
        ] {
            assert!(told.contains(expected), "{expected}: {told}");
        }
    }
}
