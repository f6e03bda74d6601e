//! Kafka transport: clients ([`client`]), topics ([`topics`]), transactions of outputs and offsets
//! (`transaction`) and of checkpoints ([`checkpoint`]), the consumer loop ([`worker`]), the stages that it
//! runs ([`ingest`], [`detect`]), their restart ([`supervisor`]), the handoff of shards within a process
//! ([`shard_handoff`]) and their recovery ([`shard_recovery`]).

mod batch_consumer;
pub mod checkpoint;
pub mod client;
pub mod console_reader;
pub mod detect;
pub mod event_reader;
pub mod feedback_consumer;
pub mod feedback_producer;
pub mod ingest;
pub mod instance_announcer;
mod producer;
mod rebalance;
mod retention_watch;
pub mod shard_handoff;
pub mod shard_recovery;
pub mod stage;
pub mod supervisor;
pub mod topic_reader;
pub mod topics;
mod transaction;
pub mod worker;

use crate::shard::RestoreError;

/// Why Kafka failed.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// A client cannot be created: a property is invalid.
    #[error("kafka.properties: {}", client_fault(.0))]
    Client(rdkafka::error::KafkaError),
    /// An enrichment database cannot be read.
    #[error(transparent)]
    Database(#[from] crate::enrichment::DatabaseError),
    /// Schemas are not available.
    #[error(transparent)]
    SchemaRegistry(#[from] crate::schema_registry::RegistryError),
    /// No broker is reachable.
    #[error(
        "no broker is reachable at {servers} ({why}): check kafka.bootstrap_servers, and that Kafka runs"
    )]
    Unreachable {
        /// Bootstrap servers.
        servers: String,
        /// Reason.
        why: rdkafka::error::KafkaError,
    },
    /// Topics are missing.
    #[error("missing topics: {}; create them with `credwatch topics create`", .0.join(", "))]
    MissingTopics(Vec<String>),
    /// A transaction failed permanently; its events will be consumed again.
    #[error("transaction: {0}")]
    Transaction(rdkafka::error::KafkaError),
    /// The consumer failed permanently.
    #[error("consumer: {0}")]
    Consumer(rdkafka::error::KafkaError),
    /// Baselines cannot be restored.
    #[error("{0}")]
    Restore(#[from] RestoreError),
    /// A topic has the wrong configuration.
    #[error("{0}")]
    Topic(String),
    /// The last stable offset does not advance.
    #[error(
        "{0} partition {1}: last stable offset does not advance: open transaction or broker down"
    )]
    UnstableOffset(String, i32),
    /// The group revoked the partitions without a rebalance callback.
    #[error("partitions were lost: the session of this consumer timed out")]
    PartitionsLost,
    /// An administrative request failed.
    #[error("topics: {0}")]
    Admin(String),
}

/// Why a client cannot be created, without the value of a property: it may be a secret.
fn client_fault(error: &rdkafka::error::KafkaError) -> String {
    match error {
        rdkafka::error::KafkaError::ClientConfig(_, _, key, _) => {
            format!("property \"{key}\" has a value that librdkafka does not accept")
        }
        other => other.to_string(),
    }
}
