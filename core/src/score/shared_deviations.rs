//! Deviations that many share: a new lifetime for everyone, an office that moved, an outage.
//!
//! # Rule
//! Identities that show a deviation are counted by what it is (the new network, the issuer's new
//! lifetime), each once within half a day; those of the half day before count half. With *k* others
//! beyond the first [`COMPANIONS`], the surprise is divided by 1 + k/[`SOFTNESS`]: it belongs to the
//! population more than to each of them. Two victims of one attacker stay two victims.
//!
//! # Error and memory
//! Linear counting over 64 bits ([`crate::stats::linear_count`]), saturated near 270, where nothing
//! is left of a surprise anyway. At most [`CAPACITY`] deviations;
//! beyond, old ones are let go, at most once an hour, and newcomers are not counted meanwhile.

use crate::stats::linear_count::estimate_distinct;
use crate::units::{EventTime, MS_PER_HOUR};
use borsh::{BorshDeserialize, BorshSerialize};
use hashbrown::HashMap;

/// So many others are no crowd.
pub const FREE_COMPANIONS: f64 = 1.0;
/// So many more halve the surprise.
pub const HALVING_COMPANIONS: f64 = 3.0;
const CAPACITY: usize = 32_768;
const HALF_DAY_MS: i64 = 12 * MS_PER_HOUR;
/// At the limit, what is old is looked for no more often than this.
const SWEEP_INTERVAL_MS: i64 = MS_PER_HOUR;

/// Who showed one deviation, one bit for each 64th of all identities.
#[derive(Clone, Copy, Debug, Default, BorshSerialize, BorshDeserialize)]
struct RecentIdentities {
    half_day: i64,
    now: u64,
    before: u64,
    noticed_day: i64,
}

/// Number of identities behind `bits`.
fn identities_behind(bits: u64) -> f64 {
    estimate_distinct(bits.count_ones(), u64::BITS)
}

fn bit(identity: u64) -> u64 {
    1 << (identity % 64)
}

impl RecentIdentities {
    fn at(self, half_day: i64) -> Self {
        let (now, before) = match half_day - self.half_day {
            ..=0 => return self,
            1 => (0, self.now),
            _ => (0, 0),
        };
        Self {
            half_day,
            now,
            before,
            ..self
        }
    }

    fn identities(&self) -> f64 {
        identities_behind(self.now) + 0.5 * identities_behind(self.before & !self.now)
    }
}

fn half_day(now: EventTime) -> i64 {
    now.epoch_ms().div_euclid(HALF_DAY_MS)
}

/// Who shares what, lately.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct SharedDeviations {
    #[borsh(
        serialize_with = "crate::stats::borsh_codec::map_to",
        deserialize_with = "crate::stats::borsh_codec::map_from"
    )]
    identities_by_deviation: HashMap<u32, RecentIdentities>,
    swept_at: EventTime,
}

impl SharedDeviations {
    /// What is left of the surprise of a deviation of `identity`, as a share.
    #[must_use]
    pub fn remaining_share(&self, deviation: u32, identity: u64, now: EventTime) -> f64 {
        let Some(shown) = self.identities_by_deviation.get(&deviation) else {
            return 1.0;
        };
        let mut others = shown.at(half_day(now));
        others.now &= !bit(identity);
        others.before &= !bit(identity);
        1.0 / (1.0 + (others.identities() - FREE_COMPANIONS).max(0.0) / HALVING_COMPANIONS)
    }

    /// Counts `identity`; says how many there are now, where they are `least` or more and have not
    /// been told of today.
    pub fn record(
        &mut self,
        deviation: u32,
        identity: u64,
        least: f64,
        now: EventTime,
    ) -> Option<f64> {
        if self.identities_by_deviation.len() >= CAPACITY
            && !self.identities_by_deviation.contains_key(&deviation)
        {
            self.sweep(now);
            if self.identities_by_deviation.len() >= CAPACITY {
                return None;
            }
        }
        let shown = self.identities_by_deviation.entry(deviation).or_default();
        *shown = shown.at(half_day(now));
        shown.now |= bit(identity);
        let identities = shown.identities();
        if identities < least || shown.noticed_day == now.day() {
            return None;
        }
        shown.noticed_day = now.day();
        Some(identities)
    }

    fn sweep(&mut self, now: EventTime) {
        if now.ms_since(self.swept_at) >= SWEEP_INTERVAL_MS {
            self.swept_at = now;
            let log = half_day(now) - 1;
            self.identities_by_deviation
                .retain(|_, shown| shown.half_day >= log);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: f64 = f64::INFINITY;

    #[test]
    fn what_many_share_surprises_less_and_two_are_no_crowd() {
        let mut shared_deviations = SharedDeviations::default();
        let now = EventTime::EARLIEST;
        let left = |shared_deviations: &SharedDeviations, now| {
            shared_deviations.remaining_share(7, 99, now)
        };
        assert!((left(&shared_deviations, now) - 1.0).abs() < 1e-12);
        shared_deviations.record(7, 1, NEVER, now);
        assert!((left(&shared_deviations, now) - 1.0).abs() < 0.01);
        (2..30).for_each(|identity| {
            assert_eq!(shared_deviations.record(7, identity, NEVER, now), None)
        });
        assert!(left(&shared_deviations, now) < 0.1);
        assert!((shared_deviations.remaining_share(8, 99, now) - 1.0).abs() < 1e-12);
        let next_week = now.saturating_add_ms(7 * crate::units::MS_PER_DAY);
        assert!(left(&shared_deviations, next_week) > 0.99);
    }

    #[test]
    fn one_identity_is_no_crowd_however_often() {
        let mut shared_deviations = SharedDeviations::default();
        let now = EventTime::EARLIEST;
        (0..100).for_each(|_| assert_eq!(shared_deviations.record(7, 1, 5.0, now), None));
        assert!((shared_deviations.remaining_share(7, 1, now) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_crowd_is_told_of_once_a_day() {
        let mut shared_deviations = SharedDeviations::default();
        let now = EventTime::EARLIEST;
        let told = (0..20).filter_map(|identity| shared_deviations.record(7, identity, 5.0, now));
        assert_eq!(told.count(), 1);
    }

    #[test]
    fn memory_is_bounded() {
        let mut shared_deviations = SharedDeviations::default();
        for deviation in 0..100_000u32 {
            shared_deviations.record(deviation, 1, NEVER, EventTime::EARLIEST);
        }
        assert!(shared_deviations.identities_by_deviation.len() <= CAPACITY);
    }
}
