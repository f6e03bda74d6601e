//! Kafka side of one receiver: polls alerts and orders, has them delivered, and commits. Each receiver has a
//! consumer group and a thread of its own, so that one that hangs does not delay the others. An offset is
//! committed once the record's delivery has ended: at least once, in order.

use super::delivery::{DeliveryAttempts, DeliveryOutcome, NextStep};
use super::receiver_partitions::{POLL_TIMEOUT, ReceiverContext, partition_consumer, poll};
use crate::clock::{Stopwatch, wall_time};
use crate::config::{Receiver, ReceiverKind};
use crate::feedback::model::Feedback;
use crate::kafka::KafkaError;
use crate::kafka::feedback_producer::RecordProducer;
use crate::kafka::stage::Shared;
use crate::orders::model::Order;
use crate::outputs::dead_letter::DeadLetter;
use crate::receivers::admission::Admission;
use crate::receivers::circuit_breaker::CircuitBreaker;
use crate::receivers::containment_pause::PauseTracker;
use crate::receivers::{Delivery, ReceiverClient, ReceiverError, receiver_client};
use crate::shard::{OutputRecord, Stream};
use crate::sources::time::parse_rfc3339;
use credwatch_core::containment::issued_orders::OrderOutcome;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{Headers, Message, OwnedMessage};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tracing::{info, info_span, warn};

/// Recently completed records that are remembered; one that is read again is not delivered again.
const MAX_COMPLETED: usize = 4_096;

/// Worker of one receiver.
pub struct ReceiverWorker<'l> {
    receiver: Receiver,
    client: Box<dyn ReceiverClient>,
    circuit: CircuitBreaker,
    consumer: BaseConsumer<ReceiverContext>,
    /// Messages polled while backing off.
    buffered: VecDeque<OwnedMessage>,
    producer: RecordProducer,
    containment_pause: Option<PauseTracker>,
    completed: VecDeque<String>,
    runtime: Handle,
    shared: &'l Shared,
}

impl<'l> ReceiverWorker<'l> {
    /// A worker for `receiver`; the feedback topic has `feedback_partitions` partitions.
    ///
    /// # Errors
    /// A setting is invalid, or no broker is reachable.
    pub fn new(
        receiver: &Receiver,
        shared: &'l Shared,
        feedback_partitions: i32,
        runtime: Handle,
    ) -> Result<Self, ReceiverError> {
        let config = &shared.config;
        let deliver = &config.deliver;
        let client = receiver_client(receiver, deliver)?;
        let topics = &config.topics;
        let mut subscribed = Vec::new();
        if receiver.receives_alerts {
            subscribed.push(topics.alerts.as_str());
        }
        let mut containment_pause = None;
        if receiver.receives_orders {
            subscribed.push(topics.revocations.as_str());
            containment_pause = Some(PauseTracker::new(Arc::clone(config), feedback_partitions)?);
        }
        Ok(Self {
            consumer: partition_consumer(receiver, config, &subscribed)?,
            receiver: receiver.clone(),
            client,
            circuit: CircuitBreaker::new(deliver.circuit_failures, deliver.circuit_open),
            buffered: VecDeque::new(),
            producer: RecordProducer::new(Arc::clone(config))?,
            containment_pause,
            completed: VecDeque::new(),
            runtime,
            shared,
        })
    }

    /// Delivers until shutdown is requested.
    ///
    /// # Errors
    /// Kafka is unavailable. What was not committed is delivered again.
    pub fn run(&mut self) -> Result<(), ReceiverError> {
        self.shared.status.recover("deliver");
        while !self.shared.stopping() {
            let Some(message) = self.next()? else {
                continue;
            };
            let outcome = self.process(&message)?;
            if outcome != DeliveryOutcome::Interrupted {
                self.commit(&message)?;
            }
        }
        self.consumer.unsubscribe();
        Ok(())
    }

    fn commit(&self, message: &OwnedMessage) -> Result<(), KafkaError> {
        let mut next = TopicPartitionList::new();
        let offset = Offset::Offset(message.offset() + 1);
        next.add_partition_offset(message.topic(), message.partition(), offset)
            .and_then(|()| self.consumer.commit(&next, CommitMode::Async))
            .map_err(KafkaError::Consumer)
    }

    fn next(&mut self) -> Result<Option<OwnedMessage>, KafkaError> {
        self.discard_revoked();
        if let Some(message) = self.buffered.pop_front() {
            return Ok(Some(message));
        }
        let message = poll(&self.consumer, &self.receiver.name, POLL_TIMEOUT)?;
        // A rebalance may have happened inside `poll`.
        self.discard_revoked();
        Ok(message)
    }

    /// Discards buffered messages of partitions that were revoked: their next owner delivers them.
    fn discard_revoked(&mut self) {
        for (topic, partition) in self.consumer.context().take_revoked() {
            self.buffered
                .retain(|m| m.topic() != topic || m.partition() != partition);
        }
    }

    /// Delivers one record, and reports the outcome.
    fn process(&mut self, message: &OwnedMessage) -> Result<DeliveryOutcome, KafkaError> {
        let Some(json) = message.payload() else {
            let tombstones = &self.shared.metrics.tombstones;
            tombstones.with_label_values(&["deliver"]).inc();
            return Ok(DeliveryOutcome::Skipped);
        };
        let is_order = message.topic() == self.shared.config.topics.revocations;
        let order: Option<Order> = is_order
            .then(|| serde_json::from_slice(json).ok())
            .flatten();
        let id = match &order {
            Some(order) => order.order_id.clone(),
            None => record_id(message),
        };
        let span = info_span!("deliver", receiver = self.receiver.name, id);
        let _entered = span.enter();
        let delivery = Delivery {
            id: &id,
            json,
            order: order.as_ref(),
        };
        let outcome = if is_order && order.is_none() {
            DeliveryOutcome::Failed("not a containment order".to_owned())
        } else if self.completed.contains(&id) {
            DeliveryOutcome::Skipped
        } else {
            self.deliver(message, &delivery)?
        };
        if outcome == DeliveryOutcome::Interrupted {
            return Ok(outcome);
        }
        self.report(message, &delivery, &outcome)?;
        if self.completed.len() == MAX_COMPLETED {
            self.completed.pop_front();
        }
        self.completed.push_back(id);
        Ok(outcome)
    }

    fn deliver(
        &mut self,
        message: &OwnedMessage,
        delivery: &Delivery<'_>,
    ) -> Result<DeliveryOutcome, KafkaError> {
        let mut attempts = DeliveryAttempts::new(self.shared.config.deliver.attempts);
        loop {
            if self.shared.stopping() || !self.owns(message)? {
                return Ok(DeliveryOutcome::Interrupted);
            }
            if let Some(admission) = self.admission(delivery)?
                && let Some(outcome) = attempts.on_admission(admission)
            {
                return Ok(outcome);
            }
            let result = self.client.deliver(delivery);
            let error = result.as_ref().err().map(ToString::to_string);
            let next = attempts.on_result(delivery.id, result, &mut self.circuit);
            self.update_circuit_gauge();
            match next {
                NextStep::End(outcome) => return Ok(outcome),
                NextStep::Wait(delay) => {
                    self.count("retried");
                    let (attempt, error) = (attempts.attempts(), error.unwrap_or_default());
                    warn!(attempt, "delivery failed, will retry: {error}");
                    self.back_off(delay)?;
                }
            }
        }
    }

    fn owns(&self, message: &OwnedMessage) -> Result<bool, KafkaError> {
        let assigned = self.consumer.assignment().map_err(KafkaError::Consumer)?;
        let found = assigned.find_partition(message.topic(), message.partition());
        Ok(found.is_some())
    }

    /// Whether an order may be executed now; `None` for what is not executed: alerts, and dry runs of which a
    /// webhook is notified.
    fn admission(&mut self, delivery: &Delivery<'_>) -> Result<Option<Admission>, KafkaError> {
        let (Some(order), Some(containment_pause)) = (delivery.order, &mut self.containment_pause)
        else {
            return Ok(None);
        };
        let admission = containment_pause.admission(order, delivery.json)?;
        // A webhook is notified of dry runs too; what claims to be enforced it gets as an executor would.
        let is_notified = matches!(self.receiver.kind, ReceiverKind::Webhook(_));
        Ok(Some(admission).filter(|admission| !(is_notified && *admission == Admission::Skip)))
    }

    /// Waits, and stays in the consumer group meanwhile.
    fn back_off(&mut self, delay: Duration) -> Result<(), KafkaError> {
        let since = Stopwatch::start();
        while since.elapsed() < delay && !self.shared.stopping() {
            let assigned = self.consumer.assignment().map_err(KafkaError::Consumer)?;
            self.consumer
                .pause(&assigned)
                .map_err(KafkaError::Consumer)?;
            let timeout = POLL_TIMEOUT.min(delay.saturating_sub(since.elapsed()));
            let message = poll(&self.consumer, &self.receiver.name, timeout)?;
            self.discard_revoked();
            self.buffered.extend(message);
        }
        let assigned = self.consumer.assignment().map_err(KafkaError::Consumer)?;
        self.consumer
            .resume(&assigned)
            .map_err(KafkaError::Consumer)
    }

    fn count(&self, outcome: &str) {
        let name = &self.receiver.name;
        self.shared.metrics.add_delivery(name, outcome);
    }

    fn update_circuit_gauge(&self) {
        let gauge = &self.shared.metrics.receiver_circuit_open;
        let gauge = gauge.with_label_values(&[self.receiver.name.as_str()]);
        gauge.set(i64::from(self.circuit.is_open()));
    }

    /// Reports an outcome: in metrics, on the feedback topic where an order was executed, and on the
    /// dead-letter topic where the delivery was abandoned.
    fn report(
        &self,
        message: &OwnedMessage,
        delivery: &Delivery<'_>,
        outcome: &DeliveryOutcome,
    ) -> Result<(), KafkaError> {
        let (order_outcome, note) = match outcome {
            DeliveryOutcome::Done(note) => (OrderOutcome::Done, note),
            DeliveryOutcome::Failed(note) => (OrderOutcome::Failed, note),
            DeliveryOutcome::Rejected(note) => (OrderOutcome::Refused, note),
            DeliveryOutcome::Skipped | DeliveryOutcome::Interrupted => {
                self.count("skipped");
                return Ok(());
            }
        };
        self.count(order_outcome.as_str());
        let executed = delivery.order.filter(|_| self.client.executes_orders());
        if let Some(order) = executed {
            self.send_outcome(order, order_outcome, note)?;
        }
        match outcome {
            DeliveryOutcome::Failed(why) => {
                warn!("delivery abandoned: {why}");
                self.dead_letter(message, why)?;
            }
            DeliveryOutcome::Rejected(why) => warn!("rejected: {why}"),
            _ => info!("delivered: {note}"),
        }
        Ok(())
    }

    fn send_outcome(
        &self,
        order: &Order,
        outcome: OrderOutcome,
        note: &str,
    ) -> Result<(), KafkaError> {
        let occurred_ms = parse_rfc3339(&order.event_time);
        let took_ms = occurred_ms.map(|ms| wall_time().epoch_ms().saturating_sub(ms).max(0));
        if let Some(took_ms) = took_ms.filter(|_| outcome == OrderOutcome::Done) {
            let seconds = took_ms as f64 / 1_000.0;
            self.shared.metrics.time_to_contain_seconds.observe(seconds);
        }
        let feedback = Feedback {
            order_id: Some(order.order_id.clone()),
            outcome: Some(outcome),
            took_ms,
            by: self.receiver.name.clone(),
            reason: Some(note.to_owned()).filter(|note| !note.is_empty()),
            ..Feedback::default()
        };
        let sending = self.producer.send_feedback(&order.order_id, &feedback);
        self.runtime.block_on(sending).map(drop)
    }

    fn dead_letter(&self, message: &OwnedMessage, why: &str) -> Result<(), KafkaError> {
        let dead_letters = &self.shared.metrics.dead_letters;
        dead_letters.with_label_values(&["deliver"]).inc();
        let coordinates = (message.topic(), message.partition(), message.offset());
        let why = format!("{}: {why}", self.receiver.name);
        let json = message.payload().unwrap_or_default();
        let record =
            OutputRecord::dead_letter(&DeadLetter::new(&why, "deliver", coordinates, json));
        let topic = Stream::DeadLetter.topic(&self.shared.config.topics);
        let sending = self
            .producer
            .send(topic, &record.key, &record.headers, &record.payload);
        self.runtime.block_on(sending).map(drop)
    }
}

/// The id in the record's headers; without one, its position.
fn record_id(message: &OwnedMessage) -> String {
    let headers = message.headers();
    let id = headers.and_then(|headers| headers.iter().find(|header| header.key == "ce_id"));
    let id = id.and_then(|header| header.value.map(String::from_utf8_lossy));
    id.map_or_else(
        || {
            let (topic, partition) = (message.topic(), message.partition());
            format!("{topic}-{partition}-{}", message.offset())
        },
        std::borrow::Cow::into_owned,
    )
}
