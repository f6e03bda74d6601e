//! Events a second over the last minute.

use crate::clock::Stopwatch;
use std::collections::VecDeque;

const SECONDS: usize = 60;

/// A minute of rates, one a second.
#[derive(Debug)]
pub struct Throughput {
    last: u64,
    since: Stopwatch,
    per_sec: VecDeque<f64>,
}

impl Default for Throughput {
    fn default() -> Self {
        Self {
            last: 0,
            since: Stopwatch::start(),
            per_sec: std::iter::repeat_n(0.0, SECONDS).collect(),
        }
    }
}

impl Throughput {
    /// Samples a count that only grows.
    pub fn sample(&mut self, count: u64) {
        let passed = std::mem::replace(&mut self.since, Stopwatch::start());
        let secs = passed.elapsed().as_secs_f64().max(1e-3);
        let grown = count.saturating_sub(self.last);
        self.last = count;
        self.per_sec.pop_front();
        self.per_sec.push_back(grown as f64 / secs);
    }

    /// The rates, oldest first.
    #[must_use]
    pub fn per_sec(&self) -> Vec<f64> {
        self.per_sec
            .iter()
            .map(|rate| (rate * 100.0).round() / 100.0)
            .collect()
    }
}
