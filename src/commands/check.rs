//! `credwatch check`: reports everything that would stop `run`, all at once.

use crate::clock::wall_time;
use crate::config::{Config, Realm, ReceiverKind};
use crate::enrichment::{DatabaseInfo, Enricher};
use crate::kafka::topics;
use crate::kafka::topics::RequiredTopic;
use crate::keycloak::admin_client::{AdminClient, EventKind};
use crate::model::Model;
use crate::receivers;
use crate::schema_registry::{SchemaRegistry, SchemaSource};
use crate::shard::{ShardFactory, ShardId, load_model, model_hash};

/// Result of the checks.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What is valid.
    pub fine: Vec<String>,
    /// Problems, with their remedies.
    pub problems: Vec<String>,
}

/// Checks model, connection and topics.
#[must_use]
pub async fn check(config: &Config) -> Report {
    let mut report = Report::default();
    match load_model(config) {
        Ok(model) => {
            report.fine.push(model_line(config, &model));
            report.fine.push(memory_line(config, model));
        }
        Err(error) => report.problems.push(error.to_string()),
    }
    let requested = topics::required_topics(config);
    let names: Vec<String> = requested.iter().map(|topic| topic.name.clone()).collect();
    match topics::partitions(config, &names) {
        Err(error) => report.problems.push(error.to_string()),
        Ok(found) => {
            check_topics(config, &requested, &found, &mut report);
            let is_there = found.iter().all(Option::is_some);
            if is_there && let Err(error) = topics::require_compaction(config).await {
                report.problems.push(error.to_string());
            }
        }
    }
    config
        .realms
        .iter()
        .for_each(|realm| check_realm(config, realm, &mut report));
    check_receivers(config, &mut report);
    check_enrichment(config, &mut report);
    check_schemas(config, &mut report);
    report
}

/// Checks that the databases can be read.
fn check_enrichment(config: &Config, report: &mut Report) {
    match Enricher::open(&config.enrichment) {
        Err(error) => report.problems.push(error.to_string()),
        Ok(enricher) => {
            let infos = enricher.iter().flat_map(Enricher::databases);
            let line = |info: &DatabaseInfo| format!("database {} {}", info.kind, info.hash);
            report.fine.extend(infos.map(line));
        }
    }
}

/// Checks that files of schemas are valid, and that the registry responds.
fn check_schemas(config: &Config, report: &mut Report) {
    for topic in &config.ingest {
        if let Err(error) = SchemaSource::open(&topic.encoding) {
            report.problems.push(error.to_string());
        }
    }
    let settings = &config.schema_registry;
    if settings.endpoint.url.is_empty() {
        return;
    }
    let registry = SchemaRegistry::new(&settings.endpoint, &settings.username);
    match registry.and_then(|registry| registry.check()) {
        Ok(()) => report.fine.push("schema registry responds".to_owned()),
        Err(error) => report.problems.push(error.to_string()),
    }
}

/// Checks that the realm can be reached and its events are readable.
fn check_realm(config: &Config, realm: &Realm, report: &mut Report) {
    let now_ms = wall_time().epoch_ms();
    let asked = AdminClient::new(realm, config.deliver.timeout)
        .and_then(|mut admin| admin.events(EventKind::Users, now_ms, 0, 1));
    let name = &realm.name;
    match asked {
        Ok(_) => report.fine.push(format!(
            "Keycloak realm {name} is reachable and its events are readable"
        )),
        Err(error) => report
            .problems
            .push(format!("Keycloak realm {name}: {error}")),
    }
}

/// Checks that each receiver's settings are valid; nothing is sent.
fn check_receivers(config: &Config, report: &mut Report) {
    for receiver in &config.deliver.receivers {
        let fetches = matches!(receiver.kind, ReceiverKind::SsfPoll(_));
        match receivers::receiver_client(receiver, &config.deliver) {
            Err(why) if !fetches => report.problems.push(format!("receiver {why}")),
            _ => report.fine.push(format!("receiver {}", receiver.name)),
        }
    }
}

fn model_line(config: &Config, model: &Model) -> String {
    let detect = &config.detect;
    let hash = model_hash(model, detect);
    format!(
        "model {hash}: {} actions in the catalogue",
        model.catalogue.len()
    )
}

/// The most memory that the shards of one instance can take.
fn memory_line(config: &Config, model: Model) -> String {
    let partitions = config.topics.partitions.max(1);
    let factory = ShardFactory::new(config, model, partitions as u32);
    let views = [ShardId::of_identities, ShardId::of_sources];
    let ids = (0..partitions).flat_map(|partition| views.map(|id| id(partition)));
    let ceiling: u64 = ids
        .map(|id| factory.settings_of(id).memory_ceiling_bytes())
        .sum();
    format!(
        "memory: at most {:.1} GiB for all {partitions} partitions, with every table full and every text of \
         its maximum length",
        ceiling as f64 / f64::from(1 << 30)
    )
}

fn check_topics(
    config: &Config,
    requested: &[RequiredTopic],
    found: &[Option<usize>],
    report: &mut Report,
) {
    report.fine.push(format!(
        "broker at {} is reachable",
        config.kafka.bootstrap_servers
    ));
    let events = found.first().copied().flatten();
    for (topic, found) in requested.iter().zip(found) {
        match found {
            None => report.problems.push(format!(
                "topic {} is missing; create it with `credwatch topics create`",
                topic.name
            )),
            Some(partitions) if topic.co_partitioned && Some(*partitions) != events => {
                let events = events.unwrap_or(0);
                report.problems.push(format!(
                    "topic {} has {partitions} partitions, {} has {events}: they must be equal",
                    topic.name, config.topics.events
                ));
            }
            Some(partitions) => report
                .fine
                .push(format!("topic {}, {partitions} partitions", topic.name)),
        }
    }
}
