//! Signed feedback: a compact JSON Web Signature over the feedback, its id and the time of signing. The
//! operator configures which keys are trusted, and whether unsigned feedback is accepted.

use crate::crypto::{KeySet, SignatureError, SigningKey};
use crate::feedback::model::{Feedback, FeedbackCommand, FeedbackError, SignatureInfo};
use crate::sources::json_object::JsonFault;
use credwatch_core::units::{EventTime, MS_PER_SEC};
use serde::{Deserialize, Serialize};

/// Type of the token, in its header.
const TYPE: &str = "credwatch-feedback+jwt";
/// Tolerated clock skew of a sender ahead of the broker, in seconds.
const MAX_CLOCK_SKEW_SECS: i64 = 300;

/// Age of a signature at which its message is rejected, in seconds: a recorded one, or of a retired key.
const MAX_AGE_SECS: i64 = 24 * 3_600;

#[derive(Serialize, Deserialize)]
struct FeedbackClaims {
    iat: i64,
    jti: String,
    feedback: Feedback,
}

/// A trusted author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedSigner {
    /// The author that its feedback must state; `None`: any, because it authenticates others.
    pub by: Option<String>,
    /// Its public keys.
    pub keys: KeySet,
    /// What it may sign.
    pub roles: Vec<SignerRole>,
}

/// What a signer may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignerRole {
    /// Verdicts on alerts.
    Feedback,
    /// Approvals of orders.
    Approve,
    /// Pause and resume of containment.
    Pause,
    /// Requests to forget an identity.
    Forget,
    /// Outcomes of orders.
    Outcome,
}

impl SignerRole {
    /// Every role.
    pub const ALL: [Self; 5] = [
        Self::Feedback,
        Self::Approve,
        Self::Pause,
        Self::Forget,
        Self::Outcome,
    ];

    /// The role that `command` takes.
    fn of(command: &FeedbackCommand<'_>) -> Self {
        match command {
            FeedbackCommand::AlertVerdict(..) => Self::Feedback,
            FeedbackCommand::Approve(_) => Self::Approve,
            FeedbackCommand::Containment(_) => Self::Pause,
            FeedbackCommand::Forget(_) => Self::Forget,
            FeedbackCommand::OrderOutcome(..) => Self::Outcome,
        }
    }
}

/// Verifies feedback.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedbackVerifier {
    /// Whether unsigned feedback is rejected.
    pub requires_signature: bool,
    /// Trusted signers.
    pub signers: Vec<TrustedSigner>,
}

/// The record of `feedback`, signed with `key` at `now`.
#[must_use]
pub fn sign(feedback: &Feedback, key: &SigningKey, now: EventTime) -> Option<Vec<u8>> {
    let iat = now.epoch_ms().div_euclid(MS_PER_SEC);
    let mut hasher = blake3::Hasher::new();
    hasher.update(&feedback.to_json());
    hasher.update(&now.epoch_ms().to_le_bytes());
    hasher.update(&std::process::id().to_le_bytes());
    let statement = FeedbackClaims {
        iat,
        jti: hasher.finalize().to_hex()[..32].to_owned(),
        feedback: feedback.clone(),
    };
    let payload = serde_json::to_vec(&statement).ok()?;
    let token = key.sign(TYPE, &payload).ok()?;
    Some(token.into_bytes())
}

impl FeedbackVerifier {
    /// Parses and verifies one record, sent at `sent_at` if that is known.
    ///
    /// # Errors
    /// The record is rejected.
    pub fn verify(
        &self,
        record: &[u8],
        sent_at: Option<EventTime>,
    ) -> Result<Feedback, FeedbackError> {
        let mut feedback = self.verify_content(record.trim_ascii(), sent_at)?;
        feedback.sent_at = sent_at;
        Ok(feedback)
    }

    fn verify_content(
        &self,
        record: &[u8],
        sent_at: Option<EventTime>,
    ) -> Result<Feedback, FeedbackError> {
        if !record.starts_with(b"eyJ") {
            let feedback = Feedback::parse(record)?;
            return if self.requires_signature {
                Err(FeedbackError::Unsigned)
            } else {
                Ok(feedback)
            };
        }
        let token = std::str::from_utf8(record).map_err(|_| SignatureError::Malformed)?;
        let (signer, opened) = self.verify_signature(token)?;
        let statement: FeedbackClaims =
            serde_json::from_slice(&opened.payload).map_err(JsonFault::from)?;
        let sent_secs = sent_at.map(|sent| sent.epoch_ms().div_euclid(MS_PER_SEC));
        if sent_secs.is_some_and(|sent| statement.iat > sent.saturating_add(MAX_CLOCK_SKEW_SECS)) {
            return Err(FeedbackError::IssuedInFuture);
        }
        if sent_secs.is_some_and(|sent| statement.iat < sent.saturating_sub(MAX_AGE_SECS)) {
            return Err(FeedbackError::Stale);
        }
        let mut feedback = statement.feedback;
        let role = SignerRole::of(&feedback.command()?);
        if !signer.roles.contains(&role) {
            return Err(FeedbackError::Role(role));
        }
        if let Some(name) = &signer.by
            && *name != feedback.by
        {
            return Err(FeedbackError::AuthorMismatch {
                signer: name.clone(),
                by: feedback.by,
            });
        }
        let id = blake3::hash(format!("{}\n{}", opened.kid, statement.jti).as_bytes());
        let mut short = [0; 16];
        short.copy_from_slice(&id.as_bytes()[..16]);
        feedback.signature = Some(SignatureInfo {
            kid: opened.kid,
            token: short,
            issued_secs: statement.iat,
        });
        Ok(feedback)
    }

    fn verify_signature(
        &self,
        token: &str,
    ) -> Result<(&TrustedSigner, VerifiedPayload), SignatureError> {
        let mut why = SignatureError::UnknownKey(String::new());
        for signer in &self.signers {
            match signer.keys.verify_named(TYPE, token) {
                Ok((kid, payload)) => return Ok((signer, VerifiedPayload { kid, payload })),
                Err(error @ SignatureError::UnknownKey(_)) => why = error,
                Err(error) => return Err(error),
            }
        }
        Err(why)
    }
}

struct VerifiedPayload {
    kid: String,
    payload: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feedback(by: &str) -> Feedback {
        Feedback {
            forget: Some("svc".to_owned()),
            by: by.to_owned(),
            ..Feedback::default()
        }
    }

    fn verifier(key: &SigningKey, by: Option<&str>) -> FeedbackVerifier {
        FeedbackVerifier {
            requires_signature: true,
            signers: vec![TrustedSigner {
                by: by.map(str::to_owned),
                keys: KeySet {
                    keys: vec![key.public().clone()],
                },
                roles: SignerRole::ALL.to_vec(),
            }],
        }
    }

    const NOW: EventTime = EventTime::EARLIEST;

    #[test]
    fn signed_feedback_is_verified() {
        let key = SigningKey::for_tests(1);
        let verifier = verifier(&key, Some("ada"));
        let record = sign(&feedback("ada"), &key, NOW).unwrap();
        let read = verifier.verify(&record, None).unwrap();
        assert_eq!(read.signature.as_ref().unwrap().kid, key.public().kid);
        assert_eq!(read.forget.as_deref(), Some("svc"));
        let later = sign(&feedback("ada"), &key, NOW.saturating_add_ms(1)).unwrap();
        let later = verifier.verify(&later, None).unwrap();
        assert_ne!(
            read.signature.unwrap().token,
            later.signature.unwrap().token
        );
    }

    #[test]
    fn forged_feedback_is_rejected() {
        let (key, other) = (SigningKey::for_tests(1), SigningKey::for_tests(2));
        let verifier = verifier(&key, Some("ada"));
        let rejection = |record: &[u8]| verifier.verify(record, None).unwrap_err().to_string();
        assert!(rejection(&feedback("ada").to_json()).contains("not signed"));
        assert!(rejection(&sign(&feedback("eve"), &key, NOW).unwrap()).contains("\"ada\""));
        assert!(
            rejection(&sign(&feedback("ada"), &other, NOW).unwrap()).contains("does not contain")
        );
        let mut altered = sign(&feedback("ada"), &key, NOW).unwrap();
        let middle = altered.len() / 2;
        altered[middle] = if altered[middle] == b'A' { b'B' } else { b'A' };
        assert!(
            rejection(&altered).contains("verification failed"),
            "{}",
            rejection(&altered)
        );
        assert!(rejection(b"eyJ.x").contains("not a JWS"));
        let future = sign(&feedback("ada"), &key, NOW.saturating_add_ms(3_600_000)).unwrap();
        let early = verifier.verify(&future, Some(NOW)).unwrap_err().to_string();
        assert!(early.contains("later than it was sent"), "{early}");
    }
}
