//! A transactional producer: records and offsets are committed together or not at all.

use crate::clock::Stopwatch;
use crate::config::{Kafka, Topics};
use crate::kafka::{KafkaError, client};
use crate::shard::OutputRecord;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders, ToBytes};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::time::Duration;

/// Time limit of one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Delay before delivery reports are looked for again.
const DELIVERY_POLL_INTERVAL: Duration = Duration::from_micros(100);
/// Time limit of the initialisation of transactions.
const INIT_TIMEOUT: Duration = Duration::from_secs(20);

/// A producer with initialised transactions.
pub(super) struct TransactionalProducer {
    client: BaseProducer,
    topics: Topics,
}

impl TransactionalProducer {
    /// Opens the producer of `transactional_id`: an open transaction of its predecessor is aborted, and the
    /// predecessor is fenced.
    ///
    /// # Errors
    /// A property is invalid, or no broker responds in time.
    pub(super) fn open(
        kafka: &Kafka,
        topics: &Topics,
        transactional_id: &str,
    ) -> Result<Self, KafkaError> {
        let client: BaseProducer = client::producer(kafka, transactional_id)
            .create()
            .map_err(KafkaError::Client)?;
        client
            .init_transactions(INIT_TIMEOUT)
            .map_err(KafkaError::Transaction)?;
        let topics = topics.clone();
        Ok(Self { client, topics })
    }

    /// Begins a transaction.
    pub(super) fn begin(&self) -> Result<(), ClientError> {
        self.client.begin_transaction()
    }

    /// Sends an output.
    pub(super) fn send(&self, output: &OutputRecord) -> Result<(), ClientError> {
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

    /// Sends a state record.
    pub(super) fn send_baseline(
        &self,
        partition: i32,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<(), ClientError> {
        let mut record = BaseRecord::to(&self.topics.baselines)
            .partition(partition)
            .key(key);
        record.payload = value;
        self.enqueue(record)
    }

    /// Enqueues a record, waiting for space in the client's queue.
    fn enqueue<K: ToBytes + ?Sized>(
        &self,
        mut record: BaseRecord<'_, K, [u8]>,
    ) -> Result<(), ClientError> {
        let since = Stopwatch::start();
        loop {
            match self.client.send(record) {
                Ok(()) => return Ok(()),
                Err((error, returned)) => {
                    let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
                    if !full || since.elapsed() > ATTEMPT_TIMEOUT {
                        return Err(error);
                    }
                    self.client.poll(Duration::from_millis(1));
                    record = returned;
                }
            }
        }
    }

    /// Number of records without acknowledgement.
    pub(super) fn in_flight(&self) -> usize {
        self.client.poll(Duration::ZERO);
        self.client.in_flight_count().max(0) as usize
    }

    /// Commits the sent records, and `offsets` as the group's next ones. `group` holds the group's
    /// generation: a consumer that has lost its partitions is rejected.
    pub(super) fn commit<'t>(
        &self,
        offsets: impl IntoIterator<Item = (&'t str, i32, i64)>,
        group: Option<&ConsumerGroupMetadata>,
    ) -> Result<(), ClientError> {
        let Some(group) = group else {
            return Err(ClientError::Flush(RDKafkaErrorCode::UnknownMemberId));
        };
        self.wait_for_deliveries()?;
        let mut next = TopicPartitionList::new();
        for (topic, partition, offset) in offsets {
            next.add_partition_offset(topic, partition, Offset::Offset(offset))?;
        }
        self.client
            .send_offsets_to_transaction(&next, group, ATTEMPT_TIMEOUT)?;
        self.client.commit_transaction(ATTEMPT_TIMEOUT)
    }

    /// Serves delivery reports until none is outstanding. In `commit_transaction` an
    /// outstanding one costs 100 ms; a poll with a timeout of milliseconds reads the clock all the while.
    fn wait_for_deliveries(&self) -> Result<(), ClientError> {
        let since = Stopwatch::start();
        let mut outstanding = self.client.in_flight_count();
        while outstanding > 0 {
            self.client.poll(Duration::ZERO);
            let now = self.client.in_flight_count();
            if now == outstanding {
                if since.elapsed() > ATTEMPT_TIMEOUT {
                    return Err(ClientError::Flush(RDKafkaErrorCode::OperationTimedOut));
                }
                std::thread::sleep(DELIVERY_POLL_INTERVAL);
            }
            outstanding = now;
        }
        Ok(())
    }

    /// Aborts the transaction.
    pub(super) fn abort(&self) -> Result<(), ClientError> {
        self.client.abort_transaction(ATTEMPT_TIMEOUT)
    }
}
