//! What people answer, taken in between two checkpoints' events: it shapes the state, and is said in
//! the audit trail, in the transaction of the checkpoint that keeps it.

use super::{OutputRecord, Shard, Stream};
use crate::feedback::model::{ContainmentCommand, Feedback, FeedbackCommand};
use credwatch_core::engine::Alert;
use credwatch_core::units::EventTime;

impl Shard {
    /// Offset of the next answer in a partition of the feedback topic.
    #[must_use]
    pub fn next_feedback_offset(&self, partition: i32) -> i64 {
        self.feedback_offsets.get(&partition).copied().unwrap_or(0)
    }

    /// Takes the answer at `offset` in; returns what is to be published where it is about this shard,
    /// or `None` where it is not, or was heard before. Orders that follow from it are issued at `wall`.
    pub fn apply_feedback(
        &mut self,
        answer: &Feedback,
        (partition, offset): (i32, i64),
        wall: Option<EventTime>,
    ) -> Option<Vec<OutputRecord>> {
        if offset < self.next_feedback_offset(partition) {
            return None;
        }
        self.feedback_offsets.insert(partition, offset + 1);
        if let Some(proof) = &answer.signature
            && !self.engine.accept_once(proof.token, proof.issued_secs)
        {
            return None;
        }
        let id = format!("feedback-{}-{partition}-{offset}", self.entity);
        match answer.command().ok()? {
            FeedbackCommand::AlertVerdict(alert_id, judgement) => {
                let closing = self
                    .engine
                    .apply_alert_verdict(alert_id, judgement.opinion())?;
                Some(self.follow_up_records(closing.as_ref(), answer, &id, wall))
            }
            FeedbackCommand::OrderOutcome(order_id, carried) => {
                let next = self.engine.record_outcome(order_id, carried.outcome())?;
                Some(self.follow_up_records(next.as_ref(), answer, &id, wall))
            }
            FeedbackCommand::Approve(order_id) => {
                let again = self.engine.approve(order_id, &answer.by)?;
                Some(self.follow_up_records(again.as_ref(), answer, &id, wall))
            }
            FeedbackCommand::Forget(identity) => {
                if !self.engine.forget(identity) {
                    return None;
                }
                self.has_feedback = true;
                Some(vec![self.emit_audit(answer, &id)])
            }
            FeedbackCommand::Containment(enforcement) => {
                self.engine.pause(enforcement == ContainmentCommand::Pause);
                self.has_feedback = true;
                Some(vec![self.emit_audit(answer, &id)])
            }
        }
    }

    /// What was answered, and then what follows from it.
    fn follow_up_records(
        &mut self,
        next: Option<&Alert>,
        answer: &Feedback,
        id: &str,
        wall: Option<EventTime>,
    ) -> Vec<OutputRecord> {
        self.has_feedback = true;
        let mut said = vec![self.emit_audit(answer, id)];
        said.extend(self.output_records(next.map_or(&[], std::slice::from_ref), wall, None));
        said
    }

    fn emit_audit(&mut self, answer: &Feedback, id: &str) -> OutputRecord {
        let time = self.engine.now();
        let payload = self.audit.feedback(time, answer);
        let stream = Stream::Decisions;
        let record =
            OutputRecord::cloud_event(stream, "", "answer.v1", id.to_owned(), time, payload);
        record.in_partition(self.position.partition)
    }
}
