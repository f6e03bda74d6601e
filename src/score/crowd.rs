//! Deviations that many share: a new lifetime for everyone, an office that moved, an outage.
//!
//! # Rule
//! Every fresh deviation is counted by what it is (the new network, the issuer's new lifetime),
//! once an identity; counts halve every [`HALF_LIFE_SECS`]. With *k* others beyond the first
//! [`COMPANIONS`], the surprise is divided by 1 + k/[`SOFTNESS`]: it belongs to the population more
//! than to each of them. Two victims of one attacker stay two victims.
//!
//! # Memory
//! At most [`CAPACITY`] deviations; beyond, those that have decayed are let go, at most once an
//! hour, and newcomers are not counted meanwhile.

use crate::units::{EventTime, MS_PER_SEC};
use hashbrown::HashMap;

/// A count halves after this.
pub const HALF_LIFE_SECS: f64 = 43_200.0;
/// So many others are no crowd.
pub const COMPANIONS: f64 = 1.0;
/// So many more halve the surprise.
pub const SOFTNESS: f64 = 3.0;
const CAPACITY: usize = 32_768;
/// At the limit, what has decayed is looked for no more often than this.
const SWEEP_EVERY_MS: i64 = 3_600_000;
/// Counts below this are let go at the limit.
const FORGOTTEN: f64 = 0.3;

#[derive(Clone, Copy, Debug)]
struct Count {
    identities: f64,
    at: EventTime,
}

/// Who shares what, lately.
#[derive(Clone, Debug, Default)]
pub struct Crowd {
    counts: HashMap<u32, Count>,
    noticed: HashMap<u32, i64>,
    swept_at: EventTime,
}

fn remaining(count: &Count, now: EventTime) -> f64 {
    let secs = now.ms_since(count.at).max(0) / MS_PER_SEC;
    count.identities * libm::exp2(-(secs as f64) / HALF_LIFE_SECS)
}

impl Crowd {
    /// What is left of the surprise of a deviation, as a share.
    #[must_use]
    pub fn share(&self, fact: u32, now: EventTime) -> f64 {
        let others = self
            .counts
            .get(&fact)
            .map_or(0.0, |count| remaining(count, now));
        1.0 / (1.0 + (others - COMPANIONS).max(0.0) / SOFTNESS)
    }

    /// Identities that lately showed `fact`, decayed.
    #[must_use]
    pub fn identities(&self, fact: u32, now: EventTime) -> f64 {
        self.counts
            .get(&fact)
            .map_or(0.0, |count| remaining(count, now))
    }

    /// Counts one more identity.
    pub fn add(&mut self, fact: u32, now: EventTime) {
        if self.counts.len() >= CAPACITY && !self.counts.contains_key(&fact) {
            if now.ms_since(self.swept_at) < SWEEP_EVERY_MS {
                return;
            }
            self.swept_at = now;
            self.counts
                .retain(|_, count| remaining(count, now) >= FORGOTTEN);
            if self.counts.len() >= CAPACITY {
                return;
            }
        }
        let count = self.counts.entry(fact).or_insert(Count {
            identities: 0.0,
            at: now,
        });
        count.identities = remaining(count, now) + 1.0;
        count.at = count.at.max(now);
    }

    /// Whether a crowd of `least` identities shows `fact` and has not been told of today.
    pub fn notice(&mut self, fact: u32, least: f64, now: EventTime) -> bool {
        if self.identities(fact, now) < least {
            return false;
        }
        if self.noticed.len() >= CAPACITY {
            self.noticed.clear();
        }
        self.noticed.insert(fact, now.day()) != Some(now.day())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_share_surprises_less_and_two_are_no_crowd() {
        let mut crowd = Crowd::default();
        let now = EventTime::EARLIEST;
        assert!((crowd.share(7, now) - 1.0).abs() < 1e-12);
        crowd.add(7, now);
        assert!((crowd.share(7, now) - 1.0).abs() < 1e-12);
        (0..30).for_each(|_| crowd.add(7, now));
        assert!(crowd.share(7, now) < 0.1);
        assert!((crowd.share(8, now) - 1.0).abs() < 1e-12);
        let next_week = now.saturating_add_ms(7 * crate::units::MS_PER_DAY);
        assert!(crowd.share(7, next_week) > 0.99);
    }

    #[test]
    fn a_crowd_is_told_of_once_a_day() {
        let mut crowd = Crowd::default();
        let now = EventTime::EARLIEST;
        (0..10).for_each(|_| crowd.add(7, now));
        assert!(!crowd.notice(7, 20.0, now));
        assert!(crowd.notice(7, 5.0, now));
        assert!(!crowd.notice(7, 5.0, now));
    }

    #[test]
    fn memory_is_bounded() {
        let mut crowd = Crowd::default();
        (0..100_000u32).for_each(|fact| crowd.add(fact, EventTime::EARLIEST));
        assert!(crowd.counts.len() <= CAPACITY);
    }
}
