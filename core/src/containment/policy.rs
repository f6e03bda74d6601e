//! Severity × identity kind × credential kind × group × technique → action. Rules are data
//! (`containment.policy`); the first matching rule applies.

use crate::containment::Action;
use crate::event::{CredentialKind, IdentityKind};
use crate::verdict::Severity;

/// Input of a decision.
#[derive(Clone, Copy, Debug)]
pub struct PolicyInput<'s> {
    /// Severity of the alert.
    pub severity: Severity,
    /// Kind of the identity.
    pub identity: IdentityKind,
    /// Kind of the credential, if known.
    pub credential: Option<CredentialKind>,
    /// Group of the identity, if known.
    pub group: Option<&'s str>,
    /// ATT&CK techniques of the incident.
    pub techniques: &'s [&'s str],
}

/// One rule. An empty condition matches anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, as orders and the audit trail state it.
    pub name: String,
    /// Severities.
    pub severities: Vec<Severity>,
    /// Kinds of identity.
    pub identities: Vec<IdentityKind>,
    /// Kinds of credential; `None` stands for an unknown one.
    pub credentials: Vec<Option<CredentialKind>>,
    /// Groups of the identity.
    pub groups: Vec<String>,
    /// Techniques, of which the incident has at least one: `T1098`, or with its sub-technique.
    pub techniques: Vec<String>,
    /// Action.
    pub action: Action,
}

impl Rule {
    /// The rule `name` that requests `action` at `severities`, whatever else the situation is.
    #[must_use]
    pub fn new(name: impl Into<String>, severities: &[Severity], action: Action) -> Self {
        Self {
            name: name.into(),
            severities: severities.to_vec(),
            identities: Vec::new(),
            credentials: Vec::new(),
            groups: Vec::new(),
            techniques: Vec::new(),
            action,
        }
    }

    fn matches(&self, of: &PolicyInput<'_>) -> bool {
        fn has<T: PartialEq>(listed: &[T], value: &T) -> bool {
            listed.is_empty() || listed.contains(value)
        }
        let is_in_group = |group: &String| of.group == Some(group.as_str());
        let is_shown = |requested: &String| {
            of.techniques
                .iter()
                .any(|shown| is_or_refines(shown, requested))
        };
        has(&self.severities, &of.severity)
            && has(&self.identities, &of.identity)
            && has(&self.credentials, &of.credential)
            && (self.groups.is_empty() || self.groups.iter().any(is_in_group))
            && (self.techniques.is_empty() || self.techniques.iter().any(is_shown))
    }
}

/// Whether `technique` is `pattern`, or one of its sub-techniques.
fn is_or_refines(technique: &str, requested: &str) -> bool {
    let rest = technique.strip_prefix(requested);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Name reported where no rule matches.
const NO_RULE: &str = "no rule matches: notify";

/// All rules, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy(pub Vec<Rule>);

impl Policy {
    /// The action that the policy requests, and the name of the rule. O(rules).
    #[must_use]
    pub fn action(&self, of: &PolicyInput<'_>) -> (Action, &str) {
        let rule = self.0.iter().find(|rule| rule.matches(of));
        rule.map_or((Action::Notify, NO_RULE), |rule| {
            (rule.action, rule.name.as_str())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_matching_rule_applies() {
        let rule = |name: &str, groups: &[&str], techniques: &[&str], action| Rule {
            credentials: vec![None],
            groups: groups.iter().map(|g| (*g).to_owned()).collect(),
            techniques: techniques.iter().map(|t| (*t).to_owned()).collect(),
            ..Rule::new(name, &[Severity::High], action)
        };
        let policy = Policy(vec![
            rule("payroll", &["finance"], &[], Action::Suspend),
            rule("manipulation", &[], &["T1098"], Action::Revoke),
            rule("else", &[], &[], Action::StepUp),
        ]);
        let asked = |severity, group, techniques: &[&str]| {
            let situation = PolicyInput {
                severity,
                identity: IdentityKind::Human,
                credential: None,
                group,
                techniques,
            };
            policy.action(&situation).1.to_owned()
        };
        assert_eq!(asked(Severity::High, Some("finance"), &[]), "payroll");
        assert_eq!(
            asked(Severity::High, Some("ops"), &["T1098.001"]),
            "manipulation"
        );
        assert_eq!(asked(Severity::High, None, &["T10980"]), "else");
        assert_eq!(asked(Severity::Low, None, &[]), NO_RULE);
    }
}
