//! Checksum of the state records of one shard. With a secret it is a message authentication code: whoever may
//! write to the topic, and does not have the secret, cannot write a baseline that is restored.

use crate::crypto::DerivedKey;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

const CONTEXT: &str = "credwatch 2026 state records";

/// Keyed BLAKE3, cut to 64 bits, or XXH3-64 without a key.
#[derive(Clone, Debug, Default)]
pub struct RecordChecksum {
    key: Option<DerivedKey>,
}

impl RecordChecksum {
    /// Keyed by `secret`; without a key where that is empty.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self {
            key: DerivedKey::new(secret, CONTEXT),
        }
    }

    /// The same for the records of `shard` alone: records of others are not valid for it.
    #[must_use]
    pub fn for_shard(&self, shard: &str) -> Self {
        Self {
            key: self.key.as_ref().map(|key| key.of_part(shard)),
        }
    }

    /// Whether it has a key.
    #[must_use]
    pub fn is_keyed(&self) -> bool {
        self.key.is_some()
    }

    /// The checksum of `content`, one of `parts` parts, under the record key `record_key`.
    #[must_use]
    pub fn of(&self, record_key: &[u8], parts: u16, content: &[u8]) -> u64 {
        let Some(key) = &self.key else {
            return xxh3_64_with_seed(content, xxh3_64(record_key) ^ u64::from(parts));
        };
        let mut hasher = key.hasher();
        hasher.update(&(record_key.len() as u64).to_le_bytes());
        hasher.update(record_key);
        hasher.update(&parts.to_le_bytes());
        hasher.update(content);
        let mut short = [0; 8];
        hasher.finalize_xof().fill(&mut short);
        u64::from_le_bytes(short)
    }
}
