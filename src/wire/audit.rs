//! The audit trail (`credential.decisions`): every decision, each record carrying the hash of the
//! one before it.

use crate::engine::{Alert, Phase};
use crate::wire::order::{self, reason};
use crate::wire::time::format_rfc3339;
use serde_json::{Value, json};

/// What the first record of a chain carries in place of a hash.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The chain of one partition.
#[derive(Clone, Debug)]
pub struct AuditChain {
    partition: i32,
    sequence: u64,
    previous: String,
}

impl AuditChain {
    /// A new chain.
    #[must_use]
    pub fn new(partition: i32) -> Self {
        Self {
            partition,
            sequence: 0,
            previous: GENESIS.to_owned(),
        }
    }

    /// The record of what was decided for `alert`; `None` where nothing was.
    pub fn decision(&mut self, alert: &Alert, model_hash: &str) -> Option<Vec<u8>> {
        let decision = alert.decision.as_ref()?;
        let subject = &alert.case.subject;
        let entry = json!({
            "what": "decision",
            "time": format_rfc3339(alert.time),
            "alert_id": alert.case.alert_id,
            "opened": alert.phase == Phase::Opened,
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
        Some(self.append(&entry))
    }

    fn append(&mut self, entry: &Value) -> Vec<u8> {
        let body = entry.to_string();
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.previous.as_bytes());
        hasher.update(&self.sequence.to_le_bytes());
        hasher.update(body.as_bytes());
        let hash = hasher.finalize().to_hex().to_string();
        let record = json!({
            "partition": self.partition,
            "sequence": self.sequence,
            "previous": self.previous,
            "hash": hash,
            "entry": entry,
        });
        self.sequence += 1;
        self.previous = hash;
        record.to_string().into_bytes()
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
}
