//! How clients are configured. Every value that is not a default has a reason.

use crate::config::Kafka;
use rdkafka::ClientConfig;

/// What every client has.
#[must_use]
pub fn base(kafka: &Kafka) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &kafka.bootstrap_servers);
    config.set("client.id", "credwatch");
    // Failed connections are reported once by us, not by every reconnect.
    config.set("log.connection.close", "false");
    for (key, value) in &kafka.properties {
        config.set(key, value);
    }
    config
}

/// A consumer whose offsets are committed by a producer's transaction.
#[must_use]
pub fn consumer(kafka: &Kafka, group: &str) -> ClientConfig {
    let mut config = base(kafka);
    config.set("group.id", group);
    config.set("enable.auto.commit", "false");
    config.set("enable.auto.offset.store", "false");
    config.set("auto.offset.reset", "earliest");
    config.set("isolation.level", "read_committed");
    // A rebalance takes from a consumer only what it loses.
    config.set("partition.assignment.strategy", "cooperative-sticky");
    config.set("session.timeout.ms", "10000");
    // The default of a second pauses fetching whenever the local queue was full.
    config.set("fetch.queue.backoff.ms", "10");
    config.set("statistics.interval.ms", "1000");
    for (key, value) in &kafka.properties {
        config.set(key, value);
    }
    config
}

/// A transactional producer.
#[must_use]
pub fn producer(kafka: &Kafka, transactional_id: &str) -> ClientConfig {
    let mut config = base(kafka);
    config.set("transactional.id", transactional_id);
    // What a killed process left open blocks readers for no longer than this.
    config.set("transaction.timeout.ms", "10000");
    // Java's default: identities land where other producers put them, and where `replay` does.
    config.set("partitioner", "murmur2_random");
    // Decides what back-to-back transactions pay for CONCURRENT_TRANSACTIONS.
    config.set("retry.backoff.ms", "5");
    config.set("linger.ms", "0");
    config.set("compression.type", "zstd");
    config.set("message.max.bytes", "8388608");
    for (key, value) in &kafka.properties {
        config.set(key, value);
    }
    config
}

/// Names one producer among all instances; a zombie of the same name is fenced.
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
