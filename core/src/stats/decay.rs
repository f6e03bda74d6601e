//! Exponential decay in event time, as forward decay.
//!
//! # Formula
//! An observation at time *t* has weight *g(t) = 2^((t − L)/h)*, where *L* is a landmark
//! and *h* the half-life. At time *t'* its weight is *g(t)/g(t')*, which is the usual backward
//! decay *2^(−(t' − t)/h)*. Sums thus need no update with every event, and a ratio of two sums needs no decay
//! at all.
//!
//! When *g* would exceed 2^[`RESCALE_EXPONENT`], the owner rescales its sums once and moves
//! the landmark.
//!
//! # Source
//! Cormode, Shkapenyuk, Srivastava, Xu: "Forward decay: a practical time decay model for
//! streaming systems", ICDE 2009.

use crate::units::EventTime;
use borsh::{BorshDeserialize, BorshSerialize};

/// Sums are rescaled before weights reach 2 to this power: far from the limits of `f32`.
pub const RESCALE_EXPONENT: f64 = 24.0;

/// Half-life of an observation, in milliseconds of event time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HalfLife {
    per_ms: f64,
    days: f64,
}

impl HalfLife {
    /// A half-life of `days` days.
    ///
    /// # Errors
    /// `None` unless `days` is finite and positive.
    #[must_use]
    pub fn from_days(days: f64) -> Option<Self> {
        (days.is_finite() && days > 0.0).then(|| Self {
            per_ms: 1.0 / (days * crate::units::MS_PER_DAY as f64),
            days,
        })
    }

    /// The half-life in days.
    #[must_use]
    pub fn days(self) -> f64 {
        self.days
    }

    /// Number of half-lives in `ms`.
    #[must_use]
    #[inline]
    pub fn halvings(self, ms: i64) -> f64 {
        ms as f64 * self.per_ms
    }

    /// Remaining share of 1 after `ms`; 1 for a negative span: late data never gains weight.
    #[must_use]
    #[inline]
    pub fn remaining(self, ms: i64) -> f64 {
        libm::exp2(-self.halvings(ms.max(0)))
    }
}

/// The landmark of a set of forward-decayed sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Landmark(EventTime);

/// What the owner of the sums does before it adds an observation at a given time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DecayStep {
    /// Weight of an observation made now.
    pub weight_now: f32,
    /// Multiply every sum by this first; `None` in the usual case.
    pub rescale: Option<f32>,
}

impl Landmark {
    /// A landmark at `time`.
    #[must_use]
    pub fn new(time: EventTime) -> Self {
        Self(time)
    }

    /// The time at which the weight is 1.
    #[must_use]
    pub fn time(self) -> EventTime {
        self.0
    }

    /// The weight of an observation made at `now`, in units of the sums.
    #[must_use]
    #[inline]
    pub fn weight_at(self, now: EventTime, half_life: HalfLife) -> f32 {
        libm::exp2(half_life.halvings(now.ms_since(self.0)).min(120.0)) as f32
    }

    /// Weight of an observation at `now`, moving the landmark where weights would grow too large.
    #[must_use]
    #[inline]
    pub fn advance(&mut self, now: EventTime, half_life: HalfLife) -> DecayStep {
        let exponent = half_life.halvings(now.ms_since(self.0));
        if exponent <= RESCALE_EXPONENT {
            return DecayStep {
                weight_now: libm::exp2(exponent) as f32,
                rescale: None,
            };
        }
        self.0 = now;
        DecayStep {
            weight_now: 1.0,
            rescale: Some(libm::exp2(-exponent.min(1_000.0)) as f32),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MS_PER_DAY;
    use proptest::prelude::*;

    fn at(day: i64) -> EventTime {
        EventTime::EARLIEST.saturating_add_ms(day * MS_PER_DAY)
    }

    proptest! {
        #[test]
        fn forward_decay_equals_backward_decay(gaps in prop::collection::vec(0i64..200, 1..40)) {
            let half_life = HalfLife::from_days(30.0).unwrap();
            let mut landmark = Landmark::new(at(0));
            let (mut sum, mut day, mut days) = (0.0f32, 0, Vec::new());
            for gap in gaps {
                day += gap;
                days.push(day);
                let weighing = landmark.advance(at(day), half_life);
                sum = sum * weighing.rescale.unwrap_or(1.0) + weighing.weight_now;
            }
            let now = landmark.weight_at(at(day), half_life);
            let batch: f64 = days.iter().map(|d| half_life.remaining((day - d) * MS_PER_DAY)).sum();
            prop_assert!((f64::from(sum / now) - batch).abs() < 1e-4 * batch);
        }
    }

    #[test]
    fn a_half_life_halves() {
        let half_life = HalfLife::from_days(2.0).unwrap();
        assert!((half_life.remaining(2 * MS_PER_DAY) - 0.5).abs() < 1e-12);
        assert!((half_life.remaining(-5) - 1.0).abs() < 1e-12);
        assert_eq!(HalfLife::from_days(0.0), None);
        assert_eq!(HalfLife::from_days(f64::NAN), None);
    }
}
