//! What changed since the last checkpoint, and the checkpoint in progress.

use crate::baseline::dirty::{DirtyState, DirtyTable};
use crate::baseline::encode_buffer::EncodeBuffer;
use crate::baseline::state_record::RecordKey;
use borsh::BorshSerialize;
use borsh::io::{Error, ErrorKind, Result};
use std::collections::VecDeque;

/// Records that were copied before a modification and are still to be written.
#[derive(Clone, Debug, Default)]
pub(super) struct CopiedRecords {
    records: VecDeque<(RecordKey, Vec<u8>)>,
    bytes: usize,
    /// A record could not be encoded: it holds a number that is NaN.
    has_failed: bool,
}

impl CopiedRecords {
    /// Copies `record`, which is about to be modified.
    #[cold]
    pub(super) fn copy(&mut self, key: RecordKey, record: &impl BorshSerialize) {
        match borsh::to_vec(record) {
            Ok(bytes) => {
                self.bytes += bytes.len();
                self.records.push_back((key, bytes));
            }
            Err(_) => self.has_failed = true,
        }
    }

    /// Moves all records of `other` to the end.
    pub(super) fn append(&mut self, other: &mut Self) {
        self.bytes += std::mem::take(&mut other.bytes);
        self.has_failed |= std::mem::take(&mut other.has_failed);
        self.records.append(&mut other.records);
    }

    /// The oldest record.
    pub(super) fn pop(&mut self) -> Option<(RecordKey, Vec<u8>)> {
        let (key, bytes) = self.records.pop_front()?;
        self.bytes -= bytes.len();
        Some((key, bytes))
    }

    /// Bytes that are still to be written.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing is left to write.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether every record could be copied.
    ///
    /// # Errors
    /// One could not; the checkpoint is to be aborted.
    pub(super) fn check(&self) -> Result<()> {
        if self.has_failed {
            let why = "a record could not be copied before it was modified";
            return Err(Error::new(ErrorKind::InvalidData, why));
        }
        Ok(())
    }
}

/// What has changed since the last checkpoint. Bounded by the store: a slot and a group are listed once;
/// removed identities are at most as many as were inserted meanwhile.
#[derive(Clone, Debug, Default)]
pub(super) struct CowTracker {
    /// Dirty slots of identities.
    pub(super) slots: Vec<u32>,
    /// Keys of removed identities.
    pub(super) removed: Vec<u64>,
    /// States of the peer groups.
    pub(super) groups: DirtyTable,
    pub(super) checkpoint: Option<CheckpointInProgress>,
}

/// A checkpoint that is being written.
#[derive(Clone, Debug, Default)]
pub(super) struct CheckpointInProgress {
    pub(super) parts: Vec<CheckpointPart>,
    pub(super) next_part: usize,
    pub(super) removed: Vec<u64>,
    /// Number of labels that the checkpoint contains.
    pub(super) labels: usize,
    pub(super) copied: CopiedRecords,
    pub(super) buffer: EncodeBuffer,
}

/// One part of a checkpoint, by index; that of an identity's record is its slot.
#[derive(Clone, Copy, Debug)]
pub(super) enum CheckpointPart {
    Group(u32),
    Credentials(u32),
    Slot(u32),
}

impl CheckpointPart {
    pub(super) fn index(self) -> usize {
        let (Self::Group(at) | Self::Credentials(at) | Self::Slot(at)) = self;
        at as usize
    }
}

impl CowTracker {
    /// The identity of `key` was removed.
    pub(super) fn record_removed(&mut self, key: u64) {
        self.removed.push(key);
    }

    /// Copies `record` if it belongs, in its state `before` this modification, to the checkpoint in
    /// progress.
    pub(super) fn copy_before_write(
        &mut self,
        before: DirtyState,
        key: RecordKey,
        record: &impl BorshSerialize,
    ) {
        if before == DirtyState::InCheckpoint
            && let Some(checkpoint) = &mut self.checkpoint
        {
            checkpoint.copied.copy(key, record);
        }
    }
}
