//! The scoring engine of one shard: one event in, one verdict out.
//!
//! A pure, deterministic state machine without clock, randomness or I/O. Outputs are returned as values
//! ([`StepOutput`]); the caller publishes them. Stages: intake → baselines → signals → score → decide → learn
//! (`pipeline.rs`).

mod alerting;
mod analyst_feedback;
mod dedup;
mod event_clock;
mod health;
mod hygiene;
mod learning;
mod memory_ceiling;
mod order_lifecycle;
mod pipeline;
mod portrait;
mod profile_report;
mod readings;
mod replay_guard;
mod settings;
mod snapshot;
mod source_view;
mod step_output;
mod what_if;

pub use crate::baseline::state_record::{RecordKey, StateSink};
pub use crate::baseline::store::PREFETCH_MAX;
pub use health::Health;
pub use hygiene::{IdentityHygiene, OverdueRotation};
pub use portrait::{IdentitySample, LogNormal, Portrait, ValueShare};
pub use profile_report::{IncidentSummary, ProfileReport};
pub use replay_guard::SignerKey;
pub use settings::Settings;
pub use snapshot::EngineRestore;
pub use step_output::{
    Alert, Decision, Detail, EventContext, FeedbackEffect, Phase, PopulationNotice, SourcePosition,
    StepOutput,
};

use crate::baseline::activity_calendar::ActivityCalendar;
use crate::baseline::profile::Profile;
use crate::baseline::store::{AtCapacity, Store};
use crate::containment::guardrail::{ContainmentLog, ContainmentState};
use crate::containment::issued_orders::IssuedOrders;
use crate::containment::source_logins::LoginsBySource;
use crate::enrich::{Keys, identity_key};
use crate::event::Event;
use crate::score::calibration::Calibration;
use crate::score::incident::Incidents;
use crate::score::shared_deviations::SharedDeviations;
use crate::score::threshold::Threshold;
use crate::units::EventTime;
use crate::verdict::EntityView;
use dedup::DedupTable;
use event_clock::EventClock;
use readings::signal_masks;
use replay_guard::ReplayGuard;

/// One shard's engine.
#[derive(Clone, Debug)]
pub struct Engine {
    settings: Settings,
    intake: Intake,
    scoring: Scoring,
    containment: Containment,
}

/// Event time and deduplication.
#[derive(Clone, Debug, Default)]
struct Intake {
    clock: EventClock,
    dedup: DedupTable,
    duplicates: u64,
    conflicting_ids: u64,
    late: u64,
}

/// Baselines and everything that turns readings into scores and alerts.
#[derive(Clone, Debug)]
struct Scoring {
    store: Store,
    calibration: Calibration,
    calendar: ActivityCalendar,
    shared_deviations: SharedDeviations,
    incidents: Incidents,
    threshold: Threshold,
    /// The baseline of an identity that has none.
    empty_profile: Box<Profile>,
    /// Day up to which the calibration has decayed.
    aged_day: i64,
    next_sweep: EventTime,
    /// Identities whose incident was evicted since their flag was last cleared.
    evicted: Vec<u64>,
    /// Enabled signals, one bit each by index in [`SIGNALS`](crate::signal::SIGNALS).
    enabled: u32,
    /// The same for events that anyone can cause.
    enabled_for_anyone: u32,
}

/// State of containment between decisions.
#[derive(Clone, Debug, Default)]
struct Containment {
    log: ContainmentLog,
    state: ContainmentState,
    source_logins: LoginsBySource,
    orders: IssuedOrders,
    replay_guard: ReplayGuard,
}

impl Scoring {
    fn new(settings: &Settings) -> Self {
        let parameters = &settings.parameters;
        // Anybody can appear as a source, and only the platform or a holder as an identity.
        let at_capacity = match settings.entity {
            EntityView::Identity => AtCapacity::KeepUseful,
            EntityView::Source => AtCapacity::EvictLeastUseful,
        };
        let mut threshold_params = parameters.threshold;
        if settings.entity == EntityView::Source {
            // Outsiders choose how many sources there are: no threshold may depend on their being few.
            threshold_params.min_nats_of_few = threshold_params.min_nats;
        }
        let (enabled, enabled_for_anyone) =
            signal_masks(settings.entity, &settings.disabled_signals);
        Self {
            store: Store::new(settings.max_identities, at_capacity, parameters),
            calibration: Calibration::default(),
            calendar: ActivityCalendar::default(),
            shared_deviations: SharedDeviations::default(),
            incidents: Incidents::default(),
            threshold: Threshold::new(settings.alerts_per_day, threshold_params, &parameters.decay),
            empty_profile: Box::new(Profile::new(EventTime::EARLIEST)),
            aged_day: 0,
            next_sweep: EventTime::EARLIEST,
            evicted: Vec::new(),
            enabled,
            enabled_for_anyone,
        }
    }
}

impl Engine {
    /// An engine without baselines.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            intake: Intake::default(),
            scoring: Scoring::new(&settings),
            containment: Containment::default(),
            settings,
        }
    }

    /// The alert threshold, in nats.
    #[must_use]
    pub fn threshold_nats(&self) -> f64 {
        self.scoring.threshold.nats(self.scoring.store.len())
    }

    /// The alert threshold that a budget of `alerts_per_day` alerts of this shard would have, in nats; `None`
    /// before it is estimated.
    #[must_use]
    pub fn threshold_nats_for(&self, alerts_per_day: f64) -> Option<f64> {
        let scoring = &self.scoring;
        scoring
            .threshold
            .nats_for(alerts_per_day, scoring.store.len())
    }

    /// Weight of the estimate in the threshold, 0 to 1; the rest is the initial value.
    #[must_use]
    pub fn threshold_learned_share(&self) -> f64 {
        self.scoring.threshold.learned_share()
    }

    /// Number of baselines held.
    #[must_use]
    pub fn entities(&self) -> usize {
        self.scoring.store.len()
    }

    /// The shard's watermark.
    #[must_use]
    pub fn now(&self) -> EventTime {
        self.intake.clock.watermark()
    }

    /// The keys of the records that `event` concerns.
    #[must_use]
    pub fn keys(&self, event: &Event<'_>) -> Keys {
        Keys::of(event, &self.settings.hash_key)
    }

    pub(crate) fn identity_key(&self, id: &str) -> u64 {
        identity_key(id, &self.settings.hash_key)
    }

    /// Hash of model and detection settings, as alerts state it.
    #[must_use]
    pub fn model_hash(&self) -> &str {
        &self.settings.model_hash
    }
}
