//! How often something is done that costs time.

use crate::clock::Stopwatch;
use std::time::Duration;

/// When it was begun last, and how long it took.
pub(super) struct Pace {
    every: Duration,
    since: Stopwatch,
    took: Duration,
}

impl Pace {
    /// To be done `every` so long, first after that time.
    pub(super) fn new(every: Duration) -> Self {
        Self {
            every,
            since: Stopwatch::start(),
            took: Duration::ZERO,
        }
    }

    /// It begins.
    pub(super) fn begin(&mut self) {
        self.since = Stopwatch::start();
    }

    /// It is done; says how long it took.
    pub(super) fn end(&mut self) -> Duration {
        self.took = self.since.elapsed();
        self.took
    }

    /// How long until it is due.
    pub(super) fn wait(&self) -> Duration {
        self.every.saturating_sub(self.since.elapsed())
    }

    /// Whether it is due.
    pub(super) fn is_due(&self) -> bool {
        self.wait().is_zero()
    }

    /// Whether it takes no more than one part in `parts` of the time if it is done now, as long as it
    /// took last.
    pub(super) fn keeps_to_one_in(&self, parts: u32) -> bool {
        self.since.elapsed() >= self.took.saturating_mul(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn what_takes_long_waits_longer_than_it_is_due() {
        let mut pace = Pace::new(Duration::ZERO);
        assert!(pace.is_due() && pace.keeps_to_one_in(10));
        pace.took = HOUR;
        assert!(pace.is_due() && !pace.keeps_to_one_in(10));
        pace.begin();
        assert!(
            pace.end() < HOUR && pace.keeps_to_one_in(1),
            "the last time counts"
        );
    }

    #[test]
    fn what_was_begun_is_not_due_before_its_time() {
        let pace = Pace::new(HOUR);
        assert!(!pace.is_due() && pace.wait() <= HOUR);
    }
}
