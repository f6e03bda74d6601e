//! What people answer, taken in between two checkpoints' events: it shapes the state, and is said in
//! the audit trail, in the transaction of the checkpoint that keeps it.

use super::{Outgoing, Shard, Stream};
use crate::feedback::model::{Answer, Asked, Enforcement};
use credwatch_core::engine::Alert;
use credwatch_core::units::EventTime;

impl Shard {
    /// Offset of the next answer in a partition of the feedback topic.
    #[must_use]
    pub fn next_answer(&self, partition: i32) -> i64 {
        self.answers.get(&partition).copied().unwrap_or(0)
    }

    /// Takes the answer at `offset` in; returns what is to be published where it is about this shard,
    /// or `None` where it is not, or was heard before. Orders that follow from it are issued at `wall`.
    pub fn take_answer(
        &mut self,
        answer: &Answer,
        (partition, offset): (i32, i64),
        wall: Option<EventTime>,
    ) -> Option<Vec<Outgoing>> {
        if offset < self.next_answer(partition) {
            return None;
        }
        self.answers.insert(partition, offset + 1);
        if let Some(proof) = &answer.proof
            && !self.engine.hear_once(proof.token, proof.issued_secs)
        {
            return None;
        }
        let id = format!("feedback-{}-{partition}-{offset}", self.entity);
        match answer.asked().ok()? {
            Asked::Judge(alert_id, judgement) => {
                let closing = self.engine.heed(alert_id, judgement.opinion())?;
                Some(self.follow(closing.as_ref(), answer, &id, wall))
            }
            Asked::Settle(order_id, carried) => {
                let next = self.engine.settle(order_id, carried.outcome())?;
                Some(self.follow(next.as_ref(), answer, &id, wall))
            }
            Asked::Approve(order_id) => {
                let again = self.engine.approve(order_id, &answer.by)?;
                Some(self.follow(again.as_ref(), answer, &id, wall))
            }
            Asked::Forget(identity) => {
                if !self.engine.forget(identity) {
                    return None;
                }
                self.has_answers = true;
                Some(vec![self.say(answer, &id)])
            }
            Asked::Enforce(enforcement) => {
                self.engine.pause(enforcement == Enforcement::Pause);
                self.has_answers = true;
                Some(vec![self.say(answer, &id)])
            }
        }
    }

    /// What was answered, and then what follows from it.
    fn follow(
        &mut self,
        next: Option<&Alert>,
        answer: &Answer,
        id: &str,
        wall: Option<EventTime>,
    ) -> Vec<Outgoing> {
        self.has_answers = true;
        let mut said = vec![self.say(answer, id)];
        said.extend(self.publications(next.map_or(&[], std::slice::from_ref), wall, None));
        said
    }

    fn say(&mut self, answer: &Answer, id: &str) -> Outgoing {
        let time = self.engine.now();
        let payload = self.audit.answer(time, answer);
        let stream = Stream::Decisions;
        let record = Outgoing::cloud_event(stream, "", "answer.v1", id.to_owned(), time, payload);
        record.in_partition(self.origin.partition)
    }
}
