//! A shard's state: left in a file, kept piece by piece beside the log, and taken up again.

use super::{OutputRecord, Shard, ShardFactory, ShardId, Stream};
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

/// What the keys of a shard of sources begin with, in the partition that it shares with the shard of
/// identities.
const SOURCE_KEY_PREFIX: &[u8] = b"source/";

/// Why a shard cannot be taken up again.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A record cannot be read.
    #[error("partition {partition}: a baseline is {why}")]
    Record {
        /// Whose.
        partition: i32,
        /// Why.
        why: StateRecordError,
    },
    /// Pieces do not fit together.
    #[error(
        "partition {partition}: the baselines do not fit together: {why}; start once with `credwatch run \
         --cold`, which learns anew from the events that Kafka still holds"
    )]
    Inconsistent {
        /// Whose.
        partition: i32,
        /// Why.
        why: io::Error,
    },
    /// Identities would meet baselines of others.
    #[error(
        "the baselines were made for {then} partitions of the events topic, and it has {now}: identities \
         have moved between them, and would meet baselines of others; start once with `credwatch run \
         --cold`, which learns anew from the events that Kafka still holds"
    )]
    Partitions {
        /// Partitions then.
        then: u32,
        /// Partitions now.
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

    /// Writes its whole state.
    ///
    /// # Errors
    /// `out` fails.
    pub fn save(&self, out: impl Write) -> io::Result<()> {
        snapshot::write(out, &self.header(), &self.engine)
    }

    /// From now on it is noted what changes, for checkpoints.
    pub fn track_changes(&mut self) {
        self.engine.track_changes();
    }

    /// Its pieces lie from `offset` of the topic of baselines on: what lies before is given up.
    pub fn set_first_record_offset(&mut self, offset: i64) {
        self.first_record_offset = offset;
    }

    /// Whether it runs with another model or configuration than its state was made with.
    #[must_use]
    pub fn has_upgrade(&self) -> bool {
        self.upgrade.is_some()
    }

    /// Whether what has changed cannot be had from events again, and is to be kept before the next one.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        self.has_upgrade() || self.has_feedback
    }

    /// Tells the audit trail of another model or configuration, once: the state is to be kept in the
    /// same transaction.
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

    /// Says, signed, where the audit trail stands at `now`, where it has grown since that was last said.
    pub fn sign_audit_head(&mut self, now: EventTime) -> Option<OutputRecord> {
        let payload = self.audit.head(self.signer.as_deref()?, now)?;
        let partition = self.position.partition;
        let id = format!("head-{}-{partition}-{}", self.entity, now.epoch_ms());
        let stream = Stream::Decisions;
        let record = OutputRecord::cloud_event(stream, "", "head.v1", id, now, payload);
        Some(record.in_partition(partition))
    }

    /// Whether there is something to keep.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.next_offset() != self.checkpointed_offset || self.is_urgent()
    }

    /// Begins a checkpoint of what has changed since the last one was kept, and sends where it stands. The
    /// rest, of about so many bytes as are returned, follows from [`Self::continue_checkpoint`]: what is sent
    /// is the state of this moment, whatever is taken in meanwhile.
    ///
    /// # Errors
    /// `send` fails; then the checkpoint is to be given up.
    pub fn begin_checkpoint(&mut self, send: &mut RecordSink<'_>) -> io::Result<usize> {
        self.checkpoint_offset = self.next_offset();
        let entity = self.entity;
        state_record_codec::write_marker(&self.header(), &mut |key, value| {
            send_record(entity, key, value, send)
        })?;
        let engine = &mut self.engine;
        write_records(entity, send, |keep| engine.begin_checkpoint(keep))
    }

    /// Sends some `most_bytes` more of the checkpoint; says whether all of it is sent.
    ///
    /// # Errors
    /// `send` fails; then the checkpoint is to be given up.
    pub fn write_checkpoint_chunk(
        &mut self,
        most_bytes: usize,
        send: &mut RecordSink<'_>,
    ) -> io::Result<bool> {
        let engine = &mut self.engine;
        write_records(self.entity, send, |keep| {
            engine.write_checkpoint_chunk(most_bytes, keep)
        })
    }

    /// The whole checkpoint has been committed.
    pub fn commit_checkpoint(&mut self) {
        self.engine.commit_checkpoint();
        self.checkpointed_offset = self.checkpoint_offset;
        self.upgrade = None;
        self.has_feedback = false;
    }

    /// The checkpoint was not committed: what it held belongs to the next one.
    pub fn abort_checkpoint(&mut self) {
        self.engine.abort_checkpoint();
    }
}

/// Sends a record of a shard that looks at `entity`.
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

/// Has `save` hand its pieces on as records.
fn write_records<T>(
    entity: EntityView,
    send: &mut RecordSink<'_>,
    save: impl FnOnce(&mut StateSink<'_>) -> io::Result<T>,
) -> io::Result<T> {
    let mut value = Vec::new();
    let mut send = |key: &[u8], value: Option<&[u8]>| send_record(entity, key, value, send);
    save(&mut |key, content| state_record_codec::write(key, content, &mut value, &mut send))
}

/// A shard that is being taken up from its records, in their order.
pub struct ShardRestore<'b> {
    factory: &'b ShardFactory,
    id: ShardId,
    reader: StateRecordReader,
    engine: EngineRestore,
    marker: Option<Header>,
    /// Keys of records that cannot be read, with the offset, until a later one takes their place.
    undecodable: BTreeMap<Vec<u8>, (i64, RestoreError)>,
}

impl<'b> ShardRestore<'b> {
    /// No record yet of the shard `id`.
    #[must_use]
    pub fn new(factory: &'b ShardFactory, id: ShardId) -> Self {
        Self {
            factory,
            id,
            reader: StateRecordReader::default(),
            engine: Engine::restore(factory.settings_of(id)),
            marker: None,
            undecodable: BTreeMap::new(),
        }
    }

    /// Takes the next record, at `offset` of its topic. One that cannot be read matters only where no
    /// later one has its key.
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

    /// The shard as it was kept; `None` where nothing was kept.
    ///
    /// # Errors
    /// A record cannot be read, or the pieces do not fit together.
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
