//! A stage of the pipeline: what a worker runs, and what they exchange.

use crate::config::Config;
use crate::kafka::KafkaError;
use crate::kafka::checkpoint::CheckpointSource;
use crate::metrics::Metrics;
use crate::outputs::retention_gap::RetentionGap;
use crate::query_router::QueryRouter;
use crate::shard::OutputRecord;
use crate::status::Status;
use credwatch_core::units::EventTime;
use rdkafka::message::{BorrowedMessage, Message, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// One record as a stage receives it.
#[derive(Clone, Copy)]
pub struct Record<'m> {
    /// Topic.
    pub topic: &'m str,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Time at which the broker appended it; `None` where its producer states the time.
    pub appended_at: Option<EventTime>,
    /// Its time, whoever stated it.
    pub stamped_at: Option<EventTime>,
    /// Key; empty where there is none.
    pub key: &'m [u8],
    /// Value; empty for a tombstone.
    pub payload: &'m [u8],
    /// Whether it has no value.
    pub is_tombstone: bool,
}

/// Result of a stage for some records.
#[derive(Default)]
pub struct Processed {
    /// Outputs to publish.
    pub outputs: Vec<OutputRecord>,
    /// Whether to commit at once.
    pub urgent: bool,
}

/// A stage of the pipeline: records in, outputs out.
pub trait Stage {
    /// Name in metrics and logs.
    fn name(&self) -> &'static str;

    /// Topics to read.
    fn topics(&self) -> Vec<String>;

    /// Processes records, in order, without tombstones. Nothing is an error: a malformed record becomes a
    /// dead letter.
    ///
    /// # Errors
    /// What the stage depends on is not available: the records are to be read again.
    fn process(&mut self, records: &[Record<'_>]) -> Result<Processed, KafkaError>;

    /// A partition was assigned. A stage that keeps state by partition reads one topic.
    ///
    /// # Errors
    /// Its state cannot be restored.
    fn assign(&mut self, partition: i32) -> Result<(), KafkaError>;

    /// A partition was revoked.
    fn revoke(&mut self, partition: i32);

    /// A record without value was read.
    fn pass_over(&mut self, _tombstone: &Record<'_>) {}

    /// Offsets of an assigned partition were deleted before they were read. Returns what a stage without
    /// audit trail publishes of it.
    fn skip_deleted(&mut self, _gap: &RetentionGap) -> Option<OutputRecord> {
        None
    }

    /// State that is checkpointed; `None` for a stateless stage.
    fn state(&mut self) -> Option<&mut dyn CheckpointSource> {
        None
    }

    /// Called between batches, to serve queries.
    fn serve_queries(&mut self);

    /// Called about once a second, for work that is too expensive for every record.
    fn tick(&mut self);
}

/// State shared by all workers of a process.
#[derive(Clone)]
pub struct Shared {
    /// Settings.
    pub config: Arc<Config>,
    /// Metrics.
    pub metrics: Metrics,
    /// Progress of partitions.
    pub status: Arc<Status>,
    /// Routes queries to shards.
    pub query_router: Arc<QueryRouter>,
    /// Set when shutdown is requested.
    pub stop: Arc<AtomicBool>,
}

impl Shared {
    /// The initial shared state of workers under `config`.
    #[must_use]
    pub fn new(config: Config, metrics: Metrics) -> Self {
        Self {
            config: Arc::new(config),
            metrics,
            status: Arc::default(),
            query_router: Arc::default(),
            stop: Arc::default(),
        }
    }

    /// Whether shutdown is requested.
    #[must_use]
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// The broker's own time of a record: only that cannot be set by whoever writes to the topic.
pub(super) fn appended_at(message: &BorrowedMessage<'_>) -> Option<EventTime> {
    match message.timestamp() {
        Timestamp::LogAppendTime(ms) => EventTime::from_epoch_ms(ms),
        Timestamp::CreateTime(_) | Timestamp::NotAvailable => None,
    }
}
