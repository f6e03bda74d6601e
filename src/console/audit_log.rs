//! The latest records of the audit trail, searchable, with the state of each chain.

use super::incident::text;
use crate::audit::audit_verifier::ChainVerifier;
use crate::crypto::KeySet;
use crate::sources::time::parse_rfc3339;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use utoipa::ToSchema;

/// One record.
#[derive(Clone, Debug)]
struct StoredRecord {
    number: u64,
    time: i64,
    what: String,
    json: Box<str>,
}

/// The state of one chain, as far as its records are held by the topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChainState {
    /// `identity` or `source`.
    pub view: String,
    /// Partition.
    pub partition: i64,
    /// Records seen.
    pub records: u64,
    /// Whether each continues the one before.
    pub whole: bool,
    /// The first that does not, with the reason.
    pub first_bad: Option<String>,
    /// Records that the latest signed head covers, where heads are signed and were verified.
    pub heads_verified: u64,
}

/// A pause of containment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Who paused it.
    pub by: String,
    /// Since when, epoch milliseconds.
    pub since: i64,
    /// Why; empty where nothing was said.
    pub reason: String,
}

/// What to find.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Text within the record.
    pub text: String,
    /// Type of the entry; empty: any.
    pub what: String,
    /// Earliest time, epoch milliseconds.
    pub from: Option<i64>,
    /// Latest time, epoch milliseconds.
    pub to: Option<i64>,
    /// Only records before this number.
    pub before: Option<u64>,
    /// Most records to return.
    pub limit: usize,
}

/// The latest records.
#[derive(Debug)]
pub struct AuditLog {
    records: VecDeque<StoredRecord>,
    next_number: u64,
    capacity: usize,
    pause: Option<Pause>,
    keys: Option<KeySet>,
    chains: BTreeMap<(String, i64), (ChainVerifier, ChainState)>,
}

impl AuditLog {
    /// An empty log of at most `capacity` records; signed heads are verified with `keys`.
    #[must_use]
    pub fn new(capacity: usize, keys: Option<KeySet>) -> Self {
        Self {
            records: VecDeque::new(),
            next_number: 0,
            capacity: capacity.max(1),
            pause: None,
            keys,
            chains: BTreeMap::new(),
        }
    }

    /// Takes in a record, parsed as `value`.
    pub fn add(&mut self, record: &[u8], value: &Value) {
        self.verify(record, value);
        let Ok(json) = std::str::from_utf8(record) else {
            return;
        };
        let entry = &value["entry"];
        if entry.is_null() {
            return;
        }
        let time = parse_rfc3339(entry["time"].as_str().unwrap_or_default()).unwrap_or_default();
        let what = text(&entry["type"]);
        match what.as_str() {
            "containment_paused" => {
                self.pause = Some(Pause {
                    by: text(&entry["by"]),
                    since: time,
                    reason: text(&entry["reason"]),
                });
            }
            "containment_resumed" => self.pause = None,
            _ => {}
        }
        self.records.push_back(StoredRecord {
            number: self.next_number,
            time,
            what,
            json: json.into(),
        });
        self.next_number += 1;
        if self.records.len() > self.capacity {
            self.records.pop_front();
        }
    }

    fn verify(&mut self, record: &[u8], value: &Value) {
        let Some(partition) = value["partition"].as_i64() else {
            // A signed head states its chain inside its token: the verifier of each chain looks at it.
            for (verifier, state) in self.chains.values_mut() {
                if verifier.verify(record).is_ok() {
                    state.heads_verified = verifier.signed_heads().0;
                }
            }
            return;
        };
        let view = text(&value["view"]);
        let keys = &self.keys;
        let (verifier, state) = self
            .chains
            .entry((view.clone(), partition))
            .or_insert_with(|| {
                let state = ChainState {
                    view,
                    partition,
                    records: 0,
                    whole: true,
                    first_bad: None,
                    heads_verified: 0,
                };
                (ChainVerifier::of_recent_records(keys.clone()), state)
            });
        state.records += 1;
        if let Err(why) = verifier.verify(record)
            && state.whole
        {
            state.whole = false;
            state.first_bad = Some(format!("record {}: {why}", value["sequence"]));
        }
    }

    /// Records that match `query`, latest first, and the cursor for those before.
    #[must_use]
    pub fn find(&self, query: &AuditQuery) -> (Vec<Value>, Option<u64>) {
        let matches = |record: &&StoredRecord| {
            query.before.is_none_or(|before| record.number < before)
                && (query.what.is_empty() || record.what == query.what)
                && query.from.is_none_or(|from| record.time >= from)
                && query.to.is_none_or(|to| record.time <= to)
                && record.json.contains(&query.text)
        };
        let mut found = self.records.iter().rev().filter(matches);
        let page: Vec<&StoredRecord> = found.by_ref().take(query.limit).collect();
        let has_more = found.next().is_some();
        let next = page.last().filter(|_| has_more).map(|last| last.number);
        let values = page.iter().map(|record| {
            let mut value: Value = serde_json::from_str(&record.json).unwrap_or_default();
            value["time"] = record.time.into();
            value
        });
        (values.collect(), next)
    }

    /// Number of records of a type since `from`, for which `counts` holds.
    pub fn count_since(&self, from: i64, what: &str, counts: impl Fn(&Value) -> bool) -> usize {
        let recent = self
            .records
            .iter()
            .rev()
            .take_while(|record| record.time >= from);
        let of_type = recent.filter(|record| record.what == what);
        of_type
            .filter(|record| {
                serde_json::from_str(&record.json).is_ok_and(|value: Value| counts(&value))
            })
            .count()
    }

    /// The pause of containment; `None` while it is not paused.
    #[must_use]
    pub fn pause(&self) -> Option<&Pause> {
        self.pause.as_ref()
    }

    /// The state of every chain.
    #[must_use]
    pub fn chains(&self) -> Vec<ChainState> {
        self.chains
            .values()
            .map(|(_, state)| state.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::record::AuditChain;
    use serde_json::json;

    fn log(records: &[Vec<u8>]) -> AuditLog {
        let mut log = AuditLog::new(3, None);
        for record in records {
            log.add(record, &serde_json::from_slice(record).unwrap());
        }
        log
    }

    fn trail() -> Vec<Vec<u8>> {
        let mut chain = AuditChain::new(0);
        let pause = |kind: &str, minute: u32| {
            let time = format!("2026-03-02T08:{minute:02}:00Z");
            json!({"type": kind, "by": "ada", "reason": "drill", "time": time})
        };
        let kinds = [
            "decision",
            "containment_paused",
            "decision",
            "containment_resumed",
        ];
        let records = kinds.iter().enumerate();
        records
            .map(|(at, kind)| chain.append(&pause(kind, at as u32)))
            .collect()
    }

    #[test]
    fn the_latest_records_are_found_and_the_chain_is_followed() {
        let records = trail();
        let log_ = log(&records[..3]);
        assert_eq!(
            log_.pause()
                .map(|pause| (pause.by.clone(), pause.reason.clone())),
            Some(("ada".into(), "drill".into()))
        );
        let log = log(&records);
        assert!(log.pause().is_none());
        let (found, next) = log.find(&AuditQuery {
            limit: 2,
            ..AuditQuery::default()
        });
        assert_eq!((found.len(), next.is_some()), (2, true));
        assert_eq!(found[0]["entry"]["type"], "containment_resumed");
        let query = AuditQuery {
            before: next,
            limit: 9,
            ..AuditQuery::default()
        };
        assert_eq!(
            log.find(&query).0.len(),
            1,
            "the oldest of four was dropped"
        );
        assert!(
            log.chains()
                .iter()
                .all(|chain| chain.whole && chain.records == 4)
        );
    }

    #[test]
    fn an_altered_record_is_named() {
        let mut records = trail();
        let altered = String::from_utf8(records[2].clone())
            .unwrap()
            .replace("08:02", "08:59");
        records[2] = altered.into_bytes();
        let state = &log(&records).chains()[0];
        assert!(!state.whole && state.first_bad.as_ref().unwrap().starts_with("record 2"));
    }
}
