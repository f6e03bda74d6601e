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

/// Identities of the organisation.
const SIZE: usize = 120;
/// Days of ordinary work that are learned before anything is shown.
const HISTORY_DAYS: i64 = 28;
/// The first day of the simulation, a Monday.
const FIRST_DAY: &str = "2026-01-05T00:00:00Z";
/// Hour of the day at which the live part's attacks begin, and how far apart.
const FIRST_ATTACK_HOUR: i64 = 1;
const HOURS_BETWEEN_ATTACKS: i64 = 4;

/// Attacks that are shown, in this order.
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

/// A demonstration under way.
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
    /// An organisation of which nothing is known yet.
    ///
    /// # Errors
    /// The model cannot be read.
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

    /// Learns the ordinary past; returns how many events it held.
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

    /// Judges one event; returns what it raised in words.
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
        let mut told = None;
        for alert in scored.alerts() {
            self.summary.add_alert(alert);
            self.metrics.add_alert(alert);
            if alert.phase == Phase::Opened {
                let actions = alert.decisions.iter().map(|d| d.guarded.action);
                let action = actions.max().map_or("notify", Action::as_str);
                let text = incident_text(self.summary.alerts(), &alert.incident);
                told = Some(format!("{text}     order: {action} (dry run)\n"));
            }
        }
        told
    }

    /// Shows the state in metrics.
    pub fn show_health(&self) {
        for (id, health) in self.shards.health() {
            self.metrics.set_health(id, &health);
        }
    }

    /// The end of it.
    #[must_use]
    pub fn finish(mut self) -> Summary {
        for (id, health) in self.shards.health() {
            self.summary.add_health(id, &health);
        }
        self.summary
    }

    /// How many attacks have begun.
    #[must_use]
    pub fn attacks(&self) -> usize {
        self.starts
            .iter()
            .filter(|start| **start <= self.now)
            .count()
    }
}
