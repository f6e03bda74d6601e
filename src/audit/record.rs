//! The audit trail (`credential.decisions`): every decision, each record with the hash of the previous
//! one.

use crate::crypto::Signer;
use crate::feedback::model::{ContainmentCommand, Feedback, FeedbackCommand};
use crate::orders::model::reason;
use crate::outputs::decision::decision as decision_json;
use crate::outputs::retention_gap::RetentionGap;
use crate::sources::time::format_rfc3339;
use borsh::{BorshDeserialize, BorshSerialize};
use credwatch_core::containment::issued_orders::OrderOutcome;
use credwatch_core::engine::{Alert, Decision, EventContext, Phase};
use credwatch_core::units::{EventTime, MS_PER_SEC};
use credwatch_core::verdict::{AlertVerdict, EntityView};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::borrow::Cow;

/// Previous hash of the first record of a chain.
pub(super) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The chain of one shard.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct AuditChain {
    /// Not stored: it is the shard's.
    #[borsh(skip)]
    entity: EntityView,
    partition: i32,
    sequence: u64,
    pub(super) previous: String,
    /// Number of records at the last signed head. Not stored: after a start the head is signed once more.
    #[borsh(skip)]
    signed_records: Option<u64>,
}

/// Type of a signed head, in its header.
pub(super) const HEAD_TYPE: &str = "credwatch-audit-head+jwt";

impl AuditChain {
    /// A new chain.
    #[must_use]
    pub fn new(partition: i32) -> Self {
        Self {
            entity: EntityView::Identity,
            partition,
            sequence: 0,
            previous: GENESIS.to_owned(),
            signed_records: None,
        }
    }

    /// The signed head of the chain at `now`, one of `partitions`, if it has grown since the last one. It is
    /// not part of the chain: whoever rebuilds a whole chain cannot sign a matching head. An empty chain
    /// has one too, so that a chain that is left out is missed.
    pub fn head(&mut self, signer: &Signer, partitions: u32, now: EventTime) -> Option<Vec<u8>> {
        if !self.is_head_due() {
            return None;
        }
        let head = Head {
            view: Cow::Borrowed(self.entity.as_str()),
            partition: self.partition.into(),
            partitions: partitions.into(),
            records: self.sequence,
            hash: Cow::Borrowed(&self.previous),
            iat: now.epoch_ms().div_euclid(MS_PER_SEC),
        };
        let head = serde_json::to_vec(&head).unwrap_or_default();
        let head = signer.sign(HEAD_TYPE, &head)?;
        self.signed_records = Some(self.sequence);
        Some(json!({ "head": head }).to_string().into_bytes())
    }

    /// Whether no signed head of this process covers all records.
    #[must_use]
    pub fn is_head_due(&self) -> bool {
        self.signed_records != Some(self.sequence)
    }

    /// The same chain, for a shard of the view `entity`.
    #[must_use]
    pub fn for_entity(self, entity: EntityView) -> Self {
        Self { entity, ..self }
    }

    /// The record of the decision for `alert`, which `record` raised: an event of its log, or a sighting
    /// of one.
    pub fn decision(
        &mut self,
        alert: &Alert,
        decision: &Decision,
        model_hash: &str,
        record: Option<&[u8]>,
    ) -> Vec<u8> {
        let subject = &decision.subject;
        let entry = json!({
            "type": "decision",
            "time": format_rfc3339(alert.time),
            "alert_id": alert.incident.alert_id,
            "opened": alert.phase == Phase::Opened,
            "identity": subject.id,
            "credential": subject.credential.as_ref().map(|c| &c.id),
            "severity": alert.incident.severity.as_str(),
            "score_nats": alert.score_nats,
            "threshold_nats": alert.threshold_nats,
            "reason": reason(alert),
            "event_id": alert.event_id,
            "record_hash": record.map(|bytes| format!("blake3:{}", blake3::hash(bytes).to_hex())),
            "source": alert.position.as_ref().map(|o| json!([&*o.topic, o.partition, o.offset])),
            "event": alert.context.as_ref().map(event_context),
            "decision": decision_json(decision),
            "model_hash": model_hash,
        });
        self.append(&entry)
    }

    /// The record of a changed model or configuration.
    pub fn upgrade(&mut self, time: EventTime, from: [&str; 2], to: [&str; 2]) -> Vec<u8> {
        self.append(&json!({
            "type": "upgrade",
            "time": format_rfc3339(time),
            "model_hash": {"before": from[0], "now": to[0]},
            "configuration_hash": {"before": from[1], "now": to[1]},
        }))
    }

    /// The record of events that the broker deleted before they were read.
    pub fn retention_gap(&mut self, time: EventTime, gap: &RetentionGap) -> Vec<u8> {
        self.append(&json!({
            "type": "retention_gap",
            "time": format_rfc3339(time),
            "topic": gap.topic,
            "first_offset": gap.first_offset,
            "last_offset": gap.last_offset,
            "events_not_judged": gap.records(),
            "reason": gap.to_string(),
        }))
    }

    /// The record of feedback. For an identity to be forgotten it holds no name.
    pub fn feedback(&mut self, time: EventTime, feedback: &Feedback) -> Vec<u8> {
        let forgotten = feedback.forget.as_ref().map(|identity| {
            let digest = blake3::hash(identity.as_bytes()).to_hex();
            format!("blake3:{digest}")
        });
        let mut entry = json!({
            "type": record_type(feedback),
            "time": format_rfc3339(time),
            "alert_id": feedback.alert_id,
            "verdict": feedback.verdict.map(AlertVerdict::as_str),
            "identity_hash": forgotten,
            "by": feedback.by,
            "reason": feedback.reason,
        });
        if let Some(signature) = &feedback.signature {
            entry["signed_by"] = json!(signature.kid);
        }
        if let Some(order_id) = feedback.order_id.as_ref().or(feedback.approve.as_ref()) {
            entry["order_id"] = json!(order_id);
            entry["took_ms"] = json!(feedback.took_ms);
        }
        self.append(&entry)
    }

    pub(crate) fn append(&mut self, entry: &Value) -> Vec<u8> {
        let entry = RawValue::from_string(entry.to_string()).unwrap_or_default();
        let (view, partition) = (self.entity.as_str(), self.partition.into());
        let hash = chain_hash(view, partition, &self.previous, self.sequence, entry.get());
        let record = Record {
            view: Cow::Borrowed(view),
            partition,
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

/// The activity: host, client, origin and object.
fn event_context(event: &EventContext) -> Value {
    json!({"action": event.action, "resource": event.resource, "host": event.host, "ip": event.ip,
        "network": event.network, "country": event.country, "databases": event.databases,
        "user_agent": event.user_agent, "purpose": event.purpose})
}

/// Type of the feedback in the trail.
fn record_type(feedback: &Feedback) -> &'static str {
    match feedback.command() {
        Ok(FeedbackCommand::AlertVerdict(..)) | Err(_) => "feedback",
        Ok(FeedbackCommand::OrderOutcome(_, OrderOutcome::Done)) => "containment_done",
        Ok(FeedbackCommand::OrderOutcome(_, OrderOutcome::Failed)) => "containment_failed",
        Ok(FeedbackCommand::OrderOutcome(_, OrderOutcome::Refused)) => "containment_refused",
        Ok(FeedbackCommand::Approve(_)) => "approved",
        Ok(FeedbackCommand::Forget(_)) => "forgotten",
        Ok(FeedbackCommand::Containment(ContainmentCommand::Pause)) => "containment_paused",
        Ok(FeedbackCommand::Containment(ContainmentCommand::Resume)) => "containment_resumed",
    }
}

/// The entry is hashed as it is written, so that a reader's treatment of numbers does not matter.
pub(super) fn chain_hash(
    view: &str,
    partition: i64,
    previous: &str,
    sequence: u64,
    entry: &str,
) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(view.len() as u64).to_le_bytes());
    hasher.update(view.as_bytes());
    hasher.update(&partition.to_le_bytes());
    hasher.update(previous.as_bytes());
    hasher.update(&sequence.to_le_bytes());
    hasher.update(entry.as_bytes());
    hasher.finalize().to_hex().to_string()
}

/// A record as it is written and read.
#[derive(Serialize, Deserialize)]
pub(super) struct Record<'a> {
    #[serde(borrow)]
    pub(super) view: Cow<'a, str>,
    pub(super) partition: i64,
    pub(super) sequence: u64,
    #[serde(borrow)]
    pub(super) previous: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) hash: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) entry: &'a RawValue,
}

/// State of a chain.
#[derive(Serialize, Deserialize)]
pub(super) struct Head<'a> {
    #[serde(borrow)]
    pub(super) view: Cow<'a, str>,
    pub(super) partition: i64,
    /// Partitions of the trail.
    pub(super) partitions: i64,
    pub(super) records: u64,
    #[serde(borrow)]
    pub(super) hash: Cow<'a, str>,
    iat: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_record_holds_the_hash_of_the_previous_one() {
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
