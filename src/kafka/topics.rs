//! Creates and checks the topics that credwatch needs.

use crate::config::{Config, Topics};
use crate::kafka::{KafkaError, client};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use std::time::Duration;

const CLEANUP_POLICY: &str = "cleanup.policy";
const COMPACT: &str = "compact";
const TIMESTAMP_TYPE: &str = "message.timestamp.type";
/// Ninety days: incidents of a quarter.
const CONSOLE_RETENTION_MS: &str = "7776000000";
const APPEND_TIME: &str = "LogAppendTime";
/// How long a broker may take to answer.
const BROKER_TIMEOUT: Duration = Duration::from_secs(8);

/// The required configuration of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredTopic {
    /// Name.
    pub name: String,
    /// `delete` or `compact`.
    pub cleanup: &'static str,
    /// Partitions of a new topic.
    pub partitions: i32,
    /// Whether its partition count must equal that of the events topic.
    pub co_partitioned: bool,
    /// Whether the broker states the time of its records, so that nobody who writes to it can.
    pub has_append_time: bool,
    /// Whether the console rebuilds its incidents from it.
    pub is_read_by_console: bool,
}

/// All topics that `topics create` creates.
#[must_use]
pub fn required_topics(config: &Config) -> Vec<RequiredTopic> {
    let topics = &config.topics;
    let own = [
        (&topics.events, "delete", true),
        (&topics.alerts, "delete", false),
        (&topics.revocations, "delete", false),
        (&topics.decisions, "delete", true),
        (&topics.feedback, "delete", true),
        (&topics.deadletter, "delete", false),
        (&topics.baselines, COMPACT, true),
        (&topics.sightings, "delete", true),
        (&topics.instances, COMPACT, false),
    ];
    let own = own
        .into_iter()
        .map(|(name, cleanup, co_partitioned)| RequiredTopic {
            name: name.clone(),
            cleanup,
            partitions: if *name == topics.instances {
                1
            } else {
                topics.partitions
            },
            co_partitioned,
            has_append_time: [&topics.events, &topics.sightings, &topics.feedback].contains(&name),
            is_read_by_console: [
                &topics.alerts,
                &topics.revocations,
                &topics.decisions,
                &topics.feedback,
            ]
            .contains(&name),
        });
    // A log has an order, which only a single partition keeps.
    let raw = config.ingest.iter().map(|ingest| RequiredTopic {
        name: ingest.topic.clone(),
        cleanup: "delete",
        partitions: 1,
        co_partitioned: false,
        has_append_time: false,
        is_read_by_console: false,
    });
    own.chain(raw).collect()
}

/// Partitions of each existing topic among `names`.
///
/// # Errors
/// No broker is reachable.
pub fn partitions(config: &Config, names: &[String]) -> Result<Vec<Option<usize>>, KafkaError> {
    let consumer: BaseConsumer = client::base(&config.kafka)
        .create()
        .map_err(KafkaError::Client)?;
    let metadata = consumer
        .fetch_metadata(None, BROKER_TIMEOUT)
        .map_err(|why| KafkaError::Unreachable {
            servers: config.kafka.bootstrap_servers.clone(),
            why,
        })?;
    let count = |name: &String| {
        let topic = metadata
            .topics()
            .iter()
            .find(|topic| topic.name() == name)?;
        topic.error().is_none().then(|| topic.partitions().len())
    };
    Ok(names.iter().map(count).collect())
}

/// Topics that the given stages read or write.
#[must_use]
pub fn needed(topics: &Topics, config: &Config, ingest: bool, detect: bool) -> Vec<String> {
    let mut names = vec![
        topics.events.clone(),
        topics.deadletter.clone(),
        topics.sightings.clone(),
    ];
    if ingest {
        names.extend(config.ingest.iter().map(|ingest| ingest.topic.clone()));
    }
    if detect {
        let outputs = [
            &topics.alerts,
            &topics.revocations,
            &topics.decisions,
            &topics.baselines,
            &topics.feedback,
        ];
        names.extend(outputs.into_iter().cloned());
    }
    names
}

/// The partition count of the events topic, after checking that all of `needed` exist.
///
/// # Errors
/// No broker is reachable, or topics are missing.
pub fn require(config: &Config, needed: &[String]) -> Result<usize, KafkaError> {
    let found = partitions(config, needed)?;
    let missing: Vec<String> = needed
        .iter()
        .zip(&found)
        .filter(|(_, partitions)| partitions.is_none())
        .map(|(name, _)| name.clone())
        .collect();
    match found.first() {
        Some(Some(partitions)) if missing.is_empty() => Ok(*partitions),
        _ => Err(KafkaError::MissingTopics(missing)),
    }
}

/// Checks the topics that belong to the events topic, so that baselines can be stored and restored: equal
/// partition counts, and compaction of the baselines.
///
/// # Errors
/// No broker is reachable, or a topic differs; the error states the remedy.
pub async fn require_baselines(config: &Config, partitions: usize) -> Result<(), KafkaError> {
    let topics = &config.topics;
    let names = [
        topics.baselines.clone(),
        topics.decisions.clone(),
        topics.sightings.clone(),
    ];
    for (name, found) in names.iter().zip(self::partitions(config, &names)?) {
        if found.is_some_and(|found| found != partitions) {
            let (found, events) = (found.unwrap_or_default(), &topics.events);
            return Err(KafkaError::Topic(format!(
                "{name} has {found} partitions and {events} has {partitions}, and each shard needs its \
                 own: delete {name} and run `credwatch topics create`, with topics.partitions = \
                 {partitions}; baselines are then learned again from the events that Kafka still holds"
            )));
        }
    }
    require_compaction(config).await
}

/// Checks that the baselines topic is compacted.
///
/// # Errors
/// No broker is reachable, or it is not compacted; the error states the remedy.
pub async fn require_compaction(config: &Config) -> Result<(), KafkaError> {
    let topics = &config.topics;
    let admin: AdminClient<DefaultClientContext> = client::base(&config.kafka)
        .create()
        .map_err(KafkaError::Client)?;
    let options = AdminOptions::new().operation_timeout(Some(BROKER_TIMEOUT));
    let cleanup = setting(&admin, &options, &topics.baselines, CLEANUP_POLICY).await?;
    if cleanup != COMPACT {
        let name = &topics.baselines;
        return Err(KafkaError::Topic(format!(
            "{name} has cleanup.policy={cleanup}: baselines would be deleted by age, or grow without end; \
             set it to compact: kafka-configs --alter --entity-type topics --entity-name {name} \
             --add-config cleanup.policy=compact"
        )));
    }
    Ok(())
}

/// Creates missing topics; returns one line per topic, and the number of those that differ from the
/// required configuration.
///
/// # Errors
/// No broker is reachable, or it rejects the request.
pub async fn create(config: &Config) -> Result<(Vec<String>, usize), KafkaError> {
    let requested = required_topics(config);
    let names: Vec<String> = requested.iter().map(|topic| topic.name.clone()).collect();
    let found = partitions(config, &names)?;
    let admin: AdminClient<DefaultClientContext> = client::base(&config.kafka)
        .create()
        .map_err(KafkaError::Client)?;
    let options = AdminOptions::new().operation_timeout(Some(BROKER_TIMEOUT));
    let (mut lines, mut differing) = (Vec::new(), 0);
    for (topic, found) in requested.iter().zip(found) {
        let line = match found {
            None => create_topic(&admin, &options, config, topic).await?,
            Some(partitions) => {
                let difference = compare(&admin, &options, config, topic, partitions).await?;
                differing += usize::from(difference.is_some());
                difference.unwrap_or_else(|| format!("{}: ok", topic.name))
            }
        };
        lines.push(line);
    }
    Ok((lines, differing))
}

async fn create_topic(
    admin: &AdminClient<DefaultClientContext>,
    options: &AdminOptions,
    config: &Config,
    topic: &RequiredTopic,
) -> Result<String, KafkaError> {
    let partitions = topic.partitions;
    let replication = TopicReplication::Fixed(config.topics.replication);
    let mut new =
        NewTopic::new(&topic.name, partitions, replication).set(CLEANUP_POLICY, topic.cleanup);
    if topic.has_append_time {
        new = new.set(TIMESTAMP_TYPE, APPEND_TIME);
    }
    if topic.is_read_by_console {
        new = new.set("retention.ms", CONSOLE_RETENTION_MS);
    }
    if topic.cleanup == COMPACT {
        // Uncompacted records are read at every restore: segments are closed early, and cleaned early.
        new = new
            .set("segment.bytes", "67108864")
            .set("min.cleanable.dirty.ratio", "0.1");
    }
    let results = admin
        .create_topics(&[new], options)
        .await
        .map_err(|error| KafkaError::Admin(error.to_string()))?;
    match results.first() {
        Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => {
            Ok(format!("{}: created concurrently", topic.name))
        }
        Some(Err((name, code))) => Err(KafkaError::Admin(format!("cannot create {name}: {code}"))),
        _ => Ok(format!(
            "{}: created, {partitions} partitions, cleanup {}",
            topic.name, topic.cleanup
        )),
    }
}

async fn setting(
    admin: &AdminClient<DefaultClientContext>,
    options: &AdminOptions,
    topic: &str,
    name: &str,
) -> Result<String, KafkaError> {
    let described = admin
        .describe_configs(&[ResourceSpecifier::Topic(topic)], options)
        .await
        .map_err(|error| KafkaError::Admin(error.to_string()))?;
    let found = described
        .first()
        .and_then(|resource| resource.as_ref().ok())
        .and_then(|resource| resource.get(name)?.value.clone());
    Ok(found.unwrap_or_default())
}

async fn compare(
    admin: &AdminClient<DefaultClientContext>,
    options: &AdminOptions,
    config: &Config,
    topic: &RequiredTopic,
    partitions: usize,
) -> Result<Option<String>, KafkaError> {
    let cleanup = setting(admin, options, &topic.name, CLEANUP_POLICY).await?;
    let mut differences = Vec::new();
    if topic.has_append_time {
        let stated = setting(admin, options, &topic.name, TIMESTAMP_TYPE).await?;
        if stated != APPEND_TIME {
            differences.push(format!(
                "{TIMESTAMP_TYPE} is {stated}, required is {APPEND_TIME}: otherwise whoever writes to it \
                 states the time"
            ));
        }
    }
    if cleanup != topic.cleanup {
        differences.push(format!(
            "cleanup.policy is {cleanup}, required is {}",
            topic.cleanup
        ));
    }
    let requested = config.topics.partitions as usize;
    if topic.co_partitioned && partitions != requested {
        differences.push(format!(
            "has {partitions} partitions, topics.partitions says {requested}"
        ));
    }
    Ok((!differences.is_empty()).then(|| format!("{}: {}", topic.name, differences.join("; "))))
}
