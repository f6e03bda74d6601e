//! When to try again, and when to leave a receiver alone.

use std::time::Duration;

/// Pause before the second attempt; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Pause before attempt `attempt` (from 2), up to half of it taken off by `salt`, so that many who failed
/// together do not come back together.
#[must_use]
pub fn pause(attempt: u32, salt: &str) -> Duration {
    let doublings = attempt.saturating_sub(2).min(16);
    let whole = FIRST_PAUSE
        .saturating_mul(1 << doublings)
        .min(LONGEST_PAUSE);
    let hash = blake3::hash(format!("{salt}\n{attempt}").as_bytes());
    let share = f64::from(hash.as_bytes()[0]) / 512.0;
    whole.mul_f64(1.0 - share)
}

/// Counts failures of one receiver in a row.
#[derive(Clone, Copy, Debug)]
pub struct CircuitBreaker {
    failures: u32,
    most: u32,
    rest: Duration,
}

impl CircuitBreaker {
    /// After `most` failures in a row the receiver rests for `rest`.
    #[must_use]
    pub fn new(most: u32, rest: Duration) -> Self {
        Self {
            failures: 0,
            most,
            rest,
        }
    }

    /// It answered.
    pub fn close(&mut self) {
        self.failures = 0;
    }

    /// It failed; returns for how long to leave it alone, once that is due. One attempt follows, and if
    /// that fails too, it rests again.
    pub fn fail(&mut self) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        (self.failures >= self.most).then_some(self.rest)
    }

    /// Whether it is left alone after failures in a row.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.failures >= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_differ_and_end() {
        for attempt in 2..40 {
            let whole = FIRST_PAUSE
                .saturating_mul(1 << (attempt - 2).min(16))
                .min(LONGEST_PAUSE);
            let pause = pause(attempt, "o1");
            assert!(pause <= whole && pause >= whole / 2, "{attempt}: {pause:?}");
        }
        assert_ne!(pause(5, "o1"), pause(5, "o2"));
    }

    #[test]
    fn a_breaker_opens_tries_once_and_closes() {
        let rest = Duration::from_secs(30);
        let mut circuit = CircuitBreaker::new(3, rest);
        assert_eq!([circuit.fail(), circuit.fail()], [None, None]);
        assert_eq!([circuit.fail(), circuit.fail()], [Some(rest), Some(rest)]);
        assert!(circuit.is_open());
        circuit.close();
        assert!(!circuit.is_open() && circuit.fail().is_none());
    }
}
