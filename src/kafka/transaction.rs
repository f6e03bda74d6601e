//! Outputs and input offsets, committed together or not at all.
//!
//! The content of a transaction is kept until the commit succeeds: a failed attempt is aborted and
//! repeated with the same bytes, so that an engine never processes an event twice.

use crate::clock::Stopwatch;
use crate::kafka::KafkaError;
use crate::kafka::producer::TransactionalProducer;
use crate::metrics::Metrics;
use crate::retry::backoff::Backoff;
use crate::shard::OutputRecord;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::KafkaError as ClientError;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tracing::warn;

/// Time limit of retries.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);
/// Delay before a transaction is attempted again.
const RETRY_BACKOFF: Backoff =
    Backoff::new(Duration::from_millis(100), Duration::from_secs(2), 0.5);

/// The content of the next transaction.
pub(super) struct Transaction {
    producer: TransactionalProducer,
    metrics: Metrics,
    outputs: Vec<OutputRecord>,
    next_offsets: BTreeMap<(Arc<str>, i32), i64>,
}

impl Transaction {
    /// An empty transaction of `producer`.
    #[must_use]
    pub(super) fn new(producer: TransactionalProducer, metrics: Metrics) -> Self {
        Self {
            producer,
            metrics,
            outputs: Vec::new(),
            next_offsets: BTreeMap::new(),
        }
    }

    /// Records that everything before `next_offset` has been processed.
    pub(super) fn advance(&mut self, topic: &Arc<str>, partition: i32, next_offset: i64) {
        match self.next_offsets.get_mut(&(Arc::clone(topic), partition)) {
            Some(known) => *known = next_offset,
            None => {
                self.next_offsets
                    .insert((Arc::clone(topic), partition), next_offset);
            }
        }
    }

    /// Adds outputs.
    pub(super) fn push(&mut self, outputs: impl IntoIterator<Item = OutputRecord>) {
        self.outputs.extend(outputs);
    }

    /// Number of outputs.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.outputs.len()
    }

    /// Whether there is nothing to commit.
    #[must_use]
    fn is_empty(&self) -> bool {
        self.next_offsets.is_empty() && self.outputs.is_empty()
    }

    /// Discards the content: the partitions have another owner.
    pub(super) fn discard(&mut self) {
        self.outputs.clear();
        self.next_offsets.clear();
    }

    /// Commits everything, retrying where possible. `group` is called at every attempt, because the group's
    /// generation may have changed in the background, and an old one is rejected.
    ///
    /// # Errors
    /// The producer was fenced or the broker is unreachable: the events must be consumed again.
    pub(super) fn commit(
        &mut self,
        group: impl Fn() -> Option<ConsumerGroupMetadata>,
    ) -> Result<(), KafkaError> {
        if self.is_empty() {
            return Ok(());
        }
        let since = Stopwatch::start();
        retry(&self.producer, &self.metrics, || {
            self.attempt(group().as_ref())
        })?;
        self.metrics
            .commit_seconds
            .observe(since.elapsed().as_secs_f64());
        self.discard();
        Ok(())
    }

    fn attempt(&self, group: Option<&ConsumerGroupMetadata>) -> Result<(), ClientError> {
        self.producer.begin()?;
        for output in &self.outputs {
            self.producer.send(output)?;
        }
        let offsets = self.next_offsets.iter();
        let offsets = offsets.map(|((topic, partition), next)| (&**topic, *partition, *next));
        self.producer.commit(offsets, group)
    }
}

/// Retries `attempt`, a whole transaction of `producer`, until it is committed.
///
/// # Errors
/// It cannot be retried, or the time limit is reached.
pub(super) fn retry(
    producer: &TransactionalProducer,
    metrics: &Metrics,
    mut attempt: impl FnMut() -> Result<(), ClientError>,
) -> Result<(), KafkaError> {
    let since = Stopwatch::start();
    let mut failures = 0;
    while let Err(error) = attempt() {
        if !can_repeat(producer, &error) || since.elapsed() > RETRY_TIMEOUT {
            return Err(KafkaError::Transaction(error));
        }
        metrics.commit_retries.inc();
        warn!(%error, "retrying transaction");
        failures += 1;
        std::thread::sleep(RETRY_BACKOFF.delay(failures, "transaction"));
    }
    Ok(())
}

/// Aborts the open transaction of `producer`, so that another can begin; returns whether that was possible.
fn can_repeat(producer: &TransactionalProducer, error: &ClientError) -> bool {
    if let ClientError::Transaction(error) = error
        && error.is_fatal()
    {
        return false;
    }
    match producer.abort() {
        Ok(()) => true,
        Err(ClientError::Transaction(error)) => !error.is_fatal(),
        Err(_) => false,
    }
}
