//! The upper tail of a score, and the level that it exceeds at a stated rate: peaks over threshold.
//!
//! # Assumption
//! In the far tail, excesses over a high level are exponential. A surprise is −ln *p*, which is exactly
//! exponential where *p* is uniform; in general they follow a generalised Pareto distribution, of which this
//! is shape 0.
//!
//! # Formula
//! rate(> x) = rate(> u) · exp(−(x − u)/σ), with *u* the level that the largest
//! [`TAIL_PEAKS`] peaks exceed, σ their mean excess, each excess cut off at [`EXCESS_CAP_NATS`] so
//! a few attacks do not stretch the tail. With *k* such peaks, *w* of them at the requested rate, the
//! relative standard error of the rate above *u* is 1/√k and that of σ too, so that of the level is σ·√((1 +
//! ln²(k/w))/k).
//!
//! # Source
//! Pickands, "Statistical inference using extreme order statistics", Ann. Statist. 3 (1975);
//! streaming use: Siffer et al., "Anomaly detection in streams with extreme value theory", KDD
//! 2017.

use borsh::{BorshDeserialize, BorshSerialize};

/// Width of a bin.
const BIN_NATS: f64 = 0.25;
const BINS: usize = 256;
/// How many of the strongest peaks make the tail.
pub const TAIL_PEAKS: f64 = 100.0;
/// A larger excess counts as this.
pub const EXCESS_CAP_NATS: f64 = 6.0;

/// A level of a tail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TailLevel {
    /// The level.
    pub nats: f64,
    /// Its standard error.
    pub error_nats: f64,
}

/// Decayed histogram of peaks over a decayed number of days.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct PeakTail {
    counts: [f64; BINS],
    days: f64,
}

impl Default for PeakTail {
    fn default() -> Self {
        Self {
            counts: [0.0; BINS],
            days: 0.0,
        }
    }
}

fn bin(score_nats: f64) -> usize {
    ((score_nats.max(0.0) / BIN_NATS) as usize).min(BINS - 1)
}

fn middle(bin: usize) -> f64 {
    (bin as f64 + 0.5) * BIN_NATS
}

impl PeakTail {
    /// Adds one peak.
    pub fn add(&mut self, peak_nats: f64) {
        if peak_nats.is_finite() {
            self.counts[bin(peak_nats)] += 1.0;
        }
    }

    /// Advances one day: older peaks keep `remaining` of their weight.
    pub fn close_day(&mut self, remaining: f64) {
        self.counts.iter_mut().for_each(|c| *c *= remaining);
        self.days = self.days * remaining + 1.0;
    }

    /// Decayed number of days observed.
    #[must_use]
    pub fn days(&self) -> f64 {
        self.days
    }

    /// The level exceeded `per_day` times per day; `None` before a day is over or without peaks.
    #[must_use]
    pub fn level_for_rate(&self, per_day: f64) -> Option<TailLevel> {
        if self.days < 0.5 || per_day <= 0.0 {
            return None;
        }
        let requested = per_day * self.days;
        let (mut above, mut base) = (0.0, BINS);
        while base > 0 && above < TAIL_PEAKS.max(requested) {
            base -= 1;
            above += self.counts[base];
        }
        if above <= 0.0 {
            return None;
        }
        let level = base as f64 * BIN_NATS;
        let excess: f64 = (base..BINS)
            .map(|b| self.counts[b] * (middle(b) - level).min(EXCESS_CAP_NATS))
            .sum();
        let sigma = (excess / above).max(BIN_NATS);
        let reach = libm::log(above / requested);
        Some(TailLevel {
            nats: (level + sigma * reach).max(0.0),
            error_nats: sigma * libm::sqrt((1.0 + reach * reach) / above),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exact quantiles of the unit exponential stand for a million draws.
    fn exponential_days(days: usize, peaks_a_day: usize) -> PeakTail {
        let mut tail = PeakTail::default();
        let n = days * peaks_a_day;
        for draw in 0..n {
            tail.add(-libm::log(((draw as f64) + 0.5) / n as f64));
        }
        (0..days).for_each(|_| tail.close_day(1.0));
        tail
    }

    #[test]
    fn the_level_of_an_exponential_tail_is_found() {
        let tail = exponential_days(30, 1_000);
        for per_day in [0.1, 1.0, 5.0, 50.0] {
            let exact = libm::log(1_000.0 / per_day);
            let found = tail.level_for_rate(per_day).unwrap().nats;
            assert!(
                (found - exact).abs() < 0.5,
                "{per_day}: {found} against {exact}"
            );
        }
    }

    #[test]
    fn the_error_falls_with_observations_and_grows_with_extrapolation() {
        let error = |days, peaks: usize, per_day| {
            let tail = exponential_days(days, peaks);
            tail.level_for_rate(per_day).unwrap().error_nats
        };
        assert!(error(1, 10, 1.0) > 2.0 * error(10, 10, 1.0));
        assert!(error(10, 1_000, 0.1) > 3.0 * error(10, 1_000, 10.0));
        // Spread of the level over independent tails of 100 exponential peaks: 1/√100.
        assert!((error(1, 100, 100.0) - 0.1).abs() < 0.02);
    }

    #[test]
    fn without_peaks_there_is_no_level() {
        assert_eq!(PeakTail::default().level_for_rate(5.0), None);
    }

    #[test]
    fn a_few_attacks_do_not_stretch_the_tail() {
        let mut tail = exponential_days(30, 1_000);
        let before = tail.level_for_rate(1.0).unwrap().nats;
        (0..5).for_each(|_| tail.add(60.0));
        assert!(tail.level_for_rate(1.0).unwrap().nats < before + 0.7);
    }
}
