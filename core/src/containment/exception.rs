//! Exceptions: somebody owns them, says why, and they end.

use crate::containment::Action;
use crate::units::EventTime;

/// Whom an exception is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExceptionScope {
    /// One identity.
    Identity(String),
    /// A group of identities.
    Group(String),
}

/// One exception: nothing beyond `at_most` is asked for before it expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Whom it is for.
    pub scope: ExceptionScope,
    /// The strongest action that remains; `notify` keeps it quiet.
    pub max_action: Action,
    /// Who answers for it.
    pub owner: String,
    /// Why there is one.
    pub justification: String,
    /// From this moment of event time on it is none.
    pub expires: EventTime,
}

impl Exception {
    /// Whether it holds for an identity, of `group` if it has one, at `now`.
    #[must_use]
    pub fn applies_to(&self, identity: &str, group: Option<&str>, now: EventTime) -> bool {
        let is_meant = match &self.scope {
            ExceptionScope::Identity(id) => id == identity,
            ExceptionScope::Group(name) => group == Some(name),
        };
        is_meant && now < self.expires
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_for_whom_it_is_and_until_it_ends() {
        let at = |ms| EventTime::EARLIEST.saturating_add_ms(ms);
        let exception = |target| Exception {
            scope: target,
            max_action: Action::Notify,
            owner: "ada".to_owned(),
            justification: "migration".to_owned(),
            expires: at(10),
        };
        let one = exception(ExceptionScope::Identity("svc".to_owned()));
        assert!(one.applies_to("svc", None, at(9)) && !one.applies_to("svc", None, at(10)));
        assert!(!one.applies_to("other", Some("svc"), at(0)));
        let many = exception(ExceptionScope::Group("ci".to_owned()));
        assert!(
            many.applies_to("anyone", Some("ci"), at(0)) && !many.applies_to("ci", None, at(0))
        );
    }
}
