//! Orders from Kafka into the mailbox of a receiver that fetches them: an offset is committed once
//! everything before it is settled, so what a receiver did not say that it has is there again after a
//! restart.

use crate::clock::wall_time;
use crate::config::Receiver;
use crate::deliver::Order;
use crate::deliver::gate::{Passage, look};
use crate::deliver::mailbox::{CAPACITY, Mailbox};
use crate::kafka::pause::PauseWatch;
use crate::kafka::worker::Shared;
use crate::kafka::{KafkaError, client};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;
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
    /// Its place in the mailbox, and the record, to be looked at again.
    letter: Option<(u64, Vec<u8>)>,
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
        let group = format!("{}-deliver-{}", config.kafka.group_id, receiver.name);
        let consumer: BaseConsumer = client::consumer(&config.kafka, &group)
            .create()
            .map_err(KafkaError::Client)?;
        let topic = config.topics.revocations.as_str();
        consumer.subscribe(&[topic]).map_err(KafkaError::Consumer)?;
        Ok(Self {
            receiver: receiver.clone(),
            mailbox,
            consumer,
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
                    let record = message.payload().unwrap_or_default().to_vec();
                    self.take(message.partition(), message.offset() + 1, record)?;
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

    fn passage(&mut self, record: &[u8]) -> Result<(Option<Order>, Passage), KafkaError> {
        let Ok(order) = serde_json::from_slice::<Order>(record) else {
            return Ok((None, Passage::Refused("this is no order".to_owned())));
        };
        let paused_by = self.paused.paused_by()?;
        let signer = self.shared.config.signer.as_deref();
        let passage = look(&order, record, signer, wall_time(), paused_by.as_deref());
        Ok((Some(order), passage))
    }

    fn take(
        &mut self,
        partition: i32,
        next_offset: i64,
        record: Vec<u8>,
    ) -> Result<(), KafkaError> {
        let mut letter = None;
        match self.passage(&record)? {
            (Some(order), Passage::Open) => {
                let token = order.set.as_deref().unwrap_or_default();
                letter = Some((self.mailbox.put(&order.order_id, token), record));
            }
            (_, Passage::Refused(why) | Passage::Void(why)) => self.refuse(&why),
            _ => self.count("skipped"),
        }
        let outstanding = Outstanding {
            next_offset,
            letter,
        };
        self.outstanding
            .entry(partition)
            .or_default()
            .push_back(outstanding);
        Ok(())
    }

    /// Takes back what must not be fetched any more: it is void, or somebody has paused containment.
    fn look_after(&mut self) -> Result<(), KafkaError> {
        let waiting = self.outstanding.values().flatten();
        let waiting: Vec<(u64, Vec<u8>)> = waiting.filter_map(|one| one.letter.clone()).collect();
        for (place, record) in waiting {
            if let (_, Passage::Refused(why) | Passage::Void(why)) = self.passage(&record)?
                && self.mailbox.take_back(place)
            {
                self.refuse(&why);
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
        let labels = [self.receiver.name.as_str(), outcome];
        let deliveries = &self.shared.metrics.deliveries;
        deliveries.with_label_values(&labels).inc();
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
                    .as_ref()
                    .is_none_or(|(place, _)| self.mailbox.is_settled(*place))
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
