//! What people answer (`credential.feedback`): an opinion on an alert, the wish that an identity be
//! forgotten, or that enforcement pause or go on. One JSON object a record; who says it is stated, and
//! goes into the audit trail.

use crate::engine::Opinion;
use serde::{Deserialize, Serialize};

/// One answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The alert that is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_id: Option<String>,
    /// What it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Judgement>,
    /// The identity to be forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forget: Option<String>,
    /// What enforcement is to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containment: Option<Enforcement>,
    /// Who says it.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What an alert was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// An attack.
    TruePositive,
    /// No attack.
    FalsePositive,
    /// Out of the ordinary, but meant.
    Expected,
    /// What was answered before does not hold.
    Withdrawn,
}

impl Judgement {
    /// The same for the engine.
    #[must_use]
    pub fn opinion(self) -> Opinion {
        match self {
            Self::TruePositive => Opinion::TruePositive,
            Self::FalsePositive => Opinion::FalsePositive,
            Self::Expected => Opinion::Expected,
            Self::Withdrawn => Opinion::Withdrawn,
        }
    }

    /// The spelling on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TruePositive => "true_positive",
            Self::FalsePositive => "false_positive",
            Self::Expected => "expected",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// What is asked of enforcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enforcement {
    /// Nothing is to be carried out from now on.
    Pause,
    /// It goes on.
    Resume,
}

/// What an answer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// To take an opinion on an alert.
    Judge(&'a str, Judgement),
    /// To forget an identity.
    Forget(&'a str),
    /// To pause enforcement, or to let it go on.
    Enforce(Enforcement),
}

/// Why an answer cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// It is none.
    #[error(
        "no answer: {0}; an answer holds alert_id, verdict and by, or forget and by, or containment and by"
    )]
    Json(#[from] serde_json::Error),
    /// It asks for nothing, or for two things.
    #[error("an answer holds alert_id, verdict and by, or forget and by, or containment and by")]
    Shape,
    /// Nobody says it.
    #[error("`by` is empty: an answer says who gives it")]
    Nobody,
}

impl Answer {
    /// Reads one record.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(record: &[u8]) -> Result<Self, AnswerError> {
        let answer: Self = serde_json::from_slice(record)?;
        answer.asked()?;
        Ok(answer)
    }

    /// What it asks for.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn asked(&self) -> Result<Asked<'_>, AnswerError> {
        if self.by.trim().is_empty() {
            return Err(AnswerError::Nobody);
        }
        match (&self.alert_id, self.verdict, &self.forget, self.containment) {
            (Some(alert), Some(verdict), None, None) => Ok(Asked::Judge(alert, verdict)),
            (None, None, Some(identity), None) => Ok(Asked::Forget(identity)),
            (None, None, None, Some(enforcement)) => Ok(Asked::Enforce(enforcement)),
            _ => Err(AnswerError::Shape),
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
        let parse = |text: &str| Answer::parse(text.as_bytes());
        let good =
            r#"{"alert_id":"a1","verdict":"false_positive","by":"ada","reason":"new laptop"}"#;
        let answer = parse(good).unwrap();
        assert_eq!(
            answer.asked().unwrap(),
            Asked::Judge("a1", Judgement::FalsePositive)
        );
        assert_eq!(Answer::parse(&answer.to_json()).unwrap(), answer);
        let forget = parse(r#"{"forget":"svc-1","by":"bo"}"#).unwrap();
        assert_eq!(forget.asked().unwrap(), Asked::Forget("svc-1"));
        let pause = parse(r#"{"containment":"pause","by":"bo"}"#).unwrap();
        assert_eq!(pause.asked().unwrap(), Asked::Enforce(Enforcement::Pause));
        for (bad, why) in [
            (r#"{"containment":"stop","by":"bo"}"#, "stop"),
            (
                r#"{"containment":"pause","forget":"x","by":"bo"}"#,
                "containment and by",
            ),
            (
                r#"{"alert_id":"a1","verdict":"false_positive","by":" "}"#,
                "who gives it",
            ),
            (
                r#"{"alert_id":"a1","by":"ada"}"#,
                "alert_id, verdict and by",
            ),
            (r#"{"alert_id":"a1","verdict":"maybe","by":"ada"}"#, "maybe"),
            (
                r#"{"forget":"x","alert_id":"a1","by":"ada"}"#,
                "or forget and by",
            ),
            (r#"{"forget":"x","by":"ada","all":true}"#, "all"),
            ("[]", "no answer"),
        ] {
            let told = parse(bad).unwrap_err().to_string();
            assert!(told.contains(why), "{bad}: {told}");
        }
    }
}
