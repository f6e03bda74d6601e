//! Linear counting: the number of distinct values behind the bits that their hashes set.
//!
//! # Assumption
//! Hashes spread values evenly over *m* bits.
//!
//! # Formula
//! −m ln(empty/m). Exact for a handful, within a tenth up to 0.8 m values, and saturated near 5 m.
//!
//! # Source
//! Whang, Vander-Zanden, Taylor, "A linear-time probabilistic counting algorithm for database
//! applications", ACM TODS 15 (1990).

/// Share of a bit that counts as empty when all are set.
const MIN_EMPTY: f64 = 0.9;

/// Estimated number of distinct values behind `set` of `bits` bits.
#[must_use]
pub fn estimate_distinct(set: u32, bits: u32) -> f64 {
    let empty = f64::from(bits.saturating_sub(set)).max(MIN_EMPTY);
    let bits = f64::from(bits);
    -bits * libm::log(empty / bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #[test]
        fn it_is_near_the_exact_count(values in prop::collection::hash_set(any::<u64>(), 0..100)) {
            let bits = |value: &u64| crate::stats::hash::hash64(7, &value.to_le_bytes()) % 128;
            let set: HashSet<u64> = values.iter().map(bits).collect();
            let exact = values.len() as f64;
            prop_assert!((estimate_distinct(set.len() as u32, 128) - exact).abs() <= 3.0 + 0.25 * exact);
        }
    }

    #[test]
    fn no_bits_give_zero_and_all_bits_give_a_finite_count() {
        assert!(estimate_distinct(0, 64).abs() < 1e-12);
        assert!(estimate_distinct(64, 64).is_finite());
    }
}
