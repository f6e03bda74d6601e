//! The audit trail (`credential.decisions`): every decision, each record carrying the hash of the
//! one before it.

use crate::engine::{Alert, Decision, Phase};
use crate::units::EventTime;
use crate::verdict::EntityView;
use crate::wire::answer::{Answer, Enforcement, Judgement};
use crate::wire::order::{self, reason};
use crate::wire::time::format_rfc3339;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What the first record of a chain carries in place of a hash.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The chain of one shard.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct AuditChain {
    /// Not kept: it is the shard's.
    #[borsh(skip)]
    entity: EntityView,
    partition: i32,
    sequence: u64,
    previous: String,
}

impl AuditChain {
    /// A new chain.
    #[must_use]
    pub fn new(partition: i32) -> Self {
        Self {
            entity: EntityView::Identity,
            partition,
            sequence: 0,
            previous: GENESIS.to_owned(),
        }
    }

    /// The same chain, of a shard that looks at such entities.
    #[must_use]
    pub fn of(self, entity: EntityView) -> Self {
        Self { entity, ..self }
    }

    /// The record of what was decided for `alert`.
    pub fn decision(&mut self, alert: &Alert, decision: &Decision, model_hash: &str) -> Vec<u8> {
        let subject = &decision.subject;
        let entity = &alert.case.subject.id;
        let entry = json!({
            "what": "decision",
            "time": format_rfc3339(alert.time),
            "alert_id": alert.case.alert_id,
            "opened": alert.phase == Phase::Opened,
            "network": (alert.entity == EntityView::Source).then_some(entity),
            "identity": subject.id,
            "credential": subject.credential.as_ref().map(|c| &c.id),
            "severity": alert.case.severity.as_str(),
            "score_nats": alert.score_nats,
            "threshold_nats": alert.threshold_nats,
            "reason": reason(alert),
            "event_id": alert.event_id,
            "source": alert.origin.as_ref().map(|o| json!([&*o.topic, o.partition, o.offset])),
            "decision": order::decision(decision),
            "model_hash": model_hash,
        });
        self.append(&entry)
    }

    /// The record of another model or configuration that judges from here on.
    pub fn upgrade(&mut self, time: EventTime, from: [&str; 2], to: [&str; 2]) -> Vec<u8> {
        self.append(&json!({
            "what": "upgrade",
            "time": format_rfc3339(time),
            "model_hash": {"before": from[0], "now": to[0]},
            "configuration_hash": {"before": from[1], "now": to[1]},
        }))
    }

    /// The record of what somebody answered. Of an identity to be forgotten it keeps no name.
    pub fn answer(&mut self, time: EventTime, answer: &Answer) -> Vec<u8> {
        let forgotten = answer.forget.as_ref().map(|identity| {
            let digest = blake3::hash(identity.as_bytes()).to_hex();
            format!("blake3:{digest}")
        });
        let what = match (&forgotten, answer.containment) {
            (Some(_), _) => "forgotten",
            (None, Some(Enforcement::Pause)) => "containment_paused",
            (None, Some(Enforcement::Resume)) => "containment_resumed",
            (None, None) => "feedback",
        };
        self.append(&json!({
            "what": what,
            "time": format_rfc3339(time),
            "alert_id": answer.alert_id,
            "verdict": answer.verdict.map(Judgement::as_str),
            "identity_hash": forgotten,
            "by": answer.by,
            "reason": answer.reason,
        }))
    }

    fn append(&mut self, entry: &Value) -> Vec<u8> {
        let entry = RawValue::from_string(entry.to_string()).unwrap_or_default();
        let hash = link(&self.previous, self.sequence, entry.get());
        let record = Record {
            view: Cow::Borrowed(self.entity.as_str()),
            partition: self.partition.into(),
            sequence: self.sequence,
            previous: Cow::Borrowed(&self.previous),
            hash: Cow::Borrowed(&hash),
            entry: &entry,
        };
        let record = serde_json::to_vec(&record).unwrap_or_default();
        self.sequence += 1;
        self.previous = hash;
        record
    }
}

/// The entry counts as it is written, so that no reader's way with numbers can matter.
fn link(previous: &str, sequence: u64, entry: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous.as_bytes());
    hasher.update(&sequence.to_le_bytes());
    hasher.update(entry.as_bytes());
    hasher.finalize().to_hex().to_string()
}

/// Why a record does not continue its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokenLink {
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
    Torn,
}

/// A record as it is written and read.
#[derive(Serialize, Deserialize)]
struct Record<'a> {
    /// Records of before there was the view by source do not say it.
    #[serde(borrow, default = "of_identities")]
    view: Cow<'a, str>,
    partition: i64,
    sequence: u64,
    #[serde(borrow)]
    previous: Cow<'a, str>,
    #[serde(borrow)]
    hash: Cow<'a, str>,
    #[serde(borrow)]
    entry: &'a RawValue,
}

fn of_identities() -> Cow<'static, str> {
    Cow::Borrowed(EntityView::Identity.as_str())
}

/// Walks the chains of several partitions, whose records may be mixed.
#[derive(Debug, Default)]
pub struct ChainWalk {
    /// By view and partition: sequence and hash of what comes next and came last.
    ends: BTreeMap<(EntityView, i64), (u64, String)>,
    records: u64,
}

impl ChainWalk {
    /// Takes the next record, in the order of its partition.
    ///
    /// # Errors
    /// Says why the record does not continue its chain.
    pub fn take(&mut self, line: &[u8]) -> Result<(), BrokenLink> {
        let record: Record<'_> =
            serde_json::from_slice(line).map_err(|_| BrokenLink::NotARecord)?;
        let (partition, sequence) = (record.partition, record.sequence);
        let (previous, hash) = (&*record.previous, &*record.hash);
        let view = EntityView::parse(&record.view).ok_or(BrokenLink::NotARecord)?;
        let chain = (view, partition);
        if link(previous, sequence, record.entry.get()) != hash {
            return Err(BrokenLink::Altered);
        }
        if let Some((expected, before)) = self.ends.get(&chain) {
            if *expected != sequence {
                return Err(BrokenLink::OutOfOrder {
                    partition,
                    expected: *expected,
                });
            }
            if before != previous {
                return Err(BrokenLink::Torn);
            }
        } else if sequence != 0 || previous != GENESIS {
            return Err(BrokenLink::OutOfOrder {
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

    #[test]
    fn each_record_carries_the_hash_of_the_one_before() {
        let mut chain = AuditChain::new(3);
        let records: Vec<Value> = (0..3)
            .map(|n| serde_json::from_slice(&chain.append(&json!({"n": n}))).unwrap())
            .collect();
        assert_eq!(records[0]["previous"], GENESIS);
        assert_eq!(records[1]["previous"], records[0]["hash"]);
        assert_eq!(records[2]["previous"], records[1]["hash"]);
        assert_ne!(records[1]["hash"], records[2]["hash"]);
    }

    fn chain(partition: i32) -> Vec<String> {
        let mut chain = AuditChain::new(partition);
        let record =
            |n| String::from_utf8(chain.append(&json!({"score": 0.1 + f64::from(n)}))).unwrap();
        (0..5).map(record).collect()
    }

    fn walk(records: &[String]) -> Result<u64, (usize, BrokenLink)> {
        let mut walk = ChainWalk::default();
        for (at, record) in records.iter().enumerate() {
            walk.take(record.as_bytes()).map_err(|why| (at, why))?;
        }
        Ok(walk.records())
    }

    #[test]
    fn numbers_count_as_they_are_written() {
        // Readers that round the last digit of this one are common.
        let mut chain = AuditChain::new(0);
        let record = chain.append(&json!({"score_nats": 26.884_462_847_779_762_f64}));
        assert_eq!(ChainWalk::default().take(&record), Ok(()));
    }

    #[test]
    fn chains_of_both_views_run_beside_each_other() {
        let of = |view| AuditChain::new(0).of(view).append(&json!({}));
        let mut walk = ChainWalk::default();
        assert_eq!(walk.take(&of(EntityView::Identity)), Ok(()));
        assert_eq!(walk.take(&of(EntityView::Source)), Ok(()));
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
        assert_eq!(walk(&altered), Err((2, BrokenLink::Altered)));
        let out_of_order = |expected| BrokenLink::OutOfOrder {
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
        assert_eq!(walk(&replaced), Err((2, BrokenLink::Torn)));
        assert_eq!(walk(&["{}".to_owned()]), Err((0, BrokenLink::NotARecord)));
    }
}
