//! Volume of an hour: counts of past active hours as a log-normal distribution.
//!
//! # Assumption
//! The count of an active hour is log-normal for an entity, centred on its peers'. A Poisson distribution,
//! or its gamma mixture, is too narrow for the batches and backfills of machines.
//!
//! # Formula
//! Upper tail of the Student-t predictive of ln count ([`super::student`]). A count is learned when
//! its hour is over, so that a burst does not affect its own score.
//!
//! # Source
//! Heavy-tailed hourly volumes: Limpert, Stahel, Abbt, "Log-normal distributions across the
//! sciences", BioScience 51 (2001).

use super::student::{Moments, NormalPrior, student_upper_tail};

/// Prior strength of the peers, in hours.
const PEERS_PRIOR_STRENGTH: f64 = 2.0;
/// Prior strength of the spread, as the shape parameter: half the number of hours.
const SHAPE: f64 = 3.0;

/// Lower bound of the spread of ln count: even a timer is doubled now and then.
const MIN_LOG_SD: f64 = 0.6;

/// Tail probability of `count` in an hour; `None` where it does not exceed the usual count.
#[must_use]
pub fn tail(
    count: f64,
    own: &Moments,
    own_weight: f32,
    peers_mean: f64,
    log_sd: f64,
) -> Option<f64> {
    let log_count = libm::log(count);
    let known = own.count(own_weight);
    let centre =
        (known * own.mean() + PEERS_PRIOR_STRENGTH * peers_mean) / (known + PEERS_PRIOR_STRENGTH);
    if log_count <= centre + log_sd {
        return None;
    }
    let prior = NormalPrior {
        mean: peers_mean,
        mean_weight: PEERS_PRIOR_STRENGTH,
        shape: SHAPE,
        scale: SHAPE * log_sd * log_sd,
        min_scale: MIN_LOG_SD,
    };
    let (t, degrees) = own.standardise(log_count, own_weight, &prior);
    Some(student_upper_tail(t, degrees))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unprecedented_count_is_improbable_and_a_usual_one_is_not() {
        let mut own = Moments::default();
        for count in [18.0, 25.0, 20.0, 31.0, 22.0, 27.0, 19.0, 24.0] {
            own.add(libm::log(count), 1.0);
        }
        let at = |count| tail(count, &own, 1.0, 1.5, 0.5);
        assert_eq!(at(24.0), None);
        let (double, huge) = (at(60.0).unwrap(), at(2_000.0).unwrap());
        assert!(huge < double && double < 0.2, "{double} {huge}");
    }
}
