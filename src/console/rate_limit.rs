//! A limit of requests by a token bucket.

use crate::clock::Stopwatch;
use std::time::Duration;

/// At most `burst` requests at once, and as many in each `period` thereafter.
#[derive(Debug)]
pub(super) struct RateLimit {
    burst: f64,
    per_sec: f64,
    left: f64,
    since: Stopwatch,
}

impl RateLimit {
    /// A full bucket.
    #[must_use]
    pub(super) fn new(burst: u32, period: Duration) -> Self {
        let burst = f64::from(burst);
        Self {
            burst,
            per_sec: burst / period.as_secs_f64(),
            left: burst,
            since: Stopwatch::start(),
        }
    }

    /// Takes one request from the bucket; `false` where it is empty.
    #[must_use]
    pub(super) fn admits(&mut self) -> bool {
        let passed = std::mem::replace(&mut self.since, Stopwatch::start());
        let refilled = passed.elapsed().as_secs_f64() * self.per_sec;
        self.left = (self.left + refilled).min(self.burst);
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_admitted_and_no_more() {
        let mut limit = RateLimit::new(3, Duration::from_secs(3_600));
        let admitted = (0..9).filter(|_| limit.admits()).count();
        assert_eq!(admitted, 3);
    }
}
