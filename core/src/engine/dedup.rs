//! Deduplication of events by id, within a bounded window.

use crate::stats::hash::hash64;
use borsh::io::{Error, ErrorKind};
use borsh::{BorshDeserialize, BorshSerialize};

/// Size of the table; about this many event ids are remembered.
const DEDUP_SLOTS: usize = 16_384;
const ID_SPACE: u64 = 0xe1;

/// Hashes of recent event ids, direct-mapped: a new id replaces whatever occupies its slot. The window is
/// therefore approximate, and a look-up costs one memory access.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub(super) struct DedupTable(Box<[u64]>);

impl Default for DedupTable {
    fn default() -> Self {
        Self(vec![0; DEDUP_SLOTS].into_boxed_slice())
    }
}

impl DedupTable {
    /// A restored table, if it has the size of this version's.
    ///
    /// # Errors
    /// The table has another size.
    pub(super) fn validated(restored: Self) -> borsh::io::Result<Self> {
        if restored.0.len() == DEDUP_SLOTS {
            return Ok(restored);
        }
        let why = "the deduplication table has another size";
        Err(Error::new(ErrorKind::InvalidData, why))
    }

    /// Inserts `event_id`; returns whether it was present.
    pub(super) fn insert_is_duplicate(&mut self, event_id: &str) -> bool {
        let key = hash64(ID_SPACE, event_id.as_bytes());
        let slot = &mut self.0[key as usize % DEDUP_SLOTS];
        let is_duplicate = *slot == key;
        *slot = key;
        is_duplicate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_found_within_a_bounded_window() {
        let mut dedup = DedupTable::default();
        assert!(!dedup.insert_is_duplicate("a"));
        assert!(dedup.insert_is_duplicate("a"));
        let duplicates = (0..1_000)
            .filter(|n| dedup.insert_is_duplicate(&n.to_string()))
            .count();
        assert_eq!(duplicates, 0);
        (0..20 * DEDUP_SLOTS).for_each(|n| {
            dedup.insert_is_duplicate(&format!("x{n}"));
        });
        assert!(!dedup.insert_is_duplicate("a"), "the window is bounded");
    }
}
