//! Exponential back-off with jitter.

use std::time::Duration;

/// Delays that double from `min` to `max`, each shortened by up to the share `jitter`, so that clients that
/// failed together do not retry together.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    jitter: f64,
}

impl Backoff {
    /// Delays from `min` to `max`, with `jitter` in [0, 1].
    #[must_use]
    pub const fn new(min: Duration, max: Duration, jitter: f64) -> Self {
        Self { min, max, jitter }
    }

    /// The delay after `failures` consecutive failures (from 1); `salt` determines the jitter, so that equal
    /// arguments give equal delays.
    #[must_use]
    pub fn delay(&self, failures: u32, salt: &str) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        let whole = self.min.saturating_mul(1 << doublings).min(self.max);
        let hash = blake3::hash(format!("{salt}\n{failures}").as_bytes());
        let share = f64::from(hash.as_bytes()[0]) / f64::from(u8::MAX);
        whole.mul_f64(1.0 - self.jitter * share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_maximum_and_jitter_shortens_them() {
        let (min, max) = (Duration::from_millis(100), Duration::from_secs(10));
        let exact = Backoff::new(min, max, 0.0);
        let delays = [1, 2, 3, 8, 40].map(|failures| exact.delay(failures, "").as_millis());
        assert_eq!(delays, [100, 200, 400, 10_000, 10_000]);
        let jittered = Backoff::new(min, max, 0.5);
        for failures in 1..40 {
            let (whole, delay) = (exact.delay(failures, ""), jittered.delay(failures, "o1"));
            assert!(
                delay <= whole && delay >= whole / 2,
                "{failures}: {delay:?}"
            );
        }
        assert_ne!(jittered.delay(5, "o1"), jittered.delay(5, "o2"));
        assert_eq!(jittered.delay(5, "o1"), jittered.delay(5, "o1"));
    }
}
