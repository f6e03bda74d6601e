//! One line a verdict (`--verdicts`).

use crate::event::Event;
use crate::verdict::{SignalVerdict, Verdict};
use crate::wire::time::format_rfc3339;
use serde::Serialize;

#[derive(Serialize)]
struct Line<'a> {
    event_id: &'a str,
    time: String,
    identity: &'a str,
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

/// The verdict on `event` as one line of JSON.
#[must_use]
pub fn to_json(event: &Event<'_>, event_id: &str, verdict: &Verdict) -> Vec<u8> {
    let line = Line {
        event_id,
        time: format_rfc3339(event.time),
        identity: &event.identity.id,
        score_nats: verdict.score_nats,
        event_nats: verdict.event_nats,
        alert_id: verdict.alert_id.as_deref(),
        signals: verdict.signals.iter().map(SignalLine::new).collect(),
    };
    serde_json::to_vec(&line).unwrap_or_default()
}
