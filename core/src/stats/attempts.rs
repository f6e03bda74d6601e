//! Recent sign-in attempts: failures, and successes beside them, in a window that decays.
//!
//! # Assumption
//! Anyone can cause a failure, and logs of failures may arrive late, or interleaved with those of another
//! day. The window is therefore anchored to the event times of the failures: as long as there are any, a
//! success does not move it.
//!
//! # Formula
//! Both counts decay with the distance in time from the anchor, by half every half-life. A failure moves the
//! anchor to its own time if it is later, or if the window is empty; an earlier one counts with the decay
//! between the two.

use crate::stats::decay::HalfLife;
use crate::units::{EventTime, MS_PER_SEC};
use borsh::{BorshDeserialize, BorshSerialize};

/// A window with fewer decayed failures than this is empty.
const EMPTY_BELOW: f32 = 0.5;

/// Failures and successes of recent sign-in attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Attempts {
    failed: f32,
    succeeded: f32,
    anchor_secs: u32,
}

impl Attempts {
    /// Failures and successes in the window, as they count at `now`.
    #[must_use]
    #[inline]
    pub fn at(&self, now: EventTime, window: HalfLife) -> (f32, f32) {
        if self.failed <= 0.0 && self.succeeded <= 0.0 {
            return (0.0, 0.0);
        }
        let remaining = self.remaining(now, window);
        (self.failed * remaining, self.succeeded * remaining)
    }

    /// Counts a failure at `time`.
    pub fn add_failure(&mut self, time: EventTime, window: HalfLife) {
        let remaining = self.remaining(time, window);
        if self.is_empty() || seconds(time) >= self.anchor_secs {
            self.failed = self.failed * remaining + 1.0;
            self.succeeded *= remaining;
            self.anchor_secs = seconds(time);
        } else {
            self.failed += remaining;
        }
    }

    /// Counts a success at `time`.
    pub fn add_success(&mut self, time: EventTime, window: HalfLife) {
        let remaining = self.remaining(time, window);
        if self.is_empty() {
            self.failed *= remaining;
            self.succeeded = self.succeeded * remaining + 1.0;
            self.anchor_secs = seconds(time);
        } else {
            self.succeeded += remaining;
        }
    }

    fn is_empty(&self) -> bool {
        self.failed < EMPTY_BELOW
    }

    fn remaining(&self, time: EventTime, window: HalfLife) -> f32 {
        let distance_secs = i64::from(seconds(time)) - i64::from(self.anchor_secs);
        window.remaining(distance_secs.abs() * MS_PER_SEC) as f32
    }
}

fn seconds(time: EventTime) -> u32 {
    (time.epoch_ms() / MS_PER_SEC) as u32
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
        assert!((attempts.at(at(480), window()).0 - 20.0).abs() < 1e-3);
    }

    #[test]
    fn days_that_arrive_interleaved_do_not_hide_successes_from_failures() {
        let mut attempts = Attempts::default();
        for minute in 0..200 {
            for day in [0, 1_440, 2_880] {
                let time = at(day + minute);
                if minute % 12 == 5 {
                    attempts.add_failure(time, window());
                }
                attempts.add_success(time, window());
                let (failed, succeeded) = attempts.at(time, window());
                assert!(failed <= 2.5 || succeeded > failed, "{failed} {succeeded}");
            }
        }
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
        assert!((early.at(at(600), window()).0 - 1.5).abs() < 1e-6);
        assert!((early.at(at(585), window()).0 - 0.75).abs() < 1e-6);
    }
}
