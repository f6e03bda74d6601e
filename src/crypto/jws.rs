//! Compact JSON Web Signatures (RFC 7515) with RS256 and EdDSA.

use super::keys::{KeyError, KeyPair, KeySet, PublicKey, SigningKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{
    ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde::Deserialize;

/// Why a signature was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not three parts of base64url, or a header of another type.
    #[error("not a JWS of the expected type")]
    Malformed,
    /// The key set does not contain the key.
    #[error("signed with key {0:?}, which the key set does not contain")]
    UnknownKey(String),
    /// The key was retired before it signed this.
    #[error("signed with key {0:?} after it was retired")]
    RetiredKey(String),
    /// The signature does not match.
    #[error("signature verification failed")]
    Invalid,
}

/// The relevant fields of a JWS header.
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: String,
    #[serde(default)]
    typ: String,
    /// Extensions that must be understood; there are none.
    #[serde(default)]
    crit: Option<serde::de::IgnoredAny>,
}

/// The time of issue in a payload.
#[derive(Deserialize)]
struct IssueTime {
    iat: i64,
}

impl SigningKey {
    /// `payload` as a compact JWS of type `typ`.
    ///
    /// # Errors
    /// The system random number generator is unavailable.
    pub fn sign(&self, typ: &str, payload: &[u8]) -> Result<String, KeyError> {
        let public = self.public();
        let header = serde_json::json!({"alg": public.alg, "kid": public.kid, "typ": typ});
        let header = BASE64.encode(header.to_string());
        let signed = format!("{header}.{}", BASE64.encode(payload));
        let signature = match &self.pair {
            KeyPair::Ed25519(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
            KeyPair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let random = SystemRandom::new();
                let message = signed.as_bytes();
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(|_| KeyError::RandomUnavailable)?;
                signature
            }
        };
        Ok(format!("{signed}.{}", BASE64.encode(signature)))
    }
}

impl PublicKey {
    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let bytes = |text: &Option<String>| BASE64.decode(text.as_deref()?).ok();
        let (n, e, x) = (bytes(&self.n), bytes(&self.e), bytes(&self.x));
        match (self.alg.as_str(), n, e, x) {
            ("RS256", Some(n), Some(e), _) => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
            ("EdDSA", _, _, Some(x)) => UnparsedPublicKey::new(&ED25519, x)
                .verify(message, signature)
                .is_ok(),
            _ => false,
        }
    }
}

impl KeySet {
    /// The payload of a compact JWS of type `typ`, if one of these keys signed it.
    ///
    /// # Errors
    /// The token is malformed, of another type, by an unknown or retired key, or its signature does not
    /// match.
    pub fn verify(&self, typ: &str, token: &str) -> Result<Vec<u8>, SignatureError> {
        Ok(self.verify_named(typ, token)?.1)
    }

    /// The same, with the id of the key that signed it.
    ///
    /// # Errors
    /// As for [`Self::verify`].
    pub fn verify_named(
        &self,
        typ: &str,
        token: &str,
    ) -> Result<(String, Vec<u8>), SignatureError> {
        let malformed = || SignatureError::Malformed;
        let (signed, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
        let (header, payload) = signed.split_once('.').ok_or_else(malformed)?;
        let header = BASE64.decode(header).map_err(|_| malformed())?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| malformed())?;
        let signature = BASE64.decode(signature).map_err(|_| malformed())?;
        let payload = BASE64.decode(payload).map_err(|_| malformed())?;
        if header.typ != typ || header.crit.is_some() {
            return Err(malformed());
        }
        let key = self.keys.iter().find(|key| key.kid == header.kid);
        let key = key.ok_or(SignatureError::UnknownKey(header.kid))?;
        // The algorithm is taken from the key, never from the token.
        if key.alg != header.alg || !key.verifies(signed.as_bytes(), &signature) {
            return Err(SignatureError::Invalid);
        }
        if let Some(retired_at) = key.retired_at {
            let issued: IssueTime = serde_json::from_slice(&payload).map_err(|_| malformed())?;
            if issued.iat >= retired_at {
                return Err(SignatureError::RetiredKey(key.kid.clone()));
            }
        }
        Ok((key.kid.clone(), payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_set(key: &SigningKey) -> KeySet {
        KeySet {
            keys: vec![key.public().clone()],
        }
    }

    #[test]
    fn a_signed_payload_verifies_under_its_key_and_type_only() {
        let (key, other) = (SigningKey::for_tests(1), SigningKey::for_tests(2));
        let token = key.sign("order+jwt", b"payload").unwrap();
        let keys = key_set(&key);
        assert_eq!(keys.verify("order+jwt", &token), Ok(b"payload".to_vec()));
        assert_eq!(
            keys.verify("feedback+jwt", &token),
            Err(SignatureError::Malformed),
            "a token of one type must not pass as another"
        );
        let kid = key.public().kid.clone();
        assert_eq!(
            key_set(&other).verify("order+jwt", &token),
            Err(SignatureError::UnknownKey(kid))
        );
    }

    #[test]
    fn an_altered_token_or_another_algorithm_is_rejected() {
        let key = SigningKey::for_tests(1);
        let token = key.sign("t", b"payload").unwrap();
        let (header, rest) = token.split_once('.').unwrap();
        let (_, signature) = rest.split_once('.').unwrap();
        let altered = format!("{header}.{}.{signature}", BASE64.encode(b"Payload"));
        let keys = key_set(&key);
        assert_eq!(keys.verify("t", &altered), Err(SignatureError::Invalid));
        for alg in ["none", "HS256", "RS256"] {
            let header = serde_json::json!({"alg": alg, "kid": key.public().kid, "typ": "t"});
            let token = format!("{}.{rest}", BASE64.encode(header.to_string()));
            assert_eq!(
                keys.verify("t", &token),
                Err(SignatureError::Invalid),
                "{alg}"
            );
        }
        for malformed in ["", "a.b", "a.b.c", "!.!.!"] {
            assert_eq!(keys.verify("t", malformed), Err(SignatureError::Malformed));
        }
    }
}
