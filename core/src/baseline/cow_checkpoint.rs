//! Checkpoints that are written while the state changes: copy-on-write.
//!
//! A checkpoint is the state of one moment, and writing it takes longer than an event may wait. What changed
//! before that moment is marked as part of the checkpoint, and a record is copied before it is modified, as
//! in Vaz Salles et al., "An evaluation of checkpoint recovery for massively multiplayer online games"
//! (VLDB 2009). So what is written is the state of one moment, without a second copy of the whole.

use crate::baseline::cow_tracker::{CheckpointInProgress, CheckpointPart};
use crate::baseline::dirty::DirtyState;
use crate::baseline::encode_buffer::EncodeBuffer;
use crate::baseline::state_record::{RecordKey, StateSink};
use crate::baseline::store::{Entry, Store};
use borsh::io::Result;

/// Copied records that wait to be written, in bytes; beyond that the next chunk is larger.
const MAX_COPIED_BYTES: usize = 16 * 1024 * 1024;

impl Store {
    /// Tracks changes from now on, for checkpoints.
    pub fn track_changes(&mut self) {
        self.tracker.get_or_insert_default();
    }

    /// Begins a checkpoint of what changed since the last one. Small records go to `sink` at once, the
    /// rest follows from [`Self::write_checkpoint_chunk`]; returns its approximate size in bytes. Cost:
    /// one pass over what changed.
    ///
    /// # Errors
    /// `sink` fails; the checkpoint is then to be aborted.
    pub fn begin_checkpoint(&mut self, sink: &mut StateSink<'_>) -> Result<usize> {
        let Some(tracker) = &mut self.tracker else {
            return Ok(0);
        };
        let groups = tracker.groups.begin_checkpoint().into_iter();
        let credentials = self.credentials.dirty.begin_checkpoint().into_iter();
        let mut parts: Vec<CheckpointPart> = groups
            .map(CheckpointPart::Group)
            .chain(credentials.map(CheckpointPart::Credentials))
            .collect();
        let mut slots = std::mem::take(&mut tracker.slots);
        // In memory order.
        slots.sort_unstable();
        for slot in slots {
            if let Some(entry) = self.entries.get_mut(slot as usize) {
                entry.profile.dirty = DirtyState::InCheckpoint;
                parts.push(CheckpointPart::Slot(slot));
            }
        }
        let bytes = parts.iter().map(|part| match *part {
            CheckpointPart::Group(slot) => self.groups[slot as usize].memory_bytes(),
            CheckpointPart::Credentials(_) => self.credentials.chunk_bytes(),
            CheckpointPart::Slot(_) => size_of::<Entry>(),
        });
        let bytes = bytes.sum();
        let removed = std::mem::take(&mut tracker.removed);
        tracker.checkpoint = Some(CheckpointInProgress {
            parts,
            labels: self.labels.unsaved.len(),
            removed: removed.clone(),
            ..CheckpointInProgress::default()
        });
        self.write_small_records(&removed, sink)?;
        Ok(bytes)
    }

    fn write_small_records(&self, removed: &[u64], sink: &mut StateSink<'_>) -> Result<()> {
        sink(RecordKey::Issuers, Some(&self.issuers_in_order()?))?;
        let buffer = &mut EncodeBuffer::default();
        sink(
            RecordKey::Population,
            Some(buffer.encode(&self.population)?),
        )?;
        for (key, label) in self.labels.unsaved() {
            sink(RecordKey::Label(key), Some(label.as_bytes()))?;
        }
        // Deletions come before the records of identities that took their slots; a removed identity may
        // be back in another slot.
        let mut gone = removed
            .iter()
            .filter(|key| self.slot_of_key(**key).is_none());
        gone.try_for_each(|key| sink(RecordKey::Identity(*key), None))
    }

    /// Writes copied records and parts of the checkpoint until `max_bytes` are reached, or more where too
    /// many copies wait; returns whether the checkpoint is complete.
    ///
    /// # Errors
    /// `sink` fails, or the store holds a NaN; the checkpoint is then to be aborted.
    pub fn write_checkpoint_chunk(
        &mut self,
        max_bytes: usize,
        sink: &mut StateSink<'_>,
    ) -> Result<bool> {
        let tracker = self.tracker.as_mut();
        let Some(checkpoint) = tracker.and_then(|tracker| tracker.checkpoint.as_mut()) else {
            return Ok(true);
        };
        checkpoint.copied.append(&mut self.credentials.copied);
        checkpoint.copied.check()?;
        let backlog = checkpoint.copied.bytes().saturating_sub(MAX_COPIED_BYTES);
        let max_bytes = max_bytes.max(backlog);
        let mut bytes_written = 0;
        while bytes_written < max_bytes {
            let Some((key, bytes)) = checkpoint.copied.pop() else {
                break;
            };
            bytes_written += bytes.len();
            sink(key, Some(&bytes))?;
        }
        self.write_parts(max_bytes.saturating_sub(bytes_written), sink)
    }

    fn write_parts(&mut self, max_bytes: usize, sink: &mut StateSink<'_>) -> Result<bool> {
        let Some(tracker) = &mut self.tracker else {
            return Ok(true);
        };
        let Some(checkpoint) = &mut tracker.checkpoint else {
            return Ok(true);
        };
        let mut bytes_written = 0;
        while let Some(part) = checkpoint.parts.get(checkpoint.next_part) {
            if bytes_written >= max_bytes {
                return Ok(false);
            }
            let buffer = &mut checkpoint.buffer;
            let at = part.index();
            let record = match *part {
                CheckpointPart::Group(slot) if tracker.groups.take_in_checkpoint(at) => {
                    Some((RecordKey::Group(slot), buffer.encode(&self.groups[at])?))
                }
                CheckpointPart::Credentials(chunk)
                    if self.credentials.dirty.take_in_checkpoint(at) =>
                {
                    let bytes = buffer.encode(&self.credentials.chunk(at))?;
                    Some((RecordKey::Credentials(chunk), bytes))
                }
                CheckpointPart::Slot(slot) if take_in_checkpoint(&mut self.entries, at) => {
                    let entry = &self.entries[at];
                    let bytes = buffer.encode(&(slot, entry))?;
                    Some((RecordKey::Identity(entry.key()), bytes))
                }
                _ => None,
            };
            checkpoint.next_part += 1;
            if let Some((key, bytes)) = record {
                bytes_written += bytes.len();
                sink(key, Some(bytes))?;
            }
        }
        Ok(checkpoint.copied.is_empty())
    }

    /// The checkpoint in progress was committed, all of it.
    pub fn commit_checkpoint(&mut self) {
        let tracker = self.tracker.as_mut();
        if let Some(checkpoint) = tracker.and_then(|tracker| tracker.checkpoint.take()) {
            self.labels.unsaved.drain(..checkpoint.labels);
        }
    }

    /// The checkpoint in progress was not committed: all that it contained is dirty again.
    pub fn abort_checkpoint(&mut self) {
        let Some(tracker) = &mut self.tracker else {
            return;
        };
        let Some(checkpoint) = tracker.checkpoint.take() else {
            return;
        };
        tracker.removed.extend(checkpoint.removed);
        self.credentials.copied = Default::default();
        for part in checkpoint.parts {
            match part {
                CheckpointPart::Group(at) => _ = tracker.groups.mark(at as usize),
                CheckpointPart::Credentials(at) => _ = self.credentials.dirty.mark(at as usize),
                CheckpointPart::Slot(slot) => {
                    let entry = self.entries.get_mut(slot as usize);
                    if entry.is_some_and(|entry| entry.profile.dirty.mark() != DirtyState::Dirty) {
                        tracker.slots.push(slot);
                    }
                }
            }
        }
    }
}

fn take_in_checkpoint(entries: &mut [Entry], at: usize) -> bool {
    let entry = entries.get_mut(at);
    entry.is_some_and(|entry| entry.profile.dirty.take_in_checkpoint())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::store::AtCapacity;
    use crate::parameters::Parameters;
    use crate::stats::decay::HalfLife;
    use crate::units::EventTime;

    #[test]
    fn a_record_that_cannot_be_copied_before_it_is_modified_fails_the_checkpoint() {
        let mut store = Store::new(2, AtCapacity::KeepUseful, &Parameters::default());
        store.track_changes();
        let half_life = HalfLife::from_days(30.0).unwrap();
        let slot = store.get_or_insert(1, "known", EventTime::EARLIEST, half_life);
        let slot = slot.unwrap();
        store.entries[slot].profile.purposeless = f32::NAN;
        store.begin_checkpoint(&mut |_, _| Ok(())).unwrap();
        store.mark_dirty(slot);
        assert!(store.write_checkpoint_chunk(1, &mut |_, _| Ok(())).is_err());
        store.abort_checkpoint();
        store.entries[slot].profile.purposeless = 0.0;
        let mut written = Vec::new();
        let mut sink = |key, _: Option<&[u8]>| {
            written.push(key);
            Ok(())
        };
        store.begin_checkpoint(&mut sink).unwrap();
        assert!(store.write_checkpoint_chunk(usize::MAX, &mut sink).unwrap());
        assert!(written.contains(&RecordKey::Identity(1)));
    }
}
