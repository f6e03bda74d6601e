//! What people and executors answer (`credential.feedback`): an opinion on an alert, what became of an
//! order, its approval, the wish that an identity be forgotten, or that enforcement pause or go on. One
//! JSON object a record, or the same signed ([`crate::feedback::signed_feedback`]); who says it is stated, and
//! goes into the audit trail.

use crate::crypto::SignatureError;
use crate::string_enum_serde;
use credwatch_core::containment::issued_orders::OrderOutcome;
use credwatch_core::verdict::AlertVerdict;
use serde::{Deserialize, Serialize};

/// One answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feedback {
    /// The alert that is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_id: Option<String>,
    /// What it was.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "string_enum_serde::option"
    )]
    pub verdict: Option<AlertVerdict>,
    /// The order that an executor answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// What became of it.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "string_enum_serde::option"
    )]
    pub outcome: Option<OrderOutcome>,
    /// Time from the event behind the order to this outcome, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<i64>,
    /// The order that is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approve: Option<String>,
    /// The identity to be forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forget: Option<String>,
    /// What enforcement is to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containment: Option<ContainmentCommand>,
    /// Who says it.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who signed it, where it was signed.
    #[serde(skip)]
    pub signature: Option<SignatureInfo>,
}

/// By which key an answer is proved, and which one it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureInfo {
    /// Name of the key.
    pub kid: String,
    /// The answer among all that were signed.
    pub token: [u8; 16],
    /// When it was signed, in seconds since 1970.
    pub issued_secs: i64,
}

/// What is asked of enforcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainmentCommand {
    /// Nothing is to be carried out from now on.
    Pause,
    /// It goes on.
    Resume,
}

/// What an answer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedbackCommand<'a> {
    /// To take an opinion on an alert.
    AlertVerdict(&'a str, AlertVerdict),
    /// To take what became of an order.
    OrderOutcome(&'a str, OrderOutcome),
    /// To approve an order.
    Approve(&'a str),
    /// To forget an identity.
    Forget(&'a str),
    /// To pause enforcement, or to let it go on.
    Containment(ContainmentCommand),
}

/// Why an answer cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum FeedbackError {
    /// It is none.
    #[error("no answer: {0}; {SHAPES}")]
    Json(#[from] serde_json::Error),
    /// It asks for nothing, or for two things.
    #[error("{SHAPES}")]
    Shape,
    /// Nobody says it.
    #[error("`by` is empty: an answer says who gives it")]
    MissingAuthor,
    /// Nobody proves it.
    #[error(
        "it is not signed, and feedback.require_signature is set: sign it by feedback.key_file"
    )]
    Unsigned,
    /// It proves to be somebody else's.
    #[error("it was signed by the key of {signer:?}, and says that it is {by:?}'s")]
    AuthorMismatch {
        /// Whose key it is.
        signer: String,
        /// Who it says.
        by: String,
    },
    /// Its signature is not good.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It was signed at another time than it was sent.
    #[error("it says that it was signed later than it was sent: is the clock of the sender right?")]
    IssuedInFuture,
}

/// What an answer may be.
const SHAPES: &str = "an answer holds `by` and alert_id with verdict, or order_id with outcome, or \
                      approve, or forget, or containment";

impl Feedback {
    /// Reads one record.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(record: &[u8]) -> Result<Self, FeedbackError> {
        let answer: Self = serde_json::from_slice(record)?;
        answer.command()?;
        Ok(answer)
    }

    /// What it asks for.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn command(&self) -> Result<FeedbackCommand<'_>, FeedbackError> {
        if self.by.trim().is_empty() {
            return Err(FeedbackError::MissingAuthor);
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

    /// The record.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_one_thing_and_who_says_it() {
        let parse = |text: &str| Feedback::parse(text.as_bytes());
        let good =
            r#"{"alert_id":"a1","verdict":"false_positive","by":"ada","reason":"new laptop"}"#;
        let answer = parse(good).unwrap();
        assert_eq!(
            answer.command().unwrap(),
            FeedbackCommand::AlertVerdict("a1", AlertVerdict::FalsePositive)
        );
        assert_eq!(Feedback::parse(&answer.to_json()).unwrap(), answer);
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
            (r#"{"containment":"stop","by":"bo"}"#, "stop"),
            (
                r#"{"containment":"pause","forget":"x","by":"bo"}"#,
                "or containment",
            ),
            (
                r#"{"alert_id":"a1","verdict":"false_positive","by":" "}"#,
                "who gives it",
            ),
            (r#"{"alert_id":"a1","by":"ada"}"#, "alert_id with verdict"),
            (r#"{"alert_id":"a1","verdict":"maybe","by":"ada"}"#, "maybe"),
            (r#"{"forget":"x","alert_id":"a1","by":"ada"}"#, "forget, or"),
            (r#"{"forget":"x","by":"ada","all":true}"#, "all"),
            ("[]", "no answer"),
        ] {
            let told = parse(bad).unwrap_err().to_string();
            assert!(told.contains(why), "{bad}: {told}");
        }
    }
}
