//! What a number of observations can know of a tail.
//!
//! # Assumption
//! The model of a tail holds where there are observations; beyond the rarest of them it is a guess.
//!
//! # Formula
//! *n* observations without the event put its probability near ½/(n + 1); beyond that only the logarithm of
//! the model's tail counts: k/(1 + ln(k/p)) with k = ½/(n + 1).
//!
//! # Source
//! Jeffreys' prior for a proportion: Gelman et al., "Bayesian Data Analysis", §2.8.

/// The tail `p` of a model behind as many as `observations`.
#[must_use]
pub fn knowable_tail(p: f64, observations: f64) -> f64 {
    let known = 0.5 / (observations + 1.0);
    if p >= known {
        return p;
    }
    known / (1.0 + libm::log(known / p))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn few_observations_know_little_and_a_common_event_is_left_alone() {
        assert!((knowable_tail(0.3, 100.0) - 0.3).abs() < 1e-12);
        assert!(knowable_tail(1e-9, 2.0) > 0.005);
        assert!(knowable_tail(1e-9, 1_000.0) < 0.000_1);
    }

    proptest! {
        #[test]
        fn it_keeps_the_order_of_tails_and_never_lowers_one(
            p in 1e-12f64..1.0, smaller in 1e-12f64..1.0, observations in 0.0f64..1e6,
        ) {
            let (less, more) = (p.min(smaller), p.max(smaller));
            let known = knowable_tail(less, observations);
            prop_assert!(known >= less && known <= knowable_tail(more, observations) + 1e-15);
        }
    }
}
