//! Exceptions: each has an owner, a reason and an expiry.

use crate::containment::Action;
use crate::units::EventTime;

/// Subject of an exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExceptionScope {
    /// One identity.
    Identity(String),
    /// A group of identities.
    Group(String),
}

/// One exception: it limits the action to `max_action` until it expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Subject.
    pub scope: ExceptionScope,
    /// The strongest permitted action; `notify` permits no containment.
    pub max_action: Action,
    /// Owner.
    pub owner: String,
    /// Reason.
    pub justification: String,
    /// Expiry, in event time.
    pub expires: EventTime,
}

impl Exception {
    /// Whether it applies to an identity, of `group` if it has one, at `now`.
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
    fn it_applies_to_its_subject_until_it_expires() {
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
