//! Why an audit trail does not verify.

use crate::crypto::SignatureError;
use credwatch_core::verdict::EntityView;

/// Why a record does not continue its chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Not an audit record.
    #[error("not an audit record: partition, sequence, previous, hash and entry are required")]
    NotARecord,
    /// Its hash does not match its content.
    #[error("the hash does not match the entry: the record was altered")]
    Altered,
    /// A record is missing before it, or it was moved.
    #[error("expected record {expected} of partition {partition}: a record was dropped or moved")]
    OutOfOrder {
        /// Partition.
        partition: i64,
        /// Expected sequence number.
        expected: u64,
    },
    /// Its predecessor is not the record before it.
    #[error("the previous hash does not match: the record before was altered or replaced")]
    Unlinked,
    /// A signed head without a valid signature of a trusted key.
    #[error("signed head of the trail: {0}")]
    Head(#[from] SignatureError),
    /// No signed head covers the records of a chain.
    #[error(
        "partition {partition} ({view} view) ends with {records} records that no signed head covers: records \
         or heads were cut off, or the head is still to be signed; export the trail up to the next checkpoint"
    )]
    Uncovered {
        /// View.
        view: EntityView,
        /// Partition.
        partition: i64,
        /// Number of records after the last head.
        records: u64,
    },
    /// The trail of a partition is missing.
    #[error("the trail of partition {0} is missing: the signed heads say how many there are")]
    MissingPartition(i64),
    /// There is no signed head.
    #[error(
        "there is no signed head: an empty or unsigned trail proves nothing; configure `signing.key_file`"
    )]
    NoHead,
    /// It does not reach the end of an earlier export.
    #[error(
        "partition {partition} ({view} view) ends before record {records} of an earlier export"
    )]
    Shortened {
        /// View.
        view: EntityView,
        /// Partition.
        partition: i64,
        /// Number of records in the earlier export.
        records: u64,
    },
    /// A signed head does not match the chain.
    #[error(
        "the signed head here knows {records} records of partition {partition} and another last one: records \
         were removed, or the chain was rebuilt"
    )]
    Rewritten {
        /// Partition.
        partition: i64,
        /// Number of records when it was signed.
        records: u64,
    },
}
