//! Consumes feedback at each checkpoint, from all partitions of the feedback topic: feedback is rare, and
//! only the shards know whose it is.

use crate::clock::wall_time;
use crate::config::Config;
use crate::feedback::model::{Feedback, FeedbackCommand};
use crate::feedback::signed_feedback::FeedbackVerifier;
use crate::kafka::KafkaError;
use crate::kafka::client;
use crate::kafka::client::Reader;
use crate::kafka::topic_reader::consume_until;
use crate::metrics::{FeedbackKind, Metrics};
use crate::shard::{OutputRecord, Shard, ShardId};
use credwatch_core::units::EventTime;
use rdkafka::Offset;
use rdkafka::consumer::Consumer;
use rdkafka::message::{BorrowedMessage, Message};
use std::collections::BTreeMap;
use std::time::Duration;
use tracing::{info, warn};

/// How long a broker may take to answer.
const BROKER_TIMEOUT: Duration = Duration::from_secs(10);

/// Time limit of one read of feedback.
const WATERMARK_TIMEOUT: Duration = Duration::from_secs(1);

/// Time stamp of a feedback record, at most the present: a later one would outrank every later command.
pub fn sent_at(message: &BorrowedMessage<'_>) -> Option<EventTime> {
    let stamped = EventTime::from_epoch_ms(message.timestamp().to_millis()?)?;
    Some(stamped.min(wall_time()))
}

/// A reader of the feedback topic.
pub struct FeedbackConsumer {
    reader: Reader,
    topic: String,
    partitions: i32,
    verifier: FeedbackVerifier,
    metrics: Metrics,
}

impl FeedbackConsumer {
    /// A reader for the consumer group `group`.
    ///
    /// # Errors
    /// A property is invalid.
    pub fn new(
        config: &Config,
        group: &str,
        partitions: i32,
        metrics: Metrics,
    ) -> Result<Self, KafkaError> {
        Ok(Self {
            reader: client::open(&client::reader(&config.kafka, group))?,
            topic: config.topics.feedback.clone(),
            partitions,
            verifier: config.feedback.verifier.clone(),
            metrics,
        })
    }

    /// Whether there is feedback that `shards` have not applied.
    #[must_use]
    pub fn has_pending(&self, shards: &BTreeMap<ShardId, Shard>) -> bool {
        (0..self.partitions).any(|partition| {
            let next = shards
                .values()
                .map(|shard| shard.next_feedback_offset(partition));
            let ends = self
                .reader
                .fetch_watermarks(&self.topic, partition, WATERMARK_TIMEOUT);
            let end = ends.map_or(0, |(_, end)| end);
            next.min().is_some_and(|next| next < end)
        })
    }

    /// Applies new feedback to `shards`; returns outputs to publish. Feedback that cannot be read now is read
    /// at the next checkpoint.
    pub fn drain_into(&self, shards: &mut BTreeMap<ShardId, Shard>) -> Vec<OutputRecord> {
        let mut published = Vec::new();
        for partition in 0..self.partitions {
            let next = shards
                .values()
                .map(|shard| shard.next_feedback_offset(partition));
            let Some(next) = next.min() else { continue };
            if let Err(error) = self.drain_partition(shards, partition, next, &mut published) {
                warn!(
                    "feedback consumer of {} unavailable, retrying: {error}",
                    self.topic
                );
            }
        }
        published
    }

    fn count(&self, kind: FeedbackKind) {
        let counter = self.metrics.feedback.with_label_values(&[kind.as_str()]);
        counter.inc();
    }

    /// Logs and counts feedback that `shards` shards applied.
    fn record_metrics(&self, feedback: &Feedback, shards: usize) {
        if shards == 0 {
            return;
        }
        let by = &feedback.by;
        info!(by, "feedback applied");
        let (kind, verdict) = match feedback.command() {
            Ok(FeedbackCommand::AlertVerdict(_, verdict)) => {
                (FeedbackKind::AlertVerdict, Some(verdict))
            }
            Ok(FeedbackCommand::OrderOutcome(..)) => (FeedbackKind::Outcome, None),
            Ok(FeedbackCommand::Approve(_)) => (FeedbackKind::Approval, None),
            Ok(FeedbackCommand::Forget(_)) => (FeedbackKind::Forget, None),
            Ok(FeedbackCommand::Containment(_)) | Err(_) => (FeedbackKind::Switch, None),
        };
        self.count(kind);
        if let Some(verdict) = verdict {
            let verdict = verdict.as_str();
            self.metrics
                .alert_verdicts
                .with_label_values(&[verdict])
                .inc();
        }
    }

    fn drain_partition(
        &self,
        shards: &mut BTreeMap<ShardId, Shard>,
        partition: i32,
        next: i64,
        published: &mut Vec<OutputRecord>,
    ) -> Result<(), KafkaError> {
        let ends = self
            .reader
            .fetch_watermarks(&self.topic, partition, BROKER_TIMEOUT);
        let (first, end) = ends.map_err(KafkaError::Consumer)?;
        if next >= end {
            return Ok(());
        }
        let start = Offset::Offset(next.max(first));
        consume_until(&self.reader, &self.topic, partition, start, |message| {
            let offset = message.offset();
            let mut skip = || {
                shards
                    .values_mut()
                    .for_each(|shard| shard.skip_feedback((partition, offset)));
            };
            let Some(record) = message.payload() else {
                self.metrics
                    .tombstones
                    .with_label_values(&["feedback"])
                    .inc();
                skip();
                return Ok(offset + 1 < end);
            };
            match self.verifier.verify(record, sent_at(message)) {
                Ok(feedback) => {
                    let taken = shards.values_mut().filter_map(|shard| {
                        shard.apply_feedback(&feedback, (partition, offset), Some(wall_time()))
                    });
                    let outputs: Vec<Vec<OutputRecord>> = taken.collect();
                    self.record_metrics(&feedback, outputs.len());
                    published.extend(outputs.into_iter().flatten());
                }
                Err(why) => {
                    skip();
                    self.count(FeedbackKind::Refused);
                    warn!(
                        partition,
                        offset, "feedback record rejected in {}: {why}", self.topic
                    );
                }
            }
            Ok(offset + 1 < end)
        })
    }
}
