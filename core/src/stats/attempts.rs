//! Recent sign-in attempts: failures, and successes beside them, in a window that decays.
//!
//! # Assumption
//! Anyone can cause a failure, and logs of failures may arrive late. Failures are therefore counted by
//! their own event times: neither a success nor an event of another kind ages them.
//!
//! # Formula
//! Each count halves every half-life of the window, from its anchor: the time of its latest event. An event
//! before the anchor counts with the decay between the two. A failure that meets an empty window moves the
//! anchor to its own time, in either direction.

use crate::stats::decay::HalfLife;
use crate::units::{EventTime, MS_PER_SEC};
use borsh::{BorshDeserialize, BorshSerialize};

/// A window with fewer decayed failures than this is empty.
const EMPTY_BELOW: f32 = 0.5;

/// A count that decays with the distance from its anchor.
#[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
struct AnchoredCount {
    count: f32,
    anchor_secs: u32,
}

impl AnchoredCount {
    fn remaining(&self, time: EventTime, window: HalfLife) -> f32 {
        let distance_ms = time.epoch_ms() - i64::from(self.anchor_secs) * MS_PER_SEC;
        window.remaining(distance_ms.abs()) as f32
    }

    fn is_before(&self, time: EventTime) -> bool {
        i64::from(self.anchor_secs) * MS_PER_SEC < time.epoch_ms()
    }

    /// Counts an event at `time`; the anchor moves there if `moves`.
    fn add(&mut self, time: EventTime, window: HalfLife, moves: bool) {
        let remaining = self.remaining(time, window);
        if moves {
            self.count = self.count * remaining + 1.0;
            self.anchor_secs = (time.epoch_ms() / MS_PER_SEC) as u32;
        } else {
            self.count += remaining;
        }
    }
}

/// Failures and successes of recent sign-in attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Attempts {
    failed: AnchoredCount,
    succeeded: AnchoredCount,
}

impl Attempts {
    /// Failures and successes in the window at `now`. A `now` before the latest failure sees all failures of
    /// the window.
    #[must_use]
    #[inline]
    pub fn at(&self, now: EventTime, window: HalfLife) -> (f32, f32) {
        let mut failed = self.failed.count;
        if failed > 0.0 && self.failed.is_before(now) {
            failed *= self.failed.remaining(now, window);
        }
        let mut succeeded = self.succeeded.count;
        if succeeded > 0.0 {
            succeeded *= self.succeeded.remaining(now, window);
        }
        (failed, succeeded)
    }

    /// Counts a failure at `time`.
    pub fn add_failure(&mut self, time: EventTime, window: HalfLife) {
        let is_empty = self.failed.count < EMPTY_BELOW;
        let moves = is_empty || self.failed.is_before(time);
        self.failed.add(time, window, moves);
    }

    /// Counts a success at `time`.
    pub fn add_success(&mut self, time: EventTime, window: HalfLife) {
        let moves = self.succeeded.is_before(time);
        self.succeeded.add(time, window, moves);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> EventTime {
        EventTime::EARLIEST.saturating_add_ms(minutes * 60 * MS_PER_SEC)
    }

    fn window() -> HalfLife {
        HalfLife::from_days(900.0 / 86_400.0).unwrap()
    }

    #[test]
    fn failures_halve_every_half_life() {
        let mut attempts = Attempts::default();
        (0..8).for_each(|_| attempts.add_failure(at(600), window()));
        attempts.add_success(at(600), window());
        assert_eq!(attempts.at(at(600), window()), (8.0, 1.0));
        assert_eq!(attempts.at(at(615), window()), (4.0, 0.5));
    }

    #[test]
    fn failures_that_are_logged_late_add_up_among_themselves() {
        let mut attempts = Attempts::default();
        attempts.add_success(at(600), window());
        for _ in 0..20 {
            attempts.add_failure(at(480), window());
            attempts.add_success(at(601), window());
        }
        assert_eq!(attempts.at(at(480), window()).0, 20.0);
    }

    #[test]
    fn an_old_window_gives_way_to_the_next_failure() {
        let mut attempts = Attempts::default();
        (0..4).for_each(|_| attempts.add_failure(at(600), window()));
        attempts.add_failure(at(600 + 150), window());
        let (failed, _) = attempts.at(at(750), window());
        assert!((1.0..1.01).contains(&failed), "{failed}");
        let mut early = Attempts::default();
        early.add_failure(at(600), window());
        early.add_failure(at(585), window());
        assert_eq!(early.at(at(600), window()).0, 1.5);
    }
}
