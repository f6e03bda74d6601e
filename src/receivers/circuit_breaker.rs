//! Circuit breaker of one receiver.

use std::time::Duration;

/// Counts consecutive failures of one receiver.
#[derive(Clone, Copy, Debug)]
pub struct CircuitBreaker {
    failures: u32,
    max_failures: u32,
    open_time: Duration,
}

impl CircuitBreaker {
    /// After `max_failures` consecutive failures the circuit is open for `open_time`.
    #[must_use]
    pub fn new(max_failures: u32, open_time: Duration) -> Self {
        Self {
            failures: 0,
            max_failures,
            open_time,
        }
    }

    /// The receiver responded.
    pub fn record_success(&mut self) {
        self.failures = 0;
    }

    /// The receiver failed; returns how long the circuit stays open, if it is. One attempt follows, and if
    /// that fails too, the circuit opens again.
    pub fn record_failure(&mut self) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        self.is_open().then_some(self.open_time)
    }

    /// Whether the circuit is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.failures >= self.max_failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_circuit_opens_tries_once_and_closes() {
        let open_time = Duration::from_secs(30);
        let mut circuit = CircuitBreaker::new(3, open_time);
        let mut fail = || circuit.record_failure();
        assert_eq!([fail(), fail()], [None, None]);
        assert_eq!([fail(), fail()], [Some(open_time), Some(open_time)]);
        assert!(circuit.is_open());
        circuit.record_success();
        assert!(!circuit.is_open() && circuit.record_failure().is_none());
    }
}
