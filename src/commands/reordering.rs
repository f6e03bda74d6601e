//! Records of a bucket's files in the order of time, across accounts and regions.
//!
//! A trail writes a file for each account, region and few minutes, whose name states when it was delivered;
//! the records in it have no order. A file is delivered within minutes of its records, so that what is older
//! than [`WINDOW_MS`] before the present file can be processed: no later file holds anything before it.

use crate::ingest::{DecodedNative, ExpandedRecord};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long before the time in its name a file may hold records: twice what CloudTrail states.
const WINDOW_MS: i64 = 30 * 60 * 1_000;
/// Records that are held back.
const MAX_HELD: usize = 500_000;

/// A record and where it stands in the inputs.
pub(super) struct PlacedRecord {
    /// Name of its file.
    pub(super) file: Arc<str>,
    /// Position in all inputs, by which verdicts are written.
    pub(super) position: usize,
    /// The record.
    pub(super) item: ExpandedRecord<'static, DecodedNative>,
}

/// Records that are held back, in the order of time and then of their position.
#[derive(Default)]
pub(super) struct Reordering {
    /// By time, position, and number: several events of a record have one position.
    held: BTreeMap<(i64, usize, u64), PlacedRecord>,
    held_count: u64,
}

impl Reordering {
    pub(super) fn hold(&mut self, record: PlacedRecord) {
        let place = (record.item.time_ms, record.position, self.held_count);
        self.held_count += 1;
        self.held.insert(place, record);
    }

    /// The next record that can be processed, where the present file was delivered at `delivered_ms`; of the
    /// last file everything.
    pub(super) fn next(&mut self, delivered_ms: Option<i64>) -> Option<PlacedRecord> {
        let (time_ms, ..) = *self.held.first_key_value()?.0;
        let is_old = delivered_ms.is_none_or(|delivered| time_ms < delivered - WINDOW_MS);
        let is_due = is_old || self.held.len() > MAX_HELD;
        is_due.then(|| self.held.pop_first().map(|(_, record)| record))?
    }

    /// The first position that is held back.
    pub(super) fn first_position(&self) -> Option<usize> {
        self.held.keys().map(|(_, position, _)| *position).min()
    }
}
