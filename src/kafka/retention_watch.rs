//! Finds offsets that the broker deleted before they were read: at assignment, where the group's offset is
//! before the start of the log, and later where offsets jump.

use crate::kafka::KafkaError;
use crate::outputs::retention_gap::RetentionGap;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::time::Duration;

/// How long a broker may take to answer.
const BROKER_TIMEOUT: Duration = Duration::from_secs(10);
/// Offsets between two records that markers of transactions may occupy: no segment of a log is so short.
const MARKERS: i64 = 16;

/// Position in a partition.
struct Position {
    topic: Arc<str>,
    partition: i32,
    next_offset: i64,
    /// First jump since the last check: the offset that was expected, and the one that came.
    jump: Option<(i64, i64)>,
}

impl Position {
    fn is(&self, topic: &str, partition: i32) -> bool {
        self.partition == partition && *self.topic == *topic
    }
}

/// Positions in the assigned partitions.
#[derive(Default)]
pub(super) struct RetentionWatch {
    positions: Vec<Position>,
}

impl RetentionWatch {
    /// Begins with an assigned partition; returns what is missing before its first record.
    ///
    /// # Errors
    /// The broker does not respond.
    pub(super) fn assign<C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
        topic: &str,
        partition: i32,
    ) -> Result<Option<RetentionGap>, KafkaError> {
        self.revoke(topic, partition);
        let mut requested = TopicPartitionList::new();
        requested.add_partition(topic, partition);
        let committed = consumer.committed_offsets(requested, BROKER_TIMEOUT);
        let committed = committed.map_err(KafkaError::Consumer)?;
        let elements = committed.elements();
        let Some(Offset::Offset(next_offset)) = elements.first().map(|element| element.offset())
        else {
            return Ok(None);
        };
        let log_start = log_start(consumer, topic, partition)?;
        self.positions.push(Position {
            topic: Arc::from(topic),
            partition,
            next_offset: next_offset.max(log_start),
            jump: None,
        });
        Ok(RetentionGap::between(
            topic,
            partition,
            next_offset,
            log_start,
        ))
    }

    /// Ends with a revoked partition.
    pub(super) fn revoke(&mut self, topic: &str, partition: i32) {
        self.positions
            .retain(|position| !position.is(topic, partition));
    }

    /// A record was read.
    pub(super) fn advance(&mut self, topic: &Arc<str>, partition: i32, offset: i64) {
        let mut positions = self.positions.iter_mut();
        match positions.find(|position| position.is(topic, partition)) {
            Some(position) => {
                if offset > position.next_offset + MARKERS {
                    position.jump.get_or_insert((position.next_offset, offset));
                }
                position.next_offset = offset + 1;
            }
            None => self.positions.push(Position {
                topic: Arc::clone(topic),
                partition,
                next_offset: offset + 1,
                jump: None,
            }),
        }
    }

    /// What is missing since the last check. A jump alone may be due to compaction.
    ///
    /// # Errors
    /// The broker does not respond.
    pub(super) fn check<C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
    ) -> Result<Vec<RetentionGap>, KafkaError> {
        let mut gaps = Vec::new();
        for position in &mut self.positions {
            let Some((expected, came)) = position.jump else {
                continue;
            };
            let start = log_start(consumer, &position.topic, position.partition)?.min(came);
            position.jump = None;
            let (topic, partition) = (&position.topic, position.partition);
            gaps.extend(RetentionGap::between(topic, partition, expected, start));
        }
        Ok(gaps)
    }
}

fn log_start<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partition: i32,
) -> Result<i64, KafkaError> {
    let ends = consumer.fetch_watermarks(topic, partition, BROKER_TIMEOUT);
    ends.map(|(start, _)| start).map_err(KafkaError::Consumer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_more_than_markers_of_transactions() {
        let (mut watch, topic) = (RetentionWatch::default(), Arc::from("raw"));
        for offset in [5, 6, 8, 8 + MARKERS + 1] {
            watch.advance(&topic, 0, offset);
            assert_eq!(watch.positions[0].jump, None, "{offset}");
        }
        watch.advance(&topic, 0, 1_000);
        watch.advance(&topic, 0, 5_000);
        assert_eq!(
            watch.positions[0].jump,
            Some((8 + MARKERS + 2, 1_000)),
            "the first jump is kept"
        );
        watch.advance(&topic, 1, 1_000);
        assert_eq!(watch.positions[1].jump, None);
        watch.revoke("raw", 0);
        assert_eq!(watch.positions.len(), 1);
    }
}
