//! What changed, handed over bit by bit while more of it changes.
//!
//! A checkpoint is of one moment, and sending it takes longer than an event may wait. So what changed before
//! that moment is awaited from then on, and whatever is about to change an awaited part saves it first: copy
//! on update, as in Vaz Salles et al., "An evaluation of checkpoint recovery for massively multiplayer online
//! games" (VLDB 2009). What is handed over is the state of one moment, without a second copy of the whole.

use super::dirty::{DirtyState, DirtyTable};
use super::encode_buffer::EncodeBuffer;
use super::state_record::{RecordKey, StateSink};
use super::store::{Entry, Store};
use borsh::io::{Error, ErrorKind, Result};
use std::collections::VecDeque;

/// What was about to change waits to be sent up to so many bytes.
const MAX_COPIED_BYTES: usize = 16 * 1024 * 1024;

/// What has changed since it was kept last, and what a checkpoint that is being made still awaits. Bounded
/// by the store: a slot and a group stand here once; identities that are no more are as many as were
/// admitted meanwhile.
#[derive(Clone, Debug, Default)]
pub(super) struct DirtySet {
    /// Slots of identities.
    slots: Vec<u32>,
    /// Keys of identities that are no more.
    removed: Vec<u64>,
    /// Groups.
    groups: DirtyTable,
    checkpoint: Option<CheckpointInProgress>,
}

/// A checkpoint that is being made.
#[derive(Clone, Debug, Default)]
struct CheckpointInProgress {
    parts: Vec<CheckpointPart>,
    /// How many of the parts are done.
    next_part: usize,
    removed: Vec<u64>,
    names: usize,
    /// Parts that were about to change.
    copied: VecDeque<(RecordKey, Vec<u8>)>,
    copied_bytes: usize,
    /// A part could not be saved: a number of it is not one.
    has_failed: bool,
    buffer: EncodeBuffer,
}

/// By place, that of an identity's record being its slot.
#[derive(Clone, Copy, Debug)]
enum CheckpointPart {
    Group(u32),
    Credentials(u32),
    Slot(u32),
}

impl CheckpointPart {
    fn index(self) -> usize {
        let (Self::Group(at) | Self::Credentials(at) | Self::Slot(at)) = self;
        at as usize
    }
}

impl DirtySet {
    /// The identity of `key` is no more.
    pub(super) fn remove(&mut self, key: u64) {
        self.removed.push(key);
    }

    #[cold]
    fn copy_before_write(&mut self, key: RecordKey, piece: &impl borsh::BorshSerialize) {
        let Some(checkpoint) = &mut self.checkpoint else {
            return;
        };
        match checkpoint.buffer.encode(piece) {
            Ok(bytes) => {
                checkpoint.copied_bytes += bytes.len();
                checkpoint.copied.push_back((key, bytes.to_vec()));
            }
            Err(_) => checkpoint.has_failed = true,
        }
    }
}

impl Store {
    /// From now on it is noted what changes.
    pub fn track_changes(&mut self) {
        self.dirty.get_or_insert_default();
    }

    /// The record at `slot` is about to change.
    pub(super) fn mark_dirty(&mut self, slot: usize) {
        let Some(changes) = &mut self.dirty else {
            return;
        };
        let entry = &mut self.entries[slot];
        let durability = &mut entry.profile.dirty;
        let before = std::mem::replace(durability, DirtyState::Dirty);
        if before == DirtyState::InCheckpoint {
            changes.copy_before_write(RecordKey::Identity(entry.key()), &(slot as u32, &*entry));
        }
        if before != DirtyState::Dirty {
            changes.slots.push(slot as u32);
        }
    }

    /// The group at `slot` is about to change.
    pub(super) fn mark_group_dirty(&mut self, slot: usize) {
        if let Some(changes) = &mut self.dirty
            && changes.groups.set(slot, DirtyState::Dirty) == DirtyState::InCheckpoint
        {
            changes.copy_before_write(RecordKey::Group(slot as u32), &self.groups[slot]);
        }
    }

    /// Begins a checkpoint of what changed since the last one was kept: what is not large goes to `keep` at
    /// once, the rest is awaited; returns about how many bytes that is. Takes a pass over what changed.
    ///
    /// # Errors
    /// `keep` fails; then the checkpoint is to be given up.
    pub fn begin_checkpoint(&mut self, sink: &mut StateSink<'_>) -> Result<usize> {
        let Some(changes) = &mut self.dirty else {
            return Ok(0);
        };
        let groups = changes
            .groups
            .begin_checkpoint()
            .into_iter()
            .map(CheckpointPart::Group);
        let credentials = self.credentials.dirty.begin_checkpoint().into_iter();
        let mut parts: Vec<CheckpointPart> = groups
            .chain(credentials.map(CheckpointPart::Credentials))
            .collect();
        let mut slots = std::mem::take(&mut changes.slots);
        // In the order in which they lie in memory.
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
        let removed = std::mem::take(&mut changes.removed);
        changes.checkpoint = Some(CheckpointInProgress {
            parts,
            names: self.labels.unsaved.len(),
            removed: removed.clone(),
            ..CheckpointInProgress::default()
        });
        sink(RecordKey::Issuers, Some(&self.issuers_in_order()?))?;
        let buffer = &mut EncodeBuffer::default();
        sink(
            RecordKey::Population,
            Some(buffer.encode(&self.population)?),
        )?;
        for (key, text) in self.labels.unsaved() {
            sink(RecordKey::Label(key), Some(text.as_bytes()))?;
        }
        // Who is no more goes before who took the place, and may be back in another one.
        let mut gone = removed.iter().filter(|key| self.find(**key).is_none());
        gone.try_for_each(|key| sink(RecordKey::Identity(*key), None))?;
        Ok(bytes)
    }

    /// Hands on what was about to change and what is awaited, until that is `most_bytes` or a part more, or
    /// more where too much was about to change; says whether nothing is left.
    ///
    /// # Errors
    /// `keep` fails, or a number of the store is not one; then the checkpoint is to be given up.
    pub fn write_checkpoint_chunk(
        &mut self,
        most_bytes: usize,
        sink: &mut StateSink<'_>,
    ) -> Result<bool> {
        let changes = self.dirty.as_mut();
        let Some(checkpoint) = changes.and_then(|changes| changes.checkpoint.as_mut()) else {
            return Ok(true);
        };
        if checkpoint.has_failed {
            let why = "a part could not be saved before it changed";
            return Err(Error::new(ErrorKind::InvalidData, why));
        }
        for (key, bytes) in self.credentials.take_copied() {
            checkpoint.copied_bytes += bytes.len();
            checkpoint.copied.push_back((key, bytes));
        }
        let most_bytes = most_bytes.max(checkpoint.copied_bytes.saturating_sub(MAX_COPIED_BYTES));
        let mut bytes_sent = 0;
        while bytes_sent < most_bytes {
            let Some((key, bytes)) = checkpoint.copied.pop_front() else {
                break;
            };
            bytes_sent += bytes.len();
            checkpoint.copied_bytes -= bytes.len();
            sink(key, Some(&bytes))?;
        }
        self.write_parts(most_bytes.saturating_sub(bytes_sent), sink)
    }

    fn write_parts(&mut self, most_bytes: usize, sink: &mut StateSink<'_>) -> Result<bool> {
        let Some(changes) = &mut self.dirty else {
            return Ok(true);
        };
        let Some(checkpoint) = &mut changes.checkpoint else {
            return Ok(true);
        };
        let mut bytes_sent = 0;
        while let Some(part) = checkpoint.parts.get(checkpoint.next_part) {
            if bytes_sent >= most_bytes {
                return Ok(false);
            }
            let buffer = &mut checkpoint.buffer;
            let at = part.index();
            let piece = match *part {
                CheckpointPart::Group(slot) if changes.groups.take_in_checkpoint(at) => {
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
            if let Some((key, bytes)) = piece {
                bytes_sent += bytes.len();
                sink(key, Some(bytes))?;
            }
        }
        Ok(checkpoint.copied.is_empty())
    }

    /// The checkpoint that was begun is kept, to its last part.
    pub fn commit_checkpoint(&mut self) {
        let Some(changes) = &mut self.dirty else {
            return;
        };
        if let Some(checkpoint) = changes.checkpoint.take() {
            self.labels.unsaved.drain(..checkpoint.names);
        }
    }

    /// The checkpoint that was begun is not kept: what it held has changed, as before.
    pub fn abort_checkpoint(&mut self) {
        let Some(changes) = &mut self.dirty else {
            return;
        };
        let Some(checkpoint) = changes.checkpoint.take() else {
            return;
        };
        changes.removed.extend(checkpoint.removed);
        self.credentials.take_copied();
        for part in checkpoint.parts {
            match part {
                CheckpointPart::Group(at) => _ = changes.groups.set(at as usize, DirtyState::Dirty),
                CheckpointPart::Credentials(at) => {
                    let durability = &mut self.credentials.dirty;
                    durability.set(at as usize, DirtyState::Dirty);
                }
                CheckpointPart::Slot(slot) => {
                    let entry = self.entries.get_mut(slot as usize);
                    let durability = entry.map(|entry| &mut entry.profile.dirty);
                    if let Some(durability) = durability.filter(|d| **d != DirtyState::Dirty) {
                        *durability = DirtyState::Dirty;
                        changes.slots.push(slot);
                    }
                }
            }
        }
    }
}

/// As [`Durabilities::take_awaited`], of the record at `at`.
fn take_in_checkpoint(entries: &mut [Entry], at: usize) -> bool {
    let entry = entries.get_mut(at);
    entry.is_some_and(|entry| entry.profile.dirty.take_in_checkpoint())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::Parameters;
    use crate::stats::decay::HalfLife;
    use crate::units::EventTime;

    #[test]
    fn a_part_that_cannot_be_saved_before_it_changes_fails_the_checkpoint() {
        let mut store = Store::new(2, &Parameters::default());
        store.track_changes();
        let half_life = HalfLife::from_days(30.0).unwrap();
        let slot = store.get_or_insert(1, "known", EventTime::EARLIEST, half_life);
        store.entries[slot.unwrap()].profile.purposeless = f32::NAN;
        store.begin_checkpoint(&mut |_, _| Ok(())).unwrap();
        store.mark_dirty(slot.unwrap());
        assert!(store.write_checkpoint_chunk(1, &mut |_, _| Ok(())).is_err());
        store.abort_checkpoint();
        store.entries[slot.unwrap()].profile.purposeless = 0.0;
        let mut kept = Vec::new();
        let mut sink = |key, _: Option<&[u8]>| {
            kept.push(key);
            Ok(())
        };
        store.begin_checkpoint(&mut sink).unwrap();
        assert!(store.write_checkpoint_chunk(usize::MAX, &mut sink).unwrap());
        assert!(kept.contains(&RecordKey::Identity(1)));
    }
}
