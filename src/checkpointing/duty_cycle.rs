//! How often something is done that costs time.

use crate::clock::Stopwatch;
use std::time::Duration;

/// When it was begun last, and what it took lately.
pub(crate) struct Pace {
    every: Duration,
    one_in: u32,
    at_once: Duration,
    since: Stopwatch,
    /// What it took, as far as that was not made up for when it was begun last.
    took: Duration,
}

impl Pace {
    /// To be done `every` so long, first after that time, and to take no more than one part in `one_in` of
    /// the time; but it may take `at_once` so much before that counts, for one that takes long is not to
    /// keep the next one waiting.
    pub(crate) fn new(every: Duration, one_in: u32, at_once: Duration) -> Self {
        Self {
            every,
            one_in,
            at_once,
            since: Stopwatch::start(),
            took: Duration::ZERO,
        }
    }

    /// It was begun at the start of `since`, and is done.
    pub(crate) fn done_since(&mut self, since: Stopwatch) {
        self.done(since, since.elapsed());
    }

    /// The same, where only a part of the time since then went into it.
    pub(crate) fn done(&mut self, since: Stopwatch, took: Duration) {
        let between = self.since.elapsed().saturating_sub(since.elapsed());
        self.took = self.not_made_up_for(between) + took;
        self.since = since;
    }

    /// How long until it is due.
    pub(crate) fn wait(&self) -> Duration {
        self.every.saturating_sub(self.since.elapsed())
    }

    /// Whether the next of `turns` is due, where all of them together are one round.
    pub(crate) fn is_turn(&self, turns: u32) -> bool {
        self.since.elapsed() >= self.turn(turns)
    }

    /// How long one of `turns` has.
    pub(crate) fn turn(&self, turns: u32) -> Duration {
        self.every / turns.max(1)
    }

    /// Whether it keeps to its part of the time if it is done now.
    pub(crate) fn is_within_its_part(&self) -> bool {
        self.not_made_up_for(self.since.elapsed()) <= self.at_once
    }

    fn not_made_up_for(&self, elapsed: Duration) -> Duration {
        self.took.saturating_sub(elapsed / self.one_in)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn what_takes_long_waits_longer_than_it_is_due() {
        let mut pace = Pace::new(Duration::ZERO, 10, Duration::ZERO);
        assert!(pace.wait().is_zero() && pace.is_within_its_part());
        pace.done(Stopwatch::start(), HOUR);
        assert!(pace.wait().is_zero() && !pace.is_within_its_part());
        assert!(pace.not_made_up_for(9 * HOUR) > Duration::ZERO);
        assert!(pace.not_made_up_for(10 * HOUR).is_zero());
    }

    #[test]
    fn one_that_takes_long_does_not_keep_the_next_waiting_but_a_pile_of_them_does() {
        let mut pace = Pace::new(Duration::ZERO, 2, HOUR);
        pace.done(Stopwatch::start(), HOUR / 2);
        assert!(pace.is_within_its_part());
        pace.done(Stopwatch::start(), HOUR);
        assert!(!pace.is_within_its_part());
        assert!(pace.not_made_up_for(HOUR) <= HOUR, "an hour later");
    }

    #[test]
    fn a_round_of_many_turns_has_them_more_often() {
        let pace = Pace::new(HOUR, 2, HOUR);
        assert!(!pace.wait().is_zero() && !pace.is_turn(1) && !pace.is_turn(0));
        assert_eq!(
            [0, 1, 4].map(|turns| pace.turn(turns)),
            [HOUR, HOUR, HOUR / 4]
        );
        let pace = |every| Pace::new(every, 2, HOUR);
        assert!(pace(Duration::ZERO).is_turn(0));
        assert!(pace(Duration::from_nanos(1)).is_turn(u32::MAX));
    }
}
