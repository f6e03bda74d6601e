//! Exceedance of a surprise, in identity-days: the unit of the alert budget.
//!
//! # Assumption
//! Days of different identities of one kind are exchangeable. Under the prior, the largest surprise *s* of a
//! day exceeds *x* with probability min(1, `TRIALS`·e^−x), as for correct
//! *p*-values.
//!
//! # Formula
//! P(s ≥ x) = (T(x) + κ·min(1, m e^−x))/(N + κ) over *N* decayed identity-days, *T(x)* of them at or
//! above *x*, κ = `PRIOR_DAYS`. Above the level *u* that `TAIL_DAYS` days reached:
//! P(s ≥ u)·exp(−(x − u)/σ), σ the mean excess, cut off at `EXCESS_CAP_NATS` and shrunk to 1.
//! The result never exceeds the larger of *x* and ln(N + 1): an unobserved surprise is at most as rare as the
//! signal states, or as the number of days can show. Nor does it exceed *x* by more than `MAX_GAIN_NATS`:
//! days are not quite exchangeable (weekdays differ), and a probability of one in thirty is no alert
//! however quiet the previous weeks were. Beyond *L* = ln(N + `PRIOR_KNOWLEDGE_DAYS`) + `KNOWN_MARGIN_NATS`
//! the surprise grows as L + ln(1 + x − L): no number of days shows odds of one in a billion.
//!
//! # Cost and memory
//! O(1) per query; 1 KiB.
//!
//! # Source
//! Peaks over threshold: Pickands, Ann. Statist. 3 (1975); calibration of anomaly scores by their
//! own exceedance: Laxhammar, Falkman, "Conformal prediction for distribution-independent anomaly
//! detection", FUSION 2010.

use borsh::{BorshDeserialize, BorshSerialize};

/// Width of a bin.
const BIN_NATS: f64 = 0.25;
const BINS: usize = 128;
/// Independent trials per day that the prior assumes, *m*.
const TRIALS: f64 = 2.0;
/// Prior strength in identity-days, κ.
const PRIOR_DAYS: f64 = 30.0;
/// Days above the level from which the tail is extrapolated.
const TAIL_DAYS: f64 = 10.0;
/// Prior strength of the slope 1, in excesses.
const PRIOR_EXCESSES: f64 = 5.0;
/// A larger excess counts as this, so that attacks do not stretch the tail.
const EXCESS_CAP_NATS: f64 = 5.0;
/// Largest gain of a quiet signal.
const MAX_GAIN_NATS: f64 = 1.0;
/// Identity-days that the priors of the model stand for.
const PRIOR_KNOWLEDGE_DAYS: f64 = 150.0;
/// How far beyond the logarithm of the days a surprise is taken at its word.
const KNOWN_MARGIN_NATS: f64 = 2.0;
/// Lower bound of the mean excess.
const MIN_MEAN_EXCESS_NATS: f64 = 0.5;
/// The curve is recomputed when the days have grown by one part in this.
const REBUILD_SHARE: f32 = 16.0;

/// Decayed histogram of the largest surprise of identity-days, with its curve.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct Exceedance {
    days_by_bin: [f32; BINS],
    days: f32,
    rebuilt_at_days: f32,
    /// Surprise that the number of days can know.
    known_nats: f32,
    /// Calibrated surprise at the lower edge of each bin.
    curve: [f32; BINS],
}

impl Default for Exceedance {
    fn default() -> Self {
        let mut new = Self {
            days_by_bin: [0.0; BINS],
            days: 0.0,
            rebuilt_at_days: 0.0,
            known_nats: 0.0,
            curve: [0.0; BINS],
        };
        new.rebuild_curve();
        new
    }
}

fn edge(bin: usize) -> f64 {
    bin as f64 * BIN_NATS
}

fn prior_share(nats: f64) -> f64 {
    (TRIALS * libm::exp(-nats)).min(1.0)
}

impl Exceedance {
    /// Adds one identity-day whose largest surprise was `peak_nats`; 0 for a day without.
    pub fn add(&mut self, peak_nats: f64) {
        let bin = ((peak_nats.max(0.0) / BIN_NATS) as usize).min(BINS - 1);
        self.days_by_bin[bin] += 1.0;
        self.days += 1.0;
        if self.days >= self.rebuilt_at_days * (1.0 + 1.0 / REBUILD_SHARE) {
            self.rebuild_curve();
        }
    }

    /// Scales the weight of past days by `remaining`.
    pub fn decay(&mut self, remaining: f32) {
        self.days_by_bin.iter_mut().for_each(|d| *d *= remaining);
        self.days *= remaining;
        self.rebuild_curve();
    }

    /// −ln of the share of identity-days that reach `nats`, as far as their number can know; never falls as
    /// `nats` grows.
    #[must_use]
    pub fn calibrate(&self, nats: f64) -> f64 {
        let nats = self.calibrate_unbounded(nats);
        let known = f64::from(self.known_nats);
        if nats <= known {
            nats
        } else {
            known + libm::log1p(nats - known)
        }
    }

    /// The same, where the surprise above all observed ones is taken at its word.
    #[must_use]
    pub fn calibrate_unbounded(&self, nats: f64) -> f64 {
        let baselines = nats.max(0.0) / BIN_NATS;
        let bin = (baselines as usize).min(BINS - 2);
        let (low, high) = (f64::from(self.curve[bin]), f64::from(self.curve[bin + 1]));
        low + (high - low) * (baselines - bin as f64)
    }

    fn rebuild_curve(&mut self) {
        self.rebuilt_at_days = self.days;
        let n = f64::from(self.days);
        self.known_nats = (libm::log(n + PRIOR_KNOWLEDGE_DAYS) + KNOWN_MARGIN_NATS) as f32;
        let mut reaching = [0.0f64; BINS];
        let mut sum = 0.0;
        for bin in (0..BINS).rev() {
            sum += f64::from(self.days_by_bin[bin]);
            reaching[bin] = sum;
        }
        let level = (0..BINS).rev().find(|bin| reaching[*bin] >= TAIL_DAYS);
        let spread = level.map_or(1.0, |level| self.mean_excess(level, reaching[level]));
        let share =
            |bin: usize| (reaching[bin] + PRIOR_DAYS * prior_share(edge(bin))) / (n + PRIOR_DAYS);
        let mut above = 0.0f64;
        for bin in 0..BINS {
            let nats = match level {
                Some(level) if bin > level => {
                    (edge(bin) - edge(level)) / spread - libm::log(share(level))
                }
                _ => -libm::log(share(bin)),
            };
            // An unobserved surprise is at most as rare as the signal states, or as the number of days can
            // show.
            let most = libm::log(n + 1.0).clamp(edge(bin), edge(bin) + MAX_GAIN_NATS);
            above = above.max(nats.min(most));
            self.curve[bin] = above as f32;
        }
    }

    fn mean_excess(&self, level: usize, reaching: f64) -> f64 {
        let excesses: f64 = (level..BINS)
            .map(|bin| {
                let excess = edge(bin) + 0.5 * BIN_NATS - edge(level);
                f64::from(self.days_by_bin[bin]) * excess.min(EXCESS_CAP_NATS)
            })
            .sum();
        ((excesses + PRIOR_EXCESSES) / (reaching + PRIOR_EXCESSES)).max(MIN_MEAN_EXCESS_NATS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_observations_a_surprise_is_unchanged() {
        let new = Exceedance::default();
        assert!((new.calibrate_unbounded(8.0) - (8.0 - libm::log(2.0))).abs() < 1e-6);
        assert!(new.calibrate(0.0).abs() < 1e-9);
    }

    #[test]
    fn a_noisy_signal_is_weakened_and_a_quiet_one_strengthened() {
        let (mut noisy, mut quiet) = (Exceedance::default(), Exceedance::default());
        for day in 0..5_000 {
            let tail = f64::from(day % 7);
            noisy.add(if day % 20 == 0 { 8.0 + tail } else { 1.0 });
            quiet.add(0.0);
        }
        assert!((noisy.calibrate(8.0) - libm::log(20.0)).abs() < 0.1);
        assert!(noisy.calibrate(12.0) < 5.0);
        assert!((quiet.calibrate(6.0) - (6.0 + MAX_GAIN_NATS)).abs() < 1e-6);
        assert!((quiet.calibrate_unbounded(12.0) - 12.0).abs() < 1e-6);
    }

    #[test]
    fn no_surprise_exceeds_by_much_what_the_days_can_know() {
        let mut few = Exceedance::default();
        (0..3_000).for_each(|_| few.add(0.0));
        let known = libm::log(3_150.0) + KNOWN_MARGIN_NATS;
        assert!((few.calibrate(9.0) - 9.0).abs() < 0.1);
        assert!(few.calibrate(27.0) < known + 3.0 && few.calibrate(27.0) > known + 2.0);
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_exact_share(peaks in prop::collection::vec(0.0f64..6.0, 2_000..3_000)) {
            let mut exceedance = Exceedance::default();
            peaks.iter().for_each(|peak| exceedance.add(*peak));
            exceedance.decay(1.0);
            let level = 4.0;
            let share = peaks.iter().filter(|peak| **peak >= level).count() as f64 / peaks.len() as f64;
            prop_assert!((exceedance.calibrate(level) + libm::log(share)).abs() < 0.1);
        }

        #[test]
        fn the_result_is_monotone(peaks in prop::collection::vec(0.0f64..30.0, 0..300), at in 0.0f64..30.0) {
            let mut exceedance = Exceedance::default();
            peaks.iter().for_each(|peak| exceedance.add(*peak));
            prop_assert!(exceedance.calibrate(at + 0.5) >= exceedance.calibrate(at));
        }
    }
}
