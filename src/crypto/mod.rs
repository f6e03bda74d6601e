//! Keys ([`keys`]) and JSON Web Signatures ([`jws`]). Signing itself is done by `ring`.

pub mod jws;
pub mod keys;

pub use jws::SignatureError;
pub use keys::{KeyError, KeySet, PublicKey, Signer, SigningKey};

/// The system has no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the system has no source of randomness; check /dev/urandom")]
pub struct NoRandomness;

/// Unpredictable bytes.
///
/// # Errors
/// The system has no randomness.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    use ring::rand::SecureRandom;
    let mut bytes = [0; N];
    let random = ring::rand::SystemRandom::new();
    random.fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}
