//! Deviations that many identities share: a new token lifetime for everyone, an office that moved, an outage.
//!
//! # Formula
//! Identities with a deviation are counted by its shared key (the new network, the issuer's new lifetime),
//! each once within half a day; those of the previous half day have half the weight. With *k* others beyond
//! the first `UNDISCOUNTED_OTHERS`, and beyond twice as many as show it by chance, the surprise is divided
//! by 1 + k/`HALVING_OTHERS`: it belongs to the population more than to each identity. Two victims of one
//! attacker keep their full surprise.
//!
//! # Error and memory
//! Linear counting over 64 bits ([`crate::stats::linear_count`]), saturated near 270, where hardly any
//! surprise remains. At most `CAPACITY` deviations; beyond that, old ones are evicted at most once an hour,
//! and new ones are not counted meanwhile.

use crate::stats::linear_count::estimate_distinct;
use crate::units::{EventTime, MS_PER_HOUR};
use borsh::{BorshDeserialize, BorshSerialize};
use hashbrown::HashMap;

/// Number of other identities up to which a deviation is not shared.
pub const UNDISCOUNTED_OTHERS: f64 = 1.0;
/// Number of further identities that halves the surprise.
pub const HALVING_OTHERS: f64 = 3.0;
/// Deviations that are counted.
pub const CAPACITY: usize = 32_768;
/// Size of one of them, in bytes.
pub const ENTRY_BYTES: usize = size_of::<(u32, RecentIdentities)>();
const HALF_DAY_MS: i64 = 12 * MS_PER_HOUR;
/// Minimum interval between evictions at capacity.
const SWEEP_INTERVAL_MS: i64 = MS_PER_HOUR;

/// Number of identities, of so many, that may show a deviation within half a day without a common cause:
/// twice the `share` that does.
#[must_use]
pub fn expected_by_chance(share: f64, identities: usize) -> f64 {
    2.0 * share * identities as f64
}

/// Identities with one deviation, one bit for each 64th of all identities.
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

/// Recent shared deviations.
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
    /// The share of the surprise of a deviation that remains for `identity`, where up to `by_chance`
    /// identities show it within half a day without a common cause ([`expected_by_chance`]).
    #[must_use]
    pub fn remaining_share(
        &self,
        deviation: u32,
        identity: u64,
        by_chance: f64,
        now: EventTime,
    ) -> f64 {
        let Some(shown) = self.identities_by_deviation.get(&deviation) else {
            return 1.0;
        };
        let mut others = shown.at(half_day(now));
        others.now &= !bit(identity);
        others.before &= !bit(identity);
        let undiscounted = UNDISCOUNTED_OTHERS + by_chance;
        1.0 / (1.0 + (others.identities() - undiscounted).max(0.0) / HALVING_OTHERS)
    }

    /// Adds `identity`; returns the number of identities if it is at least `least` and was not reported
    /// today.
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
    fn a_deviation_of_many_is_discounted_and_one_of_two_is_not() {
        let mut shared_deviations = SharedDeviations::default();
        let now = EventTime::EARLIEST;
        let left = |shared_deviations: &SharedDeviations, now| {
            shared_deviations.remaining_share(7, 99, 0.0, now)
        };
        assert!((left(&shared_deviations, now) - 1.0).abs() < 1e-12);
        shared_deviations.record(7, 1, NEVER, now);
        assert!((left(&shared_deviations, now) - 1.0).abs() < 0.01);
        (2..30).for_each(|identity| {
            assert_eq!(shared_deviations.record(7, identity, NEVER, now), None)
        });
        assert!(left(&shared_deviations, now) < 0.1);
        assert!((shared_deviations.remaining_share(8, 99, 0.0, now) - 1.0).abs() < 1e-12);
        let next_week = now.saturating_add_ms(7 * crate::units::MS_PER_DAY);
        assert!(left(&shared_deviations, next_week) > 0.99);
    }

    #[test]
    fn identities_of_two_half_days_ago_are_forgotten() {
        let mut shared = SharedDeviations::default();
        let half_day = |number| EventTime::EARLIEST.saturating_add_ms(number * HALF_DAY_MS);
        for identity in 0..30 {
            shared.record(7, identity, NEVER, half_day(0));
        }
        shared.record(7, 30, NEVER, half_day(1));
        assert!(shared.remaining_share(7, 99, 0.0, half_day(1)) < 0.2);
        for later in 2..5 {
            let left = shared.remaining_share(7, 99, 0.0, half_day(later));
            assert!(left > 0.99, "{later}: {left}");
        }
    }

    #[test]
    fn one_identity_counts_once_however_often() {
        let mut shared_deviations = SharedDeviations::default();
        let now = EventTime::EARLIEST;
        (0..100).for_each(|_| assert_eq!(shared_deviations.record(7, 1, 5.0, now), None));
        assert!((shared_deviations.remaining_share(7, 1, 0.0, now) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_shared_deviation_is_reported_once_a_day() {
        let mut shared_deviations = SharedDeviations::default();
        let now = EventTime::EARLIEST;
        let notices =
            (0..20).filter_map(|identity| shared_deviations.record(7, identity, 5.0, now));
        assert_eq!(notices.count(), 1);
    }

    /// As many deviations as are counted, all shown at `now`.
    fn full(now: EventTime) -> SharedDeviations {
        let mut shared = SharedDeviations::default();
        for deviation in 0..CAPACITY as u32 {
            shared.record(deviation, 1, NEVER, now);
        }
        shared
    }

    #[test]
    fn at_capacity_known_deviations_are_counted_and_new_ones_are_not() {
        let now = EventTime::EARLIEST;
        let mut shared = full(now);
        for identity in 0..30 {
            shared.record(7, identity, NEVER, now);
            shared.record(900_000, identity, NEVER, now);
        }
        assert!(shared.remaining_share(7, 99, 0.0, now) < 0.1);
        assert!((shared.remaining_share(900_000, 99, 0.0, now) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn at_capacity_deviations_of_earlier_days_make_room() {
        let now = EventTime::EARLIEST.saturating_add_ms(HALF_DAY_MS);
        for (half_days, makes_room) in [(0, false), (1, false), (2, true)] {
            let mut shared = full(now);
            let later = now.saturating_add_ms(half_days * HALF_DAY_MS);
            for identity in 0..30 {
                shared.record(900_000, identity, NEVER, later);
            }
            let is_counted = shared.remaining_share(900_000, 99, 0.0, later) < 0.1;
            assert_eq!(is_counted, makes_room, "{half_days}");
        }
    }

    #[test]
    fn room_is_looked_for_once_an_hour() {
        let now = EventTime::EARLIEST.saturating_add_ms(HALF_DAY_MS);
        let mut shared = full(now);
        // In vain: nothing is old.
        shared.record(
            900_000,
            1,
            NEVER,
            now.saturating_add_ms(2 * HALF_DAY_MS - 1),
        );
        let old = now.saturating_add_ms(2 * HALF_DAY_MS);
        shared.record(900_001, 1, NEVER, old);
        assert!(!shared.identities_by_deviation.contains_key(&900_001));
        shared.record(900_001, 1, NEVER, old.saturating_add_ms(SWEEP_INTERVAL_MS));
        assert!(shared.identities_by_deviation.contains_key(&900_001));
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
