//! `credwatch evaluate`: measures detection on labelled traffic.
//!
//! # Measures
//! Average precision ranks events by score, the larger of both views. An *alert day* is one
//! identity, or one source network, on one day, by its largest score; at *k* alerts per day, the
//! *k* alert days with the largest scores are read for each day of traffic. A campaign is found when one of
//! its events lies in an alert day that is read, from the first of its events that reaches the level.

use crate::commands::raised_alerts::{AlertReport, RaisedAlerts};
use crate::commands::read_records::FilePart;
use crate::commands::reliability::{Reliability, is_learned};
use crate::commands::replay_input::{ReplayInputError, read_inputs};
use crate::config::Config;
use crate::files;
use crate::files::InputError;
use arrayvec::ArrayVec;
use credwatch_core::engine::Detail;
use credwatch_core::units::{EventTime, MS_PER_DAY, MS_PER_SEC, Span};
use credwatch_core::verdict::EntityView;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

/// Alerts per day at which recall is reported.
pub const BUDGETS: [f64; 4] = [1.0, 3.0, 10.0, 30.0];

/// One line of a label file: an event of an attack.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Label {
    /// Id of the event.
    pub event_id: String,
    /// The campaign, unique.
    pub campaign: String,
    /// Kind of attack.
    pub scenario: String,
}

/// Why an evaluation failed.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// An input or the model is invalid.
    #[error(transparent)]
    Feed(#[from] ReplayInputError),
    /// The label file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A label is malformed.
    #[error("{}, line {line}: {why}; a label holds event_id, campaign, scenario", .path.display())]
    Label {
        /// File.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Why.
        why: serde_json::Error,
    },
    /// No label matches an event.
    #[error("no labelled event is among the {0} events: do the labels belong to this input?")]
    Nothing(usize),
}

struct Scored {
    time: EventTime,
    /// Entity and score in each view.
    views: ArrayVec<(u32, f64), 2>,
    campaign: Option<u32>,
}

impl Scored {
    /// The larger score.
    fn nats(&self) -> f64 {
        self.views.iter().map(|(_, nats)| *nats).fold(0.0, f64::max)
    }
}

/// Results for the campaigns of one scenario.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ScenarioResult {
    /// Campaigns.
    pub campaigns: usize,
    /// Found, at each of [`BUDGETS`].
    pub found: [usize; BUDGETS.len()],
    /// Median time to detect at three alerts a day, in seconds of event time.
    pub median_secs_to_detect: Option<f64>,
}

/// The results.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Events scored.
    pub events: usize,
    /// Labelled among them.
    pub labelled: usize,
    /// Days that the events span.
    pub days: f64,
    /// Area under precision over recall, events ranked by score.
    pub average_precision: f64,
    /// Recall of campaigns at each of `alerts_per_day`.
    pub campaign_recall: [f64; BUDGETS.len()],
    /// The budgets.
    pub alerts_per_day: [f64; BUDGETS.len()],
    /// Median time to detect at three alerts a day, in seconds of event time.
    pub median_secs_to_detect: Option<f64>,
    /// Alerts that the engine itself raised.
    pub alerts: AlertReport,
    /// By scenario.
    pub scenarios: BTreeMap<String, ScenarioResult>,
    /// Calibration of the probabilities.
    pub reliability: Reliability,
}

/// Reads a label file.
///
/// # Errors
/// The file cannot be read, or a line is malformed.
pub fn read_labels(path: &Path) -> Result<Vec<Label>, EvaluateError> {
    let document = files::open(path)?.rest()?;
    let lines = document.split(|byte| *byte == b'\n').enumerate();
    lines
        .filter(|(_, line)| !line.trim_ascii().is_empty())
        .map(|(at, line)| {
            serde_json::from_slice(line).map_err(|why| EvaluateError::Label {
                path: path.to_path_buf(),
                line: at + 1,
                why,
            })
        })
        .collect()
}

/// Replays `inputs` and measures detection.
///
/// # Errors
/// An input or label cannot be read, or no label matches an event.
pub fn evaluate(
    config: &Config,
    labels: &[Label],
    inputs: &[PathBuf],
    partitions: u32,
    progress: impl FnMut(&FilePart),
) -> Result<Report, EvaluateError> {
    let mut campaigns: Vec<(&str, &str)> = Vec::new();
    let mut known: HashMap<&str, u32> = HashMap::new();
    let by_event: HashMap<&str, u32> = labels
        .iter()
        .map(|label| {
            let next = campaigns.len() as u32;
            let campaign = *known.entry(&label.campaign).or_insert_with(|| {
                campaigns.push((&label.campaign, &label.scenario));
                next
            });
            (label.event_id.as_str(), campaign)
        })
        .collect();
    let mut scored = Vec::new();
    let mut raised = RaisedAlerts::default();
    let (mut reliability, mut first) = (Reliability::default(), None);
    let mut entities: HashMap<(EntityView, String), u32> = HashMap::new();
    read_inputs(
        config,
        inputs,
        partitions,
        Detail::Readings,
        progress,
        |shard_output| {
            let handled = &shard_output.handled;
            let campaign = by_event.get(&*handled.event.event_id).copied();
            shard_output
                .alerts()
                .for_each(|alert| raised.add(alert, campaign));
            let time = handled.event.time;
            let first = *first.get_or_insert(time);
            if let Some(verdict) = handled.step.verdict.as_ref()
                && campaign.is_none()
                && is_learned(time.day(), first)
            {
                reliability.add(&verdict.signals);
            }
            let mut entity = |entity: EntityView, name: &str| {
                let next = entities.len() as u32;
                let known = entities.entry((entity, name.to_owned()));
                *known.or_insert(next)
            };
            let identity = entity(EntityView::Identity, &handled.event.identity.id);
            let mut views = ArrayVec::from_iter([(identity, handled.step.score_nats)]);
            if let (Some(output), Some(sighting)) = (&shard_output.at_source, &handled.sighting) {
                views.push((entity(EntityView::Source, &sighting.key), output.score_nats));
            }
            scored.push(Scored {
                time,
                views,
                campaign,
            });
        },
    )?;
    measure(&scored, &campaigns, &raised, reliability).ok_or(EvaluateError::Nothing(scored.len()))
}

/// One entity on one day.
type AlertDay = (u32, i64);

fn measure(
    scored: &[Scored],
    campaigns: &[(&str, &str)],
    raised: &RaisedAlerts,
    mut reliability: Reliability,
) -> Option<Report> {
    let first = scored.iter().map(|s| s.time).min()?;
    let last = scored.iter().map(|s| s.time).max()?;
    let days = (last.ms_since(first) as f64 / MS_PER_DAY as f64).max(1.0);
    let labelled = scored.iter().filter(|s| s.campaign.is_some()).count();
    if labelled == 0 {
        return None;
    }
    let peaks = peaks_of(scored);
    let quiet = peaks
        .iter()
        .filter(|((_, day), peak)| is_learned(*day, first) && !peak.is_attacked);
    reliability.count_days(quiet.map(|(_, peak)| peak.nats));
    let mut ranked: Vec<f64> = peaks.into_values().map(|peak| peak.nats).collect();
    ranked.sort_by(|a, b| b.total_cmp(a));
    let levels = BUDGETS.map(|budget| {
        let read = ((budget * days) as usize).clamp(1, ranked.len());
        ranked[read - 1].max(f64::MIN_POSITIVE)
    });
    let mut scenarios: BTreeMap<String, ScenarioResult> = BTreeMap::new();
    let mut recall = [0.0; BUDGETS.len()];
    let mut starts = BTreeMap::new();
    let (mut times, mut by_scenario) = (Vec::new(), HashMap::<&str, Vec<f64>>::new());
    for (at, (_, scenario)) in campaigns.iter().enumerate() {
        let events: Vec<&Scored> = scored
            .iter()
            .filter(|s| s.campaign == Some(at as u32))
            .collect();
        let Some(start) = events.iter().map(|event| event.time).min() else {
            continue;
        };
        starts.insert(at as u32, start);
        let of_scenario = scenarios.entry((*scenario).to_owned()).or_default();
        of_scenario.campaigns += 1;
        for (budget, level) in levels.iter().enumerate() {
            let found = events.iter().find(|event| event.nats() >= *level);
            let Some(found) = found else { continue };
            of_scenario.found[budget] += 1;
            recall[budget] += 1.0;
            if BUDGETS[budget].to_bits() == 3.0f64.to_bits() {
                let secs = found.time.ms_since(start) as f64 / MS_PER_SEC as f64;
                times.push(secs);
                by_scenario.entry(scenario).or_default().push(secs);
            }
        }
    }
    let all: usize = scenarios.values().map(|s| s.campaigns).sum();
    for (scenario, mut times) in by_scenario {
        if let Some(of_scenario) = scenarios.get_mut(scenario) {
            of_scenario.median_secs_to_detect = median(&mut times);
        }
    }
    Some(Report {
        events: scored.len(),
        labelled,
        days,
        average_precision: average_precision(scored, labelled),
        campaign_recall: recall.map(|found| found / all as f64),
        alerts_per_day: BUDGETS,
        median_secs_to_detect: median(&mut times),
        alerts: raised.report(days, &starts),
        scenarios,
        reliability,
    })
}

/// The largest score of an alert day, and whether an attack is among its events.
#[derive(Clone, Copy, Default)]
struct Peak {
    nats: f64,
    is_attacked: bool,
}

fn peaks_of(scored: &[Scored]) -> HashMap<AlertDay, Peak> {
    let mut peaks: HashMap<AlertDay, Peak> = HashMap::new();
    for event in scored {
        for (entity, nats) in &event.views {
            let peak = peaks.entry((*entity, event.time.day())).or_default();
            peak.nats = peak.nats.max(*nats);
            peak.is_attacked |= event.campaign.is_some();
        }
    }
    peaks
}

pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Events of equal score share one rank, so that the order of the input does not matter.
fn average_precision(scored: &[Scored], labelled: usize) -> f64 {
    let mut order: Vec<(f64, bool)> = scored
        .iter()
        .map(|s| (s.nats(), s.campaign.is_some()))
        .collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut hits, mut seen, mut sum) = (0usize, 0usize, 0.0);
    for tied in order.chunk_by(|a, b| a.0.to_bits() == b.0.to_bits()) {
        let new = tied.iter().filter(|(_, is_attack)| *is_attack).count();
        hits += new;
        seen += tied.len();
        sum += new as f64 * hits as f64 / seen as f64;
    }
    sum / labelled as f64
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (events, labelled, days) = (self.events, self.labelled, self.days);
        writeln!(
            f,
            "{events} events over {days:.1} days, {labelled} of them attacks"
        )?;
        writeln!(
            f,
            "average precision on events  {:.3}",
            self.average_precision
        )?;
        for (budget, recall) in BUDGETS.iter().zip(self.campaign_recall) {
            writeln!(
                f,
                "campaigns found at {budget:>2} a day  {:.0} %",
                100.0 * recall
            )?;
        }
        if let Some(secs) = self.median_secs_to_detect {
            let ms = (secs * 1_000.0) as i64;
            writeln!(f, "median time to detect        {}", Span { ms })?;
        }
        write!(f, "{}", self.alerts)?;
        let header = format!("{:<28} campaigns", "scenario");
        writeln!(f, "\n{header}  at 1  at 3 at 10 at 30  median time at 3")?;
        for (name, of) in &self.scenarios {
            let [one, three, ten, thirty] = of.found;
            let campaigns = of.campaigns;
            let after = of.median_secs_to_detect.map_or_else(
                || "not found".to_owned(),
                |secs| {
                    let ms = (secs * 1_000.0) as i64;
                    Span { ms }.to_string()
                },
            );
            writeln!(
                f,
                "{name:<28} {campaigns:>9} {one:>5} {three:>5} {ten:>5} {thirty:>5}  {after}"
            )?;
        }
        write!(f, "{}", self.reliability)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(day: i64, identity: u32, score_nats: f64, campaign: Option<u32>) -> Scored {
        Scored {
            time: EventTime::EARLIEST.saturating_add_ms(day * MS_PER_DAY),
            views: ArrayVec::from_iter([(identity, score_nats)]),
            campaign,
        }
    }

    #[test]
    fn a_perfect_ranking_scores_one_and_a_constant_one_scores_the_share() {
        let perfect: Vec<Scored> = (0..10)
            .map(|day| {
                event(
                    day,
                    1,
                    if day == 5 { 9.0 } else { 1.0 },
                    (day == 5).then_some(0),
                )
            })
            .collect();
        let report = measure(
            &perfect,
            &[("c", "s")],
            &RaisedAlerts::default(),
            Reliability::default(),
        )
        .unwrap();
        assert!((report.average_precision - 1.0).abs() < 1e-12);
        assert!((report.campaign_recall[0] - 1.0).abs() < 1e-12);
        let blind: Vec<Scored> = (0..10)
            .map(|day| event(day, 1, 1.0, (day == 5).then_some(0)))
            .collect();
        let report = measure(
            &blind,
            &[("c", "s")],
            &RaisedAlerts::default(),
            Reliability::default(),
        )
        .unwrap();
        assert!((report.average_precision - 0.1).abs() < 1e-12);
    }
}
