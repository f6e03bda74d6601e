//! Orders from Kafka into the mailbox of a receiver that fetches them: an offset is committed once
//! everything before it is settled, so what a receiver did not say that it has is there again after a
//! restart.

use crate::clock::wall_time;
use crate::config::Receiver;
use crate::kafka::KafkaError;
use crate::kafka::worker::Shared;
use crate::orders::model::Order;
use crate::receivers::admission::Admission;
use crate::receivers::containment_pause::PauseTracker;
use crate::receivers::poll_queue::{CAPACITY, PollQueue};
use crate::receivers::receiver_consumer::consumer_of;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tracing::warn;

/// How long one poll may wait.
const POLL_TIMEOUT: Duration = Duration::from_millis(50);

/// An order that is not settled, or stands behind one.
struct Outstanding {
    next_offset: i64,
    /// Its place in the mailbox, and when it is void, in epoch milliseconds.
    entry: Option<(u64, i64)>,
}

/// Fills the mailbox of one receiver.
pub struct PollQueueFeeder<'p> {
    receiver: Receiver,
    queue: Arc<PollQueue>,
    consumer: BaseConsumer,
    containment_pause: PauseTracker,
    outstanding: BTreeMap<i32, VecDeque<Outstanding>>,
    shared: &'p Shared,
}

impl<'p> PollQueueFeeder<'p> {
    /// A postman for `receiver`; the feedback topic has so many partitions.
    ///
    /// # Errors
    /// No broker answers.
    pub fn new(
        receiver: &Receiver,
        queue: Arc<PollQueue>,
        shared: &'p Shared,
        feedback_partitions: i32,
    ) -> Result<Self, KafkaError> {
        let config = &shared.config;
        let topic = config.topics.revocations.as_str();
        Ok(Self {
            consumer: consumer_of(receiver, config, &[topic])?,
            receiver: receiver.clone(),
            queue,
            containment_pause: PauseTracker::new(Arc::clone(config), feedback_partitions)?,
            outstanding: BTreeMap::new(),
            shared,
        })
    }

    /// Works until the process is asked to end.
    ///
    /// # Errors
    /// Kafka is gone.
    pub fn run(&mut self) -> Result<(), KafkaError> {
        self.shared.status.recover("deliver");
        while !self.shared.stopping() {
            let owned = self.consumer.assignment().map_err(KafkaError::Consumer)?;
            let is_full = self.queue.len() >= CAPACITY;
            let flow = if is_full {
                self.consumer.pause(&owned)
            } else {
                self.consumer.resume(&owned)
            };
            flow.map_err(KafkaError::Consumer)?;
            match self.consumer.poll(POLL_TIMEOUT) {
                Some(Ok(message)) => {
                    let message = message.detach();
                    self.process(&message)?;
                }
                Some(Err(why)) => {
                    let receiver = &self.receiver.name;
                    warn!(receiver, "consumer: {why}");
                }
                None => {}
            }
            self.withdraw_expired()?;
            self.commit()?;
        }
        self.consumer.unsubscribe();
        Ok(())
    }

    fn process(&mut self, message: &OwnedMessage) -> Result<(), KafkaError> {
        let record = message.payload().unwrap_or_default();
        let order = serde_json::from_slice::<Order>(record);
        let admission = match &order {
            Ok(order) => self.containment_pause.admission(order, record)?,
            Err(_) => Admission::Rejected("this is no order".to_owned()),
        };
        let mut dead_letter = None;
        match (order, admission) {
            (Ok(order), Admission::Execute { expires_ms }) => {
                let token = order.set.as_deref().unwrap_or_default();
                dead_letter = Some((self.queue.put(&order.order_id, token), expires_ms));
            }
            (_, Admission::Rejected(why) | Admission::Expired(why)) => self.reject(&why),
            _ => self.count("skipped"),
        }
        let outstanding = Outstanding {
            next_offset: message.offset() + 1,
            entry: dead_letter,
        };
        self.outstanding
            .entry(message.partition())
            .or_default()
            .push_back(outstanding);
        Ok(())
    }

    /// Takes back what must not be fetched any more: it is void, or somebody has paused containment.
    fn withdraw_expired(&mut self) -> Result<(), KafkaError> {
        let paused_by = self.containment_pause.paused_by()?;
        let now_ms = wall_time().epoch_ms();
        let letters = self.outstanding.values().flatten();
        for (place, expires_ms) in letters.filter_map(|one| one.entry) {
            let is_over = now_ms >= expires_ms || paused_by.is_some();
            if is_over && self.queue.withdraw(place) {
                self.reject(match paused_by {
                    Some(_) => "somebody has paused containment",
                    None => "it is void",
                });
            }
        }
        Ok(())
    }

    fn reject(&self, why: &str) {
        let receiver = &self.receiver.name;
        warn!(receiver, "refused: {why}");
        self.count("refused");
    }

    fn count(&self, outcome: &str) {
        let name = &self.receiver.name;
        self.shared.metrics.add_delivery(name, outcome);
    }

    /// Commits up to the first order of each partition that is not settled.
    fn commit(&mut self) -> Result<(), KafkaError> {
        let topic = self.shared.config.topics.revocations.clone();
        let mut offsets = TopicPartitionList::new();
        for (partition, orders) in &mut self.outstanding {
            let mut next = None;
            while let Some(first) = orders.front()
                && first
                    .entry
                    .is_none_or(|(place, _)| self.queue.is_acknowledged(place))
            {
                next = Some(first.next_offset);
                orders.pop_front();
            }
            if let Some(next) = next {
                offsets
                    .add_partition_offset(&topic, *partition, Offset::Offset(next))
                    .map_err(KafkaError::Consumer)?;
            }
        }
        if offsets.count() == 0 {
            return Ok(());
        }
        self.consumer
            .commit(&offsets, CommitMode::Async)
            .map_err(KafkaError::Consumer)
    }
}
