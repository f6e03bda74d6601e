//! Tracks whether containment is paused: orders in delivery must stop too, not only later
//! decisions.

use crate::clock::wall_time;
use crate::config::Config;
use crate::feedback::model::{ContainmentCommand, Feedback, FeedbackCommand};
use crate::kafka::KafkaError;
use crate::kafka::client;
use crate::kafka::client::Reader;
use crate::kafka::feedback_consumer::sent_at;
use crate::orders::model::Order;
use crate::receivers::admission::{Admission, admit};
use credwatch_core::containment::containment_switch::ContainmentSwitch;
use credwatch_core::units::{MS_PER_DAY, MS_PER_SEC};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError as ClientError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tracing::{info, warn};

/// How long a broker may take to answer.
const BROKER_TIMEOUT: Duration = Duration::from_secs(10);
/// Feedback older than this is not read at startup: earlier orders have expired.
const LOOKBACK_MS: i64 = MS_PER_DAY;

/// A reader of the feedback topic that tracks who paused containment.
pub struct PauseTracker {
    reader: Reader,
    config: Arc<Config>,
    switch: ContainmentSwitch,
    /// Author of the latest command.
    commanded_by: String,
    /// Signed messages that were accepted: replays are rejected.
    accepted: BTreeSet<[u8; 16]>,
    /// Partitions that have not been read to their end.
    behind: BTreeSet<i32>,
}

impl PauseTracker {
    /// A tracker that reads all partitions.
    ///
    /// # Errors
    /// No broker is reachable.
    pub fn new(config: Arc<Config>, partitions: i32) -> Result<Self, KafkaError> {
        let group = format!("{}-deliver", config.kafka.group_id);
        let reader = client::open(&client::reader(&config.kafka, &group))?;
        let topic = &config.topics.feedback;
        let since_ms = wall_time().epoch_ms() - LOOKBACK_MS;
        let mut requested = TopicPartitionList::new();
        let unwatched = |why| KafkaError::Consumer(why);
        for partition in 0..partitions {
            let offset = Offset::Offset(since_ms);
            requested
                .add_partition_offset(topic, partition, offset)
                .map_err(unwatched)?;
        }
        let found = reader.offsets_for_times(requested, BROKER_TIMEOUT);
        reader
            .assign(&found.map_err(unwatched)?)
            .map_err(unwatched)?;
        Ok(Self {
            reader,
            config,
            switch: ContainmentSwitch::default(),
            commanded_by: String::new(),
            accepted: BTreeSet::new(),
            behind: (0..partitions).collect(),
        })
    }

    /// Who paused containment, after reading all available feedback.
    ///
    /// # Errors
    /// No broker is reachable: the state is unknown, and no order may be executed.
    pub fn paused_by(&mut self) -> Result<Option<String>, KafkaError> {
        let mut within = BROKER_TIMEOUT;
        loop {
            if self.behind.is_empty() {
                within = Duration::ZERO;
            }
            let verified = match self.reader.poll(within) {
                None if self.behind.is_empty() => break,
                None => return Err(KafkaError::Consumer(ClientError::NoMessageReceived)),
                Some(Err(ClientError::PartitionEOF(partition))) => {
                    self.behind.remove(&partition);
                    continue;
                }
                Some(Err(why)) => return Err(KafkaError::Consumer(why)),
                Some(Ok(message)) => {
                    let record = message.payload().unwrap_or_default();
                    let verifier = &self.config.feedback.verifier;
                    verifier.verify(record, sent_at(&message)).ok()
                }
            };
            if let Some(feedback) = verified {
                self.apply(&feedback);
            }
        }
        let is_paused = self.switch.is_paused();
        Ok(is_paused.then(|| self.commanded_by.clone()))
    }

    /// Admission of `order`, parsed from `record`, at this time.
    ///
    /// # Errors
    /// No broker is reachable.
    pub fn admission(&mut self, order: &Order, record: &[u8]) -> Result<Admission, KafkaError> {
        let paused_by = self.paused_by()?;
        let signer = self.config.signer.as_deref();
        Ok(admit(
            order,
            record,
            signer,
            wall_time(),
            paused_by.as_deref(),
        ))
    }

    fn apply(&mut self, feedback: &Feedback) {
        let Ok(FeedbackCommand::Containment(command)) = feedback.command() else {
            return;
        };
        if let Some(signature) = &feedback.signature {
            // A message signed before the oldest remembered one may have been accepted already.
            let since_secs = (wall_time().epoch_ms() - LOOKBACK_MS) / MS_PER_SEC;
            if signature.issued_secs < since_secs || !self.accepted.insert(signature.token) {
                return;
            }
        }
        let by = &feedback.by;
        let is_pause = command == ContainmentCommand::Pause;
        if !self.switch.command(is_pause, feedback.sent_at) {
            return;
        }
        match command {
            ContainmentCommand::Pause => warn!(by, "containment paused: no order is executed"),
            ContainmentCommand::Resume => info!(by, "containment resumed"),
        }
        self.commanded_by.clone_from(by);
    }
}
