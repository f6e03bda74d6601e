//! The baseline of one identity, and what events of it would score: as JSON and as text.
//! people.

use crate::sources::time::format_rfc3339;
use credwatch_core::engine::{IncidentSummary, ProfileReport};
use credwatch_core::units::{EventTime, Span};
use credwatch_core::verdict::{SignalVerdict, Verdict};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The explanation of an identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaselineExplanation {
    /// The identity.
    pub identity: String,
    /// Its baseline; `null` where there is none.
    pub known: Option<ProfileSummary>,
    /// Alert threshold.
    pub threshold_nats: f64,
    /// Weight of the estimate in the threshold, 0 to 1.
    pub threshold_learned_share: f64,
    /// Scores of the given events, in their order.
    pub events: Vec<ScoredEvent>,
}

/// A baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProfileSummary {
    /// Events observed.
    pub events: u32,
    /// First event.
    pub first_seen: String,
    /// Latest event.
    pub last_seen: String,
    /// Time between them.
    pub span: String,
    /// Decayed number of events.
    pub observations: f64,
    /// Habits: name of the feature, and its values.
    pub habits: Vec<(String, String)>,
    /// Evidence of its incident, if any.
    pub case_nats: Option<f64>,
    /// Alert of that incident.
    pub alert_id: Option<String>,
    /// Whether that alert is open.
    pub alert_is_open: bool,
}

/// The score of one event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoredEvent {
    /// Event id.
    pub event_id: String,
    /// With accumulated evidence.
    pub score_nats: f64,
    /// The event alone.
    pub event_nats: f64,
    /// Explanation of each signal, strongest first.
    pub signals: Vec<SignalExplanation>,
}

/// The explanation of one signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalExplanation {
    /// Signal.
    pub name: String,
    /// Tail probability.
    pub p: f64,
    /// −ln p.
    pub surprise_nats: f64,
    /// Sentence.
    pub sentence: String,
}

impl BaselineExplanation {
    /// Of an identity without baseline.
    #[must_use]
    pub fn nothing(identity: &str) -> Self {
        Self {
            identity: identity.to_owned(),
            known: None,
            threshold_nats: 0.0,
            threshold_learned_share: 0.0,
            events: Vec::new(),
        }
    }
}

impl ProfileSummary {
    /// From a profile report.
    #[must_use]
    pub fn of(report: ProfileReport) -> Self {
        let time = |time: EventTime| format_rfc3339(time);
        let ms = report.last_seen.ms_since(report.first_seen);
        let (case_nats, alert) = match report.incident {
            Some(IncidentSummary {
                evidence_nats,
                alert,
            }) => (Some(evidence_nats), alert),
            None => (None, None),
        };
        let habits = report.habits.into_iter();
        Self {
            events: report.events,
            first_seen: time(report.first_seen),
            last_seen: time(report.last_seen),
            span: Span { ms }.to_string(),
            observations: report.observations,
            habits: habits
                .map(|(what, words)| (what.to_owned(), words))
                .collect(),
            case_nats,
            alert_is_open: alert.as_ref().is_some_and(|(_, is_open)| *is_open),
            alert_id: alert.map(|(id, _)| id),
        }
    }
}

impl ScoredEvent {
    /// From a verdict.
    #[must_use]
    pub fn of(event_id: String, mut verdict: Verdict) -> Self {
        let p = |signal: &SignalVerdict| signal.reading.p;
        verdict.signals.sort_by(|a, b| p(a).total_cmp(&p(b)));
        let explanation = |signal: SignalVerdict| SignalExplanation {
            name: signal.name.as_str().to_owned(),
            p: signal.reading.p,
            surprise_nats: signal.reading.surprise_nats(),
            sentence: signal.explanation.sentence,
        };
        Self {
            event_id,
            score_nats: verdict.score_nats,
            event_nats: verdict.event_nats,
            signals: verdict.signals.into_iter().map(explanation).collect(),
        }
    }
}

impl fmt::Display for BaselineExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.identity)?;
        match &self.known {
            Some(known) => known.fmt(f)?,
            None => writeln!(
                f,
                "  no baseline: scored against its peers and the population"
            )?,
        }
        let (threshold, learned) = (self.threshold_nats, 100.0 * self.threshold_learned_share);
        writeln!(
            f,
            "  alert threshold {threshold:.1} nats, {learned:.0} % learned"
        )?;
        let mut events = self.events.iter();
        events.try_for_each(|event| event.write(f, threshold))
    }
}

impl fmt::Display for ProfileSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  {} events over {}, {} to {}; about {:.0} after decay",
            self.events, self.span, self.first_seen, self.last_seen, self.observations,
        )?;
        for (what, words) in &self.habits {
            writeln!(f, "  {what:<15} {words}")?;
        }
        let Some(nats) = self.case_nats else {
            return writeln!(f, "  no incident");
        };
        write!(f, "  incident with {nats:.1} nats of evidence")?;
        match &self.alert_id {
            None => writeln!(f, ", no alert"),
            Some(id) if self.alert_is_open => writeln!(f, ", open alert {id}"),
            Some(id) => writeln!(f, ", closed alert {id}"),
        }
    }
}

impl ScoredEvent {
    fn write(&self, f: &mut fmt::Formatter<'_>, threshold_nats: f64) -> fmt::Result {
        let would = if self.score_nats >= threshold_nats {
            "reaches"
        } else {
            "is below"
        };
        writeln!(
            f,
            "\nevent {}: scores {:.1} nats ({:.1} by itself), which {would} the threshold of \
             {threshold_nats:.1}",
            self.event_id, self.score_nats, self.event_nats,
        )?;
        for explanation in &self.signals {
            let (name, nats, sentence) = (
                &explanation.name,
                explanation.surprise_nats,
                &explanation.sentence,
            );
            writeln!(f, "  {name:<14} {nats:>5.1} nats  {sentence}")?;
        }
        Ok(())
    }
}
