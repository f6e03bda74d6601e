//! How active the identities of each kind were on each day: on a public holiday nobody's silence says
//! anything.
//!
//! # Assumption
//! Identities of one kind share their days off, and working days are alike, as are weekend days.
//!
//! # Formula
//! share(day) = min(1, active(day) / median active of the days of the same kind within `WINDOW_DAYS` before
//! the newest), where that median is of at least `MIN_DAYS` days and at least `MIN_IDENTITIES` identities;
//! otherwise 1. The newest day is not over, and has the share of the day before.
//!
//! # Cost and memory
//! O(1) to record, O(`WINDOW_DAYS`) a query; 1 KiB.

use crate::event::IdentityKind;
use crate::stats::hour_of_week::is_weekend;
use arrayvec::ArrayVec;
use borsh::{BorshDeserialize, BorshSerialize};
use std::ops::RangeInclusive;

const KINDS: usize = IdentityKind::ALL.len();
/// Days that are remembered.
const DAYS: usize = 64;
/// Days before the newest that make the median.
const WINDOW_DAYS: i64 = 28;
/// Fewer days or identities show nothing.
const MIN_DAYS: usize = 3;
const MIN_IDENTITIES: u32 = 5;

/// Active identities by kind and day.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct ActivityCalendar {
    newest_day: i64,
    active: [[u32; DAYS]; KINDS],
}

impl Default for ActivityCalendar {
    fn default() -> Self {
        Self {
            newest_day: i64::MIN / 2,
            active: [[0; DAYS]; KINDS],
        }
    }
}

fn place(day: i64) -> usize {
    day.rem_euclid(DAYS as i64) as usize
}

impl ActivityCalendar {
    /// Counts an identity of `kind` that is active on `day`, once a day.
    pub fn record(&mut self, kind: IdentityKind, day: i64) {
        if day > self.newest_day {
            for passed in (self.newest_day + 1).max(day - DAYS as i64 + 1)..=day {
                self.active.iter_mut().for_each(|of| of[place(passed)] = 0);
            }
            self.newest_day = day;
        }
        if self.is_remembered(day) {
            let active = &mut self.active[kind as usize][place(day)];
            *active = active.saturating_add(1);
        }
    }

    /// Whether identities were active on a remembered day outside `days`.
    #[must_use]
    pub fn has_days_outside(&self, days: RangeInclusive<i64>) -> bool {
        let remembered = self.newest_day - DAYS as i64 + 1..=self.newest_day;
        let mut others = remembered.filter(|day| !days.contains(day));
        others.any(|day| self.active.iter().any(|of| of[place(day)] > 0))
    }

    fn is_remembered(&self, day: i64) -> bool {
        (self.newest_day - DAYS as i64 + 1..=self.newest_day).contains(&day)
    }

    /// The share of the usual activity of identities of `kind` that `day` saw, 0 to 1.
    #[must_use]
    pub fn share(&self, kind: IdentityKind, day: i64) -> f64 {
        let day = day.min(self.newest_day - 1);
        if !self.is_remembered(day) {
            return 1.0;
        }
        let active = &self.active[kind as usize];
        let mut usual: ArrayVec<u32, { WINDOW_DAYS as usize }> = (self.newest_day - WINDOW_DAYS
            ..self.newest_day)
            .filter(|other| is_weekend(*other) == is_weekend(day))
            .map(|other| active[place(other)])
            .filter(|count| *count > 0)
            .collect();
        usual.sort_unstable();
        match usual.get(usual.len() / 2) {
            Some(median) if usual.len() >= MIN_DAYS && *median >= MIN_IDENTITIES => {
                (f64::from(active[place(day)]) / f64::from(*median)).min(1.0)
            }
            _ => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Monday.
    const MONDAY: i64 = 20_458;

    #[test]
    fn a_public_holiday_has_a_small_share_and_a_weekend_its_own_measure() {
        let mut calendar = ActivityCalendar::default();
        for day in MONDAY..MONDAY + 22 {
            let people = match day - MONDAY {
                16 => 2,
                _ if is_weekend(day) => 10,
                _ => 100,
            };
            (0..people).for_each(|_| calendar.record(IdentityKind::Human, day));
        }
        let share = |day| calendar.share(IdentityKind::Human, MONDAY + day);
        assert!((share(16) - 0.02).abs() < 1e-9);
        assert!((share(13) - 1.0).abs() < 1e-9 && (share(15) - 1.0).abs() < 1e-9);
        assert!(
            (share(21) - share(20)).abs() < 1e-9,
            "the newest day is not over"
        );
        assert!((share(-200) - 1.0).abs() < 1e-9);
        assert!((calendar.share(IdentityKind::Service, MONDAY + 16) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_day_that_is_long_past_is_forgotten() {
        let mut calendar = ActivityCalendar::default();
        (0..200).for_each(|day| calendar.record(IdentityKind::Human, MONDAY + day));
        calendar.record(IdentityKind::Human, MONDAY);
        assert!((calendar.share(IdentityKind::Human, MONDAY) - 1.0).abs() < 1e-9);
        calendar.record(IdentityKind::Human, MONDAY + 4_000);
        assert!(calendar.active[0].iter().sum::<u32>() == 1);
    }
}
