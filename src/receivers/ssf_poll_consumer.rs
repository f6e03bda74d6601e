//! Kafka side of a receiver that polls (RFC 8936): orders go into its queue. An offset is committed once
//! everything before it is acknowledged, so what a receiver did not acknowledge is queued again after a
//! restart.

use super::receiver_partitions::{POLL_TIMEOUT, ReceiverContext, partition_consumer, poll};
use crate::clock::wall_time;
use crate::config::Receiver;
use crate::kafka::KafkaError;
use crate::kafka::stage::Shared;
use crate::orders::model::Order;
use crate::receivers::admission::Admission;
use crate::receivers::containment_pause::PauseTracker;
use crate::receivers::poll_queue::{CAPACITY, PollQueue};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tracing::warn;

/// An order that is not acknowledged, or was read after one that is not.
struct Outstanding {
    next_offset: i64,
    entry: Option<QueuedOrder>,
}

/// An order in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct QueuedOrder {
    ticket: u64,
    expires_ms: i64,
}

impl QueuedOrder {
    /// Why the order must be withdrawn, if so.
    fn withdrawal(self, now_ms: i64, is_paused: bool) -> Option<&'static str> {
        if is_paused {
            return Some("containment is paused");
        }
        (now_ms >= self.expires_ms).then_some("the order has expired")
    }
}

/// Feeds the queue of one receiver.
pub struct PollQueueFeeder<'p> {
    receiver: Receiver,
    queue: Arc<PollQueue>,
    consumer: BaseConsumer<ReceiverContext>,
    containment_pause: PauseTracker,
    outstanding: BTreeMap<i32, VecDeque<Outstanding>>,
    shared: &'p Shared,
}

impl<'p> PollQueueFeeder<'p> {
    /// A feeder for `receiver`; the feedback topic has `feedback_partitions` partitions.
    ///
    /// # Errors
    /// No broker is reachable.
    pub fn new(
        receiver: &Receiver,
        queue: Arc<PollQueue>,
        shared: &'p Shared,
        feedback_partitions: i32,
    ) -> Result<Self, KafkaError> {
        let config = &shared.config;
        let topic = config.topics.revocations.as_str();
        Ok(Self {
            consumer: partition_consumer(receiver, config, &[topic])?,
            receiver: receiver.clone(),
            queue,
            containment_pause: PauseTracker::new(Arc::clone(config), feedback_partitions)?,
            outstanding: BTreeMap::new(),
            shared,
        })
    }

    /// Feeds the queue until shutdown is requested.
    ///
    /// # Errors
    /// Kafka is unavailable.
    pub fn run(&mut self) -> Result<(), KafkaError> {
        self.shared.status.recover("deliver");
        while !self.shared.stopping() {
            let assigned = self.consumer.assignment().map_err(KafkaError::Consumer)?;
            let is_full = self.queue.len() >= CAPACITY;
            let flow = if is_full {
                self.consumer.pause(&assigned)
            } else {
                self.consumer.resume(&assigned)
            };
            flow.map_err(KafkaError::Consumer)?;
            let polled = poll(&self.consumer, &self.receiver.name, POLL_TIMEOUT)?;
            self.discard_revoked();
            if let Some(message) = polled {
                self.process(&message)?;
            }
            self.withdraw_expired()?;
            self.commit()?;
        }
        self.consumer.unsubscribe();
        Ok(())
    }

    /// Withdraws the orders of revoked partitions: their next owner queues them.
    fn discard_revoked(&mut self) {
        for (_, partition) in self.consumer.context().take_revoked() {
            let orders = self.outstanding.remove(&partition).into_iter().flatten();
            for entry in orders.filter_map(|order| order.entry) {
                self.queue.withdraw(entry.ticket);
            }
        }
    }

    fn process(&mut self, message: &OwnedMessage) -> Result<(), KafkaError> {
        let record = message.payload().unwrap_or_default();
        let order = serde_json::from_slice::<Order>(record);
        let admission = match &order {
            Ok(order) => self.containment_pause.admission(order, record)?,
            Err(_) => Admission::Rejected("not a containment order".to_owned()),
        };
        let mut entry = None;
        match (order, admission) {
            (Ok(order), Admission::Execute { expires_ms }) => {
                let token = order.set.as_deref().unwrap_or_default();
                let ticket = self.queue.put(&order.order_id, token);
                entry = Some(QueuedOrder { ticket, expires_ms });
            }
            _ if message.payload().is_none() => {
                let tombstones = &self.shared.metrics.tombstones;
                tombstones.with_label_values(&["deliver"]).inc();
            }
            (_, Admission::Rejected(why) | Admission::Expired(why)) => self.reject(&why),
            _ => self.count("skipped"),
        }
        let outstanding = Outstanding {
            next_offset: message.offset() + 1,
            entry,
        };
        self.outstanding
            .entry(message.partition())
            .or_default()
            .push_back(outstanding);
        Ok(())
    }

    /// Withdraws orders that have expired, and all while containment is paused.
    fn withdraw_expired(&mut self) -> Result<(), KafkaError> {
        let is_paused = self.containment_pause.paused_by()?.is_some();
        let now_ms = wall_time().epoch_ms();
        let entries = self.outstanding.values().flatten();
        for entry in entries.filter_map(|order| order.entry) {
            if let Some(why) = entry.withdrawal(now_ms, is_paused)
                && self.queue.withdraw(entry.ticket)
            {
                self.reject(why);
            }
        }
        Ok(())
    }

    fn reject(&self, why: &str) {
        let receiver = &self.receiver.name;
        warn!(receiver, "rejected: {why}");
        self.count("refused");
    }

    fn count(&self, outcome: &str) {
        let name = &self.receiver.name;
        self.shared.metrics.add_delivery(name, outcome);
    }

    /// Commits up to the first order of each partition that is not acknowledged.
    fn commit(&mut self) -> Result<(), KafkaError> {
        let topic = self.shared.config.topics.revocations.clone();
        let mut offsets = TopicPartitionList::new();
        for (partition, orders) in &mut self.outstanding {
            let mut next = None;
            while let Some(first) = orders.front()
                && first
                    .entry
                    .is_none_or(|entry| self.queue.is_acknowledged(entry.ticket))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_withdrawn_once_it_has_expired_or_while_containment_is_paused() {
        let order = QueuedOrder {
            ticket: 1,
            expires_ms: 1_000,
        };
        assert_eq!(order.withdrawal(999, false), None);
        assert_eq!(
            order.withdrawal(1_000, false),
            Some("the order has expired")
        );
        assert_eq!(order.withdrawal(999, true), Some("containment is paused"));
    }
}
