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

    /// It was begun at the start of `since`, and is done.
    pub(super) fn done_since(&mut self, since: Stopwatch) {
        self.since = since;
        self.took = since.elapsed();
    }

    /// How long until it is due.
    pub(super) fn wait(&self) -> Duration {
        self.every.saturating_sub(self.since.elapsed())
    }

    /// Whether the next of `turns` is due, where all of them together are one round.
    pub(super) fn is_turn(&self, turns: u32) -> bool {
        self.since.elapsed() >= self.turn(turns)
    }

    fn turn(&self, turns: u32) -> Duration {
        self.every / turns.max(1)
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
        assert!(pace.wait().is_zero() && pace.keeps_to_one_in(10));
        pace.took = HOUR;
        assert!(pace.wait().is_zero() && !pace.keeps_to_one_in(10));
        pace.done_since(Stopwatch::start());
        assert!(pace.took < HOUR, "the last time counts");
    }

    #[test]
    fn a_round_of_many_turns_has_them_more_often() {
        let pace = Pace::new(HOUR);
        assert!(!pace.wait().is_zero() && !pace.is_turn(1) && !pace.is_turn(0));
        assert_eq!(
            [0, 1, 4].map(|turns| pace.turn(turns)),
            [HOUR, HOUR, HOUR / 4]
        );
        assert!(Pace::new(Duration::ZERO).is_turn(0));
        assert!(Pace::new(Duration::from_nanos(1)).is_turn(u32::MAX));
    }
}
