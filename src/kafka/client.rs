//! Configuration of clients. Every value that is not a default has a reason.

use crate::config::Kafka;
use crate::kafka::KafkaError;
use credwatch_core::verdict::EntityView;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::{ClientConfig, ClientContext};
use tracing::warn;

/// A reader for which the end of a partition is not an error.
pub type Reader = BaseConsumer<EofTolerantContext>;

/// The context of a [`Reader`].
#[derive(Clone, Copy, Debug)]
pub struct EofTolerantContext;

impl ClientContext for EofTolerantContext {
    fn error(&self, error: ClientError, reason: &str) {
        let is_end =
            error.rdkafka_error_code() == Some(rdkafka::error::RDKafkaErrorCode::PartitionEOF);
        if !is_end {
            warn!("reader: {error}: {reason}");
        }
    }
}

impl ConsumerContext for EofTolerantContext {}

/// A client with `settings`; the operator's properties take precedence.
fn client(kafka: &Kafka, settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &kafka.bootstrap_servers);
    config.set("client.id", "credwatch");
    // Failed connections are reported once by this program, not at every reconnect.
    config.set("log.connection.close", "false");
    for (key, value) in settings {
        config.set(*key, *value);
    }
    for (key, value) in &kafka.properties {
        config.set(key, value);
    }
    config
}

/// Settings of a client that neither reads nor writes records.
#[must_use]
pub fn base(kafka: &Kafka) -> ClientConfig {
    client(kafka, &[])
}

/// A consumer whose offsets are committed by a producer's transaction.
#[must_use]
pub fn consumer(kafka: &Kafka, group: &str) -> ClientConfig {
    let settings = [
        ("group.id", group),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("auto.offset.reset", "earliest"),
        ("isolation.level", "read_committed"),
        // A rebalance revokes only the partitions that move.
        ("partition.assignment.strategy", "cooperative-sticky"),
        ("session.timeout.ms", "10000"),
        // The default of a second pauses fetching whenever the local queue was full.
        ("fetch.queue.backoff.ms", "10"),
        ("statistics.interval.ms", "1000"),
    ];
    client(kafka, &settings)
}

/// A reader of single partitions up to their end, which uses the group's offsets without joining
/// the group.
#[must_use]
pub fn reader(kafka: &Kafka, group: &str) -> ClientConfig {
    let settings = [
        ("group.id", group),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("enable.partition.eof", "true"),
        // The end is reported when a fetch returns no records.
        ("fetch.wait.max.ms", "10"),
        ("isolation.level", "read_committed"),
        ("auto.offset.reset", "earliest"),
        ("fetch.queue.backoff.ms", "10"),
    ];
    client(kafka, &settings)
}

/// Opens a reader.
///
/// # Errors
/// A property is invalid.
pub fn open(config: &ClientConfig) -> Result<Reader, KafkaError> {
    config
        .create_with_context(EofTolerantContext)
        .map_err(KafkaError::Client)
}

/// The same, with isolation level read_uncommitted.
#[must_use]
pub fn read_uncommitted_reader(kafka: &Kafka, group: &str) -> ClientConfig {
    let mut config = reader(kafka, group);
    config.set("isolation.level", "read_uncommitted");
    config
}

/// A transactional producer.
#[must_use]
pub fn producer(kafka: &Kafka, transactional_id: &str) -> ClientConfig {
    let settings = [
        ("transactional.id", transactional_id),
        // The open transaction of a killed process blocks readers for at most this long.
        ("transaction.timeout.ms", "10000"),
        // Java's default: identities are assigned to the same partitions as by other producers and by
        // `replay`.
        ("partitioner", "murmur2_random"),
        // Determines the delay of back-to-back transactions after CONCURRENT_TRANSACTIONS.
        ("retry.backoff.ms", "5"),
        ("linger.ms", "0"),
        // zstd makes a checkpoint a third more expensive.
        ("compression.type", "lz4"),
        ("message.max.bytes", "8388608"),
        // A checkpoint is sent in chunks; at most this much of it is queued.
        ("queue.buffering.max.kbytes", "131072"),
        ("queue.buffering.max.messages", "200000"),
    ];
    client(kafka, &settings)
}

/// A producer for single records.
#[must_use]
pub fn plain_producer(kafka: &Kafka) -> ClientConfig {
    let settings = [
        ("enable.idempotence", "true"),
        ("message.timeout.ms", "30000"),
        ("partitioner", "murmur2_random"),
    ];
    client(kafka, &settings)
}

/// Name of the detect stage of one view in consumer groups and transactional ids.
#[must_use]
pub fn detect_name(entity: EntityView) -> &'static str {
    match entity {
        EntityView::Identity => "detect",
        EntityView::Source => "detect-sources",
    }
}

/// A unique transactional id per producer; a zombie with the same id is fenced.
#[must_use]
pub fn transactional_id(kafka: &Kafka, stage: &str, worker: usize) -> String {
    let instance = if kafka.instance_id.is_empty() {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        format!("{}-{}", host.trim(), std::process::id())
    } else {
        kafka.instance_id.clone()
    };
    format!("{}-{stage}-{instance}-{worker}", kafka.group_id)
}
