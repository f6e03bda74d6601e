//! Keys ([`keys`], [`derived_key`]) and JSON Web Signatures ([`jws`]). Signing itself is done by `ring`.

pub mod derived_key;
pub mod jws;
pub mod keys;

pub use derived_key::DerivedKey;
pub use jws::SignatureError;
pub use keys::{KeyError, KeySet, PublicKey, Signer, SigningKey};
