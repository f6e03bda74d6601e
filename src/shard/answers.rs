//! What people answer, taken in between two checkpoints' events: it shapes the state, and is said in
//! the audit trail, in the transaction of the checkpoint that keeps it.

use super::{Outgoing, Shard, Stream};
use crate::wire::answer::{Answer, Asked, Enforcement};

impl Shard {
    /// Offset of the next answer in a partition of the feedback topic.
    #[must_use]
    pub fn next_answer(&self, partition: i32) -> i64 {
        self.answers.get(&partition).copied().unwrap_or(0)
    }

    /// Takes the answer at `offset` in; returns what is to be published where it is about this shard,
    /// or `None` where it is not.
    pub fn take_answer(
        &mut self,
        answer: &Answer,
        partition: i32,
        offset: i64,
    ) -> Option<Vec<Outgoing>> {
        if offset < self.next_answer(partition) {
            return None;
        }
        self.answers.insert(partition, offset + 1);
        let id = format!("feedback-{}-{partition}-{offset}", self.entity);
        match answer.asked().ok()? {
            Asked::Judge(alert_id, judgement) => {
                let closing = self.engine.heed(alert_id, judgement.opinion())?;
                self.has_answers = true;
                let said = self.say(answer, &id);
                let closing: Vec<_> = closing.into_iter().collect();
                Some(
                    self.publications(&closing, None)
                        .into_iter()
                        .chain([said])
                        .collect(),
                )
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

    fn say(&mut self, answer: &Answer, id: &str) -> Outgoing {
        let time = self.engine.now();
        let payload = self.audit.answer(time, answer);
        let stream = Stream::Decisions;
        let record = Outgoing::cloud_event(stream, "", "answer.v1", id.to_owned(), time, payload);
        record.in_partition(self.origin.partition)
    }
}
