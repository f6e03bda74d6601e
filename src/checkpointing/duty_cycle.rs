//! Limits the share of time that a periodic task takes.

use crate::clock::Stopwatch;
use std::time::Duration;

/// When it last began, and how long it took.
pub(crate) struct DutyCycle {
    interval: Duration,
    duty: u32,
    allowance: Duration,
    since: Stopwatch,
    /// Excess of the time taken over the budget, at the last begin.
    debt: Duration,
}

impl DutyCycle {
    /// A task that is due `every` interval, first after one interval, and takes at most one part in `one_in`
    /// of the time. It may take `at_once` more before that counts, so that one long run does not delay the
    /// next.
    pub(crate) fn new(interval: Duration, duty: u32, allowance: Duration) -> Self {
        Self {
            interval,
            duty,
            allowance,
            since: Stopwatch::start(),
            debt: Duration::ZERO,
        }
    }

    /// Records a run that began at the start of `since` and is complete.
    pub(crate) fn record_since(&mut self, since: Stopwatch) {
        self.record(since, since.elapsed());
    }

    /// Records a run that took only a part of the time since then.
    pub(crate) fn record(&mut self, since: Stopwatch, took: Duration) {
        let between = self.since.elapsed().saturating_sub(since.elapsed());
        self.debt = self.remaining_debt(between) + took;
        self.since = since;
    }

    /// Time until the task is due.
    pub(crate) fn wait(&self) -> Duration {
        self.interval.saturating_sub(self.since.elapsed())
    }

    /// Whether the next of `turns` is due, where all of them together are one round.
    pub(crate) fn is_due(&self, turns: u32) -> bool {
        self.since.elapsed() >= self.slot(turns)
    }

    /// Interval of one of `turns`.
    pub(crate) fn slot(&self, turns: u32) -> Duration {
        self.interval / turns.max(1)
    }

    /// Whether a run now stays within the budget.
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
    fn a_long_run_delays_the_next_one() {
        let mut pace = DutyCycle::new(Duration::ZERO, 10, Duration::ZERO);
        assert!(pace.wait().is_zero() && pace.has_budget());
        pace.record(Stopwatch::start(), HOUR);
        assert!(pace.wait().is_zero() && !pace.has_budget());
        assert!(pace.remaining_debt(9 * HOUR) > Duration::ZERO);
        assert!(pace.remaining_debt(10 * HOUR).is_zero());
    }

    #[test]
    fn one_long_run_within_the_allowance_causes_no_delay_and_several_do() {
        let mut pace = DutyCycle::new(Duration::ZERO, 2, HOUR);
        pace.record(Stopwatch::start(), HOUR / 2);
        assert!(pace.has_budget());
        pace.record(Stopwatch::start(), HOUR);
        assert!(!pace.has_budget());
        assert!(pace.remaining_debt(HOUR) <= HOUR, "an hour later");
    }

    #[test]
    fn a_round_of_several_turns_shortens_their_interval() {
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
