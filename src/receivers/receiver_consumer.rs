//! The deliver stage: alerts and orders from Kafka to one receiver. Each receiver has a consumer group
//! and a thread of its own, so that one that hangs keeps nobody else waiting. An offset is committed
//! once the record is carried, set aside or refused, and answered: at least once, in order.

use crate::clock::{Stopwatch, wall_time};
use crate::config::{Config, Receiver, ReceiverKind};
use crate::feedback::model::Feedback;
use crate::kafka::feedback_producer::RecordProducer;
use crate::kafka::worker::Shared;
use crate::kafka::{KafkaError, client};
use crate::orders::model::Order;
use crate::outputs::dead_letter::DeadLetter;
use crate::receivers::admission::Admission;
use crate::receivers::circuit_breaker::{CircuitBreaker, pause};
use crate::receivers::containment_pause::PauseTracker;
use crate::receivers::{Delivery, DeliveryError, ReceiverClient, receiver_client};
use crate::shard::{OutputRecord, Stream};
use crate::sources::time::parse_rfc3339;
use credwatch_core::containment::issued_orders::OrderOutcome;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::message::{Headers, Message, OwnedMessage};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tracing::{info, warn};

/// How long one poll may wait.
const POLL_TIMEOUT: Duration = Duration::from_millis(50);
/// Orders that were settled lately; one that comes again is not carried again.
const MAX_COMPLETED: usize = 4_096;

/// How a record ended.
enum DeliveryOutcome {
    /// It was carried.
    Done(String),
    /// It was not, and will not be.
    Failed(String),
    /// It must not be.
    Rejected(String),
    /// There is nothing to do.
    Skipped,
    /// The process is asked to end: somebody carries it later.
    Interrupted,
}

/// One receiver's lane.
pub struct ReceiverWorker<'l> {
    receiver: Receiver,
    client: Box<dyn ReceiverClient>,
    circuit: CircuitBreaker,
    consumer: BaseConsumer,
    /// What came while a receiver was left alone.
    buffered: VecDeque<OwnedMessage>,
    producer: RecordProducer,
    containment_pause: Option<PauseTracker>,
    completed: VecDeque<String>,
    runtime: Handle,
    shared: &'l Shared,
}

impl<'l> ReceiverWorker<'l> {
    /// A lane to `receiver`; the feedback topic has so many partitions.
    ///
    /// # Errors
    /// A setting cannot be used, or no broker answers.
    pub fn new(
        receiver: &Receiver,
        shared: &'l Shared,
        feedback_partitions: i32,
        runtime: Handle,
    ) -> Result<Self, KafkaError> {
        let config = &shared.config;
        let deliver = &config.deliver;
        let client = receiver_client(receiver, deliver).map_err(KafkaError::Receiver)?;
        let topics = &config.topics;
        let mut requested = Vec::new();
        if receiver.receives_alerts {
            requested.push(topics.alerts.as_str());
        }
        let mut paused = None;
        if receiver.receives_orders {
            requested.push(topics.revocations.as_str());
            paused = Some(PauseTracker::new(Arc::clone(config), feedback_partitions)?);
        }
        Ok(Self {
            consumer: consumer_of(receiver, config, &requested)?,
            receiver: receiver.clone(),
            client,
            circuit: CircuitBreaker::new(deliver.circuit_failures, deliver.circuit_open),
            buffered: VecDeque::new(),
            producer: RecordProducer::new(Arc::clone(config))?,
            containment_pause: paused,
            completed: VecDeque::new(),
            runtime,
            shared,
        })
    }

    /// Carries until the process is asked to end.
    ///
    /// # Errors
    /// Kafka is gone. What was not committed is carried again.
    pub fn run(&mut self) -> Result<(), KafkaError> {
        self.shared.status.recover("deliver");
        while !self.shared.stopping() {
            let Some(message) = self.next()? else {
                continue;
            };
            if !self.process(&message)? {
                break;
            }
            let mut next = TopicPartitionList::new();
            let offset = Offset::Offset(message.offset() + 1);
            next.add_partition_offset(message.topic(), message.partition(), offset)
                .map_err(KafkaError::Consumer)?;
            self.consumer
                .commit(&next, CommitMode::Async)
                .map_err(KafkaError::Consumer)?;
        }
        self.consumer.unsubscribe();
        Ok(())
    }

    fn next(&mut self) -> Result<Option<OwnedMessage>, KafkaError> {
        if let Some(message) = self.buffered.pop_front() {
            return Ok(Some(message));
        }
        match self.consumer.poll(POLL_TIMEOUT) {
            None => Ok(None),
            Some(Ok(message)) => Ok(Some(message.detach())),
            Some(Err(why @ ClientError::MessageConsumptionFatal(_))) => {
                Err(KafkaError::Consumer(why))
            }
            Some(Err(why)) => {
                let receiver = &self.receiver.name;
                warn!(receiver, "consumer: {why}");
                std::thread::sleep(POLL_TIMEOUT);
                Ok(None)
            }
        }
    }

    /// Settles one record; false where the process is asked to end before that.
    fn process(&mut self, message: &OwnedMessage) -> Result<bool, KafkaError> {
        let json = message.payload().unwrap_or_default();
        let is_order = message.topic() == self.shared.config.topics.revocations;
        let order: Option<Order> = is_order
            .then(|| serde_json::from_slice(json).ok())
            .flatten();
        let id = match &order {
            Some(order) => order.order_id.clone(),
            None => id_of(message),
        };
        let delivery = Delivery {
            id: &id,
            json,
            order: order.as_ref(),
        };
        let end = if is_order && order.is_none() {
            DeliveryOutcome::Failed("this is no order".to_owned())
        } else if self.completed.contains(&id) {
            DeliveryOutcome::Skipped
        } else {
            self.deliver(&delivery)?
        };
        if matches!(end, DeliveryOutcome::Interrupted) {
            return Ok(false);
        }
        self.record_outcome(message, &delivery, &end)?;
        if self.completed.len() == MAX_COMPLETED {
            self.completed.pop_front();
        }
        self.completed.push_back(id);
        Ok(true)
    }

    /// Carries one thing, again where that may help, until it is settled.
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<DeliveryOutcome, KafkaError> {
        let most = self.shared.config.deliver.attempts;
        let mut failed: Option<String> = None;
        for attempt in 1..=most {
            if self.shared.stopping() {
                return Ok(DeliveryOutcome::Interrupted);
            }
            match self.admission(delivery)? {
                None | Some(Admission::Execute { .. }) => {}
                Some(Admission::Skip) => return Ok(DeliveryOutcome::Skipped),
                // It was tried until it was void.
                Some(Admission::Expired(why)) => {
                    return Ok(
                        failed.map_or(DeliveryOutcome::Rejected(why), DeliveryOutcome::Failed)
                    );
                }
                Some(Admission::Rejected(why)) => return Ok(DeliveryOutcome::Rejected(why)),
            }
            let result = self.client.deliver(delivery);
            if !matches!(result, Err(DeliveryError::Retryable(_))) {
                self.circuit.close();
                self.update_circuit_gauge();
            }
            let why = match result {
                Ok(note) => return Ok(DeliveryOutcome::Done(note)),
                Err(DeliveryError::NotApplicable) => return Ok(DeliveryOutcome::Skipped),
                Err(DeliveryError::Rejected(why)) => return Ok(DeliveryOutcome::Rejected(why)),
                Err(DeliveryError::Permanent(why)) => return Ok(DeliveryOutcome::Failed(why)),
                Err(DeliveryError::Retryable(why)) => why,
            };
            self.count("again");
            let rest = self.circuit.fail();
            self.update_circuit_gauge();
            let receiver = &self.receiver.name;
            warn!(receiver, attempt, "not carried yet: {why}");
            failed = Some(why);
            if attempt < most {
                self.back_off(rest.unwrap_or_else(|| pause(attempt + 1, delivery.id)))?;
            }
        }
        Ok(DeliveryOutcome::Failed(failed.unwrap_or_default()))
    }

    /// Whether an order may be acted on now; `None` for what nobody acts on: alerts, and what a webhook is
    /// told of.
    fn admission(&mut self, delivery: &Delivery<'_>) -> Result<Option<Admission>, KafkaError> {
        let (Some(order), Some(paused)) = (delivery.order, &mut self.containment_pause) else {
            return Ok(None);
        };
        if matches!(self.receiver.kind, ReceiverKind::Webhook(_)) {
            return Ok(None);
        }
        paused.admission(order, delivery.json).map(Some)
    }

    /// Leaves the receiver alone for a while, and stays in the group meanwhile.
    fn back_off(&mut self, rest: Duration) -> Result<(), KafkaError> {
        let since = Stopwatch::start();
        while since.elapsed() < rest && !self.shared.stopping() {
            let owned = self.consumer.assignment().map_err(KafkaError::Consumer)?;
            self.consumer.pause(&owned).map_err(KafkaError::Consumer)?;
            let within = POLL_TIMEOUT.min(rest.saturating_sub(since.elapsed()));
            if let Some(Ok(message)) = self.consumer.poll(within) {
                let message = message.detach();
                self.buffered.push_back(message);
            }
        }
        let owned = self.consumer.assignment().map_err(KafkaError::Consumer)?;
        self.consumer.resume(&owned).map_err(KafkaError::Consumer)
    }

    fn count(&self, outcome: &str) {
        let name = &self.receiver.name;
        self.shared.metrics.add_delivery(name, outcome);
    }

    fn update_circuit_gauge(&self) {
        let gauge = &self.shared.metrics.circuits_open;
        let gauge = gauge.with_label_values(&[self.receiver.name.as_str()]);
        gauge.set(i64::from(self.circuit.is_open()));
    }

    /// Tells how a record ended: in metrics, to the feedback topic where it was an order to be carried out,
    /// and to the dead letters where it was given up.
    fn record_outcome(
        &self,
        message: &OwnedMessage,
        delivery: &Delivery<'_>,
        end: &DeliveryOutcome,
    ) -> Result<(), KafkaError> {
        let (outcome, told) = match end {
            DeliveryOutcome::Done(told) => (OrderOutcome::Done, told),
            DeliveryOutcome::Failed(told) => (OrderOutcome::Failed, told),
            DeliveryOutcome::Rejected(told) => (OrderOutcome::Refused, told),
            DeliveryOutcome::Skipped | DeliveryOutcome::Interrupted => {
                self.count("skipped");
                return Ok(());
            }
        };
        let (receiver, id) = (&self.receiver.name, delivery.id);
        self.count(outcome.as_str());
        let acting = delivery.order.filter(|_| self.client.executes_orders());
        if let Some(order) = acting {
            self.report_outcome(order, outcome, told)?;
        }
        match end {
            DeliveryOutcome::Failed(why) => {
                warn!(receiver, id, "given up: {why}");
                self.dead_letter(message, why)?;
            }
            DeliveryOutcome::Rejected(why) => warn!(receiver, id, "refused: {why}"),
            _ => info!(receiver, id, "carried: {told}"),
        }
        Ok(())
    }

    fn report_outcome(
        &self,
        order: &Order,
        outcome: OrderOutcome,
        told: &str,
    ) -> Result<(), KafkaError> {
        let happened = parse_rfc3339(&order.event_time);
        let took_ms = happened.map(|ms| wall_time().epoch_ms().saturating_sub(ms).max(0));
        if let Some(took_ms) = took_ms.filter(|_| outcome == OrderOutcome::Done) {
            let seconds = took_ms as f64 / 1_000.0;
            self.shared.metrics.contain_seconds.observe(seconds);
        }
        let answer = Feedback {
            order_id: Some(order.order_id.clone()),
            outcome: Some(outcome),
            took_ms,
            by: self.receiver.name.clone(),
            reason: Some(told.to_owned()).filter(|told| !told.is_empty()),
            ..Feedback::default()
        };
        let sending = self.producer.send_feedback(&order.order_id, &answer);
        self.runtime.block_on(sending).map(drop)
    }

    fn dead_letter(&self, message: &OwnedMessage, why: &str) -> Result<(), KafkaError> {
        let dead = &self.shared.metrics.dead_letters;
        dead.with_label_values(&["deliver"]).inc();
        let place = (message.topic(), message.partition(), message.offset());
        let why = format!("{}: {why}", self.receiver.name);
        let json = message.payload().unwrap_or_default();
        let dead_letter = OutputRecord::dead_letter(&DeadLetter::new(&why, "deliver", place, json));
        let topic = Stream::DeadLetter.topic(&self.shared.config.topics);
        let sending = self.producer.send(
            topic,
            &dead_letter.key,
            &dead_letter.headers,
            &dead_letter.payload,
        );
        self.runtime.block_on(sending).map(drop)
    }
}

/// A consumer of `topics` for one receiver.
///
/// # Errors
/// A property is wrong.
pub(super) fn consumer_of(
    receiver: &Receiver,
    config: &Config,
    topics: &[&str],
) -> Result<BaseConsumer, KafkaError> {
    let group = format!("{}-deliver-{}", config.kafka.group_id, receiver.name);
    let consumer: BaseConsumer = client::consumer(&config.kafka, &group)
        .create()
        .map_err(KafkaError::Client)?;
    consumer.subscribe(topics).map_err(KafkaError::Consumer)?;
    Ok(consumer)
}

/// The id in the record's headers, or where it stands.
fn id_of(message: &OwnedMessage) -> String {
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
