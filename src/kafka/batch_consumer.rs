//! A consumer that takes records from librdkafka in batches: one call a batch, where the client's own `poll`
//! is one a record, each with several readings of the clock.
//!
//! Records of assigned partitions are forwarded to a queue of their own ([`RecordQueue`]). What else the
//! client has to say, such as a rebalance, stays on its main queue, which [`BatchConsumer::serve_events`]
//! polls.
//!
//! # Why this is sound
//! No other module has `unsafe` code. Its pointers are a client, queues of this client, and messages from
//! these queues:
//! - The client outlives its queue: [`BatchConsumer`] owns both, and drops the queue first.
//! - A message belongs to the [`Batch`] that it was written to, and is destroyed once, with it. Topic, key
//!   and value are borrowed from it ([`Record`]), so that none outlives the batch; the batch borrows the
//!   consumer.
//! - librdkafka locks its queues itself: any thread may use them.
#![expect(
    unsafe_code,
    reason = "librdkafka's queues have no safe interface in the client"
)]

use crate::kafka::KafkaError;
use crate::kafka::rebalance::{Context, RebalanceState};
use crate::kafka::stage::Record;
use crate::kafka::worker::MAX_BATCH;
use crate::mutex::lock;
use arrayvec::ArrayVec;
use credwatch_core::units::EventTime;
use rdkafka::ClientConfig;
use rdkafka::bindings as ffi;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use std::ffi::{CStr, CString, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

/// The queue of a client to which the records of assigned partitions are forwarded.
pub(super) struct RecordQueue(NonNull<ffi::rd_kafka_queue_t>);

// SAFETY: librdkafka locks its queues itself.
unsafe impl Send for RecordQueue {}

impl RecordQueue {
    fn of(consumer: &BaseConsumer<Context>) -> Option<Self> {
        // SAFETY: the client is alive.
        let queue = unsafe { ffi::rd_kafka_queue_new(consumer.client().native_ptr()) };
        NonNull::new(queue).map(Self)
    }

    /// Forwards the records of a partition of `consumer`, the owner of this queue, from its next assignment
    /// on.
    pub(super) fn forward(&self, consumer: &BaseConsumer<Context>, topic: &str, partition: i32) {
        let Ok(topic) = CString::new(topic) else {
            return;
        };
        // SAFETY: the client is alive, and so is the queue, which belongs to it. The partition's queue is a
        // new reference, which is given back.
        unsafe {
            let client = consumer.client().native_ptr();
            let queue = ffi::rd_kafka_queue_get_partition(client, topic.as_ptr(), partition);
            if !queue.is_null() {
                ffi::rd_kafka_queue_forward(queue, self.0.as_ptr());
                ffi::rd_kafka_queue_destroy(queue);
            }
        }
    }
}

/// A consumer with the queue of its records.
pub(super) struct BatchConsumer {
    consumer: BaseConsumer<Context>,
    owner: Arc<RebalanceState>,
}

impl BatchConsumer {
    /// Joins the group of `config` as a reader of `topics`.
    ///
    /// # Errors
    /// A property is invalid.
    pub(super) fn subscribe(
        config: &ClientConfig,
        owner: &Arc<RebalanceState>,
        topics: &[&str],
    ) -> Result<Self, KafkaError> {
        let consumer: BaseConsumer<Context> = config
            .create_with_context(Context(Arc::clone(owner)))
            .map_err(KafkaError::Client)?;
        *lock(&owner.queue) = RecordQueue::of(&consumer);
        let consumer = Self {
            consumer,
            owner: Arc::clone(owner),
        };
        let subscribed = consumer.consumer.subscribe(topics);
        subscribed.map_err(KafkaError::Consumer)?;
        Ok(consumer)
    }

    /// The client.
    pub(super) fn client(&self) -> &BaseConsumer<Context> {
        &self.consumer
    }

    /// Serves what the client has to say, such as a rebalance; records come by [`BatchConsumer::take`]. To be
    /// called at least every `max.poll.interval.ms`.
    ///
    /// # Errors
    /// What the client reports, transient or not.
    pub(super) fn serve_events(&self) -> Result<(), ClientError> {
        match self.consumer.poll(Duration::ZERO) {
            // Every partition is forwarded before its first record is fetched.
            Some(Ok(_)) => Err(ClientError::MessageConsumptionFatal(
                RDKafkaErrorCode::Inconsistent,
            )),
            Some(Err(error)) => Err(error),
            None => Ok(()),
        }
    }

    /// The available records, at most [`MAX_BATCH`]; waits for the first one.
    pub(super) fn take(&self, wait: Duration) -> Batch<'_> {
        let mut batch = Batch {
            messages: ArrayVec::new(),
            consumer: PhantomData,
        };
        self.fill(&mut batch, Duration::ZERO, MAX_BATCH);
        if batch.messages.is_empty() && !wait.is_zero() {
            self.fill(&mut batch, wait, 1);
        }
        batch
    }

    /// Adds up to `most` messages; waits until there are as many.
    fn fill(&self, batch: &mut Batch<'_>, wait: Duration, most: usize) {
        let queue = lock(&self.owner.queue);
        let Some(RecordQueue(queue)) = queue.as_ref() else {
            return;
        };
        let wait_ms = i32::try_from(wait.as_micros().div_ceil(1_000)).unwrap_or(i32::MAX);
        let mut messages = [std::ptr::null_mut(); MAX_BATCH];
        let most = most.min(MAX_BATCH);
        // SAFETY: the queue is alive, and the array has room for `most` messages, which are the caller's.
        let count = unsafe {
            let messages = messages.as_mut_ptr();
            ffi::rd_kafka_consume_batch_queue(queue.as_ptr(), wait_ms, messages, most)
        };
        let taken = messages.iter().take(usize::try_from(count).unwrap_or(0));
        batch
            .messages
            .extend(taken.filter_map(|message| NonNull::new(*message)));
    }
}

impl Drop for BatchConsumer {
    fn drop(&mut self) {
        lock(&self.owner.queue).take();
    }
}

/// Messages of one call.
pub(super) struct Batch<'c> {
    messages: ArrayVec<NonNull<ffi::rd_kafka_message_t>, MAX_BATCH>,
    consumer: PhantomData<&'c BatchConsumer>,
}

impl Batch<'_> {
    /// The records, or what went wrong in their stead.
    pub(super) fn records(&self) -> impl Iterator<Item = Result<Record<'_>, ClientError>> {
        self.messages.iter().map(|message| {
            // SAFETY: the message is alive as long as the batch, and nobody changes it.
            let message = unsafe { message.as_ref() };
            match RDKafkaErrorCode::from(message.err) {
                RDKafkaErrorCode::NoError => Ok(record(message)),
                code @ RDKafkaErrorCode::Fatal => Err(ClientError::MessageConsumptionFatal(code)),
                code => Err(ClientError::MessageConsumption(code)),
            }
        })
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for message in &self.messages {
            // SAFETY: the message is this batch's, and is not used again.
            unsafe { ffi::rd_kafka_message_destroy(message.as_ptr()) }
        }
    }
}

/// `message`, which is no error, as a stage receives it.
fn record(message: &ffi::rd_kafka_message_t) -> Record<'_> {
    // SAFETY: a message without error has a topic, whose name is a C string that lives as long as the
    // message.
    let topic = unsafe { CStr::from_ptr(ffi::rd_kafka_topic_name(message.rkt)) };
    let mut kind = ffi::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    // SAFETY: the message is alive.
    let stamped_ms = unsafe { ffi::rd_kafka_message_timestamp(message, &raw mut kind) };
    let stamped_at = match kind {
        ffi::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE => None,
        _ => EventTime::from_epoch_ms(stamped_ms),
    };
    let is_appended = kind == ffi::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME;
    Record {
        topic: topic.to_str().unwrap_or_default(),
        partition: message.partition,
        offset: message.offset,
        appended_at: stamped_at.filter(|_| is_appended),
        stamped_at,
        key: bytes(message, message.key, message.key_len),
        payload: bytes(message, message.payload, message.len),
        is_tombstone: message.payload.is_null(),
    }
}

/// Key or value of `message`; empty where it has none.
fn bytes(_message: &ffi::rd_kafka_message_t, start: *const c_void, len: usize) -> &[u8] {
    match start.is_null() {
        true => &[],
        // SAFETY: librdkafka states the length of what it points to, which lives as long as the message.
        false => unsafe { std::slice::from_raw_parts(start.cast(), len) },
    }
}

impl Drop for RecordQueue {
    fn drop(&mut self) {
        // SAFETY: this is the only reference to the queue, whose client is alive.
        unsafe { ffi::rd_kafka_queue_destroy(self.0.as_ptr()) }
    }
}
