//! Raw settings → validated ones. Types and ranges were checked by deserialization; this checks rules across
//! keys and reads the files that settings name.

use super::raw::{RawConfig, RawHttp, RawKafka, RawRetiredKeys, RawSigning, RawTopics};
use super::secret::{read_secret, warn_if_exposed};
use super::{
    Config, Detect, Http, Kafka, ListedSetting, Secret, Topics, console, containment, ingest,
    receivers,
};
use crate::crypto::{KeySet, PublicKey, Signer};
use crate::sources::time::parse_rfc3339;
use crate::token_redaction::Redactor;
use credwatch_core::units::MS_PER_SEC;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use toml::{Table, Value};

/// Sections that affect decisions; their text is part of the configuration hash.
const HASHED_SECTIONS: [&str; 2] = ["detect", "containment"];

pub(super) fn validate(
    mut raw: RawConfig,
    hash: String,
    listed: Vec<ListedSetting>,
    problems: &mut Vec<String>,
) -> Config {
    let realms = receivers::realms(raw.keycloak.realms, problems);
    let topics = topics(raw.topics, problems);
    let has_registry = !raw.schema_registry.url.is_empty();
    let topics_to_map = ingest::ingest(raw.ingest, &realms, has_registry, problems);
    if topics_to_map
        .iter()
        .any(|ingest| ingest.topic == topics.events)
    {
        let topic = &topics.events;
        problems.push(format!(
            "`ingest` must not read `topics.events` (\"{topic}\")"
        ));
    }
    let state_secret = read_secret("state.key_file", &raw.state.key_file, problems);
    let signer = signer(&raw.signing, problems);
    let is_signed = signer.is_some();
    Config {
        kafka: kafka(raw.kafka),
        topics,
        ingest: topics_to_map,
        schema_registry: ingest::schema_registry(raw.schema_registry, problems),
        enrichment: ingest::enrichment(raw.enrichment, problems),
        detect: Detect {
            alerts_per_day: raw.detect.alerts_per_day.0,
            max_identities: raw.detect.max_identities.as_usize(),
            max_sources: raw.detect.max_sources.as_usize(),
            disabled_signals: {
                let named = raw.detect.disabled_signals.into_iter().map(|word| word.0);
                named.collect::<BTreeSet<_>>().into_iter().collect()
            },
            model_file: Some(raw.detect.model_file).filter(|file| !file.is_empty()),
        },
        checkpoint_interval: Duration::from_secs(raw.state.checkpoint_secs.as_u64()),
        redactor: Redactor::new(state_secret.reveal()),
        state_secret,
        guardrails: containment::guardrails(&mut raw.containment, is_signed, problems),
        policy: Arc::new(containment::policy(raw.containment.policy, problems)),
        feedback: receivers::feedback(raw.feedback, signer.as_deref(), problems),
        deliver: receivers::deliver(raw.deliver, &realms, is_signed, problems),
        signer,
        realms,
        http: http(raw.http, problems),
        console: console::console(raw.console, problems),
        listed,
        hash,
    }
}

/// Hash of all settings that affect decisions.
pub(super) fn configuration_hash(table: &Table) -> String {
    let mut hasher = blake3::Hasher::new();
    for section in HASHED_SECTIONS {
        let text = table.get(section).map(ToString::to_string);
        hasher.update(text.unwrap_or_default().as_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

fn http(raw: RawHttp, problems: &mut Vec<String>) -> Http {
    let token = if raw.token_file.is_empty() {
        Secret::new(raw.token)
    } else {
        if !raw.token.is_empty() {
            let why = "`http.token` and `http.token_file` are both set: set one of them";
            problems.push(why.to_owned());
        }
        read_secret("http.token_file", &raw.token_file, problems)
    };
    check_advertised_url(&raw.advertised_url, token.is_empty(), problems);
    Http {
        listen: raw.listen,
        token,
        advertised_url: raw.advertised_url.trim_end_matches('/').to_owned(),
    }
}

/// The token is sent to the advertised addresses.
fn check_advertised_url(url: &str, is_without_token: bool, problems: &mut Vec<String>) {
    if url.is_empty() {
        return;
    }
    if is_without_token {
        let why = "`http.advertised_url` needs `http.token_file`: instances ask each other with the token";
        problems.push(why.to_owned());
    }
    let is_loopback = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"]
        .iter()
        .any(|start| url.starts_with(start));
    if !url.starts_with("https://") && !is_loopback {
        let why = "`http.advertised_url` must begin with https://, unless it is a loopback address: the \
                   token is sent to it";
        problems.push(why.to_owned());
    }
}

fn kafka(raw: RawKafka) -> Kafka {
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let properties = raw.properties.into_iter();
    Kafka {
        bootstrap_servers: raw.bootstrap_servers.0,
        group_id: raw.group_id.0,
        instance_id: raw.instance_id,
        workers: raw.workers.as_usize(),
        commit_interval_ms: raw.commit_interval_ms.as_u64(),
        properties: properties.map(|(key, value)| (key, text(value))).collect(),
    }
}

fn topics(raw: RawTopics, problems: &mut Vec<String>) -> Topics {
    let topics = Topics {
        events: raw.events.0,
        alerts: raw.alerts.0,
        revocations: raw.revocations.0,
        decisions: raw.decisions.0,
        feedback: raw.feedback.0,
        deadletter: raw.deadletter.0,
        baselines: raw.baselines.0,
        sightings: raw.sightings.0,
        instances: raw.instances.0,
        partitions: raw.partitions.0 as i32,
        replication: raw.replication.0 as i32,
    };
    let mut seen = BTreeSet::new();
    for name in [
        &topics.events,
        &topics.alerts,
        &topics.revocations,
        &topics.decisions,
        &topics.feedback,
        &topics.deadletter,
        &topics.baselines,
        &topics.sightings,
        &topics.instances,
    ] {
        if !seen.insert(name) {
            problems.push(format!("`topics`: \"{name}\" is named twice"));
        }
    }
    topics
}

fn signer(raw: &RawSigning, problems: &mut Vec<String>) -> Option<Arc<Signer>> {
    if raw.key_file.is_empty() {
        return None;
    }
    for (key, value) in [("issuer", &raw.issuer), ("audience", &raw.audience)] {
        if value.trim().is_empty() {
            problems.push(format!(
                "`signing.{key}` must be a string that is not empty, since signing.key_file is set"
            ));
        }
    }
    warn_if_exposed("signing.key_file", &raw.key_file);
    let retired = retired_keys(&raw.retired, problems);
    let signer = Signer::new(&raw.key_file, retired, &raw.issuer, &raw.audience);
    match signer {
        Ok(signer) => Some(Arc::new(signer)),
        Err(error) => {
            problems.push(format!("`signing`: {error}"));
            None
        }
    }
}

fn retired_keys(raw: &[RawRetiredKeys], problems: &mut Vec<String>) -> Vec<PublicKey> {
    let mut retired = Vec::new();
    for (at, raw) in raw.iter().enumerate() {
        let Some(retired_at_ms) = parse_rfc3339(&raw.retired_at.0) else {
            problems.push(format!(
                "`signing.retired[{at}].retired_at` must be an RFC 3339 time"
            ));
            continue;
        };
        match KeySet::read(Path::new(&raw.keys_file.0)) {
            Ok(set) => {
                let retired_at = retired_at_ms.div_euclid(MS_PER_SEC);
                retired.extend(set.keys.into_iter().map(|key| key.retired_at(retired_at)));
            }
            Err(error) => problems.push(format!("`signing.retired[{at}].keys_file`: {error}")),
        }
    }
    retired
}
