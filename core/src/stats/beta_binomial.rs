//! Tail of the beta–binomial distribution: the probability of *k* hits in *m* trials where the rate itself is
//! estimated.
//!
//! # Assumption
//! Trials are exchangeable given the rate; the rate is Beta(a, b).
//!
//! # Formula
//! P(K = k) = C(m, k) · B(a + k, b + m − k) / B(a, b); the tail is summed upwards from *k* by the
//! ratio of neighbouring terms, so that small tails keep their precision.
//!
//! # Cost
//! O(terms until they are negligible), at most *m − k + 1*.
//!
//! # Source
//! Skellam, "A probability distribution derived from the binomial distribution …", JRSS B 10
//! (1948).

use super::special::ln_beta;

/// Beta distribution of an unknown rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beta {
    /// Hits, prior included; > 0.
    pub hits: f64,
    /// Misses, prior included; > 0.
    pub misses: f64,
}

impl Beta {
    /// Whether `hits` in `trials` are at most half a standard deviation above the mean. The tail, which is
    /// then above 0.05 where the rate is as certain as after 20 trials, need not be computed. With
    /// *μ* the mean rate and *ρ* = 1/(a + b + 1), the variance is *m μ (1 − μ) (1 + (m − 1) ρ)*.
    #[must_use]
    #[inline]
    pub fn is_expected(&self, hits: u32, trials: u32) -> bool {
        let (m, strength) = (f64::from(trials), self.hits + self.misses);
        let mean = self.hits / strength;
        let above = f64::from(hits) - m * mean;
        let variance = m * mean * (1.0 - mean) * (1.0 + (m - 1.0) / (strength + 1.0));
        above <= 0.0 || above * above <= 0.25 * variance
    }
}

/// Posterior mean of an unknown rate after `hits` in `trials` under a prior mean `rate` of strength
/// `worth` trials: (hits + worth·rate)/(trials + worth).
///
/// Source: Gelman et al., "Bayesian Data Analysis", §2.4.
#[must_use]
#[inline]
pub fn posterior_mean(hits: f64, trials: f64, rate: f64, strength: f64) -> f64 {
    (hits + strength * rate) / (trials + strength)
}

/// P(K ≥ `hits`) in `trials` trials under `rate`; 1 for `hits` = 0, 0 for `hits` > `trials`.
#[must_use]
pub fn upper_tail(hits: u32, trials: u32, rate: Beta) -> f64 {
    if hits == 0 {
        return 1.0;
    }
    if hits > trials {
        return 0.0;
    }
    let (k, m) = (f64::from(hits), f64::from(trials));
    let ln_choose = libm::lgamma(m + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(m - k + 1.0);
    let ln_first =
        ln_choose + ln_beta(rate.hits + k, rate.misses + m - k) - ln_beta(rate.hits, rate.misses);
    let mut term = libm::exp(ln_first);
    let mut sum = term;
    for step in hits..trials {
        let j = f64::from(step);
        term *= (m - j) / (j + 1.0) * (rate.hits + j) / (rate.misses + m - j - 1.0);
        sum += term;
        if term < sum * 1e-9 {
            break;
        }
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use statrs::function::beta::ln_beta as reference_ln_beta;
    use statrs::function::factorial::ln_binomial;

    fn batch(hits: u32, trials: u32, rate: Beta) -> f64 {
        (hits..=trials)
            .map(|k| {
                libm::exp(
                    ln_binomial(u64::from(trials), u64::from(k))
                        + reference_ln_beta(
                            rate.hits + f64::from(k),
                            rate.misses + f64::from(trials - k),
                        )
                        - reference_ln_beta(rate.hits, rate.misses),
                )
            })
            .sum()
    }

    proptest! {
        #[test]
        fn hits_near_the_mean_are_not_improbable(
            trials in 1u32..400, mean in 0.002f64..0.5, strength in 20.0f64..60.0,
        ) {
            let rate = Beta { hits: strength * mean, misses: strength * (1.0 - mean) };
            for hits in 0..=trials {
                if rate.is_expected(hits, trials) {
                    prop_assert!(upper_tail(hits, trials, rate) > 0.05);
                }
            }
        }

        #[test]
        fn agrees_with_the_exact_sum(
            k in 0u32..60, more in 0u32..60, a in 0.05f64..50.0, b in 0.05f64..500.0
        ) {
            let rate = Beta { hits: a, misses: b };
            let exact = batch(k, k + more, rate);
            prop_assert!((upper_tail(k, k + more, rate) - exact).abs() <= 1e-6 * exact);
        }

        #[test]
        fn more_hits_are_never_more_probable(k in 0u32..50, m in 50u32..80) {
            let rate = Beta { hits: 1.0, misses: 20.0 };
            prop_assert!(upper_tail(k + 1, m, rate) <= upper_tail(k, m, rate) + 1e-12);
        }
    }

    #[test]
    fn the_limits_have_probability_one_and_zero() {
        let rate = Beta {
            hits: 0.5,
            misses: 0.5,
        };
        assert!((upper_tail(0, 10, rate) - 1.0).abs() < 1e-12);
        assert!(upper_tail(11, 10, rate).abs() < 1e-12);
    }
}
