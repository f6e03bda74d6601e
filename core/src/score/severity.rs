//! Severity of an alert, by the excess of its score over the threshold.
//!
//! Benign traffic exceeds the threshold as often as the alert budget states; each further nat is *e* times
//! rarer. With the defaults, at 5 alerts per day: low occurs 5 times per day, medium (2 nats above) once in
//! 1.5 days, high (5 nats) once a month, critical (9 nats) about once in four years of benign
//! traffic.

use crate::parameters::SeverityParams;
use crate::verdict::Severity;

/// Severity of `score_nats` at the threshold `threshold_nats`.
#[must_use]
pub fn severity(score_nats: f64, threshold_nats: f64, params: &SeverityParams) -> Severity {
    let above = score_nats - threshold_nats;
    if above < 0.0 {
        Severity::Informational
    } else if above < params.medium_above_nats {
        Severity::Low
    } else if above < params.high_above_nats {
        Severity::Medium
    } else if above < params.critical_above_nats {
        Severity::High
    } else {
        Severity::Critical
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severity_grows_with_the_excess() {
        let params = SeverityParams {
            medium_above_nats: 2.0,
            high_above_nats: 5.0,
            critical_above_nats: 9.0,
        };
        let at = |score| severity(score, 9.0, &params);
        assert_eq!(at(8.9), Severity::Informational);
        assert_eq!(at(9.0), Severity::Low);
        assert_eq!(at(11.0), Severity::Medium);
        assert_eq!(at(14.0), Severity::High);
        assert_eq!(at(18.0), Severity::Critical);
    }
}
