//! Outputs and input offsets, committed together or not at all.
//!
//! What a transaction holds is kept until the broker has it: a failed attempt is aborted and
//! repeated with the same bytes, so an engine never has to step twice over an event.

use crate::clock::Stopwatch;
use crate::config::Topics;
use crate::kafka::KafkaError;
use crate::metrics::Metrics;
use crate::shard::Outgoing;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders, ToBytes};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tracing::warn;

/// One attempt may take this long.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(10);
/// A transaction is repeated for this long before it is given up.
const REPEAT_WITHIN: Duration = Duration::from_secs(60);
/// Pause before a repetition.
const REPEAT_AFTER: Duration = Duration::from_millis(200);

/// State that is kept in the same transaction. It is asked for at every attempt, so that it need not
/// be held twice.
pub trait Checkpoint {
    /// Sends every record, by partition of the topic of baselines.
    ///
    /// # Errors
    /// `send` fails.
    fn send(&self, send: &mut SendBaseline<'_>) -> io::Result<()>;

    /// Topics and partitions with the offset that the state stands for.
    fn positions(&self) -> Vec<(&str, i32, i64)>;
}

/// Takes partition, key and value of a record of state.
pub type SendBaseline<'s> = dyn FnMut(i32, &[u8], Option<&[u8]>) -> io::Result<()> + 's;

/// What is to be committed next.
pub struct Transaction {
    producer: BaseProducer,
    topics: Topics,
    metrics: Metrics,
    outputs: Vec<Outgoing>,
    next_offsets: BTreeMap<(Arc<str>, i32), i64>,
}

impl Transaction {
    /// An empty transaction of a producer whose transactions are initialised.
    #[must_use]
    pub fn new(producer: BaseProducer, topics: Topics, metrics: Metrics) -> Self {
        Self {
            producer,
            topics,
            metrics,
            outputs: Vec::new(),
            next_offsets: BTreeMap::new(),
        }
    }

    /// Notes that everything before `next_offset` has been taken in.
    pub fn advance(&mut self, topic: &Arc<str>, partition: i32, next_offset: i64) {
        match self.next_offsets.get_mut(&(Arc::clone(topic), partition)) {
            Some(known) => *known = next_offset,
            None => {
                self.next_offsets
                    .insert((Arc::clone(topic), partition), next_offset);
            }
        }
    }

    /// Adds outputs.
    pub fn push(&mut self, outputs: impl IntoIterator<Item = Outgoing>) {
        self.outputs.extend(outputs);
    }

    /// How many outputs wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.outputs.len()
    }

    /// Whether there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.next_offsets.is_empty() && self.outputs.is_empty()
    }

    /// Forgets what waits: its partitions belong to somebody else now.
    pub fn discard(&mut self) {
        self.outputs.clear();
        self.next_offsets.clear();
    }

    /// Commits everything, with `checkpoint` if there is one, repeating what can be repeated. `group` is
    /// asked at every attempt: the group's generation may have moved on in the background, and an old one
    /// is refused.
    ///
    /// # Errors
    /// The producer was fenced or the broker is gone: whatever was read must be read again.
    pub fn commit(
        &mut self,
        group: impl Fn() -> Option<ConsumerGroupMetadata>,
        checkpoint: Option<&dyn Checkpoint>,
    ) -> Result<(), KafkaError> {
        if self.is_empty() && checkpoint.is_none() {
            return Ok(());
        }
        let since = Stopwatch::start();
        while let Err(error) = self.attempt(group().as_ref(), checkpoint) {
            let repeatable = self.settle(&error);
            if !repeatable || since.elapsed() > REPEAT_WITHIN {
                return Err(KafkaError::Transaction(error));
            }
            self.metrics.commit_retries.inc();
            warn!(%error, "transaction is repeated");
            std::thread::sleep(REPEAT_AFTER);
        }
        self.metrics
            .commit_seconds
            .observe(since.elapsed().as_secs_f64());
        self.discard();
        Ok(())
    }

    fn attempt(
        &self,
        group: Option<&ConsumerGroupMetadata>,
        checkpoint: Option<&dyn Checkpoint>,
    ) -> Result<(), ClientError> {
        let Some(group) = group else {
            return Err(ClientError::Flush(RDKafkaErrorCode::UnknownMemberId));
        };
        self.producer.begin_transaction()?;
        for output in &self.outputs {
            self.send(output)?;
        }
        let mut next_offsets: BTreeMap<(&str, i32), i64> = BTreeMap::new();
        if let Some(checkpoint) = checkpoint {
            self.send_state(checkpoint)?;
            let positions = checkpoint.positions().into_iter();
            next_offsets.extend(positions.map(|(topic, p, next)| ((topic, p), next)));
        }
        self.wait_for_deliveries()?;
        let own = self.next_offsets.iter();
        next_offsets.extend(own.map(|((topic, partition), next)| ((&**topic, *partition), *next)));
        let mut offsets = TopicPartitionList::new();
        for ((topic, partition), next) in next_offsets {
            offsets.add_partition_offset(topic, partition, Offset::Offset(next))?;
        }
        self.producer
            .send_offsets_to_transaction(&offsets, group, ATTEMPT_WITHIN)?;
        self.producer.commit_transaction(ATTEMPT_WITHIN)
    }

    fn send(&self, output: &Outgoing) -> Result<(), ClientError> {
        let mut headers = OwnedHeaders::new_with_capacity(output.headers.len());
        for (key, value) in &output.headers {
            let value = Some(value.as_str());
            headers = headers.insert(Header { key, value });
        }
        let mut record = BaseRecord::to(output.stream.topic(&self.topics))
            .key(output.key.as_str())
            .payload(output.payload.as_slice())
            .headers(headers);
        record.partition = output.partition;
        self.enqueue(record)
    }

    fn send_state(&self, checkpoint: &dyn Checkpoint) -> Result<(), ClientError> {
        let mut failed = None;
        let sent = checkpoint.send(&mut |partition, key, value| {
            let mut record = BaseRecord::to(&self.topics.baselines)
                .partition(partition)
                .key(key);
            record.payload = value;
            self.enqueue(record).map_err(|error| {
                failed = Some(error);
                io::Error::other("the client refuses a record")
            })
        });
        match (sent, failed) {
            (Ok(()), _) => Ok(()),
            (Err(_), Some(error)) => Err(error),
            (Err(_), None) => Err(ClientError::Flush(RDKafkaErrorCode::InvalidRecord)),
        }
    }

    /// Hands a record to the client, waiting for room in its queue.
    fn enqueue<K: ToBytes + ?Sized>(
        &self,
        mut record: BaseRecord<'_, K, [u8]>,
    ) -> Result<(), ClientError> {
        let since = Stopwatch::start();
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((error, returned)) => {
                    let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
                    if !full || since.elapsed() > ATTEMPT_WITHIN {
                        return Err(error);
                    }
                    self.producer.poll(Duration::from_millis(1));
                    record = returned;
                }
            }
        }
    }

    /// Serves delivery reports until none is outstanding. Left to `commit_transaction`, an
    /// outstanding one costs 100 ms.
    fn wait_for_deliveries(&self) -> Result<(), ClientError> {
        let since = Stopwatch::start();
        while self.producer.in_flight_count() > 0 {
            if since.elapsed() > ATTEMPT_WITHIN {
                return Err(ClientError::Flush(RDKafkaErrorCode::OperationTimedOut));
            }
            self.producer.poll(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Brings the producer back to where a transaction can begin; says whether that worked.
    fn settle(&self, error: &ClientError) -> bool {
        if let ClientError::Transaction(error) = error
            && error.is_fatal()
        {
            return false;
        }
        match self.producer.abort_transaction(ATTEMPT_WITHIN) {
            Ok(()) => true,
            Err(ClientError::Transaction(error)) => !error.is_fatal(),
            Err(_) => false,
        }
    }
}
