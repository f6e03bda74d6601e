//! Ranges and words. Types were checked against the default when sources were merged.

use super::containment::{guardrails_of, policy_of};
use super::deliver::{deliver_of, feedback_of, realms_of};
use super::reader::Reader;
use super::{Config, Detect, Http, Ingest, Kafka, Realm, Topics};
use crate::crypto::Signer;
use crate::sources::source_format::Format;
use credwatch_core::verdict::SignalName;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use toml::{Table, Value};

/// Settings that shape decisions; their text goes into the configuration hash.
const HASHED_SECTIONS: [&str; 2] = ["detect", "containment"];

pub(super) fn validate(table: &Table, problems: &mut Vec<String>) -> Option<Config> {
    if table.is_empty() {
        return None;
    }
    let mut hasher = blake3::Hasher::new();
    for section in HASHED_SECTIONS {
        hasher.update(
            table
                .get(section)
                .map(ToString::to_string)
                .unwrap_or_default()
                .as_bytes(),
        );
    }
    let hash = hasher.finalize().to_hex()[..16].to_owned();
    let mut reader = Reader { table, problems };
    let realms = realms_of(&mut reader);
    let ingest = ingest_of(&mut reader, &realms);
    let signer = signer_of(&mut reader);
    let guardrails = guardrails_of(&mut reader, signer.is_some());
    let feedback = feedback_of(&mut reader, signer.as_deref());
    let deliver = deliver_of(&mut reader, &realms, signer.is_some());
    let http = http_of(&mut reader);
    let topics = topics_of(&mut reader);
    if let Some(clash) = ingest.iter().find(|i| i.topic == topics.events) {
        let topic = &clash.topic;
        reader.problems.push(format!(
            "`ingest` must not read `topics.events` (\"{topic}\")"
        ));
    }
    let checkpoint_secs = reader.whole("state.checkpoint_secs", 1, 3_600);
    Some(Config {
        kafka: kafka_of(&mut reader),
        topics,
        ingest,
        detect: Detect {
            alerts_per_day: reader.number("detect.alerts_per_day", 0.0, 100_000.0),
            max_identities: reader.whole("detect.max_identities", 1, 100_000_000) as usize,
            max_sources: reader.whole("detect.max_sources", 1, 100_000_000) as usize,
            disabled_signals: disabled_signals(&mut reader),
            model_file: Some(reader.text("detect.model_file")).filter(|file| !file.is_empty()),
        },
        checkpoint_every: Duration::from_secs(checkpoint_secs as u64),
        policy: Arc::new(policy_of(&mut reader)),
        guardrails,
        signer,
        feedback,
        deliver,
        realms,
        http: http?,
        hash,
    })
}

fn http_of(reader: &mut Reader<'_>) -> Option<Http> {
    let listen = reader.text("http.listen");
    let Ok(listen) = listen.parse() else {
        let problem = format!("`http.listen` is \"{listen}\", must be an address and port");
        reader.problems.push(problem);
        return None;
    };
    Some(Http {
        listen,
        token: reader.secret("http.token", "http.token_file"),
    })
}

fn kafka_of(reader: &mut Reader<'_>) -> Kafka {
    let properties: BTreeMap<String, String> = reader
        .value("kafka.properties")
        .and_then(Value::as_table)
        .into_iter()
        .flatten()
        .map(|(key, value)| {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            (key.clone(), text)
        })
        .collect();
    Kafka {
        bootstrap_servers: reader.name("kafka.bootstrap_servers"),
        group_id: reader.name("kafka.group_id"),
        instance_id: reader.text("kafka.instance_id"),
        workers: reader.whole("kafka.workers", 0, 256) as usize,
        commit_interval_ms: reader.whole("kafka.commit_interval_ms", 1, 10_000) as u64,
        properties,
    }
}

fn topics_of(reader: &mut Reader<'_>) -> Topics {
    let topics = Topics {
        events: reader.name("topics.events"),
        alerts: reader.name("topics.alerts"),
        revocations: reader.name("topics.revocations"),
        decisions: reader.name("topics.decisions"),
        feedback: reader.name("topics.feedback"),
        deadletter: reader.name("topics.deadletter"),
        baselines: reader.name("topics.baselines"),
        sightings: reader.name("topics.sightings"),
        partitions: reader.whole("topics.partitions", 1, 10_000) as i32,
        replication: reader.whole("topics.replication", 1, 16) as i32,
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
    ] {
        if !seen.insert(name) {
            reader
                .problems
                .push(format!("`topics`: \"{name}\" is named twice"));
        }
    }
    topics
}

/// The topics that are named, and those that realms of Keycloak fill.
fn ingest_of(reader: &mut Reader<'_>, realms: &[Realm]) -> Vec<Ingest> {
    let entries = reader.value("ingest").and_then(Value::as_array).cloned();
    let mut ingest = Vec::new();
    for (at, entry) in entries.into_iter().flatten().enumerate() {
        let member = |name: &str| entry.get(name).and_then(Value::as_str);
        let format = member("format").and_then(Format::parse);
        match (member("topic").filter(|topic| !topic.is_empty()), format) {
            (Some(topic), Some(format)) => ingest.push(Ingest {
                topic: topic.to_owned(),
                format,
            }),
            _ => {
                let formats: Vec<&str> = Format::ALL.iter().map(|f| f.as_str()).collect();
                let formats = formats.join(", ");
                let problem =
                    format!("`ingest` {at} needs a topic and a format, one of: {formats}");
                reader.problems.push(problem);
            }
        }
    }
    for realm in realms.iter().filter(|realm| !realm.topic.is_empty()) {
        if ingest.iter().all(|known| known.topic != realm.topic) {
            ingest.push(Ingest {
                topic: realm.topic.clone(),
                format: Format::Keycloak,
            });
        }
    }
    ingest
}

fn disabled_signals(reader: &mut Reader<'_>) -> Vec<SignalName> {
    let named = reader.texts("detect.signals_off");
    let mut off = Vec::new();
    for name in named {
        match SignalName::parse(&name) {
            Some(signal) => off.push(signal),
            None => {
                let known: Vec<&str> = SignalName::ALL.iter().map(|s| s.as_str()).collect();
                let known = known.join(", ");
                let problem = format!("`detect.signals_off` names \"{name}\", known are: {known}");
                reader.problems.push(problem);
            }
        }
    }
    off.sort_unstable();
    off.dedup();
    off
}

fn signer_of(reader: &mut Reader<'_>) -> Option<Arc<Signer>> {
    let key_file = reader.text("signing.key_file");
    if key_file.is_empty() {
        return None;
    }
    let retired = reader.texts("signing.retired_key_files");
    let (issuer, audience) = (
        reader.name("signing.issuer"),
        reader.name("signing.audience"),
    );
    match Signer::new(&key_file, &retired, &issuer, &audience) {
        Ok(signer) => Some(Arc::new(signer)),
        Err(error) => {
            reader.problems.push(format!("`signing`: {error}"));
            None
        }
    }
}
