//! A normal quantity with unknown mean and spread: the Student-t predictive.
//!
//! # Assumption
//! Observations are exchangeable draws of one normal distribution (the caller takes logarithms where the
//! quantity is a duration). Prior: normal–inverse-gamma with mean μ₀, weight κ₀, shape α₀,
//! scale β₀.
//!
//! # Formula
//! After *n* observations with mean *x̄* and sum of squared deviations *S*:
//! κ = κ₀ + n, μ = (κ₀μ₀ + n x̄)/κ, α = α₀ + n/2, β = β₀ + S/2 + κ₀ n (x̄ − μ₀)²/(2κ); the next
//! one is Student-t with 2α degrees of freedom, centre μ, scale √(β(κ + 1)/(ακ)). At most `MAX_DEGREES`
//! degrees of freedom are used, and at least the scale `min_scale`: hundreds of observations of a habit do
//! not show how it ends.
//!
//! # Source
//! Murphy: "Conjugate Bayesian analysis of the Gaussian distribution", 2007, §3.
//! Tail by Wallace's normal approximation: D. L. Wallace, "Bounds on normal approximations to
//! Student's and the chi-square distributions", Ann. Math. Statist. 30 (1959).

use super::special::normal_upper_tail;
use borsh::{BorshDeserialize, BorshSerialize};

/// Forward-decayed count, mean and sum of squared deviations (weighted Welford).
#[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Moments {
    weight: f32,
    mean: f32,
    squares: f32,
}

/// Prior, before any observation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormalPrior {
    /// Expected value, μ₀.
    pub mean: f64,
    /// Prior strength of the mean, in observations, κ₀ > 0.
    pub mean_weight: f64,
    /// Prior strength of the spread: half the number of observations, α₀ > 0.
    pub shape: f64,
    /// Expected variance times α₀, β₀ > 0.
    pub scale: f64,
    /// Lower bound of the predictive scale: what is measured is no more exact.
    pub min_scale: f64,
}

/// More degrees of freedom claim more than any data shows: real tails are heavy.
const MAX_DEGREES: f64 = 6.0;

impl Moments {
    /// Adds `value` with weight `weight`; a value or weight that is not finite is ignored.
    pub fn add(&mut self, value: f64, weight: f32) {
        if !value.is_finite() || !weight.is_finite() || weight <= 0.0 {
            return;
        }
        let value = value as f32;
        self.weight += weight;
        let delta = value - self.mean;
        self.mean += delta * weight / self.weight;
        self.squares += weight * delta * (value - self.mean);
    }

    /// Multiplies all weights by `factor`.
    pub fn rescale(&mut self, factor: f32) {
        self.weight *= factor;
        self.squares *= factor;
    }

    /// Decayed number of observations, where one made now has weight `weight_now`.
    #[must_use]
    pub fn count(&self, weight_now: f32) -> f64 {
        f64::from(self.weight / weight_now)
    }

    /// Mean of the observations; 0 where there is none.
    #[must_use]
    pub fn mean(&self) -> f64 {
        f64::from(self.mean)
    }

    /// Standard deviation of the observations; 0 where there is none.
    #[must_use]
    pub fn standard_deviation(&self) -> f64 {
        match self.weight > 0.0 {
            true => libm::sqrt(f64::from(self.squares / self.weight).max(0.0)),
            false => 0.0,
        }
    }

    /// Distance of `value` from the predictive centre in predictive scales, with the degrees of
    /// freedom.
    #[must_use]
    pub fn standardise(&self, value: f64, weight_now: f32, prior: &NormalPrior) -> (f64, f64) {
        let n = self.count(weight_now);
        let squares = f64::from(self.squares / weight_now);
        let offset = self.mean() - prior.mean;
        let kappa = prior.mean_weight + n;
        let mean = (prior.mean_weight * prior.mean + n * self.mean()) / kappa;
        let alpha = prior.shape + 0.5 * n;
        let beta =
            prior.scale + 0.5 * squares + prior.mean_weight * n * offset * offset / (2.0 * kappa);
        let scale = libm::sqrt(beta * (kappa + 1.0) / (alpha * kappa)).max(prior.min_scale);
        ((value - mean) / scale, (2.0 * alpha).min(MAX_DEGREES))
    }
}

/// P(T ≥ t) for Student's t with `degrees` of freedom.
///
/// Error of the surprise −ln P below 0.1 nats plus 4.5 % for `degrees` ≥ 3 and |t| ≤ 50.
#[must_use]
pub fn student_upper_tail(t: f64, degrees: f64) -> f64 {
    let stretch = (8.0 * degrees + 1.0) / (8.0 * degrees + 3.0);
    let z = stretch * libm::sqrt(degrees * libm::log1p(t * t / degrees));
    normal_upper_tail(if t < 0.0 { -z } else { z })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use statrs::distribution::{ContinuousCDF, StudentsT};

    const PRIOR: NormalPrior = NormalPrior {
        mean: 1.0,
        mean_weight: 0.5,
        shape: 1.5,
        scale: 0.3,
        min_scale: 0.0,
    };

    proptest! {
        #[test]
        fn moments_agree_with_the_batch(values in prop::collection::vec(-9.0f64..9.0, 1..200)) {
            let mut moments = Moments::default();
            values.iter().for_each(|v| moments.add(*v, 1.0));
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let squares = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>();
            prop_assert!((moments.mean() - mean).abs() < 1e-3);
            prop_assert!((f64::from(moments.squares) - squares).abs() < 1e-3 * squares.max(1.0));
            let deviation = (squares / n).sqrt();
            prop_assert!((moments.standard_deviation() - deviation).abs() < 1e-3 * deviation.max(1.0));
        }

        #[test]
        fn the_tail_agrees_with_statrs(t in -50.0f64..50.0, degrees in 3.0f64..400.0) {
            let exact = StudentsT::new(0.0, 1.0, degrees).unwrap().sf(t);
            prop_assume!(exact > 1e-250);
            let nats = libm::log(student_upper_tail(t, degrees) / exact).abs();
            prop_assert!(nats < 0.1 + 0.045 * libm::log(exact).abs(), "{nats}");
        }

        #[test]
        fn further_out_is_never_more_probable(t in 0.0f64..100.0, step in 0.0f64..10.0) {
            prop_assert!(student_upper_tail(t + step, 5.0) <= student_upper_tail(t, 5.0));
        }
    }

    #[test]
    fn without_observations_the_prior_is_returned() {
        let (t, degrees) = Moments::default().standardise(1.0, 1.0, &PRIOR);
        assert!(t.abs() < 1e-12 && (degrees - 3.0).abs() < 1e-12);
        let mut moments = Moments::default();
        moments.add(f64::NAN, 1.0);
        moments.add(1.0, -1.0);
        assert_eq!(moments, Moments::default());
    }
}
