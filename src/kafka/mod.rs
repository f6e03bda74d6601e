//! Kafka: clients ([`client`]), the topics that must be there ([`topics`]), a transaction of
//! outputs and offsets (`transaction`) and one of baselines ([`checkpoint`]), the loop of one consumer
//! ([`worker`]), and the stages
//! that it drives ([`ingest`], [`detect`], with the [`shard_handoff`] through which shards move within a process,
//! and [`shard_recovery`], by which they are taken up from Kafka).

pub mod checkpoint;
pub mod client;
pub mod detect;
pub mod feedback_consumer;
pub mod feedback_producer;
pub mod ingest;
mod producer;
mod rebalance;
pub mod shard_handoff;
pub mod shard_recovery;
pub mod topic_reader;
pub mod topics;
mod transaction;
pub mod worker;

use crate::shard::RestoreError;

/// Why Kafka could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// A client could not be made: a property is wrong.
    #[error("kafka.properties: {0}")]
    Client(rdkafka::error::KafkaError),
    /// Nobody answers.
    #[error(
        "no broker answers at {servers} ({why}): check kafka.bootstrap_servers, and that Kafka is up"
    )]
    Unreachable {
        /// Where.
        servers: String,
        /// Why.
        why: rdkafka::error::KafkaError,
    },
    /// Topics are missing.
    #[error("missing topics: {}; create them with `credwatch topics create`", .0.join(", "))]
    MissingTopics(Vec<String>),
    /// A transaction failed for good; the partitions are read again by whoever owns them.
    #[error("transaction: {0}")]
    Transaction(rdkafka::error::KafkaError),
    /// The consumer failed for good.
    #[error("consumer: {0}")]
    Consumer(rdkafka::error::KafkaError),
    /// Baselines cannot be taken up.
    #[error("{0}")]
    Restore(#[from] RestoreError),
    /// A topic is not as it must be.
    #[error("{0}")]
    Topic(String),
    /// Somebody's transaction does not end, or the broker does not answer.
    #[error("{0} partition {1} does not come to rest: a transaction is open, or a broker is down")]
    UnstableOffset(String, i32),
    /// The group took the partitions away without asking.
    #[error("partitions were lost: the group did not hear from this consumer in time")]
    PartitionsLost,
    /// An administrative request failed.
    #[error("topics: {0}")]
    Admin(String),
}
