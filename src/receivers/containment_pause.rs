//! Whether somebody has paused containment: what is under way to executors must stop too, not only what is
//! decided from now on.

use crate::clock::wall_time;
use crate::config::Config;
use crate::feedback::model::{ContainmentCommand, Feedback, FeedbackCommand};
use crate::kafka::KafkaError;
use crate::kafka::client;
use crate::kafka::client::Reader;
use crate::orders::model::Order;
use crate::receivers::admission::{Admission, admit};
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
/// So far back is read at the start: orders from before are void.
const LOOKBACK_MS: i64 = MS_PER_DAY;

/// A reader of the feedback topic that keeps in mind who has paused.
pub struct PauseTracker {
    reader: Reader,
    config: Arc<Config>,
    paused_by: Option<String>,
    /// Signed answers that were heard: one that comes again counts for nothing.
    accepted: BTreeSet<[u8; 16]>,
    /// Partitions that are still to be read to their end.
    behind: BTreeSet<i32>,
}

impl PauseTracker {
    /// A reader of all partitions.
    ///
    /// # Errors
    /// No broker answers.
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
            paused_by: None,
            accepted: BTreeSet::new(),
            behind: (0..partitions).collect(),
        })
    }

    /// Who has paused containment, by all that is there to be read.
    ///
    /// # Errors
    /// No broker answers: then nobody knows, and nothing may be done.
    pub fn paused_by(&mut self) -> Result<Option<String>, KafkaError> {
        let mut within = BROKER_TIMEOUT;
        loop {
            if self.behind.is_empty() {
                within = Duration::ZERO;
            }
            let budget_alert = match self.reader.poll(within) {
                None if self.behind.is_empty() => break,
                None => return Err(KafkaError::Consumer(ClientError::NoMessageReceived)),
                Some(Err(ClientError::PartitionEOF(partition))) => {
                    self.behind.remove(&partition);
                    continue;
                }
                Some(Err(why)) => return Err(KafkaError::Consumer(why)),
                Some(Ok(message)) => {
                    let sent = message.timestamp().to_millis().map(|ms| ms / 1_000);
                    let record = message.payload().unwrap_or_default();
                    self.config.feedback.verifier.verify(record, sent).ok()
                }
            };
            if let Some(answer) = budget_alert {
                self.apply(&answer);
            }
        }
        Ok(self.paused_by.clone())
    }

    /// Whether `order`, read from `record`, may be acted on now.
    ///
    /// # Errors
    /// No broker answers.
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

    fn apply(&mut self, answer: &Feedback) {
        let Ok(FeedbackCommand::Containment(command)) = answer.command() else {
            return;
        };
        if let Some(signature) = &answer.signature {
            // What was signed before all that is remembered here may have been heard already.
            let since_secs = (wall_time().epoch_ms() - LOOKBACK_MS) / MS_PER_SEC;
            if signature.issued_secs < since_secs || !self.accepted.insert(signature.token) {
                return;
            }
        }
        let by = &answer.by;
        self.paused_by = match command {
            ContainmentCommand::Pause => {
                warn!(by, "containment is paused: nothing is carried out");
                Some(by.clone())
            }
            ContainmentCommand::Resume => {
                info!(by, "containment goes on");
                None
            }
        };
    }
}
