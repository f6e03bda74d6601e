//! Hashes of texts and values, as keys of what baselines count.
//!
//! Texts come from outside: their hash is keyed with a secret of the deployment, so that nobody can choose a
//! name that shares the key of another. Numbers that are themselves such keys are hashed without it.

use borsh::{BorshDeserialize, BorshSerialize};
use siphasher::sip::SipHasher13;
use std::fmt;
use std::hash::Hasher;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The secret under which texts are hashed.
///
/// Assumption: it is not known outside the deployment. Function: SipHash-1-3 (Aumasson and Bernstein 2012).
#[derive(Clone, Copy, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct HashKey([u64; 2]);

impl HashKey {
    /// A key of 16 bytes.
    #[must_use]
    pub fn new(secret: [u8; 16]) -> Self {
        let [mut low, mut high] = [[0; 8]; 2];
        low.copy_from_slice(&secret[..8]);
        high.copy_from_slice(&secret[8..]);
        Self([u64::from_le_bytes(low), u64::from_le_bytes(high)])
    }

    /// 64-bit hash of `text` in the name space `space`: the same text as a host and as an action has two
    /// keys.
    #[must_use]
    #[inline]
    pub fn hash64(&self, space: u64, text: &[u8]) -> u64 {
        let mut hasher = self.hasher(space);
        hasher.write(text);
        hasher.finish()
    }

    /// A hasher of several values in the name space `space`.
    #[must_use]
    #[inline]
    pub fn hasher(&self, space: u64) -> impl Hasher + Clone + use<> {
        SipHasher13::new_with_keys(self.0[0] ^ space, self.0[1])
    }

    /// 32-bit key of `text` in the name space `space`; never 0, which marks an empty slot.
    #[must_use]
    #[inline]
    pub fn key32(&self, space: u64, text: &[u8]) -> u32 {
        fold32(self.hash64(space, text))
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(…)")
    }
}

/// Bytes that a [`BufferedHasher`] collects.
const BUFFER_BYTES: usize = 512;

/// Collects short values for a hasher whose cost is by call: the hash is that of the values written one by
/// one.
pub struct BufferedHasher<H> {
    hasher: H,
    buffer: [u8; BUFFER_BYTES],
    len: usize,
}

impl<H: Hasher> BufferedHasher<H> {
    /// For `hasher`.
    pub fn new(hasher: H) -> Self {
        Self {
            hasher,
            buffer: [0; BUFFER_BYTES],
            len: 0,
        }
    }

    fn flush(&mut self) {
        self.hasher.write(&self.buffer[..self.len]);
        self.len = 0;
    }
}

impl<H: Hasher + Clone> Hasher for BufferedHasher<H> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        if self.len + bytes.len() > BUFFER_BYTES {
            self.flush();
            if bytes.len() > BUFFER_BYTES {
                self.hasher.write(bytes);
                return;
            }
        }
        self.buffer[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn finish(&self) -> u64 {
        let mut hasher = self.hasher.clone();
        hasher.write(&self.buffer[..self.len]);
        hasher.finish()
    }
}

/// 64-bit hash, without secret, of `bytes` in the name space `space`.
#[must_use]
#[inline]
pub fn hash64(space: u64, bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, space)
}

/// 32-bit key, without secret, of a value; never 0, which marks an empty slot.
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
        // Stored state depends on these values.
        assert_eq!(hash64(0, b""), 0x2d06_8005_38d3_94c2);
        let key = HashKey::new(std::array::from_fn(|at| at as u8));
        assert_eq!(key.hash64(0, b""), 0xabac_0158_050f_c4dc);
    }

    #[test]
    fn a_buffered_hash_is_that_of_the_values_one_by_one() {
        let key = HashKey::new([7; 16]);
        let mut collected = BufferedHasher::new(key.hasher(3));
        let mut direct = key.hasher(3);
        for length in [0, 1, 7, 8, 9, 400, 511, 512, 513, 2_000, 3, 500, 12] {
            let text: Vec<u8> = (0..length).map(|at| (at * 31 + length) as u8).collect();
            for hasher in [&mut collected as &mut dyn Hasher, &mut direct] {
                hasher.write_usize(text.len());
                hasher.write(&text);
            }
            assert_eq!(collected.finish(), direct.finish(), "{length}");
        }
    }

    #[test]
    fn the_secret_decides_which_texts_share_a_key() {
        let [mine, theirs] = [HashKey::new([1; 16]), HashKey::new([2; 16])];
        assert_ne!(
            mine.hash64(1, b"svc-deploy"),
            theirs.hash64(1, b"svc-deploy")
        );
        assert_ne!(mine.hash64(1, b"svc-deploy"), mine.hash64(2, b"svc-deploy"));
        assert_eq!(format!("{mine:?}"), "HashKey(…)");
    }
}
