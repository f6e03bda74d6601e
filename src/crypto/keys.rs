//! Signing keys, RSA (RS256) and Ed25519 (EdDSA), from PEM files, and their public halves as a JSON Web Key
//! Set (RFC 7517).

use super::derived_key::DerivedKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::digest::{SHA256, digest};
use ring::rsa::PublicKeyComponents;
use ring::signature::{Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file contains no key.
    #[error("{path}: not a private key in PEM: {why}")]
    Pem {
        /// File.
        path: String,
        /// Reason.
        why: String,
    },
    /// The key has an unsupported type or size.
    #[error(
        "{path}: {why}; create one with: openssl genpkey -algorithm ed25519, or -algorithm RSA"
    )]
    Key {
        /// File.
        path: String,
        /// Reason.
        why: String,
    },
    /// The key set cannot be read.
    #[error("{path}: no JSON Web Key Set: {why}")]
    Set {
        /// File.
        path: String,
        /// Reason.
        why: String,
    },
    /// The system random number generator is unavailable.
    #[error("cannot sign: the system random number generator is unavailable")]
    RandomUnavailable,
}

pub(super) enum KeyPair {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

/// A private key.
pub struct SigningKey {
    pub(super) pair: KeyPair,
    public: PublicKey,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.public.kid)
    }
}

/// A public key, as a JSON Web Key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    kty: String,
    /// Key id: the thumbprint of RFC 7638.
    pub kid: String,
    pub(super) alg: String,
    #[serde(rename = "use")]
    usage: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) x: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) n: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) e: Option<String>,
    /// Seconds since 1970 from which it no longer signs; `None`: it is in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<i64>,
}

impl PublicKey {
    /// The same key, retired at `secs` since 1970.
    #[must_use]
    pub fn retired_at(self, secs: i64) -> Self {
        Self {
            retired_at: Some(secs),
            ..self
        }
    }
}

/// Public keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySet {
    /// All keys, the current one first.
    pub keys: Vec<PublicKey>,
}

fn thumbprint(members: &str) -> String {
    BASE64.encode(digest(&SHA256, members.as_bytes()))
}

fn rsa_public(pair: &RsaKeyPair) -> PublicKey {
    let parts: PublicKeyComponents<Vec<u8>> = pair.public().into();
    let (n, e) = (BASE64.encode(&parts.n), BASE64.encode(&parts.e));
    PublicKey {
        kid: thumbprint(&format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)),
        kty: "RSA".to_owned(),
        alg: "RS256".to_owned(),
        usage: "sig".to_owned(),
        crv: None,
        x: None,
        n: Some(n),
        e: Some(e),
        retired_at: None,
    }
}

fn ed25519_public(pair: &Ed25519KeyPair) -> PublicKey {
    let x = BASE64.encode(pair.public_key().as_ref());
    PublicKey {
        kid: thumbprint(&format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)),
        kty: "OKP".to_owned(),
        alg: "EdDSA".to_owned(),
        usage: "sig".to_owned(),
        crv: Some("Ed25519".to_owned()),
        x: Some(x),
        n: None,
        e: None,
        retired_at: None,
    }
}

impl SigningKey {
    /// Reads a key from a PEM file.
    ///
    /// # Errors
    /// The file contains no key, or an unsupported one (RSA below 2048 bits, other curves).
    pub fn read(path: &str) -> Result<Self, KeyError> {
        let der = PrivateKeyDer::from_pem_file(Path::new(path)).map_err(|why| KeyError::Pem {
            path: path.to_owned(),
            why: why.to_string(),
        })?;
        let bytes = der.secret_der();
        let rsa = match der {
            PrivateKeyDer::Pkcs1(_) => RsaKeyPair::from_der(bytes),
            _ => RsaKeyPair::from_pkcs8(bytes),
        };
        let why = match rsa {
            Ok(pair) => {
                return Ok(Self {
                    public: rsa_public(&pair),
                    pair: KeyPair::Rsa(Box::new(pair)),
                });
            }
            Err(why) => why.to_string(),
        };
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes);
        let pair = pair.map_err(|_| KeyError::Key {
            path: path.to_owned(),
            why: format!("neither Ed25519 nor RSA of 2048 bits and more ({why})"),
        })?;
        Ok(Self {
            public: ed25519_public(&pair),
            pair: KeyPair::Ed25519(Box::new(pair)),
        })
    }

    #[cfg(test)]
    pub(crate) fn for_tests(seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]);
        let pair = pair.unwrap();
        Self {
            public: ed25519_public(&pair),
            pair: KeyPair::Ed25519(Box::new(pair)),
        }
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }
}

impl KeySet {
    /// Ids of the keys.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.keys.iter().map(|key| key.kid.clone()).collect()
    }

    /// Reads a key set from a file.
    ///
    /// # Errors
    /// The file is not a key set.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let failed = |why: String| KeyError::Set {
            path: path.display().to_string(),
            why,
        };
        let text = std::fs::read_to_string(path).map_err(|why| failed(why.to_string()))?;
        serde_json::from_str(&text).map_err(|why| failed(why.to_string()))
    }
}

/// Key and claims of signed orders.
#[derive(Debug)]
pub struct Signer {
    /// The current key.
    pub key: Arc<SigningKey>,
    /// Issuer.
    pub issuer: String,
    /// Audience.
    pub audience: String,
    keys: KeySet,
}

impl Signer {
    /// A signer with the key in `key_file`; the `retired` public keys stay in the key set, so that what they
    /// signed before they were retired can still be verified.
    ///
    /// # Errors
    /// A key is missing or unsupported.
    pub fn new(
        key_file: &str,
        retired: Vec<PublicKey>,
        issuer: &str,
        audience: &str,
    ) -> Result<Self, KeyError> {
        let key = SigningKey::read(key_file)?;
        let mut keys = vec![key.public().clone()];
        keys.extend(retired);
        Ok(Self {
            key: Arc::new(key),
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            keys: KeySet { keys },
        })
    }

    #[cfg(test)]
    pub(crate) fn for_tests(seed: u8) -> Self {
        let key = SigningKey::for_tests(seed);
        Self {
            keys: KeySet {
                keys: vec![key.public().clone()],
            },
            key: Arc::new(key),
            issuer: "https://credwatch.test".to_owned(),
            audience: "https://executor.test".to_owned(),
        }
    }

    /// Public keys, the current one first.
    #[must_use]
    pub fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// A secret that whoever has the signing key can derive again, and nobody else: both signature schemes
    /// are deterministic. `None` where the system random number generator is unavailable.
    #[must_use]
    pub fn derive_secret(&self) -> Option<DerivedKey> {
        let signed = self.sign("credwatch-secret", b"look-up keys")?;
        DerivedKey::new(&signed, "credwatch look-up keys v1")
    }

    /// `payload` as a JWS of type `typ`; `None` where the system random number generator is unavailable.
    #[must_use]
    pub fn sign(&self, kind: &str, payload: &[u8]) -> Option<String> {
        self.key.sign(kind, payload).ok()
    }
}
