//! Checksum of the state records of one shard. With a secret it is a message authentication code: whoever may
//! write to the topic, and does not have the secret, cannot write a baseline that is restored.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

const CONTEXT: &str = "credwatch 2026 state records";

/// Keyed BLAKE3, cut to 64 bits, or XXH3-64 without a key.
#[derive(Clone, Default)]
pub struct RecordChecksum {
    key: Option<[u8; 32]>,
}

impl RecordChecksum {
    /// Keyed by `secret`; without a key where that is empty.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        let secret = Some(secret).filter(|secret| !secret.is_empty());
        Self {
            key: secret.map(|secret| blake3::derive_key(CONTEXT, secret.as_bytes())),
        }
    }

    /// The same for the records of `shard` alone: records of others are not valid for it.
    #[must_use]
    pub fn for_shard(&self, shard: &str) -> Self {
        let key = self.key.as_ref();
        Self {
            key: key.map(|key| *blake3::keyed_hash(key, shard.as_bytes()).as_bytes()),
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
        let mut hasher = blake3::Hasher::new_keyed(key);
        hasher.update(&(record_key.len() as u64).to_le_bytes());
        hasher.update(record_key);
        hasher.update(&parts.to_le_bytes());
        hasher.update(content);
        let mut short = [0; 8];
        hasher.finalize_xof().fill(&mut short);
        u64::from_le_bytes(short)
    }
}

/// The key is secret.
impl std::fmt::Debug for RecordChecksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_keyed = self.is_keyed();
        f.debug_struct("RecordChecksum")
            .field("is_keyed", &is_keyed)
            .finish()
    }
}
