//! Progress of each partition, shared by the workers and the readiness endpoint.

use dashmap::{DashMap, DashSet};
use std::time::Duration;

use crate::clock::Stopwatch;

/// A partition with lag whose position has not moved for this long makes no progress.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// One owned partition.
#[derive(Clone, Copy, Debug)]
struct PartitionProgress {
    position: i64,
    lag: i64,
    moved: Stopwatch,
}

/// A commit that takes longer than this is reported: Kafka is slow or down.
const STALLED_AFTER: Duration = Duration::from_secs(5);

/// Partitions by topic and number, halted ones with the reason, commits in progress by committer, workers
/// that join their group, and failing stages.
#[derive(Debug, Default)]
pub struct Status {
    failures: DashMap<String, String>,
    partitions: DashMap<(String, i32), PartitionProgress>,
    halted: DashMap<(String, i32), String>,
    commits: DashMap<String, Stopwatch>,
    joining: DashSet<String>,
    /// How far workers are behind, in milliseconds.
    lags_ms: DashMap<String, i64>,
}

/// Readiness, as `/readyz` reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Every worker is a member of its group, and its partitions make progress.
    Ready {
        /// Number of partitions.
        partitions: usize,
    },
    /// A worker is not yet a member of its group, or its shards are still being restored.
    Joining {
        /// Worker.
        worker: String,
    },
    /// A stage failed, and will be retried.
    Failing {
        /// Stage.
        stage: String,
        /// Reason.
        why: String,
    },
    /// A shard cannot be restored; the others continue.
    Halted {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// Reason, with the remedy.
        why: String,
    },
    /// A commit does not complete.
    Stalled {
        /// Time taken so far.
        secs: u64,
    },
    /// A partition has lag and makes no progress.
    Stuck {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// Lag.
        lag: i64,
    },
}

impl Status {
    /// A partition was assigned.
    pub fn assign(&self, topic: &str, partition: i32) {
        let standing = PartitionProgress {
            position: -1,
            lag: 0,
            moved: Stopwatch::start(),
        };
        self.partitions
            .insert((topic.to_owned(), partition), standing);
    }

    /// A partition is assigned, and its shard cannot be restored.
    pub fn halt(&self, topic: &str, partition: i32, why: &str) {
        self.halted
            .insert((topic.to_owned(), partition), why.to_owned());
    }

    /// Number of assigned partitions whose shard cannot be restored.
    #[must_use]
    pub fn halted(&self) -> usize {
        self.halted.len()
    }

    /// A partition was revoked.
    pub fn revoke(&self, topic: &str, partition: i32) {
        self.halted.remove(&(topic.to_owned(), partition));
        self.partitions.remove(&(topic.to_owned(), partition));
    }

    /// Statistics of the client: next offset, and consumer lag in records.
    pub fn report(&self, topic: &str, partition: i32, position: i64, lag: i64) {
        if let Some(mut standing) = self.partitions.get_mut(&(topic.to_owned(), partition)) {
            if position != standing.position || lag <= 0 {
                standing.moved = Stopwatch::start();
            }
            standing.position = position;
            standing.lag = lag;
        }
    }

    /// `stage` failed, and will be retried.
    pub fn fail(&self, stage: &str, why: &str) {
        self.failures.insert(stage.to_owned(), why.to_owned());
    }

    /// `stage` runs.
    pub fn recover(&self, stage: &str) {
        self.failures.remove(stage);
    }

    /// `worker` begins to join its group.
    pub fn begin_join(&self, worker: &str) {
        self.joining.insert(worker.to_owned());
    }

    /// `worker` has its partitions, if there are any for it, and their shards are restored.
    pub fn end_join(&self, worker: &str) {
        self.joining.remove(worker);
    }

    /// `worker` committed records of which the oldest was `lag_ms` old; 0 where it had none to commit.
    pub fn report_lag(&self, worker: &str, lag_ms: i64) {
        match self.lags_ms.get_mut(worker) {
            Some(mut known) => *known = lag_ms,
            None => {
                self.lags_ms.insert(worker.to_owned(), lag_ms);
            }
        }
    }

    /// How far the worker is behind that is furthest behind, in milliseconds.
    #[must_use]
    pub fn lag_ms(&self) -> i64 {
        self.lags_ms.iter().map(|lag| *lag).max().unwrap_or(0)
    }

    /// `who` begins a commit.
    pub fn begin_commit(&self, who: &str) {
        self.commits.insert(who.to_owned(), Stopwatch::start());
    }

    /// `who` committed, or failed to.
    pub fn end_commit(&self, who: &str) {
        self.commits.remove(who);
    }

    /// Whether a partition is assigned to this process.
    #[must_use]
    pub fn owns(&self, topic: &str, partition: i32) -> bool {
        self.partitions.contains_key(&(topic.to_owned(), partition))
    }

    /// Number of assigned partitions.
    #[must_use]
    pub fn assigned(&self) -> usize {
        self.partitions.len()
    }

    /// Readiness of this process.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        if let Some(failure) = self.failures.iter().next() {
            let (stage, why) = failure.pair();
            return Readiness::Failing {
                stage: stage.clone(),
                why: why.clone(),
            };
        }
        if let Some(halted) = self.halted.iter().next() {
            let ((topic, partition), why) = halted.pair();
            return Readiness::Halted {
                topic: topic.clone(),
                partition: *partition,
                why: why.clone(),
            };
        }
        let commits = self.commits.iter().map(|since| since.elapsed());
        if let Some(longest) = commits.max().filter(|longest| *longest > STALLED_AFTER) {
            let secs = longest.as_secs();
            return Readiness::Stalled { secs };
        }
        for entry in &self.partitions {
            if entry.lag > 0 && entry.moved.elapsed() > STUCK_AFTER {
                let (topic, partition) = entry.key().clone();
                return Readiness::Stuck {
                    topic,
                    partition,
                    lag: entry.lag,
                };
            }
        }
        let mut joining: Vec<String> = self.joining.iter().map(|name| name.clone()).collect();
        joining.sort_unstable();
        match joining.into_iter().next() {
            Some(worker) => Readiness::Joining { worker },
            None => Readiness::Ready {
                partitions: self.partitions.len(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_that_every_worker_is_a_member_of_its_group() {
        let status = Status::default();
        let joining = |worker: &str| Readiness::Joining {
            worker: worker.to_owned(),
        };
        status.begin_join("events-0");
        status.begin_join("sightings-0");
        assert_eq!(status.readiness(), joining("events-0"));
        status.assign("t", 0);
        status.end_join("events-0");
        assert_eq!(status.readiness(), joining("sightings-0"));
        status.end_join("sightings-0");
        status.report("t", 0, 5, 100);
        assert_eq!(status.readiness(), Readiness::Ready { partitions: 1 });
        assert!(status.owns("t", 0) && !status.owns("t", 1));
        status.halt("t", 2, "damaged");
        assert!(matches!(
            status.readiness(),
            Readiness::Halted { partition: 2, .. }
        ));
        status.revoke("t", 2);
        status.revoke("t", 0);
        assert_eq!(status.readiness(), Readiness::Ready { partitions: 0 });
    }

    #[test]
    fn the_lag_is_that_of_the_worker_furthest_behind() {
        let status = Status::default();
        assert_eq!(status.lag_ms(), 0);
        status.report_lag("a", 12_000);
        status.report_lag("b", 40);
        assert_eq!(status.lag_ms(), 12_000);
        status.report_lag("a", 0);
        assert_eq!(status.lag_ms(), 40);
    }
}
