//! Rebalance handling inside the consumer's own `poll`: records of revoked partitions are committed before
//! they are released.

use crate::kafka::KafkaError;
use crate::kafka::batch_consumer::RecordQueue;
use crate::kafka::transaction::Transaction;
use crate::metrics::Metrics;
use crate::mutex::lock;
use crate::status::Status;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::{ClientContext, Statistics, TopicPartitionList};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A partition assigned or revoked inside `poll`.
pub(super) struct PartitionChange {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) is_assigned: bool,
}

/// Shared between the loop and the rebalance callback, which runs inside the loop's own `poll`.
pub(super) struct RebalanceState {
    pub(super) transaction: Mutex<Transaction>,
    /// Where the records of assigned partitions go.
    pub(super) queue: Mutex<Option<RecordQueue>>,
    pub(super) changes: Mutex<Vec<PartitionChange>>,
    pub(super) failed: Mutex<Option<KafkaError>>,
    /// Whether the group assigned partitions, or none, since this was last looked at.
    pub(super) was_assigned: AtomicBool,
    /// Assigned partitions whose state cannot be restored: they are not consumed.
    pub(super) halted: Mutex<BTreeSet<(String, i32)>>,
    pub(super) status: Arc<Status>,
    pub(super) metrics: Metrics,
}

impl RebalanceState {
    pub(super) fn is_halted(&self, topic: &str, partition: i32) -> bool {
        let halted = lock(&self.halted);
        halted
            .iter()
            .any(|(name, number)| name == topic && *number == partition)
    }

    pub(super) fn halt(&self, topic: &str, partition: i32, why: &str) {
        lock(&self.halted).insert((topic.to_owned(), partition));
        self.status.halt(topic, partition, why);
    }
}

/// Callbacks of the client.
pub(super) struct Context(pub(super) Arc<RebalanceState>);

impl ClientContext for Context {
    fn stats(&self, statistics: Statistics) {
        for (topic, of_topic) in &statistics.topics {
            for (partition, standing) in &of_topic.partitions {
                if *partition < 0 || standing.fetch_state != "active" {
                    continue;
                }
                // Commit markers count as records but are never delivered: a partition that was read to the
                // end has no lag.
                let at_end = standing.next_offset >= standing.ls_offset && standing.fetchq_cnt == 0;
                let lag = if at_end {
                    0
                } else {
                    standing.consumer_lag.max(0)
                };
                let owner = &self.0;
                owner
                    .status
                    .report(topic, *partition, standing.app_offset, lag);
                let label = partition.to_string();
                owner
                    .metrics
                    .lag
                    .with_label_values(&[topic.as_str(), &label])
                    .set(lag);
            }
        }
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let partitions = match rebalance {
            Rebalance::Revoke(partitions) => partitions,
            Rebalance::Assign(partitions) => {
                if let Some(queue) = lock(&self.0.queue).as_ref() {
                    for (topic, partition) in names(partitions) {
                        queue.forward(consumer, &topic, partition);
                    }
                }
                return;
            }
            Rebalance::Error(_) => return,
        };
        let mut transaction = lock(&self.0.transaction);
        if consumer.assignment_lost() {
            // Another consumer reads them already; a commit would be rejected.
            transaction.discard();
            lock(&self.0.failed).get_or_insert(KafkaError::PartitionsLost);
        } else if let Err(error) = transaction.commit(|| consumer.group_metadata()) {
            transaction.discard();
            lock(&self.0.failed).get_or_insert(error);
        }
        let mut moves = lock(&self.0.changes);
        for (topic, partition) in names(partitions) {
            self.0.status.revoke(&topic, partition);
            lock(&self.0.halted).remove(&(topic.clone(), partition));
            let _ = self
                .0
                .metrics
                .lag
                .remove_label_values(&[&topic, &partition.to_string()]);
            moves.push(PartitionChange {
                topic,
                partition,
                is_assigned: false,
            });
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(partitions) = rebalance {
            self.0.was_assigned.store(true, Ordering::Relaxed);
            for (topic, partition) in names(partitions) {
                lock(&self.0.changes).push(PartitionChange {
                    topic,
                    partition,
                    is_assigned: true,
                });
            }
        }
    }
}

pub(super) fn names(partitions: &TopicPartitionList) -> Vec<(String, i32)> {
    let elements = partitions.elements();
    elements
        .iter()
        .map(|e| (e.topic().to_owned(), e.partition()))
        .collect()
}
