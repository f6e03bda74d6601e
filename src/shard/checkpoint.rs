//! Checkpoint and restore of a shard's state.

use super::{OutputRecord, Shard, ShardFactory, ShardId, Stream};
use crate::outputs::retention_gap::RetentionGap;
use crate::persistence::record_checksum::RecordChecksum;
use crate::persistence::snapshot;
use crate::persistence::snapshot::Header;
use crate::persistence::state_record_codec;
use crate::persistence::state_record_codec::{
    DecodedRecord, RecordSink, StateRecordError, StateRecordReader,
};
use credwatch_core::engine::{Engine, EngineRestore, StateSink};
use credwatch_core::units::EventTime;
use credwatch_core::verdict::EntityView;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Prefix of the keys of a source shard, in the partition that it shares with the identity
/// shard.
const SOURCE_KEY_PREFIX: &[u8] = b"source/";

/// Why a shard cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A record is invalid.
    #[error(
        "partition {partition}: a baseline is {why}, or start once with `credwatch run --cold={partition}`, \
         which learns this partition again from the events that Kafka still holds"
    )]
    Record {
        /// Partition.
        partition: i32,
        /// Reason.
        why: StateRecordError,
    },
    /// The records are inconsistent.
    #[error(
        "partition {partition}: the baselines do not fit together: {why}; start once with `credwatch run \
         --cold={partition}`, which learns this partition again from the events that Kafka still holds"
    )]
    Inconsistent {
        /// Partition.
        partition: i32,
        /// Reason.
        why: io::Error,
    },
    /// Identities would be assigned to other shards.
    #[error(
        "the baselines were made for {then} partitions of the events topic, and it has {now}: identities \
         have moved between them, and would meet baselines of others; start once with `credwatch run \
         --cold`, which learns again from the events that Kafka still holds"
    )]
    Partitions {
        /// Previous number of partitions.
        then: u32,
        /// Present number of partitions.
        now: u32,
    },
}

impl Shard {
    fn header(&self) -> Header {
        Header {
            partition: self.position.partition,
            partitions: self.partitions,
            next_offset: self.next_offset(),
            first_record_offset: self.first_record_offset,
            feedback_offsets: self.feedback_offsets.clone(),
            model_hash: self.engine.model_hash().to_owned(),
            configuration_hash: self.configuration_hash.to_string(),
            audit: self.audit.clone(),
        }
    }

    /// Writes the complete state.
    ///
    /// # Errors
    /// `out` fails.
    pub fn save(&self, out: impl Write) -> io::Result<()> {
        snapshot::write(out, &self.header(), &self.engine)
    }

    /// Tracks changes from now on, for checkpoints.
    pub fn track_changes(&mut self) {
        self.engine.track_changes();
    }

    /// Its records begin at `offset` of the baselines topic: earlier ones are discarded.
    pub fn set_first_record_offset(&mut self, offset: i64) {
        self.first_record_offset = offset;
    }

    /// Whether the model or configuration differs from that of the stored state.
    #[must_use]
    pub fn has_upgrade(&self) -> bool {
        self.upgrade.is_some()
    }

    /// Whether some changes cannot be recovered from events, and must be stored before the next one.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        self.has_upgrade() || self.has_unlogged_change || !self.retention_gaps.is_empty()
    }

    /// Audits a change of model or configuration, once: the state is to be stored in the same
    /// transaction.
    pub fn audit_upgrade(&mut self) -> Option<OutputRecord> {
        let upgrade = self.upgrade.as_ref()?;
        let before = [&*upgrade.old_model, &*upgrade.old_configuration];
        let now = [self.engine.model_hash(), &*self.configuration_hash];
        let time = self.engine.now();
        let payload = self.audit.upgrade(time, before, now);
        let (view, partition) = (self.entity, self.position.partition);
        let id = format!("upgrade-{view}-{partition}-{}", self.next_offset());
        let stream = Stream::Decisions;
        let record = OutputRecord::cloud_event(stream, "", "upgrade.v1", id, time, payload);
        Some(record.in_partition(self.position.partition))
    }

    /// Audits deleted events, once: the state is to be stored in the same transaction.
    pub fn audit_retention_gaps(&mut self) -> Vec<OutputRecord> {
        let gaps = std::mem::take(&mut self.retention_gaps);
        self.has_unlogged_change |= !gaps.is_empty();
        let (view, partition) = (self.entity, self.position.partition);
        let audit = |gap: &RetentionGap| {
            let id = format!("retention-gap-{view}-{partition}-{}", gap.first_offset);
            self.audit_retention_gap(gap, id)
        };
        gaps.iter().map(audit).collect()
    }

    /// Audits records of a raw topic that were deleted unread, as the record at `offset` of its log states.
    pub fn audit_ingest_gap(&mut self, gap: &RetentionGap, offset: i64) -> OutputRecord {
        self.skip(offset);
        let RetentionGap {
            topic,
            partition,
            first_offset,
            ..
        } = gap;
        let id = format!("retention-gap-{topic}-{partition}-{first_offset}");
        self.audit_retention_gap(gap, id)
    }

    fn audit_retention_gap(&mut self, gap: &RetentionGap, id: String) -> OutputRecord {
        let time = self.engine.now();
        let payload = self.audit.retention_gap(time, gap);
        let stream = Stream::Decisions;
        OutputRecord::cloud_event(stream, "", "retention_gap.v1", id, time, payload)
            .in_partition(self.position.partition)
    }

    /// The time of its events.
    #[must_use]
    pub fn now(&self) -> EventTime {
        self.engine.now()
    }

    /// The signed head of the audit trail at `now`, if the trail has grown since the last one.
    pub fn sign_audit_head(&mut self, now: EventTime) -> Option<OutputRecord> {
        let payload = self
            .audit
            .head(self.signer.as_deref()?, self.partitions, now)?;
        let partition = self.position.partition;
        let id = format!("head-{}-{partition}-{}", self.entity, now.epoch_ms());
        let stream = Stream::Decisions;
        let record = OutputRecord::cloud_event(stream, "", "head.v1", id, now, payload);
        Some(record.in_partition(partition))
    }

    /// Whether there are changes to store.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        let is_head_due = self.signer.is_some() && self.audit.is_head_due();
        self.next_offset() != self.checkpointed_offset || self.is_urgent() || is_head_due
    }

    /// Begins a checkpoint of what changed since the last one, and sends its header. Returns the approximate
    /// size of the rest in bytes, which follows from [`Self::write_checkpoint_chunk`]: the content is the
    /// state of this moment, whatever is processed in between.
    ///
    /// # Errors
    /// `send` fails; the checkpoint is then to be aborted.
    pub fn begin_checkpoint(&mut self, send: &mut RecordSink<'_>) -> io::Result<usize> {
        self.checkpoint_offset = self.next_offset();
        let entity = self.entity;
        state_record_codec::write_marker(&self.checksum, &self.header(), &mut |key, value| {
            send_record(entity, key, value, send)
        })?;
        let engine = &mut self.engine;
        write_records(entity, &self.checksum, send, |keep| {
            engine.begin_checkpoint(keep)
        })
    }

    /// Sends about `max_bytes` more of the checkpoint; returns whether it is complete.
    ///
    /// # Errors
    /// `send` fails; the checkpoint is then to be aborted.
    pub fn write_checkpoint_chunk(
        &mut self,
        most_bytes: usize,
        send: &mut RecordSink<'_>,
    ) -> io::Result<bool> {
        let engine = &mut self.engine;
        write_records(self.entity, &self.checksum, send, |keep| {
            engine.write_checkpoint_chunk(most_bytes, keep)
        })
    }

    /// The whole checkpoint was committed.
    pub fn commit_checkpoint(&mut self) {
        self.engine.commit_checkpoint();
        self.checkpointed_offset = self.checkpoint_offset;
        self.upgrade = None;
        self.has_unlogged_change = false;
    }

    /// The checkpoint was not committed: its content is dirty again.
    pub fn abort_checkpoint(&mut self) {
        self.engine.abort_checkpoint();
    }
}

/// Sends a record of the shard of the view `entity`.
fn send_record(
    entity: EntityView,
    key: &[u8],
    value: Option<&[u8]>,
    send: &mut RecordSink<'_>,
) -> io::Result<()> {
    match entity {
        EntityView::Identity => send(key, value),
        EntityView::Source => send(&[SOURCE_KEY_PREFIX, key].concat(), value),
    }
}

/// Calls `save` with a sink that sends state records.
fn write_records<T>(
    entity: EntityView,
    checksum: &RecordChecksum,
    send: &mut RecordSink<'_>,
    save: impl FnOnce(&mut StateSink<'_>) -> io::Result<T>,
) -> io::Result<T> {
    let mut value = Vec::new();
    let mut send = |key: &[u8], value: Option<&[u8]>| send_record(entity, key, value, send);
    save(&mut |key, content| {
        state_record_codec::write(checksum, key, content, &mut value, &mut send)
    })
}

/// A shard that is being restored from its records, in order.
pub struct ShardRestore<'b> {
    factory: &'b ShardFactory,
    id: ShardId,
    reader: StateRecordReader,
    engine: EngineRestore,
    marker: Option<Header>,
    /// Keys of invalid records, with the offset, until a later record replaces them.
    undecodable: BTreeMap<Vec<u8>, (i64, RestoreError)>,
}

impl<'b> ShardRestore<'b> {
    /// An empty restore of the shard `id`.
    #[must_use]
    pub fn new(factory: &'b ShardFactory, id: ShardId) -> Self {
        Self {
            factory,
            id,
            reader: StateRecordReader::new(factory.checksum_of(id)),
            engine: Engine::restore(factory.settings_of(id)),
            marker: None,
            undecodable: BTreeMap::new(),
        }
    }

    /// Applies the next record, at `offset` of its topic. An invalid record matters only if no later record
    /// has its key.
    pub fn apply(&mut self, key: &[u8], value: Option<&[u8]>, offset: i64) {
        let (entity, key) = match key.strip_prefix(SOURCE_KEY_PREFIX) {
            Some(key) => (EntityView::Source, key),
            None => (EntityView::Identity, key),
        };
        if entity != self.id.entity {
            return;
        }
        match self.try_apply(key, value) {
            Ok(()) => drop(self.undecodable.remove(key)),
            Err(why) => drop(self.undecodable.insert(key.to_vec(), (offset, why))),
        }
    }

    fn try_apply(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), RestoreError> {
        let partition = self.id.partition;
        let found = self.reader.read(key, value);
        match found.map_err(|why| RestoreError::Record { partition, why })? {
            DecodedRecord::Marker(header) => {
                let (then, now) = (header.partitions, self.factory.partitions());
                if then != now {
                    return Err(RestoreError::Partitions { then, now });
                }
                self.marker = Some(*header);
                Ok(())
            }
            DecodedRecord::Record(key, content) => self
                .engine
                .apply(key, &content)
                .map_err(|why| RestoreError::Inconsistent { partition, why }),
            DecodedRecord::Incomplete => Ok(()),
        }
    }

    /// The restored shard; `None` where nothing was stored.
    ///
    /// # Errors
    /// A record is invalid, or the records are inconsistent.
    pub fn finish(self) -> Result<Option<Shard>, RestoreError> {
        let first = self
            .marker
            .as_ref()
            .map_or(0, |marker| marker.first_record_offset);
        let mut unread = self.undecodable.into_values();
        if let Some((_, why)) = unread.find(|(offset, _)| *offset >= first) {
            return Err(why);
        }
        let Some(marker) = self.marker else {
            return Ok(None);
        };
        let partition = self.id.partition;
        let engine = self.engine.finish();
        let engine = engine.map_err(|why| RestoreError::Inconsistent { partition, why })?;
        Ok(Some(self.factory.assemble(self.id.entity, engine, marker)))
    }
}
