//! Distribution of the values of one feature, and the probability of a new value.
//!
//! # Assumption
//! Values are exchangeable draws of a hierarchical Pitman–Yor process: mostly known values, in proportion to
//! their decayed counts, and occasionally a new value drawn from the level above.
//!
//! # Formula
//! With decayed total *n* and decayed number of new values *k*, the probability of another new value is
//! θ = (k + 1)/(n + 1): 1 at n = 0, and high for an entity that always uses new values. A
//! known value *x* has the mid-p tail θ + (1 − θ)·(Σ_{c<c(x)} c + ½ Σ_{c=c(x)} c)/Σ c. A new value
//! has θ times its tail one level up. A level above counts *adoptions*, not events: it learns when
//! a value is new below, so that neither a busy entity nor an attacker dominates it.
//!
//! # Source
//! Teh, "A hierarchical Bayesian language model based on Pitman–Yor processes", ACL 2006 (the
//! minimal seating, which is interpolated Kneser–Ney); mid-p: Lancaster, JASA 56 (1961).
//!
//! # Memory
//! [`CategoryTable`]: 8 bytes per slot and 8 more. [`CategoryMap`]: bounded by its capacity.
//!
//! # Caveat
//! A table keeps its most frequent values; an evicted one counts as new when it returns, which raises θ, so
//! an entity with more habits than slots becomes hard to surprise rather than noisy.

use borsh::{BorshDeserialize, BorshSerialize};
use hashbrown::HashMap;

/// Tail probability of a value in a table or map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TailProbability {
    /// Known, with its mid-p tail probability and its share of all observations.
    Known {
        /// Probability of a value as rare as this or rarer.
        tail: f64,
        /// Share of the observations.
        share: f64,
    },
    /// Not known; with the probability that an observation is new.
    New {
        /// θ in the module's formula.
        newcomer_rate: f64,
    },
}

fn newcomer_rate(newcomers: f64, total: f64) -> f64 {
    ((newcomers + 1.0) / (total + 1.0)).min(1.0)
}

/// The most frequent `N` values of one entity. Key 0 marks an empty slot.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct CategoryTable<const N: usize> {
    keys: [u32; N],
    weights: [f32; N],
    total: f32,
    newcomers: f32,
}

impl<const N: usize> Default for CategoryTable<N> {
    fn default() -> Self {
        Self {
            keys: [0; N],
            weights: [0.0; N],
            total: 0.0,
            newcomers: 0.0,
        }
    }
}

impl<const N: usize> CategoryTable<N> {
    fn position(&self, key: u32) -> Option<usize> {
        self.keys.iter().position(|k| *k == key)
    }

    /// Sums one value near each end of the table, to prefetch it; see
    /// [`crate::baseline::store::Store::prefetch`].
    #[inline]
    #[must_use]
    pub(crate) fn prefetch(&self) -> f32 {
        self.weights[0] + self.total
    }

    /// Slot of `key`. A value keeps its slot until another one replaces it.
    #[must_use]
    pub fn slot(&self, key: u32) -> Option<usize> {
        self.position(key)
    }

    /// The keys, by slot.
    pub fn slots(&self) -> impl Iterator<Item = (usize, u32)> {
        let keys = self.keys.iter().copied().enumerate();
        keys.filter(|(_, key)| *key != 0)
    }

    /// Whether `key` is in the table.
    #[must_use]
    pub fn contains(&self, key: u32) -> bool {
        self.position(key).is_some()
    }

    /// Decayed observations of `key`.
    #[must_use]
    pub fn count(&self, key: u32, weight_now: f32) -> f64 {
        let found = self.position(key);
        found.map_or(0.0, |position| {
            f64::from(self.weights[position] / weight_now)
        })
    }

    /// Tail probability of `key`, where an observation made now has weight `weight_now`.
    #[must_use]
    pub fn tail_probability(&self, key: u32, weight_now: f32) -> TailProbability {
        let total = f64::from(self.total / weight_now);
        let rate = newcomer_rate(f64::from(self.newcomers / weight_now), total);
        let Some(position) = self.position(key) else {
            return TailProbability::New {
                newcomer_rate: rate,
            };
        };
        let own = self.weights[position];
        let (mut below, mut equal, mut total) = (0.0f32, 0.0f32, 0.0f32);
        for weight in self.weights {
            total += weight;
            below += if weight < own { weight } else { 0.0 };
            equal += if weight.to_bits() == own.to_bits() {
                weight
            } else {
                0.0
            };
        }
        let tail = f64::from((below + 0.5 * equal) / total.max(f32::MIN_POSITIVE));
        TailProbability::Known {
            tail: rate + (1.0 - rate) * tail,
            share: f64::from(own / self.total.max(f32::MIN_POSITIVE)),
        }
    }

    /// Counts one observation of `key`; returns whether it was new.
    pub fn add(&mut self, key: u32, weight: f32) -> bool {
        self.total += weight;
        if let Some(position) = self.position(key) {
            self.weights[position] += weight;
            return false;
        }
        let mut weakest = 0;
        for (slot, candidate) in self.weights.iter().enumerate() {
            if *candidate < self.weights[weakest] {
                weakest = slot;
            }
        }
        self.keys[weakest] = key;
        self.weights[weakest] = weight;
        self.newcomers += weight;
        true
    }

    /// Removes `key` and its observations, if present.
    pub fn forget(&mut self, key: u32) {
        let Some(position) = self.position(key).filter(|_| key != 0) else {
            return;
        };
        let weight = std::mem::take(&mut self.weights[position]);
        self.keys[position] = 0;
        self.total = (self.total - weight).max(0.0);
        self.newcomers = self.newcomers.min(self.total);
    }

    /// Multiplies all weights by `factor`.
    pub fn rescale(&mut self, factor: f32) {
        self.weights.iter_mut().for_each(|w| *w *= factor);
        self.total *= factor;
        self.newcomers *= factor;
    }

    /// Decayed number of observations.
    #[must_use]
    pub fn observations(&self, weight_now: f32) -> f64 {
        f64::from(self.total / weight_now)
    }

    /// Decayed number of new values among them.
    #[must_use]
    pub fn newcomers(&self, weight_now: f32) -> f64 {
        f64::from(self.newcomers / weight_now)
    }

    /// Values and their shares of all observations, in descending order.
    #[must_use]
    pub fn strongest(&self) -> Vec<(u32, f64)> {
        let total = f64::from(self.total).max(f64::MIN_POSITIVE);
        let mut all: Vec<(u32, f64)> = self
            .keys
            .iter()
            .zip(self.weights)
            .filter(|(key, _)| **key != 0)
            .map(|(key, weight)| (*key, f64::from(weight) / total))
            .collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all
    }
}

/// Buckets of [`CategoryMap`] by the binary exponent of a weight.
const BUCKETS: usize = 64;
/// Exponent field of `f32` that falls into bucket 0: weights down to 2⁻¹⁶.
const LOWEST_EXPONENT: u32 = 127 - 16;

fn bucket(weight: f32) -> usize {
    let exponent = (weight.to_bits() >> 23) & 0xff;
    (exponent.saturating_sub(LOWEST_EXPONENT) as usize).min(BUCKETS - 1)
}

/// Many values, for peers and population. The tail is bucketed by the binary exponent of the weight, so that
/// a query costs O(64) whatever the number of values: weights within a factor of two count as
/// equal.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct CategoryMap {
    #[borsh(
        serialize_with = "crate::stats::borsh_codec::map_to",
        deserialize_with = "crate::stats::borsh_codec::map_from"
    )]
    weights: HashMap<u32, f32>,
    bucket_sums: [f64; BUCKETS],
    total: f64,
    newcomers: f64,
    capacity: usize,
}

impl CategoryMap {
    /// An empty map of at most `capacity` values; when it is full, the less frequent half is evicted.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            weights: HashMap::new(),
            bucket_sums: [0.0; BUCKETS],
            total: 0.0,
            newcomers: 0.0,
            capacity: capacity.max(2),
        }
    }

    /// Tail probability of `key`, where an observation made now has weight `weight_now`.
    #[must_use]
    pub fn tail_probability(&self, key: u32, weight_now: f32) -> TailProbability {
        let weight_now = f64::from(weight_now);
        let rate = newcomer_rate(self.newcomers / weight_now, self.total / weight_now);
        let Some(own) = self.weights.get(&key) else {
            return TailProbability::New {
                newcomer_rate: rate,
            };
        };
        let own_bucket = bucket(*own);
        let below: f64 = self.bucket_sums[..own_bucket].iter().sum();
        let total: f64 = self.bucket_sums.iter().sum();
        let tail = (below + 0.5 * self.bucket_sums[own_bucket]) / total.max(f64::MIN_POSITIVE);
        TailProbability::Known {
            tail: (rate + (1.0 - rate) * tail).min(1.0),
            share: f64::from(*own) / self.total.max(f64::MIN_POSITIVE),
        }
    }

    /// Counts one adoption of `key`; returns whether it was new.
    pub fn add(&mut self, key: u32, weight: f32) -> bool {
        self.total += f64::from(weight);
        if let Some(own) = self.weights.get_mut(&key) {
            let before = *own;
            *own += weight;
            let after = *own;
            self.bucket_sums[bucket(before)] -= f64::from(before);
            self.bucket_sums[bucket(after)] += f64::from(after);
            return false;
        }
        if self.weights.len() >= self.capacity {
            self.evict_weaker_half();
        }
        self.weights.insert(key, weight);
        self.bucket_sums[bucket(weight)] += f64::from(weight);
        self.newcomers += f64::from(weight);
        true
    }

    /// Removes one adoption of `key`, of at most `weight`.
    pub fn retract(&mut self, key: u32, weight: f32) {
        let Some(own) = self.weights.get_mut(&key) else {
            return;
        };
        let before = *own;
        let taken = weight.min(before);
        *own -= taken;
        let after = *own;
        self.total -= f64::from(taken);
        self.bucket_sums[bucket(before)] -= f64::from(before);
        if after > 0.0 {
            self.bucket_sums[bucket(after)] += f64::from(after);
        } else {
            self.weights.remove(&key);
            self.newcomers = (self.newcomers - f64::from(taken)).max(0.0);
        }
    }

    fn evict_weaker_half(&mut self) {
        let mut all: Vec<(f32, u32)> = self.weights.iter().map(|(k, w)| (*w, *k)).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for (_, key) in &all[..all.len() / 2] {
            self.weights.remove(key);
        }
        self.refill_buckets();
    }

    fn refill_buckets(&mut self) {
        // In key order: floating-point sums must not depend on the order of a hash map.
        let mut all: Vec<(u32, f32)> = self.weights.iter().map(|(k, w)| (*k, *w)).collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        self.bucket_sums = [0.0; BUCKETS];
        for (_, weight) in all {
            self.bucket_sums[bucket(weight)] += f64::from(weight);
        }
    }

    /// Multiplies all weights by `factor`.
    pub fn rescale(&mut self, factor: f32) {
        self.weights.values_mut().for_each(|w| *w *= factor);
        self.total *= f64::from(factor);
        self.newcomers *= f64::from(factor);
        self.refill_buckets();
    }

    /// Decayed adoptions of `key`; 0 where it is not known.
    #[must_use]
    pub fn weight(&self, key: u32, weight_now: f32) -> f64 {
        f64::from(self.weights.get(&key).copied().unwrap_or(0.0) / weight_now)
    }

    /// Decayed number of adoptions.
    #[must_use]
    pub fn observations(&self, weight_now: f32) -> f64 {
        self.total / f64::from(weight_now)
    }

    /// Number of distinct values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether the map is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// Size in bytes, table included.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.weights.allocation_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tail(standing: TailProbability) -> f64 {
        match standing {
            TailProbability::Known { tail, .. } => tail,
            TailProbability::New { newcomer_rate } => newcomer_rate,
        }
    }

    #[test]
    fn an_empty_table_finds_nothing_surprising() {
        assert!((tail(CategoryTable::<8>::default().tail_probability(7, 1.0)) - 1.0).abs() < 1e-12);
        assert!((tail(CategoryMap::new(8).tail_probability(7, 1.0)) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_new_value_is_surprising_for_an_entity_with_few_values() {
        let mut table = CategoryTable::<8>::default();
        for _ in 0..999 {
            table.add(1, 1.0);
        }
        assert!((tail(table.tail_probability(2, 1.0)) - 2.0 / 1_000.0).abs() < 1e-9);
        assert!(tail(table.tail_probability(1, 1.0)) > 0.5);
        assert_eq!(table.strongest()[0].0, 1);
    }

    #[test]
    fn a_new_value_is_not_surprising_for_an_entity_with_many() {
        let mut table = CategoryTable::<8>::default();
        for key in 1..500 {
            table.add(key, 1.0);
        }
        assert!(tail(table.tail_probability(10_000, 1.0)) > 0.99);
    }

    proptest! {
        #[test]
        fn a_removed_value_leaves_no_trace(draws in prop::collection::vec(1u32..6, 1..60)) {
            let (mut table, mut map) = (CategoryTable::<8>::default(), CategoryMap::new(64));
            let (mut clean_table, mut clean_map) = (table, map.clone());
            for draw in &draws {
                table.add(*draw, 1.0);
                map.add(*draw, 1.0);
                if *draw != 3 {
                    clean_table.add(*draw, 1.0);
                    clean_map.add(*draw, 1.0);
                }
            }
            table.forget(3);
            draws.iter().filter(|draw| **draw == 3).for_each(|_| map.retract(3, 1.0));
            prop_assert_eq!(table.strongest(), clean_table.strongest());
            prop_assert!((map.observations(1.0) - clean_map.observations(1.0)).abs() < 1e-6);
            for value in 1..6 {
                let left = map.tail_probability(value, 1.0);
                let clean = clean_map.tail_probability(value, 1.0);
                prop_assert!((tail(left) - tail(clean)).abs() < 1e-6);
            }
        }

        #[test]
        fn tails_agree_with_the_exact_batch(draws in prop::collection::vec(1u32..8, 1..300)) {
            let mut table = CategoryTable::<8>::default();
            draws.iter().for_each(|d| { table.add(*d, 1.0); });
            let n = draws.len() as f64;
            let count = |v: u32| draws.iter().filter(|d| **d == v).count() as f64;
            let kinds = (1..8).filter(|v| count(*v) > 0.0).count() as f64;
            let rate = (kinds + 1.0) / (n + 1.0);
            for value in (1..8).filter(|v| count(*v) > 0.0) {
                let mid: f64 = (1..8).map(|v| match count(v).total_cmp(&count(value)) {
                    std::cmp::Ordering::Less => count(v),
                    std::cmp::Ordering::Equal => 0.5 * count(v),
                    std::cmp::Ordering::Greater => 0.0,
                }).sum::<f64>() / n;
                let exact = rate + (1.0 - rate) * mid;
                prop_assert!((tail(table.tail_probability(value, 1.0)) - exact).abs() < 1e-5);
            }
        }

        #[test]
        fn a_map_stays_within_its_capacity(draws in prop::collection::vec(1u32..5_000, 1..2_000)) {
            let mut map = CategoryMap::new(64);
            for draw in draws {
                map.add(draw, 1.0);
                prop_assert!(map.len() <= 64);
                let p = tail(map.tail_probability(draw, 1.0));
                prop_assert!(p > 0.0 && p <= 1.0);
            }
        }

        #[test]
        fn rescaling_changes_no_result(draws in prop::collection::vec(1u32..9, 1..100)) {
            let mut table = CategoryTable::<8>::default();
            let mut map = CategoryMap::new(64);
            for draw in &draws { table.add(*draw, 1.0); map.add(*draw, 1.0); }
            let before = (tail(table.tail_probability(3, 1.0)), tail(map.tail_probability(3, 1.0)));
            table.rescale(0.25);
            map.rescale(0.25);
            let after = (tail(table.tail_probability(3, 0.25)), tail(map.tail_probability(3, 0.25)));
            prop_assert!((before.0 - after.0).abs() < 1e-6 && (before.1 - after.1).abs() < 1e-6);
        }
    }
}
