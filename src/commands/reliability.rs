//! Calibration of probabilities on traffic without attacks: claimed probabilities against observed
//! frequencies.
//!
//! # Measures
//! A p-value is exact when a share α of the readings is α or less, and conservative when the share is
//! smaller: discrete values make it so. Most readings of a signal repeat one session, so the shares are of
//! readings, not of independent trials. A signal that abstains while there is no deviation
//! shows small values more often than claimed: its trials are not all readings.
//! A score of x nats claims that the largest of n calibrated surprises reaches x by chance on a share
//! 1 − (1 − e^−x)^n of the identity-days.

use credwatch_core::signal::SIGNALS;
use credwatch_core::units::EventTime;
use credwatch_core::verdict::SignalVerdict;
use serde::Serialize;
use std::fmt;

/// Days of learning that are excluded.
const LEARNING_DAYS: i64 = 14;
/// Probabilities at which p-values are compared.
pub const LEVELS: [f64; 4] = [0.1, 0.01, 0.001, 0.0001];
/// Scores at which identity-days are compared, in nats.
pub const NATS: [f64; 5] = [3.0, 4.0, 5.0, 6.0, 7.0];
/// Minimum expected number for a comparison.
const ENOUGH: f64 = 10.0;
/// Characters of the plot for a factor of ten.
const PLOT_DECADE: f64 = 8.0;

/// Readings of one signal.
#[derive(Clone, Debug, Serialize)]
pub struct SignalReliability {
    /// Signal.
    pub signal: &'static str,
    /// Number of readings.
    pub readings: u64,
    /// Number of readings at or below each of `LEVELS`.
    pub at_or_below: [u64; LEVELS.len()],
}

impl SignalReliability {
    /// Observed over claimed share at each level; `None` where too few were expected.
    #[must_use]
    pub fn factors(&self) -> [Option<f64>; LEVELS.len()] {
        let n = self.readings as f64;
        std::array::from_fn(|at| {
            let expected = n * LEVELS[at];
            (expected >= ENOUGH).then(|| self.at_or_below[at] as f64 / expected)
        })
    }
}

/// The results.
#[derive(Clone, Debug, Serialize)]
pub struct Reliability {
    /// By signal, of events without a label.
    pub signals: Vec<SignalReliability>,
    /// Identity-days without a labelled event.
    pub identity_days: usize,
    /// Number of them that reach each of `NATS`.
    pub reaching: [usize; NATS.len()],
    /// Mean of |log10(observed/claimed)| over those of `NATS` that enough days should reach.
    pub score_error_decades: Option<f64>,
}

impl Default for Reliability {
    fn default() -> Self {
        let of_signal = |signal: &&dyn credwatch_core::signal::Signal| SignalReliability {
            signal: signal.name().as_str(),
            readings: 0,
            at_or_below: [0; LEVELS.len()],
        };
        Self {
            signals: SIGNALS.iter().map(of_signal).collect(),
            identity_days: 0,
            reaching: [0; NATS.len()],
            score_error_decades: None,
        }
    }
}

impl Reliability {
    /// Adds the readings of one event without a label.
    pub fn add(&mut self, verdicts: &[SignalVerdict]) {
        for verdict in verdicts {
            let named = |of: &&mut SignalReliability| of.signal == verdict.name.as_str();
            if let Some(of) = self.signals.iter_mut().find(named) {
                of.readings += 1;
                for (count, level) in of.at_or_below.iter_mut().zip(LEVELS) {
                    *count += u64::from(verdict.reading.p <= level);
                }
            }
        }
    }

    /// Adds the largest scores of identity-days.
    pub fn count_days(&mut self, peaks: impl Iterator<Item = f64>) {
        for peak in peaks {
            self.identity_days += 1;
            for (count, nats) in self.reaching.iter_mut().zip(NATS) {
                *count += usize::from(peak >= nats);
            }
        }
        let n = self.identity_days as f64;
        let errors: Vec<f64> = (self.reaching.iter().zip(NATS))
            .map(|(count, nats)| (*count as f64, n * claimed(nats)))
            .filter(|(_, claimed)| *claimed >= ENOUGH)
            .map(|(count, claimed)| libm::fabs(libm::log10(count.max(0.5) / claimed)))
            .collect();
        self.score_error_decades =
            (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64);
    }
}

/// Share of identity-days on which a signal reaches `nats` by chance.
fn claimed(nats: f64) -> f64 {
    -libm::expm1(SIGNALS.len() as f64 * libm::log1p(-libm::exp(-nats)))
}

/// Whether `day` is after the learning period, where `first` is the day of the first event.
#[must_use]
pub fn is_learned(day: i64, first: EventTime) -> bool {
    day - first.day() >= LEARNING_DAYS
}

/// A bar from the middle: to the right for too often, to the left for too rarely.
fn bar(factor: f64) -> String {
    let half = 2 * PLOT_DECADE as usize;
    let length = (PLOT_DECADE * libm::log10(factor.max(1e-9))).clamp(-(half as f64), half as f64);
    let steps = libm::round(libm::fabs(length)) as usize;
    if length < 0.0 {
        format!("{:>half$}|{:half$}", "<".repeat(steps), "")
    } else {
        format!("{:half$}|{:<half$}", "", ">".repeat(steps))
    }
}

impl fmt::Display for Reliability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.identity_days == 0 {
            let days = LEARNING_DAYS;
            return writeln!(f, "\nreliability: no traffic after the first {days} days");
        }
        writeln!(
            f,
            "\nreliability on {} days of identities without attacks",
            self.identity_days
        )?;
        writeln!(
            f,
            "{:>9} {:>9} {:>9}  a tenth of it | as often as claimed | ten times",
            "nats", "claimed", "observed"
        )?;
        for (count, nats) in self.reaching.iter().zip(NATS) {
            let (claimed, days) = (claimed(nats), self.identity_days as f64);
            let observed = *count as f64 / days;
            let (claim, seen) = (100.0 * claimed, 100.0 * observed);
            writeln!(
                f,
                "{nats:>9.0} {claim:>7.3} % {seen:>7.3} %  {}",
                bar(observed / claimed)
            )?;
        }
        if let Some(error) = self.score_error_decades {
            writeln!(f, "mean error of the score      {error:.2} decades")?;
        }
        writeln!(
            f,
            "\n{:<16} {:>9}  readings at or below p, over the share claimed",
            "signal", "readings"
        )?;
        writeln!(
            f,
            "{:<26} {:>7} {:>7} {:>7} {:>7}",
            "", "0.1", "0.01", "0.001", "0.0001"
        )?;
        for of in self.signals.iter().filter(|of| of.readings > 0) {
            write!(f, "{:<16} {:>9}", of.signal, of.readings)?;
            for factor in of.factors() {
                match factor {
                    Some(factor) => write!(f, " {factor:>7.2}")?,
                    None => write!(f, " {:>7}", "-")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_as_often_as_claimed_are_no_error_and_ten_times_as_often_one_decade() {
        // The largest of n draws of the exponential distribution, by its quantiles.
        let day = |at: u32| {
            let below = (f64::from(at) + 0.5) / 100_000.0;
            -libm::log1p(-libm::pow(below, 1.0 / SIGNALS.len() as f64))
        };
        let mut right = Reliability::default();
        right.count_days((0..100_000).map(day));
        assert!(right.score_error_decades.unwrap() < 0.01);
        let mut loud = Reliability::default();
        loud.count_days((0..100_000).map(|at| day(at) + libm::log(10.0)));
        assert!(loud.score_error_decades.unwrap() > 0.5);
    }

    #[test]
    fn few_readings_are_not_compared() {
        let mut few = SignalReliability {
            signal: "host",
            readings: 1_000,
            at_or_below: [100, 30, 5, 5],
        };
        assert_eq!(few.factors(), [Some(1.0), Some(3.0), None, None]);
        few.readings = 0;
        assert_eq!(few.factors(), [None; 4]);
    }
}
