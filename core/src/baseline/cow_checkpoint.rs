//! What changed, handed over bit by bit while more of it changes.
//!
//! A checkpoint is of one moment, and sending it takes longer than an event may wait. So what changed before
//! that moment is awaited from then on, and whatever is about to change an awaited part saves it first: copy
//! on update, as in Vaz Salles et al., "An evaluation of checkpoint recovery for massively multiplayer online
//! games" (VLDB 2009). What is handed over is the state of one moment, without a second copy of the whole.

use super::dirty::{Durabilities, Durability};
use super::encode_buffer::PieceBuffer;
use super::state_record::{Keep, PieceKey};
use super::store::{Entry, Store};
use borsh::io::{Error, ErrorKind, Result};
use std::collections::VecDeque;

/// What was about to change waits to be sent up to so many bytes.
const MOST_SAVED_BYTES: usize = 16 * 1024 * 1024;

/// What has changed since it was kept last, and what a checkpoint that is being made still awaits. Bounded
/// by the store: a slot and a group stand here once; identities that are no more are as many as were
/// admitted meanwhile.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    /// Slots of identities.
    slots: Vec<u32>,
    /// Keys of identities that are no more.
    removed: Vec<u64>,
    /// Groups.
    groups: Durabilities,
    checkpoint: Option<Checkpoint>,
}

/// A checkpoint that is being made.
#[derive(Clone, Debug, Default)]
struct Checkpoint {
    parts: Vec<Part>,
    /// How many of the parts are done.
    done: usize,
    removed: Vec<u64>,
    names: usize,
    /// Parts that were about to change.
    saved: VecDeque<(PieceKey, Vec<u8>)>,
    saved_bytes: usize,
    /// A part could not be saved: a number of it is not one.
    is_torn: bool,
    buffer: PieceBuffer,
}

/// By place, that of an identity's record being its slot.
#[derive(Clone, Copy, Debug)]
enum Part {
    Group(u32),
    Credentials(u32),
    Slot(u32),
}

impl Part {
    fn place(self) -> usize {
        let (Self::Group(at) | Self::Credentials(at) | Self::Slot(at)) = self;
        at as usize
    }
}

impl Changes {
    /// The identity of `key` is no more.
    pub(super) fn remove(&mut self, key: u64) {
        self.removed.push(key);
    }

    #[cold]
    fn save_before(&mut self, key: PieceKey, piece: &impl borsh::BorshSerialize) {
        let Some(checkpoint) = &mut self.checkpoint else {
            return;
        };
        match checkpoint.buffer.bytes_of(piece) {
            Ok(bytes) => {
                checkpoint.saved_bytes += bytes.len();
                checkpoint.saved.push_back((key, bytes.to_vec()));
            }
            Err(_) => checkpoint.is_torn = true,
        }
    }
}

impl Store {
    /// From now on it is noted what changes.
    pub fn track_changes(&mut self) {
        self.changes.get_or_insert_default();
    }

    /// The record at `slot` is about to change.
    pub(super) fn mark(&mut self, slot: usize) {
        let Some(changes) = &mut self.changes else {
            return;
        };
        let entry = &mut self.entries[slot];
        let durability = &mut entry.profile.durability;
        let before = std::mem::replace(durability, Durability::Changed);
        if before == Durability::Awaited {
            changes.save_before(PieceKey::Identity(entry.key()), &(slot as u32, &*entry));
        }
        if before != Durability::Changed {
            changes.slots.push(slot as u32);
        }
    }

    /// The group at `slot` is about to change.
    pub(super) fn mark_group(&mut self, slot: usize) {
        if let Some(changes) = &mut self.changes
            && changes.groups.set(slot, Durability::Changed) == Durability::Awaited
        {
            changes.save_before(PieceKey::Group(slot as u32), &self.groups[slot]);
        }
    }

    /// Begins a checkpoint of what changed since the last one was kept: what is not large goes to `keep` at
    /// once, the rest is awaited; returns about how many bytes that is. Takes a pass over what changed.
    ///
    /// # Errors
    /// `keep` fails; then the checkpoint is to be given up.
    pub fn begin_checkpoint(&mut self, keep: &mut Keep<'_>) -> Result<usize> {
        let Some(changes) = &mut self.changes else {
            return Ok(0);
        };
        let groups = changes.groups.await_changed().into_iter().map(Part::Group);
        let credentials = self.credentials.durability.await_changed().into_iter();
        let mut parts: Vec<Part> = groups.chain(credentials.map(Part::Credentials)).collect();
        let mut slots = std::mem::take(&mut changes.slots);
        // In the order in which they lie in memory.
        slots.sort_unstable();
        for slot in slots {
            if let Some(entry) = self.entries.get_mut(slot as usize) {
                entry.profile.durability = Durability::Awaited;
                parts.push(Part::Slot(slot));
            }
        }
        let bytes = parts.iter().map(|part| match *part {
            Part::Group(slot) => self.groups[slot as usize].memory_bytes(),
            Part::Credentials(_) => self.credentials.piece_bytes(),
            Part::Slot(_) => size_of::<Entry>(),
        });
        let bytes = bytes.sum();
        let removed = std::mem::take(&mut changes.removed);
        changes.checkpoint = Some(Checkpoint {
            parts,
            names: self.names.added.len(),
            removed: removed.clone(),
            ..Checkpoint::default()
        });
        keep(PieceKey::Issuers, Some(&self.issuers_in_order()?))?;
        let buffer = &mut PieceBuffer::default();
        keep(
            PieceKey::Population,
            Some(buffer.bytes_of(&self.population)?),
        )?;
        for (key, text) in self.names.added() {
            keep(PieceKey::Name(key), Some(text.as_bytes()))?;
        }
        // Who is no more goes before who took the place, and may be back in another one.
        let mut gone = removed.iter().filter(|key| self.find(**key).is_none());
        gone.try_for_each(|key| keep(PieceKey::Identity(*key), None))?;
        Ok(bytes)
    }

    /// Hands on what was about to change and what is awaited, until that is `most_bytes` or a part more, or
    /// more where too much was about to change; says whether nothing is left.
    ///
    /// # Errors
    /// `keep` fails, or a number of the store is not one; then the checkpoint is to be given up.
    pub fn continue_checkpoint(&mut self, most_bytes: usize, keep: &mut Keep<'_>) -> Result<bool> {
        let changes = self.changes.as_mut();
        let Some(checkpoint) = changes.and_then(|changes| changes.checkpoint.as_mut()) else {
            return Ok(true);
        };
        if checkpoint.is_torn {
            let why = "a part could not be saved before it changed";
            return Err(Error::new(ErrorKind::InvalidData, why));
        }
        for (key, bytes) in self.credentials.take_saved() {
            checkpoint.saved_bytes += bytes.len();
            checkpoint.saved.push_back((key, bytes));
        }
        let most_bytes = most_bytes.max(checkpoint.saved_bytes.saturating_sub(MOST_SAVED_BYTES));
        let mut bytes_sent = 0;
        while bytes_sent < most_bytes {
            let Some((key, bytes)) = checkpoint.saved.pop_front() else {
                break;
            };
            bytes_sent += bytes.len();
            checkpoint.saved_bytes -= bytes.len();
            keep(key, Some(&bytes))?;
        }
        self.continue_awaited(most_bytes.saturating_sub(bytes_sent), keep)
    }

    fn continue_awaited(&mut self, most_bytes: usize, keep: &mut Keep<'_>) -> Result<bool> {
        let Some(changes) = &mut self.changes else {
            return Ok(true);
        };
        let Some(checkpoint) = &mut changes.checkpoint else {
            return Ok(true);
        };
        let mut bytes_sent = 0;
        while let Some(part) = checkpoint.parts.get(checkpoint.done) {
            if bytes_sent >= most_bytes {
                return Ok(false);
            }
            let buffer = &mut checkpoint.buffer;
            let at = part.place();
            let piece = match *part {
                Part::Group(slot) if changes.groups.take_awaited(at) => {
                    Some((PieceKey::Group(slot), buffer.bytes_of(&self.groups[at])?))
                }
                Part::Credentials(chunk) if self.credentials.durability.take_awaited(at) => {
                    let bytes = buffer.bytes_of(&self.credentials.piece(at))?;
                    Some((PieceKey::Credentials(chunk), bytes))
                }
                Part::Slot(slot) if take_awaited(&mut self.entries, at) => {
                    let entry = &self.entries[at];
                    let bytes = buffer.bytes_of(&(slot, entry))?;
                    Some((PieceKey::Identity(entry.key()), bytes))
                }
                _ => None,
            };
            checkpoint.done += 1;
            if let Some((key, bytes)) = piece {
                bytes_sent += bytes.len();
                keep(key, Some(bytes))?;
            }
        }
        Ok(checkpoint.saved.is_empty())
    }

    /// The checkpoint that was begun is kept, to its last part.
    pub fn mark_kept(&mut self) {
        let Some(changes) = &mut self.changes else {
            return;
        };
        if let Some(checkpoint) = changes.checkpoint.take() {
            self.names.added.drain(..checkpoint.names);
        }
    }

    /// The checkpoint that was begun is not kept: what it held has changed, as before.
    pub fn give_checkpoint_up(&mut self) {
        let Some(changes) = &mut self.changes else {
            return;
        };
        let Some(checkpoint) = changes.checkpoint.take() else {
            return;
        };
        changes.removed.extend(checkpoint.removed);
        self.credentials.take_saved();
        for part in checkpoint.parts {
            match part {
                Part::Group(at) => _ = changes.groups.set(at as usize, Durability::Changed),
                Part::Credentials(at) => {
                    let durability = &mut self.credentials.durability;
                    durability.set(at as usize, Durability::Changed);
                }
                Part::Slot(slot) => {
                    let entry = self.entries.get_mut(slot as usize);
                    let durability = entry.map(|entry| &mut entry.profile.durability);
                    if let Some(durability) = durability.filter(|d| **d != Durability::Changed) {
                        *durability = Durability::Changed;
                        changes.slots.push(slot);
                    }
                }
            }
        }
    }
}

/// As [`Durabilities::take_awaited`], of the record at `at`.
fn take_awaited(entries: &mut [Entry], at: usize) -> bool {
    let entry = entries.get_mut(at);
    entry.is_some_and(|entry| entry.profile.durability.take_awaited())
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
        let slot = store.admit(1, "known", EventTime::EARLIEST, half_life);
        store.entries[slot.unwrap()].profile.purposeless = f32::NAN;
        store.begin_checkpoint(&mut |_, _| Ok(())).unwrap();
        store.mark(slot.unwrap());
        assert!(store.continue_checkpoint(1, &mut |_, _| Ok(())).is_err());
        store.give_checkpoint_up();
        store.entries[slot.unwrap()].profile.purposeless = 0.0;
        let mut kept = Vec::new();
        let mut keep = |key, _: Option<&[u8]>| {
            kept.push(key);
            Ok(())
        };
        store.begin_checkpoint(&mut keep).unwrap();
        assert!(store.continue_checkpoint(usize::MAX, &mut keep).unwrap());
        assert!(kept.contains(&PieceKey::Identity(1)));
    }
}
