//! Verifies audit trails: the hash chains, and the signed heads against them.

use crate::audit::chain_error::ChainError;
use crate::audit::chain_start::{ChainEnds, ChainStart};
use crate::audit::record::{GENESIS, HEAD_TYPE, Head, Record, chain_hash};
use crate::crypto::KeySet;
use credwatch_core::verdict::EntityView;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

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
    ends: ChainEnds,
    records: u64,
    start: ChainStart,
    /// Keys for signed heads.
    keys: Option<KeySet>,
    /// Records that the latest verified head covers, by view and partition.
    covered: BTreeMap<(EntityView, i64), u64>,
    partitions: i64,
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

    /// A verifier of a trail whose earlier records may have been deleted: each chain begins with the first
    /// record that is seen of it. Signed heads before that record are skipped.
    #[must_use]
    pub fn of_recent_records(keys: Option<KeySet>) -> Self {
        Self {
            start: ChainStart::Anywhere,
            ..Self::with_keys(keys)
        }
    }

    /// A verifier of a trail that continues the one that this verifier has seen: its earlier records may
    /// have been deleted, and its end must not be before the end of this one.
    #[must_use]
    pub fn into_successor(self) -> Self {
        Self {
            start: ChainStart::After(self.ends),
            ..Self::with_keys(self.keys)
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
        let chain = (view, head.partition);
        let known = self.ends.get(&chain);
        if known.is_none() && self.start.is_after(chain, head.records) {
            self.heads_skipped += 1;
            return Ok(());
        }
        let known = known.or_else(|| self.start.earlier_end(chain));
        let (next, hash) = match known {
            Some((next, hash)) => (*next, hash.as_str()),
            None => (0, GENESIS),
        };
        if next != head.records || *hash != *head.hash {
            return Err(ChainError::Rewritten {
                partition: head.partition,
                records: head.records,
            });
        }
        self.covered.insert(chain, head.records);
        self.partitions = self.partitions.max(head.partitions);
        self.heads_verified += 1;
        Ok(())
    }

    /// Verifies that the trail is complete: where there are keys, signed heads cover every record of every
    /// partition.
    ///
    /// # Errors
    /// Records, partitions or heads are missing.
    pub fn finish(&self) -> Result<(), ChainError> {
        if let ChainStart::After(earlier) = &self.start {
            self.verify_continues(earlier)?;
        }
        if self.keys.is_none() {
            return Ok(());
        }
        if self.heads_verified == 0 {
            return Err(ChainError::NoHead);
        }
        for ((view, partition), (next, _)) in &self.ends {
            let covered = self.covered.get(&(*view, *partition)).copied().unwrap_or(0);
            if covered != *next {
                return Err(ChainError::Uncovered {
                    view: *view,
                    partition: *partition,
                    records: next - covered,
                });
            }
        }
        let is_missing = |partition: &i64| {
            !self
                .covered
                .contains_key(&(EntityView::Identity, *partition))
        };
        match (0..self.partitions).find(is_missing) {
            Some(partition) => Err(ChainError::MissingPartition(partition)),
            None => Ok(()),
        }
    }

    /// Verifies that every chain reaches its end in an earlier export. One without records here has a head
    /// that states that end.
    fn verify_continues(&self, earlier: &ChainEnds) -> Result<(), ChainError> {
        for (chain, (records, _)) in earlier {
            let reaches = match self.ends.get(chain) {
                Some((next, _)) => next >= records,
                None => self.covered.get(chain) == Some(records),
            };
            if !reaches {
                return Err(ChainError::Shortened {
                    view: chain.0,
                    partition: chain.1,
                    records: *records,
                });
            }
        }
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
        if chain_hash(
            &record.view,
            partition,
            previous,
            sequence,
            record.entry.get(),
        ) != hash
        {
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
        } else {
            self.start.verify(chain, sequence, previous)?;
        }
        let earlier = self.start.earlier_end(chain);
        if earlier.is_some_and(|(next, before)| *next == sequence + 1 && *before != hash) {
            return Err(ChainError::Rewritten {
                partition,
                records: sequence + 1,
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
    fn a_trail_whose_beginning_was_deleted_is_verified_from_where_it_starts() {
        let records = chain(3);
        let mut walk = ChainVerifier::of_recent_records(None);
        for record in &records[2..] {
            walk.verify(record.as_bytes()).unwrap();
        }
        assert_eq!(walk.records(), 3);
        let gap = walk.verify(records[1].as_bytes());
        assert!(matches!(gap, Err(ChainError::OutOfOrder { .. })));
    }

    /// A trail of `partitions` partitions with a head for each after its records.
    fn signed_trail(signer: &Signer, partitions: i32) -> Vec<Vec<u8>> {
        let mut trail = Vec::new();
        for partition in 0..partitions {
            let mut chain = AuditChain::new(partition);
            trail.extend((0..partition).map(|n| chain.append(&json!({"n": n}))));
            trail.extend(chain.head(signer, partitions as u32, EventTime::EARLIEST));
            trail.push(chain.append(&json!({"n": 9})));
            trail.extend(chain.head(signer, partitions as u32, EventTime::EARLIEST));
            assert_eq!(
                chain.head(signer, partitions as u32, EventTime::EARLIEST),
                None
            );
        }
        trail
    }

    fn finish(records: &[Vec<u8>], keys: Option<KeySet>) -> Result<(u64, u64), ChainError> {
        let mut walk = ChainVerifier::with_keys(keys);
        records.iter().try_for_each(|record| walk.verify(record))?;
        walk.finish()?;
        Ok(walk.signed_heads())
    }

    #[test]
    fn signed_heads_reveal_a_trail_that_was_rebuilt_or_cut() {
        let signer = Signer::for_tests(7);
        let keys = || Some(signer.keys().clone());
        // Partition 0: head, record, head. Partition 1: record, head, record, head. Partition 2: two more.
        let trail = signed_trail(&signer, 3);
        assert_eq!(finish(&trail, keys()), Ok((6, 0)));
        assert_eq!(finish(&trail, None), Ok((0, 6)));
        let uncovered = |partition, records| {
            Err(ChainError::Uncovered {
                view: EntityView::Identity,
                partition,
                records,
            })
        };
        assert_eq!(finish(&[], keys()), Err(ChainError::NoHead));
        assert_eq!(finish(&trail[..trail.len() - 1], keys()), uncovered(2, 1));
        assert_eq!(
            finish(&trail[..7], keys()),
            Err(ChainError::MissingPartition(2))
        );
        let is_head = |record: &&Vec<u8>| record.starts_with(br#"{"head""#);
        let headless: Vec<Vec<u8>> = trail.iter().filter(|r| !is_head(r)).cloned().collect();
        assert_eq!(finish(&headless, keys()), Err(ChainError::NoHead));
        let mut thinned = trail.clone();
        thinned.remove(3);
        assert_eq!(
            finish(&thinned, keys()),
            Err(ChainError::Rewritten {
                partition: 1,
                records: 1
            })
        );
        let stranger = Some(Signer::for_tests(8).keys().clone());
        assert!(matches!(finish(&trail, stranger), Err(ChainError::Head(_))));
    }

    #[test]
    fn a_trail_that_was_cut_at_a_head_does_not_reach_its_earlier_export() {
        let signer = Signer::for_tests(7);
        let trail = signed_trail(&signer, 3);
        let seen = |records: &[Vec<u8>]| {
            let mut walk = ChainVerifier::with_keys(Some(signer.keys().clone()));
            records
                .iter()
                .try_for_each(|record| walk.verify(record))
                .unwrap();
            walk
        };
        let after = |earlier: &[Vec<u8>], later: &[Vec<u8>]| {
            let mut walk = seen(earlier).into_successor();
            later.iter().try_for_each(|record| walk.verify(record))?;
            walk.finish()
        };
        assert_eq!(after(&trail, &trail), Ok(()));
        assert_eq!(after(&trail[..9], &trail), Ok(()), "it went on");
        // Partition 2 without its last record and head ends with an earlier head.
        let cut = &trail[..trail.len() - 2];
        assert_eq!(finish(cut, Some(signer.keys().clone())).map(|_| ()), Ok(()));
        let shortened = Err(ChainError::Shortened {
            view: EntityView::Identity,
            partition: 2,
            records: 3,
        });
        assert_eq!(after(&trail, cut), shortened);
        // What the earlier export holds may be gone: a chain without news still has its head.
        let heads = |records: &[Vec<u8>]| -> Vec<Vec<u8>> {
            let is_last = |record: &&Vec<u8>| record.starts_with(br#"{"head""#);
            let last = records.iter().filter(is_last).skip(1).step_by(2);
            last.cloned().collect()
        };
        assert_eq!(after(&trail, &heads(&trail)), Ok(()));
        let mut chain = AuditChain::new(0);
        let first = chain.append(&json!({"n": 9}));
        let (second, third) = (
            chain.append(&json!({"n": 1})),
            chain.append(&json!({"n": 2})),
        );
        let after_first = |records: &[&[u8]]| {
            let mut walk = ChainVerifier::default();
            walk.verify(&first).unwrap();
            let mut walk = walk.into_successor();
            records.iter().try_for_each(|record| walk.verify(record))?;
            walk.finish()
        };
        assert_eq!(after_first(&[&second, &third]), Ok(()));
        let expected = ChainError::OutOfOrder {
            partition: 0,
            expected: 1,
        };
        assert_eq!(
            after_first(&[&third]),
            Err(expected),
            "a record between them is missing"
        );
        let mut other = AuditChain::new(0);
        other.append(&json!({"n": 8}));
        let rebuilt = other.append(&json!({"n": 1}));
        assert_eq!(after_first(&[&rebuilt]), Err(ChainError::Unlinked));
    }

    #[test]
    fn a_record_cannot_be_moved_to_another_view_or_partition() {
        let record = String::from_utf8(AuditChain::new(0).append(&json!({}))).unwrap();
        for (from, to) in [
            ("\"partition\":0", "\"partition\":1"),
            ("identity", "source"),
        ] {
            let moved = record.replace(from, to);
            assert_ne!(moved, record);
            let found = ChainVerifier::default().verify(moved.as_bytes());
            assert_eq!(found, Err(ChainError::Altered));
        }
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
