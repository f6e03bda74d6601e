//! On how many recent days an identity stood out, by family of signals, and how far: what it does every week
//! says little the third time, however improbable each time is.
//!
//! # Formula
//! A day on which the largest calibrated surprise of a family reaches [`PEAK_NATS`] counts one. The count
//! fades by one part in 32 a day, and by at least 1/32, so that a single day is forgotten after 32. Of a
//! later surprise of that family, the part up to the largest peak that is remembered is divided by
//! 1 + (min(count, [`MAX_COUNTED`])/[`HALVING_DAYS`])²; what goes beyond counts in full.
//!
//! # What it costs an attacker
//! To halve what one family says of a theft, the holder of the credential must stand out in that family as
//! far as the theft will, on two days of a month: each of these is judged in full itself. No more than a
//! factor of 1 + (`MAX_COUNTED`/`HALVING_DAYS`)² can be reached, and the other families are not affected.

use borsh::{BorshDeserialize, BorshSerialize};

/// Families that are counted.
pub const FAMILIES: usize = 8;
/// Calibrated surprise from which a day counts, in nats.
pub const PEAK_NATS: f64 = 3.0;
/// Number of days that halves a surprise.
pub const HALVING_DAYS: f64 = 2.0;
/// More days count as this many.
pub const MAX_COUNTED: f64 = 3.0;
/// Parts in one day.
const PARTS: u8 = 32;
/// Steps in a nat of a remembered peak.
const STEPS: f64 = 8.0;

/// Recent days with a peak, by family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PeakDays {
    /// Faded number of days, in 32nds of a day.
    days: [u8; FAMILIES],
    /// Largest peak of these days, in eighths of a nat.
    peaks: [u8; FAMILIES],
}

impl PeakDays {
    /// Lets `days` pass.
    pub fn fade(&mut self, days: u16) {
        for (parts, peak) in self.days.iter_mut().zip(&mut self.peaks) {
            for _ in 0..days.min(u16::from(u8::MAX)) {
                *parts = parts.saturating_sub((*parts / PARTS).max(1));
            }
            if *parts == 0 {
                *peak = 0;
            }
        }
    }

    /// Counts one day of `family`, whose largest surprise was `nats`.
    pub fn add(&mut self, family: usize, nats: f64) {
        self.days[family] = self.days[family].saturating_add(PARTS);
        let steps = (nats * STEPS).clamp(0.0, 255.0) as u8;
        self.peaks[family] = self.peaks[family].max(steps);
    }

    /// What remains of a surprise of `nats` of `family`, in nats.
    #[must_use]
    pub fn remaining_nats(&self, family: usize, nats: f64) -> f64 {
        let days = f64::from(self.days[family]) / f64::from(PARTS);
        let known = nats.min(f64::from(self.peaks[family]) / STEPS);
        let halvings = days.min(MAX_COUNTED) / HALVING_DAYS;
        known / (1.0 + halvings * halvings) + (nats - known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_recurs_says_less_and_a_single_day_is_forgotten() {
        let mut days = PeakDays::default();
        assert!((days.remaining_nats(2, 6.0) - 6.0).abs() < 1e-12);
        days.add(2, 8.0);
        let once = days.remaining_nats(2, 6.0);
        days.fade(7);
        days.add(2, 5.0);
        assert!(days.remaining_nats(2, 6.0) < once && once < 5.0);
        assert!((days.remaining_nats(1, 6.0) - 6.0).abs() < 1e-12);
        let beyond = days.remaining_nats(2, 14.0) - days.remaining_nats(2, 8.0);
        assert!((beyond - 6.0).abs() < 1e-12);
        days.fade(200);
        assert!((days.remaining_nats(2, 6.0) - 6.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn an_attacker_reaches_no_more_than_the_stated_factor(
            history in prop::collection::vec((0usize..FAMILIES, 0.0f64..40.0, 0u16..40), 0..200),
            nats in 0.0f64..40.0,
        ) {
            let mut days = PeakDays::default();
            for (family, peak, passed) in history {
                days.add(family, peak);
                days.fade(passed);
            }
            let most_halvings = MAX_COUNTED / HALVING_DAYS;
            let least = nats / (1.0 + most_halvings * most_halvings);
            for family in 0..FAMILIES {
                let remaining = days.remaining_nats(family, nats);
                prop_assert!(remaining >= least - 1e-9 && remaining <= nats + 1e-9);
            }
        }
    }
}
