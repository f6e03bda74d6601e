//! Feedback applied to a shard between events. It changes state, so its effects are published in the
//! transaction that checkpoints that state.

use super::{OutputRecord, Shard, Stream};
use crate::feedback::model::{ContainmentCommand, Feedback, FeedbackCommand};
use credwatch_core::engine::{Alert, FeedbackEffect};
use credwatch_core::units::EventTime;
use tracing::warn;

impl Shard {
    /// Offset of the next feedback record in a partition of the feedback topic.
    #[must_use]
    pub fn next_feedback_offset(&self, partition: i32) -> i64 {
        self.feedback_offsets.get(&partition).copied().unwrap_or(0)
    }

    /// Continues after the feedback record at `offset`, which is none that can be applied.
    pub fn skip_feedback(&mut self, (partition, offset): (i32, i64)) {
        let next = self.feedback_offsets.entry(partition).or_default();
        *next = (*next).max(offset + 1);
    }

    /// Applies the feedback record at `offset`; returns the records to publish, or `None` where the
    /// feedback concerns another shard, is a replay, or was applied before. Follow-up orders are issued
    /// at `wall`.
    pub fn apply_feedback(
        &mut self,
        feedback: &Feedback,
        (partition, offset): (i32, i64),
        wall: Option<EventTime>,
    ) -> Option<Vec<OutputRecord>> {
        if offset < self.next_feedback_offset(partition) {
            return None;
        }
        self.feedback_offsets.insert(partition, offset + 1);
        let engine = &mut self.engine;
        if let Some(signature) = &feedback.signature
            && !engine.accept_once(
                signature.signer_key(),
                signature.token,
                signature.issued_secs,
            )
        {
            let (by, kid) = (&feedback.by, &signature.kid);
            warn!(
                partition,
                offset, by, kid, "feedback rejected: it was applied before, or is too old"
            );
            return None;
        }
        let effect = match feedback.command().ok()? {
            FeedbackCommand::AlertVerdict(alert_id, verdict) => {
                engine.apply_alert_verdict(alert_id, verdict)
            }
            FeedbackCommand::OrderOutcome(order_id, outcome) => {
                engine.record_outcome(order_id, outcome)
            }
            FeedbackCommand::Approve(order_id) => engine.approve(order_id, &feedback.by),
            FeedbackCommand::Forget(identity) if engine.forget(identity) => FeedbackEffect::Applied,
            FeedbackCommand::Forget(_) => FeedbackEffect::NotFound,
            FeedbackCommand::Containment(command) => {
                if engine.pause(command == ContainmentCommand::Pause, feedback.sent_at) {
                    FeedbackEffect::Applied
                } else {
                    warn!(
                        partition,
                        offset, "command superseded: a later one was applied before"
                    );
                    FeedbackEffect::NotFound
                }
            }
        };
        if matches!(effect, FeedbackEffect::NotFound) {
            return None;
        }
        let id = format!("feedback-{}-{partition}-{offset}", self.entity);
        Some(self.feedback_records(effect.alert(), feedback, id, wall))
    }

    /// The audit record of the feedback, followed by what it leads to.
    fn feedback_records(
        &mut self,
        alert: Option<&Alert>,
        feedback: &Feedback,
        id: String,
        wall: Option<EventTime>,
    ) -> Vec<OutputRecord> {
        self.has_unlogged_change = true;
        let mut records = vec![self.emit_audit(feedback, id)];
        records.extend(self.output_records(alert.map_or(&[], std::slice::from_ref), wall, None));
        records
    }

    fn emit_audit(&mut self, feedback: &Feedback, id: String) -> OutputRecord {
        let time = self.engine.now();
        let payload = self.audit.feedback(time, feedback);
        let record =
            OutputRecord::cloud_event(Stream::Decisions, "", "feedback.v1", id, time, payload);
        record.in_partition(self.position.partition)
    }
}
