//! `credwatch demo`: a simulated organisation under attack, live through the real engine.

use crate::commands::local_shards::{LocalShards, LocalShardsError};
use crate::commands::summary::{Summary, incident_text};
use crate::config::Config;
use crate::ingest::NativeRecord;
use crate::metrics::Metrics;
use crate::simulation::SimulatedEvent;
use crate::simulation::attack::campaign;
use crate::simulation::organisation::Organisation;
use crate::sources::time::parse_rfc3339;
use credwatch_core::containment::Action;
use credwatch_core::engine::{Detail, Phase};
use credwatch_core::units::{EventTime, MS_PER_DAY, MS_PER_HOUR};

/// Number of identities.
const SIZE: usize = 120;
/// Days without attacks that are learned first.
const HISTORY_DAYS: i64 = 28;
/// The first day of the simulation, a Monday.
const FIRST_DAY: &str = "2026-01-05T00:00:00Z";
/// Hour of the day at which the first live attack begins, and the interval between attacks.
const FIRST_ATTACK_HOUR: i64 = 1;
const HOURS_BETWEEN_ATTACKS: i64 = 4;

/// Attacks, in this order.
const SHOWN: [&str; 10] = [
    "stolen_session",
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
    summary: Summary,
    metrics: Metrics,
    midnight: EventTime,
    events: u64,
    starts: Vec<EventTime>,
    now: EventTime,
}

impl Demo {
    /// A demonstration without baselines.
    ///
    /// # Errors
    /// The model is invalid.
    pub fn new(config: &Config, seed: u64, metrics: Metrics) -> Result<Self, LocalShardsError> {
        let first = parse_rfc3339(FIRST_DAY).and_then(EventTime::from_epoch_ms);
        Ok(Self {
            organisation: Organisation::new(seed, SIZE),
            shards: LocalShards::open(config, 1, None)?,
            summary: Summary::new(config.guardrails.mode),
            metrics,
            midnight: first.unwrap_or(EventTime::EARLIEST),
            events: 0,
            starts: Vec::new(),
            now: EventTime::EARLIEST,
        })
    }

    /// Learns the days without attacks; returns the number of events.
    pub fn learn_history(&mut self) -> u64 {
        for _ in 0..HISTORY_DAYS {
            for simulated in self.organisation.day(self.midnight) {
                self.take(&simulated);
            }
            self.midnight = self.midnight.saturating_add_ms(MS_PER_DAY);
        }
        self.summary = Summary::new(credwatch_core::containment::Mode::DryRun);
        self.events
    }

    /// The next live day, attacks included, in order of time.
    pub fn next_day(&mut self) -> Vec<SimulatedEvent> {
        let mut events = self.organisation.day(self.midnight);
        let mut hour = FIRST_ATTACK_HOUR;
        while hour < 24 {
            let start = self.midnight.saturating_add_ms(hour * MS_PER_HOUR);
            let scenario = SHOWN[self.starts.len() % SHOWN.len()];
            events.extend(campaign(&mut self.organisation, scenario, start));
            self.starts.push(start);
            hour += HOURS_BETWEEN_ATTACKS;
        }
        events.sort_by_key(|simulated| simulated.time);
        self.midnight = self.midnight.saturating_add_ms(MS_PER_DAY);
        events
    }

    /// Processes one event; returns its alert as text.
    pub fn take(&mut self, simulated: &SimulatedEvent) -> Option<String> {
        let native = NativeRecord {
            json: simulated.event.to_json().into(),
            key: None,
            expiry_unparsed: false,
        };
        let scored = self.shards.process(&native, Detail::Score).ok()?;
        self.events += 1;
        self.now = simulated.time;
        self.summary.add_event(&scored.handled);
        self.metrics.records.with_label_values(&["detect"]).inc();
        let mut alert_text = None;
        for alert in scored.alerts() {
            self.summary.add_alert(alert);
            self.metrics.add_alert(alert);
            if alert.phase == Phase::Opened {
                let actions = alert.decisions.iter().map(|d| d.guarded.action);
                let action = actions.max().map_or("notify", Action::as_str);
                let text = incident_text(self.summary.alerts(), &alert.incident);
                alert_text = Some(format!("{text}     order: {action} (dry run)\n"));
            }
        }
        alert_text
    }

    /// Publishes the state as metrics.
    pub fn show_health(&self) {
        for (id, health) in self.shards.health() {
            self.metrics.set_health(id, &health);
        }
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
