//! Token lifetimes of one issuer and kind: a histogram of durations with bounded error.
//!
//! # Assumption
//! None on the shape: lifetimes cluster at configured values and may have any number of modes.
//!
//! # Error and memory
//! Values keep two significant digits (HdrHistogram); about 12 KiB for one second to ten years.
//!
//! # Source
//! G. Tene, HdrHistogram. Decay: all counts are halved whenever a half-life has passed, the usual
//! ageing of integer sketches.

use crate::units::{EventTime, MS_PER_DAY};
use borsh::io::{Read, Result, Write};
use borsh::{BorshDeserialize, BorshSerialize};
use hdrhistogram::Histogram;

const MAX_SECS: u64 = 10 * 366 * 86_400;

/// Decayed distribution of lifetimes in seconds.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct LifetimeHistogram {
    #[borsh(serialize_with = "counts_to", deserialize_with = "counts_from")]
    counts: Histogram<u32>,
    halved_at: EventTime,
    steps: Vec<Step>,
    steps_total: u64,
}

/// One recorded value with the number of smaller ones.
#[derive(Clone, Copy, Debug, BorshSerialize, BorshDeserialize)]
struct Step {
    highest_secs: u64,
    below: u64,
    at: u64,
}

fn empty() -> Histogram<u32> {
    Histogram::new_with_bounds(1, MAX_SECS, 2)
        .unwrap_or_else(|_| unreachable!("the bounds are valid constants"))
}

fn counts_to<W: Write>(counts: &Histogram<u32>, writer: &mut W) -> Result<()> {
    let recorded = counts.iter_recorded();
    let recorded: Vec<(u64, u32)> = recorded
        .map(|step| (step.value_iterated_to(), step.count_at_value()))
        .collect();
    recorded.serialize(writer)
}

fn counts_from<R: Read>(reader: &mut R) -> Result<Histogram<u32>> {
    let mut counts = empty();
    for (value, count) in Vec::<(u64, u32)>::deserialize_reader(reader)? {
        counts.saturating_record_n(value.clamp(1, MAX_SECS), count);
    }
    Ok(counts)
}

impl LifetimeHistogram {
    /// An empty histogram that begins to decay at `now`.
    #[must_use]
    pub fn new(now: EventTime) -> Self {
        Self {
            counts: empty(),
            halved_at: now,
            steps: Vec::new(),
            steps_total: 0,
        }
    }

    /// Adds one lifetime; halves past counts first where `half_life_days` have passed. O(distinct lifetimes).
    pub fn add(&mut self, secs: u64, now: EventTime, half_life_days: f64) {
        let due_ms = (half_life_days * MS_PER_DAY as f64) as i64;
        if now.ms_since(self.halved_at) >= due_ms {
            self.halved_at = now;
            self.halve();
        }
        let secs = secs.clamp(1, MAX_SECS);
        self.counts.saturating_record(secs);
        let position = self.steps.partition_point(|step| step.highest_secs < secs);
        match self.steps.get_mut(position) {
            Some(step) if self.counts.equivalent(step.highest_secs, secs) => {
                step.at += 1;
                self.steps_total += 1;
                let larger = self.steps.iter_mut().skip(position + 1);
                larger.for_each(|step| step.below += 1);
            }
            _ => self.rebuild_steps(),
        }
    }

    /// Recomputes cumulative counts, so that a query costs a binary search.
    fn rebuild_steps(&mut self) {
        self.steps.clear();
        self.steps_total = 0;
        for recorded in self.counts.iter_recorded() {
            let at = u64::from(recorded.count_at_value());
            self.steps.push(Step {
                highest_secs: recorded.value_iterated_to(),
                below: self.steps_total,
                at,
            });
            self.steps_total += at;
        }
    }

    fn halve(&mut self) {
        let kept: Vec<(u64, u32)> = self
            .counts
            .iter_recorded()
            .map(|step| (step.value_iterated_to(), step.count_at_value() / 2))
            .collect();
        self.counts.reset();
        for (value, count) in kept.into_iter().filter(|(_, count)| *count > 0) {
            self.counts.saturating_record_n(value, count);
        }
        self.rebuild_steps();
    }

    /// Number of lifetimes.
    #[must_use]
    pub fn observations(&self) -> u64 {
        self.counts.len()
    }

    /// Median lifetime, in seconds; 0 without observations.
    #[must_use]
    pub fn median_secs(&self) -> u64 {
        self.counts.value_at_quantile(0.5)
    }

    /// Two-sided mid-p tail of a lifetime; 1 without observations. Beyond the extreme the odds of another
    /// lifetime, 1/(n + 1), fall by the ratio to it: that of 365 days says more than that of 45 minutes.
    #[must_use]
    pub fn tail(&self, secs: u64) -> f64 {
        let n = self.steps_total as f64;
        let secs = secs.clamp(1, MAX_SECS);
        let position = self.steps.partition_point(|step| step.highest_secs < secs);
        let lower = match self.steps.get(position) {
            None => n,
            Some(step) if self.counts.equivalent(step.highest_secs, secs) => {
                step.below as f64 + 0.5 * step.at as f64
            }
            Some(step) => step.below as f64,
        };
        let smaller = lower.min(n - lower);
        (2.0 * (smaller + 0.5) / (n + 1.0)).min(1.0) * self.ratio_beyond_extremes(secs)
    }

    /// Ratio of the nearest extreme to `secs`, at most 1; 1 between the extremes.
    fn ratio_beyond_extremes(&self, secs: u64) -> f64 {
        let (Some(first), Some(last)) = (self.steps.first(), self.steps.last()) else {
            return 1.0;
        };
        let (least, most) = (first.highest_secs as f64, last.highest_secs as f64);
        let secs = secs as f64;
        (secs / least).min(most / secs).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: EventTime = EventTime::EARLIEST;

    #[test]
    fn both_tails_are_improbable_and_the_median_is_not() {
        let mut histogram = LifetimeHistogram::new(NOW);
        for secs in [900u64, 3_600].repeat(200) {
            histogram.add(secs, NOW, 30.0);
        }
        assert!(histogram.tail(3_600 * 24) < 0.01);
        assert!(histogram.tail(5) < 0.01);
        assert!(histogram.tail(3_600) > 0.4);
        assert!(histogram.tail(900) > 0.4);
        let (three, thousand) = (histogram.tail(3 * 3_600), histogram.tail(1_000 * 3_600));
        assert!(
            thousand < 0.01 * three && three < 0.002,
            "{three} {thousand}"
        );
    }

    #[test]
    fn a_new_lifetime_counts_from_its_first_observation() {
        let mut histogram = LifetimeHistogram::new(NOW);
        (0..2_000).for_each(|_| histogram.add(86_400, NOW, 30.0));
        let of_first = histogram.tail(7_200);
        for others in 1..=60 {
            histogram.add(7_200, NOW, 30.0);
            let expected = (f64::from(others) + 1.0) / (2_001.0 + f64::from(others));
            let tail = histogram.tail(7_200);
            assert!((tail / expected - 1.0).abs() < 0.01, "{others}: {tail}");
        }
        assert!(of_first < 0.000_1);
        let mut rebuilt = histogram.clone();
        rebuilt.rebuild_steps();
        for secs in [60, 7_200, 40_000, 86_400, 90_000] {
            assert!((histogram.tail(secs) - rebuilt.tail(secs)).abs() < 1e-12);
        }
    }

    #[test]
    fn an_empty_histogram_finds_nothing_surprising() {
        assert!((LifetimeHistogram::new(NOW).tail(3_600) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn past_counts_are_halved() {
        let mut histogram = LifetimeHistogram::new(NOW);
        (0..100).for_each(|_| histogram.add(60, NOW, 1.0));
        histogram.add(60, NOW.saturating_add_ms(MS_PER_DAY), 1.0);
        assert_eq!(histogram.observations(), 51);
    }
}
