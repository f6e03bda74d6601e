//! Keys that are derived from a secret of the deployment.

use std::fmt;

/// A key for one purpose. It is not shown.
#[derive(Clone)]
pub struct DerivedKey([u8; 32]);

impl DerivedKey {
    /// The key of `secret` for the purpose that `context` names; `None` where the secret is empty.
    #[must_use]
    pub fn new(secret: &str, context: &str) -> Option<Self> {
        let key = || Self(blake3::derive_key(context, secret.as_bytes()));
        (!secret.is_empty()).then(key)
    }

    /// The key for one part of the purpose.
    #[must_use]
    pub fn of_part(&self, part: &str) -> Self {
        Self(self.hash(part.as_bytes()))
    }

    /// BLAKE3 of `content` under the key.
    #[must_use]
    pub fn hash(&self, content: &[u8]) -> [u8; 32] {
        blake3::keyed_hash(&self.0, content).into()
    }

    /// A hasher under the key.
    #[must_use]
    pub fn hasher(&self) -> blake3::Hasher {
        blake3::Hasher::new_keyed(&self.0)
    }
}

impl fmt::Debug for DerivedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DerivedKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_of_its_secret_and_purpose_and_is_not_shown() {
        let of = |secret, context| DerivedKey::new(secret, context).unwrap().hash(b"text");
        assert_eq!(of("a", "this"), of("a", "this"));
        assert_ne!(of("a", "this"), of("b", "this"));
        assert_ne!(of("a", "this"), of("a", "that"));
        assert!(DerivedKey::new("", "this").is_none());
        let key = DerivedKey::new("a", "this").unwrap();
        assert_ne!(key.of_part("x").hash(b"text"), key.hash(b"text"));
        assert_eq!(format!("{key:?}"), "DerivedKey");
    }
}
