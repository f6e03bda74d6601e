//! How often something is done that costs time.

use crate::clock::Stopwatch;
use std::time::Duration;

/// When it was begun last, and what it took lately.
pub(crate) struct DutyCycle {
    interval: Duration,
    duty: u32,
    allowance: Duration,
    since: Stopwatch,
    /// What it took, as far as that was not made up for when it was begun last.
    debt: Duration,
}

impl DutyCycle {
    /// To be done `every` so long, first after that time, and to take no more than one part in `one_in` of
    /// the time; but it may take `at_once` so much before that counts, for one that takes long is not to
    /// keep the next one waiting.
    pub(crate) fn new(interval: Duration, duty: u32, allowance: Duration) -> Self {
        Self {
            interval,
            duty,
            allowance,
            since: Stopwatch::start(),
            debt: Duration::ZERO,
        }
    }

    /// It was begun at the start of `since`, and is done.
    pub(crate) fn record_since(&mut self, since: Stopwatch) {
        self.record(since, since.elapsed());
    }

    /// The same, where only a part of the time since then went into it.
    pub(crate) fn record(&mut self, since: Stopwatch, took: Duration) {
        let between = self.since.elapsed().saturating_sub(since.elapsed());
        self.debt = self.remaining_debt(between) + took;
        self.since = since;
    }

    /// How long until it is due.
    pub(crate) fn wait(&self) -> Duration {
        self.interval.saturating_sub(self.since.elapsed())
    }

    /// Whether the next of `turns` is due, where all of them together are one round.
    pub(crate) fn is_due(&self, turns: u32) -> bool {
        self.since.elapsed() >= self.slot(turns)
    }

    /// How long one of `turns` has.
    pub(crate) fn slot(&self, turns: u32) -> Duration {
        self.interval / turns.max(1)
    }

    /// Whether it keeps to its part of the time if it is done now.
    pub(crate) fn has_budget(&self) -> bool {
        self.remaining_debt(self.since.elapsed()) <= self.allowance
    }

    fn remaining_debt(&self, elapsed: Duration) -> Duration {
        self.debt.saturating_sub(elapsed / self.duty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn what_takes_long_waits_longer_than_it_is_due() {
        let mut pace = DutyCycle::new(Duration::ZERO, 10, Duration::ZERO);
        assert!(pace.wait().is_zero() && pace.has_budget());
        pace.record(Stopwatch::start(), HOUR);
        assert!(pace.wait().is_zero() && !pace.has_budget());
        assert!(pace.remaining_debt(9 * HOUR) > Duration::ZERO);
        assert!(pace.remaining_debt(10 * HOUR).is_zero());
    }

    #[test]
    fn one_that_takes_long_does_not_keep_the_next_waiting_but_a_pile_of_them_does() {
        let mut pace = DutyCycle::new(Duration::ZERO, 2, HOUR);
        pace.record(Stopwatch::start(), HOUR / 2);
        assert!(pace.has_budget());
        pace.record(Stopwatch::start(), HOUR);
        assert!(!pace.has_budget());
        assert!(pace.remaining_debt(HOUR) <= HOUR, "an hour later");
    }

    #[test]
    fn a_round_of_many_turns_has_them_more_often() {
        let pace = DutyCycle::new(HOUR, 2, HOUR);
        assert!(!pace.wait().is_zero() && !pace.is_due(1) && !pace.is_due(0));
        assert_eq!(
            [0, 1, 4].map(|turns| pace.slot(turns)),
            [HOUR, HOUR, HOUR / 4]
        );
        let pace = |every| DutyCycle::new(every, 2, HOUR);
        assert!(pace(Duration::ZERO).is_due(0));
        assert!(pace(Duration::from_nanos(1)).is_due(u32::MAX));
    }
}
