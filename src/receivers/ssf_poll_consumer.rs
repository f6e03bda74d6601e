//! Orders from Kafka into the mailbox of a receiver that fetches them: an offset is committed once
//! everything before it is settled, so what a receiver did not say that it has is there again after a
//! restart.

use crate::clock::wall_time;
use crate::config::Receiver;
use crate::kafka::KafkaError;
use crate::kafka::worker::Shared;
use crate::receivers::Order;
use crate::receivers::admission::Passage;
use crate::receivers::containment_pause::PauseWatch;
use crate::receivers::poll_queue::{CAPACITY, Mailbox};
use crate::receivers::receiver_consumer::consumer_of;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tracing::warn;

/// How long one poll may wait.
const POLL_WITHIN: Duration = Duration::from_millis(50);

/// An order that is not settled, or stands behind one.
struct Outstanding {
    next_offset: i64,
    /// Its place in the mailbox, and when it is void, in epoch milliseconds.
    letter: Option<(u64, i64)>,
}

/// Fills the mailbox of one receiver.
pub struct Postman<'p> {
    receiver: Receiver,
    mailbox: Arc<Mailbox>,
    consumer: BaseConsumer,
    paused: PauseWatch,
    outstanding: BTreeMap<i32, VecDeque<Outstanding>>,
    shared: &'p Shared,
}

impl<'p> Postman<'p> {
    /// A postman for `receiver`; the feedback topic has so many partitions.
    ///
    /// # Errors
    /// No broker answers.
    pub fn new(
        receiver: &Receiver,
        mailbox: Arc<Mailbox>,
        shared: &'p Shared,
        feedback_partitions: i32,
    ) -> Result<Self, KafkaError> {
        let config = &shared.config;
        let topic = config.topics.revocations.as_str();
        Ok(Self {
            consumer: consumer_of(receiver, config, &[topic])?,
            receiver: receiver.clone(),
            mailbox,
            paused: PauseWatch::new(Arc::clone(config), feedback_partitions)?,
            outstanding: BTreeMap::new(),
            shared,
        })
    }

    /// Works until the process is asked to end.
    ///
    /// # Errors
    /// Kafka is gone.
    pub fn work(&mut self) -> Result<(), KafkaError> {
        self.shared.status.recover("deliver");
        while !self.shared.stopping() {
            let owned = self.consumer.assignment().map_err(KafkaError::Consumer)?;
            let is_full = self.mailbox.len() >= CAPACITY;
            let flow = if is_full {
                self.consumer.pause(&owned)
            } else {
                self.consumer.resume(&owned)
            };
            flow.map_err(KafkaError::Consumer)?;
            match self.consumer.poll(POLL_WITHIN) {
                Some(Ok(message)) => {
                    let message = message.detach();
                    self.take(&message)?;
                }
                Some(Err(why)) => {
                    let receiver = &self.receiver.name;
                    warn!(receiver, "consumer: {why}");
                }
                None => {}
            }
            self.look_after()?;
            self.commit()?;
        }
        self.consumer.unsubscribe();
        Ok(())
    }

    fn take(&mut self, message: &OwnedMessage) -> Result<(), KafkaError> {
        let record = message.payload().unwrap_or_default();
        let order = serde_json::from_slice::<Order>(record);
        let passage = match &order {
            Ok(order) => self.paused.passage(order, record)?,
            Err(_) => Passage::Refused("this is no order".to_owned()),
        };
        let mut letter = None;
        match (order, passage) {
            (Ok(order), Passage::Open { void_ms }) => {
                let token = order.set.as_deref().unwrap_or_default();
                letter = Some((self.mailbox.put(&order.order_id, token), void_ms));
            }
            (_, Passage::Refused(why) | Passage::Void(why)) => self.refuse(&why),
            _ => self.count("skipped"),
        }
        let outstanding = Outstanding {
            next_offset: message.offset() + 1,
            letter,
        };
        self.outstanding
            .entry(message.partition())
            .or_default()
            .push_back(outstanding);
        Ok(())
    }

    /// Takes back what must not be fetched any more: it is void, or somebody has paused containment.
    fn look_after(&mut self) -> Result<(), KafkaError> {
        let paused_by = self.paused.paused_by()?;
        let now_ms = wall_time().epoch_ms();
        let letters = self.outstanding.values().flatten();
        for (place, void_ms) in letters.filter_map(|one| one.letter) {
            let is_over = now_ms >= void_ms || paused_by.is_some();
            if is_over && self.mailbox.take_back(place) {
                self.refuse(match paused_by {
                    Some(_) => "somebody has paused containment",
                    None => "it is void",
                });
            }
        }
        Ok(())
    }

    fn refuse(&self, why: &str) {
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
                    .letter
                    .is_none_or(|(place, _)| self.mailbox.is_settled(place))
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
