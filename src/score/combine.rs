//! Several signals, one event: how much in all?
//!
//! # Formula
//! Signals of one fact group count once, by the largest. The event's surprise is the largest
//! group's plus `group_excess_share` of what each other group exceeds `group_excess_from_nats`.
//!
//! # Why
//! The signals depend on each other (a new laptop is a new host, network and client), so a sum
//! (Fisher) counts one fact many times: on labelled traffic it found .29 of the campaigns at three
//! alerts a day where the Cauchy combination found .62 and this rule, with shared deviations
//! discounted, .69. It is not a *p*-value; what it means in alerts a day is learned by
//! [`super::threshold`].
//!
//! # Cost
//! One logarithm for each reading below e^−2; none for an ordinary event.

use crate::params::Scoring;
use crate::signal::{FACT_GROUPS, SIGNALS};
use crate::verdict::Reading;

/// One answer a signal, in the order of [`SIGNALS`].
pub type Readings = [Option<Reading>; SIGNALS.len()];

/// Readings as surprising as this are facts worth remembering in an incident.
const FACT_P: f64 = 0.135;

/// Whether a reading says something at all.
#[must_use]
pub fn is_fact(reading: &Reading) -> bool {
    reading.p < FACT_P
}

/// The surprise of the event in nats, over the readings that `counts` admits.
#[must_use]
pub fn combine(readings: &Readings, scoring: &Scoring, counts: impl Fn(&Reading) -> bool) -> f64 {
    let mut smallest = [1.0f64; FACT_GROUPS];
    for (signal, reading) in SIGNALS.iter().zip(readings) {
        if let Some(reading) = reading.as_ref().filter(|r| counts(r)) {
            let group = &mut smallest[signal.group() as usize];
            *group = group.min(reading.p);
        }
    }
    let least = smallest.iter().fold(1.0f64, |a, b| a.min(*b));
    let mut leader_seen = false;
    let mut surprise = 0.0;
    for p in smallest {
        let leads = !leader_seen && p <= least;
        leader_seen |= leads;
        if leads {
            surprise += -libm::log(p);
        } else if p < FACT_P {
            let excess = -libm::log(p) - scoring.group_excess_from_nats;
            surprise += scoring.group_excess_share * excess.max(0.0);
        }
    }
    surprise
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Level;
    use proptest::prelude::*;

    const SCORING: Scoring = Scoring {
        group_excess_from_nats: 2.0,
        group_excess_share: 0.5,
        evidence_from_nats: 3.0,
        repeat_share: 0.1,
        trust_until_nats: 5.0,
    };

    fn readings(ps: &[(usize, f64)]) -> Readings {
        let mut readings = [None; SIGNALS.len()];
        for (at, p) in ps {
            readings[*at] = Some(Reading::new(*p, Level::Identity, 100.0, *at as u32));
        }
        readings
    }

    fn nats(ps: &[(usize, f64)]) -> f64 {
        combine(&readings(ps), &SCORING, |_| true)
    }

    #[test]
    fn one_fact_counts_once_and_another_adds() {
        let host_alone = nats(&[(0, 1e-4)]);
        let host_and_network = nats(&[(0, 1e-4), (1, 1e-4)]);
        let host_and_client = nats(&[(0, 1e-4), (2, 1e-4)]);
        assert!((host_alone - 9.21).abs() < 0.01);
        assert!((host_and_network - host_alone).abs() < 1e-12);
        assert!((host_and_client - host_alone - 0.5 * (9.21 - 2.0)).abs() < 0.01);
        assert!(nats(&[]).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn a_less_probable_reading_never_lowers_the_score(
            at in 0usize..9, p in 1e-9f64..1.0, shrink in 0.01f64..1.0, other in 1e-6f64..1.0,
        ) {
            let neighbour = (at + 3) % 9;
            let before = nats(&[(at, p), (neighbour, other)]);
            let after = nats(&[(at, p * shrink), (neighbour, other)]);
            prop_assert!(after >= before - 1e-9);
        }
    }
}
