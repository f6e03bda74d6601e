//! Verifies audit trails: the hash chains, and the signed heads against them.

use crate::audit::record::{GENESIS, HEAD_TYPE, Head, Record, chain_hash};
use crate::crypto::{KeySet, SignatureError};
use credwatch_core::verdict::EntityView;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

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

/// A signed head as a record.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadRecord<'a> {
    #[serde(borrow)]
    head: Cow<'a, str>,
}

/// Verifies the chains of several partitions, whose records may be mixed.
#[derive(Debug, Default)]
pub struct ChainVerifier {
    /// Sequence number of the next record and hash of the latest one, by view and partition.
    ends: BTreeMap<(EntityView, i64), (u64, String)>,
    records: u64,
    /// Keys for signed heads.
    keys: Option<KeySet>,
    heads_verified: u64,
    heads_skipped: u64,
}

impl ChainVerifier {
    /// A verifier that checks signed heads with `keys`.
    #[must_use]
    pub fn with_keys(keys: Option<KeySet>) -> Self {
        Self {
            keys,
            ..Self::default()
        }
    }

    /// Number of verified signed heads, and of those skipped for lack of keys.
    #[must_use]
    pub fn signed_heads(&self) -> (u64, u64) {
        (self.heads_verified, self.heads_skipped)
    }

    fn verify_head(&mut self, token: &str) -> Result<(), ChainError> {
        let Some(keys) = &self.keys else {
            self.heads_skipped += 1;
            return Ok(());
        };
        let payload = keys.verify(HEAD_TYPE, token)?;
        let head: Head<'_> =
            serde_json::from_slice(&payload).map_err(|_| ChainError::NotARecord)?;
        let view = EntityView::parse(&head.view).ok_or(ChainError::NotARecord)?;
        let end = self.ends.get(&(view, head.partition));
        if end.is_none_or(|(next, hash)| *next != head.records || **hash != *head.hash) {
            return Err(ChainError::Rewritten {
                partition: head.partition,
                records: head.records,
            });
        }
        self.heads_verified += 1;
        Ok(())
    }

    /// Verifies the next record, in the order of its partition.
    ///
    /// # Errors
    /// The record does not continue its chain.
    pub fn verify(&mut self, line: &[u8]) -> Result<(), ChainError> {
        if let Ok(record) = serde_json::from_slice::<HeadRecord<'_>>(line) {
            return self.verify_head(&record.head);
        }
        let record: Record<'_> =
            serde_json::from_slice(line).map_err(|_| ChainError::NotARecord)?;
        let (partition, sequence) = (record.partition, record.sequence);
        let (previous, hash) = (&*record.previous, &*record.hash);
        let view = EntityView::parse(&record.view).ok_or(ChainError::NotARecord)?;
        let chain = (view, partition);
        if chain_hash(previous, sequence, record.entry.get()) != hash {
            return Err(ChainError::Altered);
        }
        if let Some((expected, before)) = self.ends.get(&chain) {
            if *expected != sequence {
                return Err(ChainError::OutOfOrder {
                    partition,
                    expected: *expected,
                });
            }
            if before != previous {
                return Err(ChainError::Unlinked);
            }
        } else if sequence != 0 || previous != GENESIS {
            return Err(ChainError::OutOfOrder {
                partition,
                expected: 0,
            });
        }
        self.ends.insert(chain, (sequence + 1, hash.to_owned()));
        self.records += 1;
        Ok(())
    }

    /// Number of records.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The latest hash of each chain, by view and partition: a truncation would change it.
    pub fn heads(&self) -> impl Iterator<Item = (EntityView, i64, u64, &str)> {
        self.ends
            .iter()
            .map(|((view, partition), (next, hash))| (*view, *partition, next - 1, hash.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::record::AuditChain;
    use crate::crypto::Signer;
    use credwatch_core::units::EventTime;
    use serde_json::{Value, json};

    fn chain(partition: i32) -> Vec<String> {
        let mut chain = AuditChain::new(partition);
        let record =
            |n| String::from_utf8(chain.append(&json!({"score": 0.1 + f64::from(n)}))).unwrap();
        (0..5).map(record).collect()
    }

    fn walk(records: &[String]) -> Result<u64, (usize, ChainError)> {
        let mut walk = ChainVerifier::default();
        for (at, record) in records.iter().enumerate() {
            walk.verify(record.as_bytes()).map_err(|why| (at, why))?;
        }
        Ok(walk.records())
    }

    #[test]
    fn a_signed_head_reveals_a_chain_that_was_rebuilt_or_truncated() {
        let signer = Signer::for_tests(7);
        let mut chain = AuditChain::new(0);
        assert_eq!(chain.head(&signer, EventTime::EARLIEST), None);
        let mut records: Vec<Vec<u8>> = (0..3).map(|n| chain.append(&json!({"n": n}))).collect();
        records.extend(chain.head(&signer, EventTime::EARLIEST));
        assert_eq!(chain.head(&signer, EventTime::EARLIEST), None);
        records.push(chain.append(&json!({"n": 3})));
        records.extend(chain.head(&signer, EventTime::EARLIEST));
        let walk = |records: &[Vec<u8>], keys: Option<KeySet>| {
            let mut walk = ChainVerifier::with_keys(keys);
            records.iter().try_for_each(|record| walk.verify(record))?;
            Ok(walk.signed_heads())
        };
        let keys = || Some(signer.keys().clone());
        assert_eq!(walk(&records, keys()), Ok((2, 0)));
        assert_eq!(walk(&records, None), Ok((0, 2)));
        let rewritten = |records| ChainError::Rewritten {
            partition: 0,
            records,
        };
        let mut cut = records.clone();
        cut.drain(2..3);
        assert_eq!(walk(&cut[..3], keys()), Err(rewritten(3)));
        let mut other = AuditChain::new(0);
        let mut rebuilt: Vec<Vec<u8>> = (0..3).map(|n| other.append(&json!({"m": n}))).collect();
        rebuilt.push(records[3].clone());
        assert_eq!(walk(&rebuilt, keys()), Err(rewritten(3)));
        let stranger = Some(Signer::for_tests(8).keys().clone());
        assert!(matches!(walk(&records, stranger), Err(ChainError::Head(_))));
    }

    #[test]
    fn numbers_are_hashed_as_written() {
        // Readers that round the last digit of this number are common.
        let mut chain = AuditChain::new(0);
        let record = chain.append(&json!({"score_nats": 26.884_462_847_779_762_f64}));
        assert_eq!(ChainVerifier::default().verify(&record), Ok(()));
    }

    #[test]
    fn chains_of_both_views_are_independent() {
        let of = |view| AuditChain::new(0).for_entity(view).append(&json!({}));
        let mut walk = ChainVerifier::default();
        assert_eq!(walk.verify(&of(EntityView::Identity)), Ok(()));
        assert_eq!(walk.verify(&of(EntityView::Source)), Ok(()));
        assert_eq!(walk.heads().count(), 2);
    }

    #[test]
    fn a_complete_trail_verifies_and_partitions_may_be_mixed() {
        let mixed: Vec<String> = chain(0)
            .into_iter()
            .zip(chain(1))
            .flat_map(|(a, b)| [a, b])
            .collect();
        assert_eq!(walk(&mixed), Ok(10));
    }

    #[test]
    fn the_first_invalid_record_is_reported() {
        let good = chain(0);
        let mut altered = good.clone();
        altered[2] = altered[2].replace("2.1", "2.2");
        assert_eq!(walk(&altered), Err((2, ChainError::Altered)));
        let out_of_order = |expected| ChainError::OutOfOrder {
            partition: 0,
            expected,
        };
        let mut dropped = good.clone();
        dropped.remove(2);
        assert_eq!(walk(&dropped), Err((2, out_of_order(2))));
        let mut swapped = good.clone();
        swapped.swap(1, 2);
        assert_eq!(walk(&swapped), Err((1, out_of_order(1))));
        assert_eq!(walk(&good[1..]), Err((0, out_of_order(0))));
        // A record that was rebuilt, hash included, is revealed by the next one.
        let mut replaced = good;
        let mut other = AuditChain::new(0);
        other.append(&json!({}));
        other.previous = serde_json::from_str::<Value>(&replaced[0]).unwrap()["hash"]
            .as_str()
            .unwrap()
            .to_owned();
        replaced[1] = String::from_utf8(other.append(&json!({"score": 9}))).unwrap();
        assert_eq!(walk(&replaced), Err((2, ChainError::Unlinked)));
        assert_eq!(walk(&["{}".to_owned()]), Err((0, ChainError::NotARecord)));
    }
}
