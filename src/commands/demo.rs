//! `credwatch demo`: a simulated organisation under attack, live through the real engine.

use crate::commands::local_shards::{LocalShards, LocalShardsError};
use crate::commands::summary::{Summary, incident_text};
use crate::config::Config;
use crate::console::Console;
use crate::console::event_history::RecentEvents;
use crate::feedback::model::Feedback;
use crate::metrics::Metrics;
use crate::query_router::ShardQuery;
use crate::shard::{OutputRecord, Stream};
use crate::simulation::SimulatedEvent;
use crate::simulation::attack::campaign;
use crate::simulation::organisation::Organisation;
use crate::sources::native;
use crate::sources::time::parse_rfc3339;
use crate::token_redaction::Redactor;
use credwatch_core::containment::issued_orders::OrderOutcome;
use credwatch_core::containment::policy::{Policy, Rule};
use credwatch_core::containment::{Action, Mode};
use credwatch_core::engine::{Detail, Phase};
use credwatch_core::units::{EventTime, MS_PER_DAY, MS_PER_HOUR, MS_PER_MINUTE, MS_PER_SEC};
use credwatch_core::verdict::Severity;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Arc;

/// Number of identities.
const SIZE: usize = 120;
/// Days without attacks that are learned first.
pub const HISTORY_DAYS: i64 = 21;
/// The latest of them, which the console can look back at.
const SHOWN_DAYS: i64 = 7;
/// The first day of the simulation, a Monday.
const FIRST_DAY: &str = "2026-01-05T00:00:00Z";
/// Hour of the working day at which the story begins.
const STORY_HOUR: i64 = 10;
/// The first attack begins this long before the story, so that the story opens with an incident.
const FIRST_LEAD_MS: i64 = 85 * MS_PER_SEC;
/// Interval between attacks within the story, and after it.
const STORY_INTERVAL_MS: i64 = 2 * MS_PER_MINUTE;
const LATER_INTERVAL_MS: i64 = 40 * MS_PER_MINUTE;
/// Events that the console can look back at.
const RECENT_EVENTS: usize = 60_000;
/// Share of the organisation that may be contained: there are many attacks for so few people.
const MAX_SHARE: f64 = 0.2;
/// Who executes orders: nobody but this simulation.
const EXECUTOR: &str = "demo executor";

/// Attacks, in this order.
const SHOWN: [&str; 11] = [
    "stolen_session",
    "credential_stuffing",
    "service_key_abroad",
    "token_on_colleagues_host",
    "guessed_password",
    "self_promotion",
    "expired_token",
    "cover_tracks",
    "mass_download",
    "forged_token",
    "enumeration",
];

/// A running demonstration.
pub struct Demo {
    organisation: Organisation,
    shards: LocalShards,
    redactor: Redactor,
    summary: Summary,
    metrics: Metrics,
    console: Arc<Console>,
    events: Arc<RecentEvents>,
    midnight: EventTime,
    processed: u64,
    /// Whether the console can look back at what is processed now.
    is_shown: bool,
    starts: Vec<EventTime>,
    now: EventTime,
    /// Outcomes that the executor will report, by time.
    outcomes: VecDeque<(EventTime, Feedback)>,
}

/// The configuration of a demonstration: orders are enforced, by a simulated executor; some await approval.
#[must_use]
pub fn configuration(mut config: Config) -> Config {
    config.guardrails.mode = Mode::Enforce;
    config.guardrails.require_approval_from = Some(Action::Suspend);
    config.guardrails.max_share = MAX_SHARE;
    let mut rules = config.policy.0.clone();
    let approved = Rule::new(
        "operations, critical: suspend",
        &[Severity::Critical],
        Action::Suspend,
    );
    rules.insert(
        0,
        Rule {
            groups: vec!["operations".to_owned()],
            ..approved
        },
    );
    config.policy = Arc::new(Policy(rules));
    config.list("containment.mode", Mode::Enforce.as_str());
    config.list(
        "containment.require_approval_from",
        Action::Suspend.as_str(),
    );
    config.list("containment.max_share", &MAX_SHARE.to_string());
    config
}

/// Past events of a demonstration.
#[must_use]
pub fn recent_events() -> Arc<RecentEvents> {
    Arc::new(RecentEvents::new(RECENT_EVENTS))
}

impl Demo {
    /// A demonstration without baselines.
    ///
    /// # Errors
    /// The model is invalid.
    pub fn new(
        config: &Config,
        seed: u64,
        metrics: Metrics,
        console: Arc<Console>,
        events: Arc<RecentEvents>,
    ) -> Result<Self, LocalShardsError> {
        let first = parse_rfc3339(FIRST_DAY).and_then(EventTime::from_epoch_ms);
        Ok(Self {
            organisation: Organisation::new(seed, SIZE),
            shards: LocalShards::open(config, 1, None)?,
            redactor: config.redactor.clone(),
            summary: Summary::new(config.guardrails.mode),
            metrics,
            console,
            events,
            midnight: first.unwrap_or(EventTime::EARLIEST),
            processed: 0,
            is_shown: false,
            starts: Vec::new(),
            now: EventTime::EARLIEST,
            outcomes: VecDeque::new(),
        })
    }

    /// Learns one more of the days without attacks; returns whether there is another.
    pub fn learn_day(&mut self) -> bool {
        for simulated in self.organisation.day(self.midnight) {
            self.take(&simulated);
        }
        self.show_health();
        self.midnight = self.midnight.saturating_add_ms(MS_PER_DAY);
        let first = parse_rfc3339(FIRST_DAY).unwrap_or_default();
        let days = (self.midnight.epoch_ms() - first) / MS_PER_DAY;
        self.is_shown = days >= HISTORY_DAYS - SHOWN_DAYS;
        if days < HISTORY_DAYS {
            return true;
        }
        self.summary = Summary::new(Mode::Enforce);
        false
    }

    /// The next live day, attacks included, in order of time. The first begins when the story does; what
    /// comes before it is learned.
    pub fn next_day(&mut self) -> Vec<SimulatedEvent> {
        let mut events = self.organisation.day(self.midnight);
        let is_first = self.starts.is_empty();
        let story = self.midnight.saturating_add_ms(STORY_HOUR * MS_PER_HOUR);
        let mut start = match is_first {
            true => story.saturating_add_ms(-FIRST_LEAD_MS),
            false => self.midnight.saturating_add_ms(MS_PER_HOUR),
        };
        let end = self
            .midnight
            .saturating_add_ms(24 * MS_PER_HOUR - MS_PER_HOUR);
        while start < end {
            let scenario = SHOWN[self.starts.len() % SHOWN.len()];
            events.extend(campaign(&mut self.organisation, scenario, start));
            self.starts.push(start);
            let is_story = self.starts.len() < SHOWN.len();
            start = start.saturating_add_ms(match is_story {
                true => STORY_INTERVAL_MS,
                false => LATER_INTERVAL_MS,
            });
        }
        events.sort_by_key(|simulated| simulated.time);
        self.midnight = self.midnight.saturating_add_ms(MS_PER_DAY);
        if is_first {
            let live = events.partition_point(|simulated| simulated.time < story);
            let later = events.split_off(live);
            events
                .iter()
                .for_each(|simulated| drop(self.take(simulated)));
            return later;
        }
        events
    }

    /// Processes one event; returns its alert as text.
    pub fn take(&mut self, simulated: &SimulatedEvent) -> Option<String> {
        let record = simulated.event.to_json();
        let decoded = native::decode(&record, &self.redactor).ok()?;
        let scored = self.shards.process(&record, decoded, Detail::Score).ok()?;
        self.processed += 1;
        self.now = simulated.time;
        self.summary.add_event(&scored.handled);
        self.metrics.records.with_label_values(&["detect"]).inc();
        if self.is_shown {
            let nats = scored.handled.step.event_nats;
            self.events.add(&scored.handled.event, &record, nats);
        }
        self.console.set_latest_event(simulated.time.epoch_ms());
        let mut alert_text = None;
        for alert in scored.alerts() {
            self.summary.add_alert(alert);
            self.metrics.add_alert(alert);
            if alert.phase == Phase::Opened {
                let actions = alert.decisions.iter().map(|d| d.guarded.action);
                let action = actions.max().map_or("notify", Action::as_str);
                let text = incident_text(self.summary.alerts(), &alert.incident);
                alert_text = Some(format!("{text}     order: {action} (simulated)\n"));
            }
        }
        let outputs = scored.outputs;
        self.publish(&outputs);
        self.report_due_outcomes();
        alert_text
    }

    fn publish(&mut self, outputs: &[OutputRecord]) {
        for output in outputs {
            self.console.take_output(output);
            if output.stream == Stream::Revocations {
                self.execute(&output.payload);
            }
        }
    }

    /// Plans the outcome of an order that is enforced.
    fn execute(&mut self, order: &[u8]) {
        let Ok(order) = serde_json::from_slice::<Value>(order) else {
            return;
        };
        let Some(order_id) = order["order_id"].as_str() else {
            return;
        };
        if order["mode"] != Mode::Enforce.as_str() || order["action"] == Action::Notify.as_str() {
            return;
        }
        let took_ms = 600 + i64::from(order_id.as_bytes()[0]) * 9;
        let outcome = Feedback {
            order_id: Some(order_id.to_owned()),
            outcome: Some(OrderOutcome::Done),
            took_ms: Some(took_ms),
            by: EXECUTOR.to_owned(),
            ..Feedback::default()
        };
        let due = self.now.saturating_add_ms(took_ms);
        self.outcomes.push_back((due, outcome));
    }

    fn report_due_outcomes(&mut self) {
        while self
            .outcomes
            .front()
            .is_some_and(|(due, _)| *due <= self.now)
        {
            if let Some((_, outcome)) = self.outcomes.pop_front() {
                self.apply_feedback(&outcome);
            }
        }
    }

    /// Applies feedback as a service does; returns whether it concerned anything.
    pub fn apply_feedback(&mut self, feedback: &Feedback) -> bool {
        let outputs = self.shards.apply_feedback(feedback, self.now);
        self.publish(&outputs);
        !outputs.is_empty()
    }

    /// Answers a query about a shard.
    pub fn answer(&self, query: ShardQuery) {
        self.shards.answer(query);
    }

    /// Publishes the state as metrics.
    pub fn show_health(&self) {
        for (id, health) in self.shards.health() {
            self.metrics.set_health(id, &health);
        }
        self.console.sample_throughput(self.processed);
    }

    /// Number of events processed.
    #[must_use]
    pub fn processed(&self) -> u64 {
        self.processed
    }

    /// The summary.
    #[must_use]
    pub fn finish(mut self) -> Summary {
        for (id, health) in self.shards.health() {
            self.summary.add_health(id, &health);
        }
        self.summary
    }

    /// Number of attacks that have begun.
    #[must_use]
    pub fn attacks(&self) -> usize {
        self.starts
            .iter()
            .filter(|start| **start <= self.now)
            .count()
    }
}
