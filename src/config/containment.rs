//! What is to be done when, and what limits it.

use super::entry::each;
use super::reader::Reader;
use crate::sources::time::parse_rfc3339;
use credwatch_core::containment::exception::{Exception, ExceptionScope};
use credwatch_core::containment::guardrail::Guardrails;
use credwatch_core::containment::policy::{Policy, Rule};
use credwatch_core::containment::{Action, Mode};
use credwatch_core::event::{CredentialKind, IdentityKind};
use credwatch_core::units::{EventTime, MS_PER_SEC};
use credwatch_core::verdict::Severity;
use toml::Value;

const RULES: &str = "containment.policy";
const EXCEPTIONS: &str = "containment.exceptions";
/// How a rule names a credential of which nothing is known.
const UNKNOWN: &str = "unknown";

pub(super) fn policy_of(reader: &mut Reader<'_>) -> Policy {
    let credential = |text: &str| match text {
        UNKNOWN => Some(None),
        kind => CredentialKind::parse(kind).map(Some),
    };
    Policy(each(reader, RULES, |entry| {
        entry.only(&[
            "name",
            "severity",
            "identity",
            "credential",
            "group",
            "technique",
            "action",
        ]);
        Some(Rule {
            name: entry.text("name"),
            severities: entry.words("severity", Severity::parse),
            identities: entry.words("identity", IdentityKind::parse),
            credentials: entry.words("credential", credential),
            groups: entry.texts("group"),
            techniques: entry.texts("technique"),
            action: entry.action("action"),
        })
    }))
}

fn exceptions_of(reader: &mut Reader<'_>) -> Vec<Exception> {
    each(reader, EXCEPTIONS, |entry| {
        entry.only(&[
            "identity",
            "group",
            "at_most",
            "owner",
            "justification",
            "expires",
        ]);
        let named = |key: &str| entry.table.get(key).and_then(Value::as_str);
        let target = match (named("identity"), named("group")) {
            (Some(identity), None) => Some(ExceptionScope::Identity(identity.to_owned())),
            (None, Some(group)) => Some(ExceptionScope::Group(group.to_owned())),
            _ => None,
        };
        if target.is_none() {
            entry.problem("needs `identity` or `group`, one of them");
        }
        let expires = entry.text("expires");
        let moment = |text: &str| parse_rfc3339(text).and_then(EventTime::from_epoch_ms);
        let (at_most, owner) = (entry.action("at_most"), entry.text("owner"));
        let justification = entry.text("justification");
        Some(Exception {
            expires: entry.word("expires", &expires, moment)?,
            scope: target?,
            max_action: at_most,
            owner,
            justification,
        })
    })
}

pub(super) fn guardrails_of(reader: &mut Reader<'_>, is_signed: bool) -> Guardrails {
    let approval_from = match reader.text("containment.approval_from").as_str() {
        "" => None,
        text => {
            let action = Action::parse(text).filter(|action| *action > Action::Notify);
            if action.is_none() {
                let why = format!("`containment.approval_from` does not know \"{text}\"");
                reader.problems.push(why);
            }
            action
        }
    };
    Guardrails {
        mode: mode_of(reader, is_signed),
        protected: reader.texts("containment.protected").into_iter().collect(),
        max_per_hour: reader.whole("containment.max_per_hour", 0, 1_000_000) as u32,
        max_share: reader.number("containment.max_share", 0.0, 1.0),
        cooldown_ms: MS_PER_SEC * reader.whole("containment.cool_down_secs", 0, 86_400),
        require_approval_from: approval_from,
        exceptions: exceptions_of(reader),
    }
}

fn mode_of(reader: &mut Reader<'_>, is_signed: bool) -> Mode {
    let problem = match Mode::parse(&reader.text("containment.mode")) {
        Some(Mode::DryRun) => return Mode::DryRun,
        Some(Mode::Enforce) if is_signed => return Mode::Enforce,
        Some(Mode::Enforce) => {
            "`containment.mode` is \"enforce\", which needs `signing.key_file`: an unsigned order must not \
             be acted on"
        }
        None => "`containment.mode` must be \"dry_run\" or \"enforce\"",
    };
    reader.problems.push(problem.to_owned());
    Mode::DryRun
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
    fn an_exception_has_an_owner_a_reason_and_an_end() {
        let good = r#"[[containment.exceptions]]
            identity = "svc-migrate"
            at_most = "notify"
            owner = "ada"
            justification = "moves the archive"
            expires = "2027-01-31T00:00:00Z""#;
        let config = load(good).unwrap();
        assert_eq!(config.guardrails.exceptions.len(), 1);
        for (line, why) in [
            ("owner = \"ada\"", "`owner` must be a text"),
            (
                "justification = \"moves the archive\"",
                "`justification` must be",
            ),
            ("expires = \"2027-01-31T00:00:00Z\"", "`expires`"),
            ("identity = \"svc-migrate\"", "`identity` or `group`"),
        ] {
            let told = load(&good.replace(line, "")).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
        let told = load(&good.replace("at_most", "at_least")).unwrap_err();
        assert!(told.contains("unknown key `at_least`"), "{told}");
    }

    #[test]
    fn a_rule_that_knows_other_words_is_refused() {
        let rule = |text: &str| load(&format!("[[containment.policy]]\nname = \"one\"\n{text}"));
        assert_eq!(rule("action = \"revoke\"").unwrap().policy.0.len(), 1);
        let told = rule("severity = [\"awful\"]\naction = \"explode\"").unwrap_err();
        assert!(
            told.contains("\"awful\"") && told.contains("\"explode\""),
            "{told}"
        );
        let told = rule("credential = \"session\"\naction = \"revoke\"").unwrap_err();
        assert!(told.contains("must be a list"), "{told}");
        let told = load("[containment]\napproval_from = \"notify\"").unwrap_err();
        assert!(told.contains("approval_from"), "{told}");
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
    fn by_default_containment_fits_what_can_be_contained() {
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
