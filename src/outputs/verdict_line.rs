//! One line per verdict (`--verdicts`).

use crate::sources::time::format_rfc3339;
use credwatch_core::enrich::source_network;
use credwatch_core::event::Event;
use credwatch_core::verdict::{SignalVerdict, Verdict};
use serde::Serialize;

#[derive(Serialize)]
struct Line<'a> {
    event_id: &'a str,
    time: String,
    identity: &'a str,
    /// The larger of both views.
    score_nats: f64,
    /// That of the view by source.
    #[serde(skip_serializing_if = "Option::is_none")]
    source_nats: Option<f64>,
    event_nats: f64,
    alert_id: Option<&'a str>,
    signals: Vec<SignalLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_source: Option<AtSource<'a>>,
}

/// The verdict of the view by source on the same event.
#[derive(Serialize)]
struct AtSource<'a> {
    network: Option<String>,
    score_nats: f64,
    event_nats: f64,
    alert_id: Option<&'a str>,
    signals: Vec<SignalLine<'a>>,
}

/// One signal of a verdict, as lines and alerts state it.
#[derive(Serialize)]
pub struct SignalLine<'a> {
    name: &'static str,
    p: f64,
    surprise_nats: f64,
    observed: &'a str,
    expected: &'a str,
    level: &'static str,
    observations: u64,
}

impl<'a> SignalLine<'a> {
    /// The line of `verdict`.
    #[must_use]
    pub fn new(verdict: &'a SignalVerdict) -> Self {
        Self {
            name: verdict.name.as_str(),
            p: verdict.reading.p,
            surprise_nats: verdict.reading.surprise_nats(),
            observed: &verdict.explanation.observed,
            expected: &verdict.explanation.expected,
            level: verdict.reading.level.as_str(),
            observations: verdict.reading.observations.round() as u64,
        }
    }
}

/// The verdict on `event` as one line of JSON, with the verdict of the view by source where the event has a
/// sighting.
#[must_use]
pub fn to_json(event: &Event<'_>, verdict: &Verdict, at_source: Option<&Verdict>) -> Vec<u8> {
    let source_nats = at_source.map(|verdict| verdict.score_nats);
    let line = Line {
        event_id: &event.event_id,
        time: format_rfc3339(event.time),
        identity: &event.identity.id,
        score_nats: source_nats.unwrap_or(0.0).max(verdict.score_nats),
        source_nats,
        event_nats: verdict.event_nats,
        alert_id: verdict.alert_id.as_deref(),
        signals: verdict.signals.iter().map(SignalLine::new).collect(),
        at_source: at_source.map(|verdict| AtSource {
            network: source_network(event),
            score_nats: verdict.score_nats,
            event_nats: verdict.event_nats,
            alert_id: verdict.alert_id.as_deref(),
            signals: verdict.signals.iter().map(SignalLine::new).collect(),
        }),
    };
    serde_json::to_vec(&line).unwrap_or_default()
}
