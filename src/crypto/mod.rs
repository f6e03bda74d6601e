//! Keys ([`keys`]) and JSON Web Signatures ([`jws`]). Signing itself is done by `ring`.

pub mod jws;
pub mod keys;

pub use jws::SignatureError;
pub use keys::{KeyError, KeySet, PublicKey, Signer, SigningKey};
