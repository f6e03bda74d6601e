//! Seeded random numbers.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};

/// A random number generator that depends on its seed only.
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// A generator with `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in [`from`, `to`).
    pub fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.unit()
    }

    /// Uniform in 0 to `below` − 1.
    pub fn below(&mut self, below: usize) -> usize {
        (self.unit() * below.max(1) as f64) as usize
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// One of `items`, earlier ones more often (weights 1, 1/2, 1/3 …).
    pub fn favourite<'i, T>(&mut self, items: &'i [T]) -> &'i T {
        let total: f64 = (1..=items.len()).map(|rank| 1.0 / rank as f64).sum();
        let mut left = self.unit() * total;
        for (rank, item) in items.iter().enumerate() {
            left -= 1.0 / (rank + 1) as f64;
            if left < 0.0 {
                return item;
            }
        }
        &items[items.len() - 1]
    }

    /// Exponential with the given mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(1.0 - self.unit())
    }
}
