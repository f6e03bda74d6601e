//! Spreads the writing of a checkpoint over time, so that neither the worker nor the broker is loaded by it.

use std::time::Duration;

/// A checkpoint in progress takes at most one part in this many of its worker's time.
const WRITE_DUTY: u32 = 4;
/// A checkpoint is spread over half of its interval, and at most this.
const MAX_WRITE_TIME: Duration = Duration::from_secs(2);
/// No more records are sent while this many wait for the broker.
const MAX_IN_FLIGHT: usize = 10_000;
/// A checkpoint that is not sent within this time is sent at full speed: the broker aborts its transaction at
/// 10 s.
const OVERDUE_AFTER: Duration = Duration::from_secs(4);

/// Progress of one checkpoint, and its plan.
pub(crate) struct WritePacing {
    /// Planned duration from its begin.
    target: Duration,
    /// Approximate size in bytes.
    bytes: usize,
    bytes_written: usize,
    worker_time: Duration,
}

impl WritePacing {
    /// A checkpoint of about `bytes`, one per `interval`, whose begin took `worker_time`.
    pub(crate) fn new(interval: Duration, bytes: usize, worker_time: Duration) -> Self {
        Self {
            target: MAX_WRITE_TIME.min(interval / 2),
            bytes,
            bytes_written: 0,
            worker_time,
        }
    }

    /// Records a written chunk.
    pub(crate) fn record(&mut self, bytes: usize, took: Duration) {
        self.bytes_written += bytes;
        self.worker_time += took;
    }

    /// Time of the worker so far.
    pub(crate) fn worker_time(&self) -> Duration {
        self.worker_time
    }

    /// Whether to write more at `elapsed` since its begin, while `in_flight` records wait for the broker.
    pub(crate) fn should_write(&self, elapsed: Duration, in_flight: usize) -> bool {
        let share = elapsed.as_secs_f64() / self.target.as_secs_f64();
        let is_behind = share >= 1.0 || (self.bytes_written as f64) < share * self.bytes as f64;
        let is_within_budget =
            self.worker_time * WRITE_DUTY <= elapsed && in_flight < MAX_IN_FLIGHT;
        elapsed > OVERDUE_AFTER || (is_behind && is_within_budget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn pacing() -> WritePacing {
        WritePacing::new(Duration::from_secs(2), 1_000, Duration::ZERO)
    }

    #[test]
    fn a_checkpoint_is_spread_evenly_over_half_of_its_interval() {
        let mut pacing = pacing();
        assert!(pacing.should_write(100 * MS, 0), "nothing is written yet");
        pacing.record(500, 10 * MS);
        assert!(!pacing.should_write(400 * MS, 0), "half at 0.4 of the time");
        assert!(pacing.should_write(600 * MS, 0));
        pacing.record(500, 10 * MS);
        assert!(
            pacing.should_write(1_000 * MS, 0),
            "the size is approximate"
        );
    }

    #[test]
    fn a_busy_worker_or_broker_delays_it_until_it_is_overdue() {
        let mut pacing = pacing();
        pacing.record(1, 200 * MS);
        assert!(!pacing.should_write(700 * MS, 0), "more than a quarter");
        assert!(pacing.should_write(800 * MS, 0));
        assert!(!pacing.should_write(800 * MS, MAX_IN_FLIGHT));
        assert!(pacing.should_write(OVERDUE_AFTER + MS, MAX_IN_FLIGHT));
    }
}
