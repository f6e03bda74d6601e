//! Feedback of analysts and executors (`credential.feedback`): a verdict on an alert, the outcome or approval
//! of an order, the erasure of an identity, or a command to pause or resume containment. One JSON object per
//! record, or the same signed ([`crate::feedback::signed_feedback`]); its author is stated, and recorded in
//! the audit trail.

use crate::crypto::SignatureError;
use crate::feedback::signed_feedback::SignerRole;
use crate::sources::json_object::JsonFault;
use crate::string_enum_serde;
use credwatch_core::containment::issued_orders::OrderOutcome;
use credwatch_core::engine::SignerKey;
use credwatch_core::units::EventTime;
use credwatch_core::verdict::AlertVerdict;
use serde::{Deserialize, Serialize};

/// One feedback record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feedback {
    /// The alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_id: Option<String>,
    /// Its verdict.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "string_enum_serde::option"
    )]
    pub verdict: Option<AlertVerdict>,
    /// The executed order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// Its outcome.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "string_enum_serde::option"
    )]
    pub outcome: Option<OrderOutcome>,
    /// Time from the event behind the order to this outcome, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<i64>,
    /// The order to approve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approve: Option<String>,
    /// The identity to erase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forget: Option<String>,
    /// A command for containment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containment: Option<ContainmentCommand>,
    /// Author.
    pub by: String,
    /// Reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Signature, where it was signed.
    #[serde(skip)]
    pub signature: Option<SignatureInfo>,
    /// Time stamp of its record, where it was read from the topic.
    #[serde(skip)]
    pub sent_at: Option<EventTime>,
}

/// A verified signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureInfo {
    /// Id of the key.
    pub kid: String,
    /// Hash of the signed message, by which replays are detected.
    pub token: [u8; 16],
    /// Time of signature, in seconds since 1970.
    pub issued_secs: i64,
}

impl SignatureInfo {
    /// Key of the signer, which separates its messages from those of others.
    #[must_use]
    pub fn signer_key(&self) -> SignerKey {
        let mut key = SignerKey::default();
        key.copy_from_slice(&blake3::hash(self.kid.as_bytes()).as_bytes()[..16]);
        key
    }
}

/// A command for containment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainmentCommand {
    /// Enforce no orders from now on.
    Pause,
    /// Resume enforcement.
    Resume,
}

/// The content of a feedback record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedbackCommand<'a> {
    /// A verdict on an alert.
    AlertVerdict(&'a str, AlertVerdict),
    /// The outcome of an order.
    OrderOutcome(&'a str, OrderOutcome),
    /// The approval of an order.
    Approve(&'a str),
    /// The erasure of an identity.
    Forget(&'a str),
    /// A command for containment.
    Containment(ContainmentCommand),
}

/// Why feedback was rejected.
#[derive(Debug, thiserror::Error)]
pub enum FeedbackError {
    /// Not a feedback record.
    #[error("not feedback: {0}; {SHAPES}")]
    Json(#[from] JsonFault),
    /// It has no content, or more than one.
    #[error("{SHAPES}")]
    Shape,
    /// It has no author.
    #[error("`by` is empty: feedback names its author")]
    MissingAuthor,
    /// Its author is not a name.
    #[error("`by` holds control characters: it is a name on one line")]
    Author,
    /// It is not signed.
    #[error("not signed, and feedback.require_signature is set: sign it with feedback.key_file")]
    Unsigned,
    /// It was signed by someone else's key.
    #[error("signed with the key of {signer:?}, but `by` is {by:?}")]
    AuthorMismatch {
        /// Owner of the key.
        signer: String,
        /// Stated author.
        by: String,
    },
    /// Its signature is invalid.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It was signed in the future.
    #[error("signed later than it was sent: check the clock of the sender")]
    IssuedInFuture,
    /// It was signed long before it was sent.
    #[error("signed more than a day before it was sent: sign it again")]
    Stale,
    /// Its signer may not sign such feedback.
    #[error("its signer does not have the role {0:?}: see `feedback.signers` roles")]
    Role(SignerRole),
}

/// The valid forms.
const SHAPES: &str = "feedback holds `by` and alert_id with verdict, or order_id with outcome, or \
                      approve, or forget, or containment";

impl Feedback {
    /// Parses one record.
    ///
    /// # Errors
    /// The record is malformed.
    pub fn parse(record: &[u8]) -> Result<Self, FeedbackError> {
        let feedback: Self = serde_json::from_slice(record).map_err(JsonFault::from)?;
        feedback.command()?;
        Ok(feedback)
    }

    /// Its content.
    ///
    /// # Errors
    /// It has none, or more than one.
    pub fn command(&self) -> Result<FeedbackCommand<'_>, FeedbackError> {
        if self.by.trim().is_empty() {
            return Err(FeedbackError::MissingAuthor);
        }
        if self.by.contains(char::is_control) {
            return Err(FeedbackError::Author);
        }
        let scored = self.alert_id.as_deref().zip(self.verdict);
        let settled = self.order_id.as_deref().zip(self.outcome);
        let mut asked = [
            scored.map(|(alert, verdict)| FeedbackCommand::AlertVerdict(alert, verdict)),
            settled.map(|(order, outcome)| FeedbackCommand::OrderOutcome(order, outcome)),
            self.approve.as_deref().map(FeedbackCommand::Approve),
            self.forget.as_deref().map(FeedbackCommand::Forget),
            self.containment.map(FeedbackCommand::Containment),
        ]
        .into_iter()
        .flatten();
        let is_half = self.alert_id.is_some() != self.verdict.is_some()
            || self.order_id.is_some() != self.outcome.is_some();
        match (asked.next(), asked.next()) {
            (Some(one), None) if !is_half => Ok(one),
            _ => Err(FeedbackError::Shape),
        }
    }

    /// The record as JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feedback_has_one_content_and_an_author() {
        let parse = |text: &str| Feedback::parse(text.as_bytes());
        let good =
            r#"{"alert_id":"a1","verdict":"false_positive","by":"ada","reason":"new laptop"}"#;
        let feedback = parse(good).unwrap();
        assert_eq!(
            feedback.command().unwrap(),
            FeedbackCommand::AlertVerdict("a1", AlertVerdict::FalsePositive)
        );
        assert_eq!(Feedback::parse(&feedback.to_json()).unwrap(), feedback);
        let forget = parse(r#"{"forget":"svc-1","by":"bo"}"#).unwrap();
        assert_eq!(forget.command().unwrap(), FeedbackCommand::Forget("svc-1"));
        let pause = parse(r#"{"containment":"pause","by":"bo"}"#).unwrap();
        assert_eq!(
            pause.command().unwrap(),
            FeedbackCommand::Containment(ContainmentCommand::Pause)
        );
        let done =
            parse(r#"{"order_id":"o1","outcome":"done","took_ms":41,"by":"keycloak"}"#).unwrap();
        assert_eq!(
            done.command().unwrap(),
            FeedbackCommand::OrderOutcome("o1", OrderOutcome::Done)
        );
        let approve = parse(r#"{"approve":"o1","by":"bo"}"#).unwrap();
        assert_eq!(approve.command().unwrap(), FeedbackCommand::Approve("o1"));
        for (bad, why) in [
            (r#"{"order_id":"o1","by":"x"}"#, "order_id with outcome"),
            (r#"{"containment":"stop","by":"bo"}"#, "`pause`"),
            (
                r#"{"containment":"pause","forget":"x","by":"bo"}"#,
                "or containment",
            ),
            (
                r#"{"alert_id":"a1","verdict":"false_positive","by":" "}"#,
                "names its author",
            ),
            (r#"{"alert_id":"a1","by":"ada"}"#, "alert_id with verdict"),
            (
                r#"{"alert_id":"a1","verdict":"maybe","by":"ada"}"#,
                "not feedback",
            ),
            (r#"{"forget":"x","alert_id":"a1","by":"ada"}"#, "forget, or"),
            (r#"{"forget":"x","by":"ada","all":true}"#, "unknown field"),
            ("[]", "not feedback"),
        ] {
            let error = parse(bad).unwrap_err().to_string();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
