//! Stable hashes. XXH3 has a written specification, so that keys in stored state keep their
//! meaning across versions and machines.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// 64-bit hash of `bytes` in the name space `space`: the same text as a host and as an action has two
/// keys.
#[must_use]
#[inline]
pub fn hash64(space: u64, bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, space)
}

/// 32-bit key of a value; never 0, which marks an empty slot.
#[must_use]
#[inline]
pub fn key32(space: u64, bytes: &[u8]) -> u32 {
    fold32(hash64(space, bytes))
}

/// The 32-bit key of a 64-bit hash; never 0.
#[must_use]
#[inline]
pub fn fold32(hash: u64) -> u32 {
    ((hash >> 32) as u32 ^ hash as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_keep_equal_texts_apart_and_keys_are_stable() {
        assert_ne!(key32(1, b"build-17"), key32(2, b"build-17"));
        // Stored state depends on this value.
        assert_eq!(hash64(0, b""), 0x2d06_8005_38d3_94c2);
    }
}
