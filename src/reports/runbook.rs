//! Runbooks: containment steps, evidence to preserve, questions for the review, and preventive controls. Data
//! in
//! `config/runbooks`, one file per kind of attack, selected by the alert's ATT&CK techniques.

use credwatch_core::engine::Alert;
use credwatch_core::verdict::EntityView;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The embedded runbooks: specific ones first, the general one last.
const FILES: [(&str, &str); 7] = [
    (
        "stolen-token",
        include_str!("../../config/runbooks/stolen-token.toml"),
    ),
    (
        "forged-credential",
        include_str!("../../config/runbooks/forged-credential.toml"),
    ),
    (
        "impaired-defenses",
        include_str!("../../config/runbooks/impaired-defenses.toml"),
    ),
    (
        "account-manipulation",
        include_str!("../../config/runbooks/account-manipulation.toml"),
    ),
    ("source", include_str!("../../config/runbooks/source.toml")),
    (
        "brute-force",
        include_str!("../../config/runbooks/brute-force.toml"),
    ),
    (
        "general",
        include_str!("../../config/runbooks/general.toml"),
    ),
];
const CONTROLS: &str = include_str!("../../config/runbooks/controls.toml");
/// Maximum number of controls listed for one alert.
const CONTROLS_NAMED: usize = 4;
/// Name of the view in the runbook for sources.
const SOURCE: &str = "source";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Runbook {
    #[serde(skip)]
    name: &'static str,
    techniques: Vec<String>,
    containment: Vec<String>,
    preserve: Vec<String>,
    review: Vec<String>,
}

/// An invalid file is skipped; a test parses all of them.
static RUNBOOKS: LazyLock<Vec<Runbook>> = LazyLock::new(|| {
    let read = |(name, text): (&'static str, &str)| {
        let runbook: Option<Runbook> = toml::from_str(text).ok();
        runbook.map(|runbook| Runbook { name, ..runbook })
    };
    FILES.into_iter().filter_map(read).collect()
});
static PROPOSED: LazyLock<BTreeMap<String, String>> =
    LazyLock::new(|| toml::from_str(CONTROLS).unwrap_or_default());

impl Runbook {
    fn is_for(&self, alert: &Alert) -> bool {
        if alert.entity == EntityView::Source {
            return self.techniques.iter().any(|technique| technique == SOURCE);
        }
        let listed = |id: &str| self.techniques.iter().any(|technique| technique == id);
        let mut techniques = alert.incident.techniques.iter();
        self.techniques.is_empty()
            || techniques.any(|technique| listed(&technique.id) || listed(parent(&technique.id)))
    }
}

/// The technique of a sub-technique: `T1078` of `T1078.004`.
fn parent(id: &str) -> &str {
    id.split('.').next().unwrap_or(id)
}

/// The runbook of `alert`.
#[must_use]
pub fn of(alert: &Alert) -> Value {
    let Some(runbook) = RUNBOOKS.iter().find(|runbook| runbook.is_for(alert)) else {
        return json!({});
    };
    let fill = |texts: &[String]| -> Vec<String> {
        texts.iter().map(|text| filled(text, alert, "")).collect()
    };
    json!({
        "name": runbook.name,
        "containment": fill(&runbook.containment),
        "preserve": fill(&runbook.preserve),
        "review": fill(&runbook.review),
        "controls": controls(alert),
    })
}

fn controls(alert: &Alert) -> Vec<String> {
    let signals = alert.incident.signals.iter();
    let proposed = signals.filter_map(|signal| {
        let text = PROPOSED.get(signal.name.as_str())?;
        Some(filled(text, alert, &signal.explanation.expected))
    });
    proposed.take(CONTROLS_NAMED).collect()
}

fn filled(text: &str, alert: &Alert, expected: &str) -> String {
    let subject = &alert.incident.subject;
    let credential = subject.credential.as_ref().map_or_else(
        || "the credential in use".to_owned(),
        |credential| format!("credential {}", credential.id),
    );
    let owner = subject.owner.as_deref();
    let network = match alert.entity {
        EntityView::Source => subject.id.as_str(),
        EntityView::Identity => "the networks of these events",
    };
    let values = [
        ("{identity}", subject.id.as_str()),
        ("{credential}", &credential),
        ("{owner}", owner.unwrap_or("the owner of the identity")),
        ("{network}", network),
        ("{expected}", expected),
    ];
    // Each placeholder is replaced once, so that a value that looks like one is not expanded.
    let (mut out, mut rest) = (String::new(), text);
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        let known = values.iter().find(|(name, _)| rest.starts_with(name));
        let (name, value) = known.copied().unwrap_or(("{", "{"));
        out.push_str(value);
        rest = &rest[name.len()..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use credwatch_core::verdict::SignalName;

    #[test]
    fn every_runbook_is_complete() {
        assert_eq!(RUNBOOKS.len(), FILES.len());
        for runbook in RUNBOOKS.iter() {
            let lists = [&runbook.containment, &runbook.preserve, &runbook.review];
            assert!(
                lists.iter().all(|list| !list.is_empty()),
                "{}",
                runbook.name
            );
        }
        let last = RUNBOOKS.last().unwrap();
        assert!(
            last.techniques.is_empty(),
            "the general one is selected where no other matches"
        );
    }

    #[test]
    fn every_signal_has_a_control_and_no_other_has() {
        let signals: Vec<&str> = SignalName::ALL
            .iter()
            .map(|signal| signal.as_str())
            .collect();
        assert!(signals.iter().all(|signal| PROPOSED.contains_key(*signal)));
        assert_eq!(PROPOSED.len(), signals.len());
    }
}
