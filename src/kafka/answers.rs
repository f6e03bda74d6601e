//! What people answered since the last checkpoint, from all partitions of the feedback topic: answers are
//! few, and whose they are only the shards know.

use crate::config::Config;
use crate::kafka::restore::read_on;
use crate::kafka::{KafkaError, client};
use crate::shard::{Outgoing, Shard, ShardId};
use crate::wire::answer::Answer;
use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use std::collections::BTreeMap;
use std::time::Duration;
use tracing::{info, warn};

/// How long a broker may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Looking for answers may take this long.
const LOOKED_WITHIN: Duration = Duration::from_secs(1);

/// A reader of the feedback topic.
pub struct Answers {
    reader: BaseConsumer,
    topic: String,
    partitions: i32,
}

impl Answers {
    /// A reader for the consumer group `group`.
    ///
    /// # Errors
    /// A property is wrong.
    pub fn new(config: &Config, group: &str, partitions: i32) -> Result<Self, KafkaError> {
        Ok(Self {
            reader: client::reader(&config.kafka, group)
                .create()
                .map_err(KafkaError::Client)?,
            topic: config.topics.feedback.clone(),
            partitions,
        })
    }

    /// Whether there are answers that `shards` have not taken.
    #[must_use]
    pub fn has_news(&self, shards: &BTreeMap<ShardId, Shard>) -> bool {
        (0..self.partitions).any(|partition| {
            let next = shards.values().map(|shard| shard.next_answer(partition));
            let ends = self
                .reader
                .fetch_watermarks(&self.topic, partition, LOOKED_WITHIN);
            let end = ends.map_or(0, |(_, end)| end);
            next.min().is_some_and(|next| next < end)
        })
    }

    /// Has `shards` take in what they have not taken; returns what is to be published. What cannot be
    /// read now is read at the next checkpoint.
    pub fn hand_to(&self, shards: &mut BTreeMap<ShardId, Shard>) -> Vec<Outgoing> {
        let mut published = Vec::new();
        for partition in 0..self.partitions {
            let next = shards.values().map(|shard| shard.next_answer(partition));
            let Some(next) = next.min() else { continue };
            if let Err(error) = self.hand_on(shards, partition, next, &mut published) {
                warn!("answers in {} are read later: {error}", self.topic);
            }
        }
        published
    }

    fn hand_on(
        &self,
        shards: &mut BTreeMap<ShardId, Shard>,
        partition: i32,
        next: i64,
        published: &mut Vec<Outgoing>,
    ) -> Result<(), KafkaError> {
        let ends = self
            .reader
            .fetch_watermarks(&self.topic, partition, ANSWER_WITHIN);
        let (first, end) = ends.map_err(KafkaError::Consumer)?;
        if next >= end {
            return Ok(());
        }
        let start = Offset::Offset(next.max(first));
        read_on(&self.reader, &self.topic, partition, start, |message| {
            let (record, offset) = (message.payload().unwrap_or_default(), message.offset());
            match Answer::parse(record) {
                Ok(answer) => {
                    for shard in shards.values_mut() {
                        if let Some(outputs) = shard.take_answer(&answer, partition, offset) {
                            let by = &answer.by;
                            info!(by, "an answer is taken in");
                            published.extend(outputs);
                        }
                    }
                }
                Err(why) => warn!(partition, offset, "passed by in {}: {why}", self.topic),
            }
            Ok(offset + 1 < end)
        })
    }
}
