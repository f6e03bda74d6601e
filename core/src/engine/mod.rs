//! The only joiner of baseline, signals, score and decision: one event in, one verdict out.
//!
//! A pure, deterministic state machine: no clock, no randomness, no I/O. What should happen in
//! the world is returned as values ([`Stepped`]); the shell performs it.

mod alerting;
mod analyst_feedback;
mod event_clock;
mod learning;
mod order_lifecycle;
mod profile_report;
mod readings;
mod replay_guard;
mod snapshot;
mod source_view;
mod step_output;
mod unused_privileges;
mod what_if;

pub use crate::baseline::state_record::{RecordKey, StateSink};
pub use crate::baseline::store::PREFETCH_MAX;
pub use profile_report::{IncidentSummary, ProfileReport};
pub use snapshot::EngineRestore;
pub use step_output::{
    Alert, Decision, Detail, EventContext, FeedbackEffect, Health, Phase, PopulationNotice,
    SourcePosition, StepOutput,
};
pub use unused_privileges::UnusedPrivileges;

use crate::baseline::credential::secs;
use crate::baseline::group_baseline::GroupBaseline;
use crate::baseline::profile::Profile;
use crate::baseline::store::Store;
use crate::catalogue::Catalogue;
use crate::containment::guardrail::{ContainmentLog, ContainmentState, Guardrails};
use crate::containment::issued_orders::IssuedOrders;
use crate::containment::policy::Policy;
use crate::containment::source_logins::LoginsBySource;
use crate::enrich::{Features, Keys, enrich};
use crate::event::Event;
use crate::parameters::Parameters;
use crate::score::calibration::Calibration;
use crate::score::deviation::{DeviationContext, Deviations};
use crate::score::incident::{EventScore, Incident, Incidents, score_event};
use crate::score::shared_deviations::SharedDeviations;
use crate::score::threshold::Threshold;
use crate::signal::{SIGNALS, ScoreContext};
use crate::units::{EventTime, MS_PER_DAY};
use crate::verdict::{EntityView, Reading, SignalName, Verdict};
use arrayvec::ArrayVec;
use event_clock::{DedupTable, EventClock};
use readings::{is_known_source, read_signals, signal_mask, verdicts};
use replay_guard::ReplayGuard;
use std::sync::Arc;

/// Cases are looked through for what has decayed every so often, in milliseconds of event time.
const SWEEP_INTERVAL_MS: i64 = 600_000;
/// Deviations from this probability on are counted towards a crowd.
const SHARED_DEVIATION_MAX_P: f64 = 0.01;
/// So many identities with one deviation are told of, once a day.
const NOTICE_MIN_IDENTITIES: f64 = 5.5;

/// What an engine is told at birth.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose behaviour it looks at.
    pub entity: EntityView,
    /// Shards that look at the same.
    pub shards: u32,
    /// The numbers of the model.
    pub parameters: Arc<Parameters>,
    /// What is known about actions.
    pub catalogue: Arc<Catalogue>,
    /// Hash of model and detection settings.
    pub model_hash: Arc<str>,
    /// Alerts a day that this shard may raise.
    pub alerts_per_day: f64,
    /// Entities that this shard may keep.
    pub max_identities: usize,
    /// Signals that do not speak; they learn all the same.
    pub disabled_signals: Vec<SignalName>,
    /// What is to be done when.
    pub policy: Arc<Policy>,
    /// Limits on containment, this shard's part.
    pub guardrails: Guardrails,
}

/// One shard's state machine.
#[derive(Clone, Debug)]
pub struct Engine {
    settings: Settings,
    store: Store,
    calibration: Calibration,
    shared_deviations: SharedDeviations,
    clock: EventClock,
    dedup: DedupTable,
    incidents: Incidents,
    threshold: Threshold,
    containment_log: ContainmentLog,
    containment_state: ContainmentState,
    source_logins: LoginsBySource,
    orders: IssuedOrders,
    replay_guard: ReplayGuard,
    empty_profile: Box<Profile>,
    aged_day: i64,
    duplicates: u64,
    next_sweep: EventTime,
    late: u64,
    evicted: Vec<u64>,
    /// Signals that are on, one bit each by their place in [`SIGNALS`].
    enabled: u32,
    /// Those that are on for what anybody can cause from outside.
    enabled_for_unauthenticated: u32,
}

/// What each signal answered that did not abstain, by its index in [`SIGNALS`].
type Readings = ArrayVec<(usize, Reading), { SIGNALS.len() }>;

/// One event with all that was made of it.
struct ScoredEvent<'j> {
    event: &'j Event<'j>,
    position: &'j SourcePosition,
    features: &'j Features,
    deviations: &'j Deviations,
    score: EventScore,
    baselines: BaselineRef,
}

/// Where and with which weight an event meets the baselines.
struct BaselineRef {
    slot: Option<usize>,
    group: usize,
    credential: Option<usize>,
    is_first_use: bool,
    profile_weight: f32,
    shared_weight: f32,
    now: EventTime,
}

impl Engine {
    /// An engine that knows nothing.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let parameters = &settings.parameters;
        let params = parameters.threshold;
        Self {
            store: Store::new(settings.max_identities, parameters),
            calibration: Calibration::default(),
            shared_deviations: SharedDeviations::default(),
            clock: EventClock::default(),
            dedup: DedupTable::default(),
            incidents: Incidents::default(),
            threshold: Threshold::new(settings.alerts_per_day, params, &parameters.decay),
            containment_log: ContainmentLog::default(),
            containment_state: ContainmentState::default(),
            source_logins: LoginsBySource::default(),
            orders: IssuedOrders::default(),
            replay_guard: ReplayGuard::default(),
            empty_profile: Box::new(Profile::new(EventTime::EARLIEST)),
            aged_day: 0,
            duplicates: 0,
            next_sweep: EventTime::EARLIEST,
            late: 0,
            evicted: Vec::new(),
            enabled: signal_mask(settings.entity, &settings.disabled_signals),
            enabled_for_unauthenticated: signal_mask(
                EntityView::Source,
                &settings.disabled_signals,
            ),
            settings,
        }
    }

    /// Asks memory for what the next events will need, [`EXPECTED`] at most; changes nothing.
    pub fn prefetch(&self, next: &[Keys]) {
        self.store.prefetch(next);
    }

    /// Judges one event, whose keys are `keys`, and learns from it. `detail` is how
    /// much is said of it. An event seen before is judged and changes nothing.
    pub fn step(
        &mut self,
        event: &Event<'_>,
        keys: Keys,
        origin: &SourcePosition,
        detail: Detail,
    ) -> StepOutput {
        debug_assert_eq!(keys, Keys::of(event), "the keys are the event's own");
        let features = enrich(event, keys, &self.settings.catalogue);
        self.process(event, &features, origin, detail)
    }

    fn process(
        &mut self,
        event: &Event<'_>,
        features: &Features,
        origin: &SourcePosition,
        detail: Detail,
    ) -> StepOutput {
        let mut output = StepOutput {
            duplicate: self.dedup.insert_is_duplicate(&event.event_id),
            ..StepOutput::default()
        };
        self.duplicates += u64::from(output.duplicate);
        let taken_at = self.advance(event.time, &mut output);
        let baselines = self.resolve_baselines(event, taken_at, features);
        let context = self.score_context(
            event,
            features,
            &baselines,
            self.store.group(baselines.group),
        );
        let readings = read_signals(&context, self.enabled_for(event));
        output.is_known_source = is_known_source(&context);
        output.contributing_signals = readings.iter().fold(0, |bits, (at, _)| bits | 1 << at);
        let (deviations, score) = self.score_event(&context, &readings, &baselines);
        output.event_nats = score.event_nats;
        output.score_nats = score.score_nats;
        let alerting = !output.duplicate
            && (self.should_alert(features, &score)
                || self.has_undecided_logins(features.identity));
        let signals = match detail {
            _ if alerting => verdicts(&context, &readings, true),
            Detail::Score => Vec::new(),
            Detail::Readings => verdicts(&context, &readings, false),
            Detail::Explained => verdicts(&context, &readings, true),
        };
        let scored = ScoredEvent {
            event,
            position: origin,
            features,
            deviations: &deviations,
            score,
            baselines,
        };
        if !output.duplicate {
            output.notices = self.record_shared_deviation(&scored);
            self.accumulate_evidence(&scored);
            if alerting {
                output.alerts.push(self.raise_alert(&scored, &signals));
            }
        }
        if detail != Detail::Score {
            output.verdict = Some(Verdict {
                score_nats: score.score_nats,
                event_nats: score.event_nats,
                alert_id: self.alert_id_of(&scored),
                signals,
            });
        }
        if !output.duplicate {
            self.learn(&scored);
        }
        output
    }

    /// Moves the shard's time on and closes what has decayed; returns when the event is taken to
    /// have happened.
    fn advance(&mut self, time: EventTime, output: &mut StepOutput) -> EventTime {
        let taken_at = self.clock.observe(time);
        let now = self.clock.watermark();
        output.budget_alert = self.threshold.advance_to_day(now.day());
        if now.day() > self.aged_day {
            let remaining = self
                .settings
                .parameters
                .decay
                .baseline_half_life
                .remaining(MS_PER_DAY);
            if self.aged_day > 0 {
                self.calibration.decay(remaining);
            }
            self.aged_day = now.day();
        }
        if now >= self.next_sweep {
            self.next_sweep = now.saturating_add_ms(SWEEP_INTERVAL_MS);
            self.sweep(&mut output.alerts);
        }
        taken_at
    }

    /// Identities without a case are marked so.
    fn clear_incident_flag(&mut self) {
        for key in self.evicted.drain(..) {
            if let Some(slot) = self.store.find(key)
                && let Some(profile) = self.store.split(Some(slot), 0).profile
            {
                profile.has_incident = false;
            }
        }
    }

    fn resolve_baselines(
        &mut self,
        event: &Event<'_>,
        time: EventTime,
        features: &Features,
    ) -> BaselineRef {
        let half_life = self.settings.parameters.decay.baseline_half_life;
        let shared_weight = self
            .store
            .advance_shared_decay(self.clock.watermark(), half_life);
        let id = &event.identity.id;
        let slot = self
            .store
            .get_or_insert(features.identity, id, time, half_life);
        let group = self.store.group_slot_for(features, slot);
        let credential = features.credential;
        let now_secs = secs(time);
        let credential = credential.map(|key| self.store.credentials.get_or_insert(key, now_secs));
        let first_use = |slot: usize| !self.store.credentials.record(slot).is_known();
        let mut baselines = BaselineRef {
            slot,
            group,
            credential,
            is_first_use: credential.is_none_or(first_use),
            profile_weight: 1.0,
            shared_weight,
            now: time,
        };
        if let Some(profile) = self.store.split(slot, group).profile {
            baselines.now = profile.effective_time(time);
            baselines.profile_weight = profile.advance_decay(baselines.now, half_life);
            self.late += u64::from(baselines.now > time);
        }
        baselines
    }

    #[inline]
    fn score_context<'v>(
        &'v self,
        event: &'v Event<'v>,
        features: &'v Features,
        baselines: &BaselineRef,
        peers: &'v GroupBaseline,
    ) -> ScoreContext<'v> {
        let known = baselines.credential.filter(|_| !baselines.is_first_use);
        ScoreContext {
            entity: self.settings.entity,
            event,
            features,
            profile: baselines
                .slot
                .map_or(&*self.empty_profile, |slot| &self.store.entry(slot).profile),
            profile_weight: baselines.profile_weight,
            peers,
            population: &self.store.population,
            shared_weight: baselines.shared_weight,
            credential: known.map(|slot| self.store.credentials.record(slot)),
            issuer: self.store.issuer(features.issuer),
            labels: &self.store.labels,
            parameters: &self.settings.parameters,
        }
    }

    /// What the event deviates in, and what that means in the identity's case.
    #[inline]
    fn score_event(
        &self,
        context: &ScoreContext<'_>,
        readings: &Readings,
        baselines: &BaselineRef,
    ) -> (Deviations, EventScore) {
        let parameters = &self.settings.parameters;
        let incident = self.incident_of(context.features, baselines);
        let prices = DeviationContext {
            calibration: &self.calibration,
            shared_deviations: &self.shared_deviations,
            incident,
            now: baselines.now,
        };
        let deviations: Deviations = readings
            .iter()
            .filter_map(|(signal, reading)| prices.deviation(*signal, reading, context))
            .collect();
        let half_life = parameters.decay.incident_half_life;
        let score = score_event(
            &deviations,
            incident,
            baselines.now,
            &parameters.score,
            half_life,
        );
        (deviations, score)
    }

    #[inline]
    fn incident_of(&self, features: &Features, baselines: &BaselineRef) -> Option<&Incident> {
        let has_case = baselines
            .slot
            .is_none_or(|slot| self.store.entry(slot).profile.has_incident);
        has_case
            .then(|| self.incidents.get(features.identity))
            .flatten()
    }

    /// Counts what this identity shows for the first time in its case towards the crowd; tells of
    /// crowds that have just become large.
    fn record_shared_deviation(&mut self, scored: &ScoredEvent<'_>) -> Vec<PopulationNotice> {
        let (now, identity) = (scored.baselines.now, scored.features.identity);
        let mut notices = Vec::new();
        for deviation in scored
            .deviations
            .iter()
            .filter(|f| f.is_new && f.p <= SHARED_DEVIATION_MAX_P)
        {
            let Some(shared) = deviation.shared_key else {
                continue;
            };
            let Some(identities) =
                self.shared_deviations
                    .record(shared, identity, NOTICE_MIN_IDENTITIES, now)
            else {
                continue;
            };
            let peers = self.store.group(scored.baselines.group);
            let context =
                self.score_context(scored.event, scored.features, &scored.baselines, peers);
            let signal = SIGNALS[deviation.signal];
            let observed = signal
                .score(&context)
                .map(|reading| signal.explain(&context, &reading).observed);
            notices.push(PopulationNotice {
                time: now,
                signal: signal.name(),
                observed: observed.unwrap_or_default(),
                identities,
            });
        }
        notices
    }

    /// Takes evidence into the identity's case, and into the open alert's record.
    fn accumulate_evidence(&mut self, scored: &ScoredEvent<'_>) {
        let parameters = &self.settings.parameters;
        if scored.score.event_nats < parameters.score.evidence_from_nats {
            return;
        }
        let incident = self.incidents.add_evidence(
            scored.features.identity,
            scored.deviations,
            &scored.score,
            scored.baselines.now,
            parameters.bounds.open_incidents,
            &mut self.evicted,
        );
        if let Some(alert) = incident.alert.as_mut().filter(|alert| !alert.closed) {
            alert.events += 1;
            alert.last_evidence = scored.baselines.now;
            alert.peak_nats = alert.peak_nats.max(scored.score.score_nats);
        }
        self.clear_incident_flag();
        if let Some(profile) = self.store.split(scored.baselines.slot, 0).profile {
            profile.has_incident = true;
        }
    }

    /// Where alerts begin now.
    #[must_use]
    pub fn threshold_nats(&self) -> f64 {
        self.threshold.nats(self.store.len())
    }

    /// How much of the threshold is learned, 0 to 1.
    #[must_use]
    pub fn threshold_learned_share(&self) -> f64 {
        self.threshold.learned_share()
    }

    /// How many entities are known.
    #[must_use]
    pub fn entities(&self) -> usize {
        self.store.len()
    }

    /// The shard's event time.
    #[must_use]
    pub fn now(&self) -> EventTime {
        self.clock.watermark()
    }

    /// Hash of model and detection settings, as alerts state it.
    #[must_use]
    pub fn model_hash(&self) -> &str {
        &self.settings.model_hash
    }

    /// Counts and sizes; O(groups, cases, orders), for metrics.
    #[must_use]
    pub fn health(&self) -> Health {
        let counts = self.store.counts();
        let (open_orders, orders_awaiting) = self.orders.open_orders();
        Health {
            identities: self.store.len(),
            groups: self.store.group_count(),
            state_bytes: self.store.memory_bytes(),
            evicted: counts.evicted,
            labels: self.store.labels.len(),
            labels_dropped: self.store.labels.dropped(),
            issuers: self.store.issuer_count(),
            sources_with_logins: self.source_logins.len(),
            open_orders,
            orders_awaiting_approval: orders_awaiting,
            is_paused: self.containment_state.is_paused,
            credentials: self.store.credentials.len(),
            credentials_evicted: self.store.credentials.evicted(),
            without_baseline: counts.without_baseline,
            incidents: self.incidents.len(),
            incidents_evicted: self.incidents.evicted(),
            open_alerts: self.incidents.open_alerts(),
            late: self.late,
            duplicates: self.duplicates,
            threshold_nats: self.threshold_nats(),
            threshold_learned_share: self.threshold.learned_share(),
            budget_ratio: self.threshold.budget_ratio(),
        }
    }
}
