//! Policy rules, guardrails and exceptions.

use super::raw::{RawContainment, RawException, RawRule};
use crate::sources::time::parse_rfc3339;
use credwatch_core::containment::exception::{Exception, ExceptionScope};
use credwatch_core::containment::guardrail::Guardrails;
use credwatch_core::containment::policy::{Policy, Rule};
use credwatch_core::containment::{Action, Mode};
use credwatch_core::event::CredentialKind;
use credwatch_core::units::{EventTime, MS_PER_SEC};

/// Spelling of an unknown credential kind in a rule.
const UNKNOWN: &str = "unknown";

pub(super) fn policy(rules: Vec<RawRule>, problems: &mut Vec<String>) -> Policy {
    let mut rule = |(at, raw): (usize, RawRule)| {
        let credentials = raw.credential.iter().filter_map(|kind| {
            let known = match kind.as_str() {
                UNKNOWN => Some(None),
                kind => CredentialKind::parse(kind).map(Some),
            };
            if known.is_none() {
                let kinds = CredentialKind::ALL.iter().map(|kind| kind.as_str());
                let kinds: Vec<&str> = kinds.chain([UNKNOWN]).collect();
                problems.push(format!(
                    "`containment.policy[{at}].credential` must be of: {}",
                    kinds.join(", ")
                ));
            }
            known
        });
        Rule {
            credentials: credentials.collect(),
            name: raw.name.0,
            severities: raw.severity.into_iter().map(|word| word.0).collect(),
            identities: raw.identity.into_iter().map(|word| word.0).collect(),
            groups: raw.group,
            techniques: raw.technique,
            action: raw.action.0,
        }
    };
    Policy(rules.into_iter().enumerate().map(&mut rule).collect())
}

fn exception(at: usize, raw: RawException, problems: &mut Vec<String>) -> Option<Exception> {
    let mut problem = |why: &str| problems.push(format!("`containment.exceptions[{at}]` {why}"));
    let scope = match (raw.identity, raw.group) {
        (Some(identity), None) => Some(ExceptionScope::Identity(identity.0)),
        (None, Some(group)) => Some(ExceptionScope::Group(group.0)),
        _ => None,
    };
    if scope.is_none() {
        problem("needs either `identity` or `group`");
    }
    let expires = parse_rfc3339(&raw.expires.0).and_then(EventTime::from_epoch_ms);
    if expires.is_none() {
        problem("`expires` must be an RFC 3339 time");
    }
    Some(Exception {
        scope: scope?,
        max_action: raw.max_action.0,
        owner: raw.owner.0,
        justification: raw.justification.0,
        expires: expires?,
    })
}

pub(super) fn guardrails(
    raw: &mut RawContainment,
    is_signed: bool,
    problems: &mut Vec<String>,
) -> Guardrails {
    let require_approval_from = match raw.require_approval_from.as_str() {
        "" => None,
        text => {
            let action = Action::parse(text).filter(|action| *action > Action::Notify);
            if action.is_none() {
                let actions = Action::ALL.iter().skip(1).map(|action| action.as_str());
                let actions: Vec<&str> = actions.collect();
                problems.push(format!(
                    "`containment.require_approval_from` must be empty or one of: {}",
                    actions.join(", ")
                ));
            }
            action
        }
    };
    let mode = match raw.mode.0 {
        Mode::Enforce if !is_signed => {
            let why = "`containment.mode` is \"enforce\", which needs `signing.key_file`: executors must \
                       not act on an unsigned order";
            problems.push(why.to_owned());
            Mode::DryRun
        }
        mode => mode,
    };
    let exceptions = std::mem::take(&mut raw.exceptions).into_iter().enumerate();
    Guardrails {
        mode,
        protected: raw.protected.iter().cloned().collect(),
        max_per_hour: raw.max_per_hour.0 as u32,
        max_share: raw.max_share.0,
        cooldown_ms: MS_PER_SEC * raw.cooldown_secs.0,
        require_approval_from,
        exceptions: exceptions
            .filter_map(|(at, raw)| exception(at, raw, problems))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Sources};
    use credwatch_core::containment::Action;
    use credwatch_core::containment::policy::PolicyInput;
    use credwatch_core::event::{CredentialKind, IdentityKind};
    use credwatch_core::verdict::Severity;

    fn load(text: &str) -> Result<Config, String> {
        let mut sources = Sources::default();
        sources.files.push(("test".to_owned(), text.to_owned()));
        Config::load(&sources).map_err(|error| error.to_string())
    }

    #[test]
    fn an_exception_requires_owner_reason_and_expiry() {
        let good = r#"[[containment.exceptions]]
            identity = "svc-migrate"
            max_action = "notify"
            owner = "ada"
            justification = "moves the archive"
            expires = "2027-01-31T00:00:00Z""#;
        let config = load(good).unwrap();
        assert_eq!(config.guardrails.exceptions.len(), 1);
        for (line, why) in [
            ("owner = \"ada\"", "lacks the key `owner`"),
            (
                "justification = \"moves the archive\"",
                "lacks the key `justification`",
            ),
            (
                "expires = \"2027-01-31T00:00:00Z\"",
                "lacks the key `expires`",
            ),
            ("identity = \"svc-migrate\"", "`identity` or `group`"),
        ] {
            let error = load(&good.replace(line, "")).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        let error = load(&good.replace("max_action", "min_action")).unwrap_err();
        assert!(error.contains("min_action` is an unknown key"), "{error}");
    }

    #[test]
    fn a_rule_with_unknown_values_is_rejected() {
        let rule = |text: &str| load(&format!("[[containment.policy]]\nname = \"one\"\n{text}"));
        assert_eq!(rule("action = \"revoke\"").unwrap().policy.0.len(), 1);
        let error = rule("severity = [\"awful\"]\naction = \"explode\"").unwrap_err();
        assert!(
            error.contains("severity[0]` must be one of: informational")
                && error.contains("containment.policy"),
            "{error}"
        );
        let error = rule("credential = \"session\"\naction = \"revoke\"").unwrap_err();
        assert!(error.contains("credential` must be a sequence"), "{error}");
        let error = load("[containment]\nrequire_approval_from = \"notify\"").unwrap_err();
        assert!(error.contains("require_approval_from"), "{error}");
    }

    fn asked(
        severity: Severity,
        identity: IdentityKind,
        credential: Option<CredentialKind>,
    ) -> Action {
        let config = Config::load(&Sources::default()).unwrap();
        let situation = PolicyInput {
            severity,
            identity,
            credential,
            group: None,
            techniques: &[],
        };
        config.policy.action(&situation).0
    }

    #[test]
    fn the_default_policy_requests_actions_that_fit_the_credential() {
        let (human, service) = (IdentityKind::Human, IdentityKind::Service);
        let of = |severity, identity, kind| asked(severity, identity, Some(kind));
        assert_eq!(
            of(Severity::Low, human, CredentialKind::Session),
            Action::Notify
        );
        assert_eq!(asked(Severity::Medium, human, None), Action::StepUp);
        assert_eq!(asked(Severity::Medium, service, None), Action::Notify);
        assert_eq!(
            of(Severity::High, service, CredentialKind::ApiKey),
            Action::Rotate
        );
        assert_eq!(
            of(Severity::High, human, CredentialKind::Session),
            Action::Revoke
        );
        assert_eq!(
            of(Severity::High, human, CredentialKind::Password),
            Action::StepUp
        );
        assert_eq!(
            of(Severity::Critical, human, CredentialKind::Password),
            Action::Suspend
        );
        assert_eq!(asked(Severity::Critical, service, None), Action::Notify);
    }
}
