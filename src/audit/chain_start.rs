//! Where the chains of an exported trail may begin.

use crate::audit::chain_error::ChainError;
use crate::audit::record::GENESIS;
use credwatch_core::verdict::EntityView;
use std::collections::BTreeMap;

/// Number of records of each chain and hash of the latest one, by view and partition.
pub(super) type ChainEnds = BTreeMap<(EntityView, i64), (u64, String)>;

/// Where chains begin.
#[derive(Debug)]
pub(super) enum ChainStart {
    /// With the first record that is seen of them.
    Anywhere,
    /// Not after the ends of an earlier export, which they continue; with their first record where it holds
    /// none of them.
    After(ChainEnds),
}

impl Default for ChainStart {
    fn default() -> Self {
        Self::After(ChainEnds::new())
    }
}

impl ChainStart {
    /// Verifies that `(sequence, previous)` may be the first record that is seen of `chain`.
    pub(super) fn verify(
        &self,
        chain: (EntityView, i64),
        sequence: u64,
        previous: &str,
    ) -> Result<(), ChainError> {
        let (expected, hash) = match self {
            Self::Anywhere => return Ok(()),
            Self::After(ends) => match ends.get(&chain) {
                Some((expected, _)) if sequence < *expected => return Ok(()),
                Some((expected, hash)) => (*expected, hash.as_str()),
                None => (0, GENESIS),
            },
        };
        if sequence != expected {
            let partition = chain.1;
            return Err(ChainError::OutOfOrder {
                partition,
                expected,
            });
        }
        if previous == hash {
            Ok(())
        } else {
            Err(ChainError::Unlinked)
        }
    }

    /// Whether the first record that is seen of `chain` may come after a head of so many records.
    pub(super) fn is_after(&self, chain: (EntityView, i64), records: u64) -> bool {
        match self {
            Self::Anywhere => true,
            Self::After(ends) => ends.get(&chain).is_some_and(|(next, _)| records < *next),
        }
    }

    /// The end of `chain` in the earlier export.
    pub(super) fn earlier_end(&self, chain: (EntityView, i64)) -> Option<&(u64, String)> {
        match self {
            Self::After(ends) => ends.get(&chain),
            Self::Anywhere => None,
        }
    }
}
