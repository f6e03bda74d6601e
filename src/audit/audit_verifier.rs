//! Does an audit trail hold together? Walks the chains, and checks what signed heads say of them.

use crate::audit::record::{GENESIS, HEAD_TYPE, Head, Record, chain_hash};
use crate::crypto::{KeySet, SignatureError};
use credwatch_core::verdict::EntityView;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Why a record does not continue its chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// It is no record of an audit trail.
    #[error("this is no audit record: partition, sequence, previous, hash and entry are expected")]
    NotARecord,
    /// Its hash is not that of what it says.
    #[error("its hash does not fit what it says: it was altered")]
    Altered,
    /// A record is missing before it, or stands elsewhere.
    #[error(
        "record {expected} of partition {partition} should stand here: one was dropped or moved"
    )]
    OutOfOrder {
        /// Which partition.
        partition: i64,
        /// Which record.
        expected: u64,
    },
    /// It follows another record than the one before it.
    #[error("it does not follow the record before it: that one was altered or replaced")]
    Unlinked,
    /// A signed head that nobody trusted has signed.
    #[error("a head of the trail: {0}")]
    Head(#[from] SignatureError),
    /// A signed head says that the chain was another.
    #[error(
        "the signed head here knows {records} records of partition {partition} and another last one: records \
         were removed, or the chain was made anew"
    )]
    Rewritten {
        /// Which partition.
        partition: i64,
        /// Records when it was signed.
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

/// Walks the chains of several partitions, whose records may be mixed.
#[derive(Debug, Default)]
pub struct ChainVerifier {
    /// By view and partition: sequence and hash of what comes next and came last.
    ends: BTreeMap<(EntityView, i64), (u64, String)>,
    records: u64,
    /// What signed heads are checked by.
    keys: Option<KeySet>,
    heads_verified: u64,
    heads_skipped: u64,
}

impl ChainVerifier {
    /// A walk that checks signed heads by `keys`.
    #[must_use]
    pub fn with_keys(keys: Option<KeySet>) -> Self {
        Self {
            keys,
            ..Self::default()
        }
    }

    /// Signed heads that were checked, and those that were passed by for want of keys.
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

    /// Takes the next record, in the order of its partition.
    ///
    /// # Errors
    /// Says why the record does not continue its chain.
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

    /// Records taken.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The last hash of each chain, by view and partition: what a truncation would change.
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
    fn a_signed_head_betrays_a_chain_that_was_made_anew_or_cut() {
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
        let mut anew: Vec<Vec<u8>> = (0..3).map(|n| other.append(&json!({"m": n}))).collect();
        anew.push(records[3].clone());
        assert_eq!(walk(&anew, keys()), Err(rewritten(3)));
        let stranger = Some(Signer::for_tests(8).keys().clone());
        assert!(matches!(walk(&records, stranger), Err(ChainError::Head(_))));
    }

    #[test]
    fn numbers_count_as_they_are_written() {
        // Readers that round the last digit of this one are common.
        let mut chain = AuditChain::new(0);
        let record = chain.append(&json!({"score_nats": 26.884_462_847_779_762_f64}));
        assert_eq!(ChainVerifier::default().verify(&record), Ok(()));
    }

    #[test]
    fn chains_of_both_views_run_beside_each_other() {
        let of = |view| AuditChain::new(0).for_entity(view).append(&json!({}));
        let mut walk = ChainVerifier::default();
        assert_eq!(walk.verify(&of(EntityView::Identity)), Ok(()));
        assert_eq!(walk.verify(&of(EntityView::Source)), Ok(()));
        assert_eq!(walk.heads().count(), 2);
    }

    #[test]
    fn a_whole_trail_is_walked_and_partitions_may_be_mixed() {
        let mixed: Vec<String> = chain(0)
            .into_iter()
            .zip(chain(1))
            .flat_map(|(a, b)| [a, b])
            .collect();
        assert_eq!(walk(&mixed), Ok(10));
    }

    #[test]
    fn the_first_broken_record_is_found() {
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
        // One that was made anew, hash and all, is betrayed by the one after it.
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
