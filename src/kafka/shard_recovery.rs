//! Restores a shard: its baselines from the compacted topic, then the events from its checkpoint to the
//! group's offset, with outputs suppressed. The core is deterministic, so the result is the shard of its
//! previous owner.
//!
//! Nothing is read before it is stable: the group's offset is fetched as a stable one, and the end of the
//! baselines is awaited until no transaction is open before it. The transaction of a zombie is
//! then either included, or will be rejected.

use crate::clock::Stopwatch;
use crate::config::Config;
use crate::kafka::KafkaError;
use crate::kafka::client;
use crate::kafka::client::Reader;
use crate::kafka::stage::appended_at;
use crate::kafka::topic_reader::{STABLE_OFFSET_TIMEOUT, consume_until};
use crate::shard::{Shard, ShardFactory, ShardId, ShardRestore};
use rdkafka::consumer::Consumer;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;
use tracing::{info, info_span, warn};

/// How long a broker may take to answer.
const BROKER_TIMEOUT: Duration = Duration::from_secs(20);
/// Delay before the stable offset is fetched again.
const STABLE_OFFSET_RETRY: Duration = Duration::from_millis(50);

/// Restores the shards of one group. Its clients are created on first use and kept: to connect takes longer
/// than to read a small shard.
pub struct ShardRecovery {
    config: Arc<Config>,
    group: String,
    readers: OnceCell<Readers>,
}

struct Readers {
    /// Reads committed records.
    committed: Reader,
    /// Reads uncommitted records too.
    uncommitted: Reader,
}

impl ShardRecovery {
    /// For the consumer group `group`.
    #[must_use]
    pub fn new(config: Arc<Config>, group: String) -> Self {
        Self {
            config,
            group,
            readers: OnceCell::new(),
        }
    }

    fn readers(&self) -> Result<&Readers, KafkaError> {
        if let Some(readers) = self.readers.get() {
            return Ok(readers);
        }
        let kafka = &self.config.kafka;
        let made = Readers {
            committed: client::open(&client::reader(kafka, &self.group))?,
            uncommitted: client::open(&client::read_uncommitted_reader(kafka, &self.group))?,
        };
        Ok(self.readers.get_or_init(|| made))
    }

    /// The shard `id` at the group's offset. `known` is a shard that this process released; it is used if no
    /// other process continued from there. With `is_cold` the stored baselines are ignored, and the shard
    /// learns again from what the log still holds.
    ///
    /// # Errors
    /// The broker does not respond, or the baselines cannot be restored.
    pub fn shard(
        &self,
        factory: &ShardFactory,
        id: ShardId,
        known: Option<Shard>,
        is_cold: bool,
    ) -> Result<Shard, KafkaError> {
        let partition = id.partition;
        let topic = self.config.topics.input_topic(id.entity);
        let committed = self.committed(topic, partition)?;
        let is_good = |shard: &Shard| Some(shard.next_offset()) == committed;
        if let Some(shard) = known.filter(is_good) {
            return Ok(shard);
        }
        let _span = info_span!("restore", topic, partition).entered();
        let since = Stopwatch::start();
        let (first, end) = self.wait_for_stable_offset(&self.config.topics.baselines, partition)?;
        let stored = if is_cold || first == end {
            None
        } else {
            self.baselines(factory, id)?
        };
        let is_new = stored.is_none();
        let mut shard = stored.unwrap_or_else(|| {
            let mut shard = factory.shard(id);
            shard.set_first_record_offset(end);
            shard
        });
        shard.track_changes();
        let checkpoint_offset = shard.next_offset();
        if let Some(committed) = committed {
            self.replay_to(&mut shard, topic, committed)?;
        }
        let (identities, took) = (shard.health().identities, since.elapsed().as_secs_f64());
        let replayed = shard.next_offset() - checkpoint_offset;
        if is_new && replayed == 0 {
            info!("new shard, learning from this offset");
        } else {
            info!(
                "shard restored: {identities} baselines, {replayed} events replayed, in {took:.1} s"
            );
        }
        Ok(shard)
    }

    fn committed(&self, topic: &str, partition: i32) -> Result<Option<i64>, KafkaError> {
        let mut requested = TopicPartitionList::new();
        requested.add_partition(topic, partition);
        let found = self
            .readers()?
            .committed
            .committed_offsets(requested, BROKER_TIMEOUT)
            .map_err(KafkaError::Consumer)?;
        let offset = found.elements().first().map(|element| element.offset());
        Ok(offset.and_then(|offset| match offset {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }))
    }

    fn baselines(&self, factory: &ShardFactory, id: ShardId) -> Result<Option<Shard>, KafkaError> {
        let (topic, partition) = (&self.config.topics.baselines, id.partition);
        let mut restoration = ShardRestore::new(factory, id);
        consume_until(
            &self.readers()?.committed,
            topic,
            partition,
            Offset::Beginning,
            |message| {
                let key = message.key().unwrap_or_default();
                restoration.apply(key, message.payload(), message.offset());
                Ok(true)
            },
        )?;
        Ok(restoration.finish()?)
    }

    /// First offset and current end of a partition, before which no transaction is open.
    fn wait_for_stable_offset(
        &self,
        topic: &str,
        partition: i32,
    ) -> Result<(i64, i64), KafkaError> {
        let readers = self.readers()?;
        let ends = |consumer: &Reader| {
            let found = consumer.fetch_watermarks(topic, partition, BROKER_TIMEOUT);
            found.map_err(KafkaError::Consumer)
        };
        let (first, end) = ends(&readers.uncommitted)?;
        let waiting = Stopwatch::start();
        while ends(&readers.committed)?.1 < end {
            if waiting.elapsed() > STABLE_OFFSET_TIMEOUT {
                return Err(KafkaError::UnstableOffset(topic.to_owned(), partition));
            }
            std::thread::sleep(STABLE_OFFSET_RETRY);
        }
        Ok((first, end))
    }

    /// Replays the events before `until`, with outputs suppressed.
    fn replay_to(&self, shard: &mut Shard, topic: &str, until: i64) -> Result<(), KafkaError> {
        let (partition, from) = (shard.id().partition, shard.next_offset());
        if from >= until {
            return Ok(());
        }
        let reader = &self.readers()?.committed;
        let (first, _) = reader
            .fetch_watermarks(topic, partition, BROKER_TIMEOUT)
            .map_err(KafkaError::Consumer)?;
        if first > from {
            let missing = first.min(until) - from;
            warn!(
                partition,
                "{missing} events that the baselines do not hold are no longer in {topic}: they are \
                 missed"
            );
        }
        let start = Offset::Offset(from.max(first));
        consume_until(reader, topic, partition, start, |message| {
            let offset = message.offset();
            if offset < until {
                let payload = message.payload().unwrap_or_default();
                shard.replay(payload, offset, appended_at(message));
            }
            Ok(offset + 1 < until)
        })?;
        if shard.next_offset() < until {
            shard.skip(until - 1);
        }
        Ok(())
    }
}
