//! When is an entity active? A circular histogram over 24 hours of working days and 24 of
//! weekends (UTC).
//!
//! # Assumption
//! Active hours are exchangeable draws; neighbouring hours are alike, so counts are smoothed by
//! the circular kernel (¼, ½, ¼). An hour counts once however many events fall into it.
//!
//! # Formula
//! density(b) ∝ smoothed count(b) + α · peer density(b); the tail of an hour is the mass of all
//! hours with a lower density and half of those with an equal one (mid-p).
//!
//! # Cost and memory
//! 48 multiply-adds a question; 196 bytes.
//!
//! # Source
//! Kernel smoothing on the circle: Hall, Watson, Cabrera, "Kernel density estimation with
//! spherical data", Biometrika 74 (1987); the prior is a Dirichlet centred on the peers.

use crate::units::{EventTime, MS_PER_HOUR};

/// Hours of a working day, then hours of a weekend day.
pub const BINS: usize = 48;
const HOURS: usize = 24;

/// The bin of a moment, 0 to 47.
#[must_use]
pub fn bin_of(time: EventTime) -> usize {
    let hours = time.epoch_ms().div_euclid(MS_PER_HOUR);
    // 1970-01-01 was a Thursday: day 0 is weekday 3, counted from Monday.
    let weekday = (hours.div_euclid(24) + 3).rem_euclid(7);
    let hour = hours.rem_euclid(24) as usize;
    if weekday >= 5 { HOURS + hour } else { hour }
}

/// A density over the bins that sums to 1.
pub type HourDensity = [f32; BINS];

/// Every hour equally likely.
pub const UNIFORM: HourDensity = [1.0 / BINS as f32; BINS];

/// Decayed counts by bin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HourProfile {
    counts: [f32; BINS],
    total: f32,
}

impl Default for HourProfile {
    fn default() -> Self {
        Self {
            counts: [0.0; BINS],
            total: 0.0,
        }
    }
}

impl HourProfile {
    /// Counts one active hour.
    pub fn add(&mut self, bin: usize, weight: f32) {
        self.counts[bin % BINS] += weight;
        self.total += weight;
    }

    /// Multiplies all weights by `factor`.
    pub fn rescale(&mut self, factor: f32) {
        self.counts.iter_mut().for_each(|c| *c *= factor);
        self.total *= factor;
    }

    /// Decayed number of active hours.
    #[must_use]
    pub fn observations(&self, weight_now: f32) -> f64 {
        f64::from(self.total / weight_now)
    }

    /// Smoothed density, with a prior worth `prior_hours` hours spread as `prior` says.
    #[must_use]
    pub fn density(&self, weight_now: f32, prior: &HourDensity, prior_hours: f32) -> HourDensity {
        let pull = prior_hours * weight_now;
        let norm = 1.0 / (self.total + pull).max(f32::MIN_POSITIVE);
        let mut density = [0.0; BINS];
        for half in [0, HOURS] {
            let counts = &self.counts[half..half + HOURS];
            let mut before = counts[HOURS - 1];
            for hour in 0..HOURS {
                let after = counts[if hour + 1 == HOURS { 0 } else { hour + 1 }];
                let smoothed = 0.25 * before + 0.5 * counts[hour] + 0.25 * after;
                density[half + hour] = (smoothed + pull * prior[half + hour]) * norm;
                before = counts[hour];
            }
        }
        density
    }
}

/// Mass of all bins less probable than `bin` and half of the equally probable; in (0, 1].
#[must_use]
pub fn tail(density: &HourDensity, bin: usize) -> f64 {
    let own = density[bin % BINS];
    let (mut below, mut equal) = (0.0f32, 0.0f32);
    for other in density {
        below += if *other < own { *other } else { 0.0 };
        equal += if other.to_bits() == own.to_bits() {
            *other
        } else {
            0.0
        };
    }
    f64::from(below + 0.5 * equal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bins_follow_the_calendar() {
        let at = |ms| bin_of(EventTime::from_epoch_ms(ms).unwrap());
        assert_eq!(at(1_700_000_000_000), 22); // Tuesday 2023-11-14, 22:13 UTC
        assert_eq!(at(1_700_344_800_000), 24 + 22); // Saturday
    }

    #[test]
    fn the_unused_hour_is_the_improbable_one() {
        let mut profile = HourProfile::default();
        for hour in 9..17 {
            (0..30).for_each(|_| profile.add(hour, 1.0));
        }
        let density = profile.density(1.0, &UNIFORM, 4.0);
        assert!(tail(&density, 3) < 0.03);
        assert!(tail(&density, 12) > 0.4);
        assert!(tail(&density, 8) > tail(&density, 3));
    }

    proptest! {
        #[test]
        fn densities_sum_to_one(hours in prop::collection::vec(0usize..48, 0..200)) {
            let mut profile = HourProfile::default();
            hours.iter().for_each(|h| profile.add(*h, 1.0));
            let sum: f32 = profile.density(1.0, &UNIFORM, 2.0).iter().sum();
            prop_assert!((sum - 1.0).abs() < 1e-4);
        }
    }
}
