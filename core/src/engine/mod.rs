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

pub use crate::baseline::state_record::{Keep, PieceKey, bring_up};
pub use crate::baseline::store::EXPECTED;
pub use analyst_feedback::Opinion;
pub use profile_report::{Case, Portrait};
pub use snapshot::Restoring;
pub use step_output::{Alert, Decision, Deed, Detail, Health, Notice, Origin, Phase, Stepped};
pub use unused_privileges::Unused;

use crate::baseline::credential::secs;
use crate::baseline::group_baseline::Collective;
use crate::baseline::profile::Profile;
use crate::baseline::store::Store;
use crate::catalogue::Catalogue;
use crate::containment::guardrail::{Guardrails, Recent, Switch};
use crate::containment::issued_orders::Orders;
use crate::containment::policy::Policy;
use crate::containment::source_logins::Reached;
use crate::enrich::{Features, Keys, enrich};
use crate::event::Event;
use crate::parameters::Parameters;
use crate::score::calibration::Calibration;
use crate::score::deviation::{Facts, Prices};
use crate::score::incident::{Incident, Incidents, Weighed, weigh};
use crate::score::shared_deviations::Crowd;
use crate::score::threshold::Threshold;
use crate::signal::{SIGNALS, View};
use crate::units::{EventTime, MS_PER_DAY};
use crate::verdict::{EntityView, Reading, SignalName, Verdict};
use arrayvec::ArrayVec;
use event_clock::{SeenIds, ShardTime};
use readings::{bits_of, is_usual_source, read, verdicts};
use replay_guard::Heard;
use std::sync::Arc;

/// Cases are looked through for what has decayed every so often, in milliseconds of event time.
const SWEEP_EVERY_MS: i64 = 600_000;
/// Deviations from this probability on are counted towards a crowd.
const CROWD_P: f64 = 0.01;
/// So many identities with one deviation are told of, once a day.
const NOTICED_FROM: f64 = 5.5;

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
    pub signals_off: Vec<SignalName>,
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
    crowd: Crowd,
    time: ShardTime,
    seen: SeenIds,
    incidents: Incidents,
    threshold: Threshold,
    recent: Recent,
    switch: Switch,
    reached: Reached,
    orders: Orders,
    heard: Heard,
    blank: Box<Profile>,
    aged_day: i64,
    duplicates: u64,
    next_sweep: EventTime,
    late: u64,
    let_go: Vec<u64>,
    /// Signals that are on, one bit each by their place in [`SIGNALS`].
    on: u32,
    /// Those that are on for what anybody can cause from outside.
    on_outside: u32,
}

/// What each signal answered that did not abstain, by its index in [`SIGNALS`].
type Readings = ArrayVec<(usize, Reading), { SIGNALS.len() }>;

/// One event with all that was made of it.
struct Judged<'j> {
    event: &'j Event<'j>,
    origin: &'j Origin,
    features: &'j Features,
    facts: &'j Facts,
    weighed: Weighed,
    place: Place,
}

/// Where and with which weight an event meets the baselines.
struct Place {
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
        let law = parameters.threshold;
        Self {
            store: Store::new(settings.max_identities, parameters),
            calibration: Calibration::default(),
            crowd: Crowd::default(),
            time: ShardTime::default(),
            seen: SeenIds::default(),
            incidents: Incidents::default(),
            threshold: Threshold::new(settings.alerts_per_day, law, &parameters.decay),
            recent: Recent::default(),
            switch: Switch::default(),
            reached: Reached::default(),
            orders: Orders::default(),
            heard: Heard::default(),
            blank: Box::new(Profile::new(EventTime::EARLIEST)),
            aged_day: 0,
            duplicates: 0,
            next_sweep: EventTime::EARLIEST,
            late: 0,
            let_go: Vec::new(),
            on: bits_of(settings.entity, &settings.signals_off),
            on_outside: bits_of(EntityView::Source, &settings.signals_off),
            settings,
        }
    }

    /// Asks memory for what the next events will need, [`EXPECTED`] at most; changes nothing.
    pub fn expect(&self, next: &[Keys]) {
        self.store.expect(next);
    }

    /// Judges one event, whose keys are `keys`, and learns from it. `detail` is how
    /// much is said of it. An event seen before is judged and changes nothing.
    pub fn step(
        &mut self,
        event: &Event<'_>,
        keys: Keys,
        origin: &Origin,
        detail: Detail,
    ) -> Stepped {
        debug_assert_eq!(keys, Keys::of(event), "the keys are the event's own");
        let features = enrich(event, keys, &self.settings.catalogue);
        self.take(event, &features, origin, detail)
    }

    fn take(
        &mut self,
        event: &Event<'_>,
        features: &Features,
        origin: &Origin,
        detail: Detail,
    ) -> Stepped {
        let mut stepped = Stepped {
            duplicate: self.seen.is_repeated(&event.event_id),
            ..Stepped::default()
        };
        self.duplicates += u64::from(stepped.duplicate);
        let taken_at = self.advance(event.time, &mut stepped);
        let place = self.place(event, taken_at, features);
        let view = self.view(event, features, &place, self.store.group(place.group));
        let readings = read(&view, self.on_for(event));
        stepped.is_usual_source = is_usual_source(&view);
        stepped.spoke = readings.iter().fold(0, |bits, (at, _)| bits | 1 << at);
        let (facts, weighed) = self.weigh(&view, &readings, &place);
        stepped.event_nats = weighed.event_nats;
        stepped.score_nats = weighed.score_nats;
        let alerting = !stepped.duplicate
            && (self.alerting(features, &weighed) || self.has_undecided(features.identity));
        let signals = match detail {
            _ if alerting => verdicts(&view, &readings, true),
            Detail::Score => Vec::new(),
            Detail::Readings => verdicts(&view, &readings, false),
            Detail::Words => verdicts(&view, &readings, true),
        };
        let judged = Judged {
            event,
            origin,
            features,
            facts: &facts,
            weighed,
            place,
        };
        if !stepped.duplicate {
            stepped.notices = self.join_crowd(&judged);
            self.note_evidence(&judged);
            if alerting {
                stepped.alerts.push(self.raise(&judged, &signals));
            }
        }
        if detail != Detail::Score {
            stepped.verdict = Some(Verdict {
                score_nats: weighed.score_nats,
                event_nats: weighed.event_nats,
                alert_id: self.alert_id_of(&judged),
                signals,
            });
        }
        if !stepped.duplicate {
            self.learn(&judged);
        }
        stepped
    }

    /// Moves the shard's time on and closes what has decayed; returns when the event is taken to
    /// have happened.
    fn advance(&mut self, time: EventTime, stepped: &mut Stepped) -> EventTime {
        let taken_at = self.time.take(time);
        let now = self.time.now();
        stepped.budget_news = self.threshold.reach_day(now.day());
        if now.day() > self.aged_day {
            let remaining = self
                .settings
                .parameters
                .decay
                .baseline_half_life
                .remaining(MS_PER_DAY);
            if self.aged_day > 0 {
                self.calibration.age(remaining);
            }
            self.aged_day = now.day();
        }
        if now >= self.next_sweep {
            self.next_sweep = now.saturating_add_ms(SWEEP_EVERY_MS);
            self.sweep(&mut stepped.alerts);
        }
        taken_at
    }

    /// Identities without a case are marked so.
    fn release(&mut self) {
        for key in self.let_go.drain(..) {
            if let Some(slot) = self.store.find(key)
                && let Some(profile) = self.store.split(Some(slot), 0).profile
            {
                profile.has_incident = false;
            }
        }
    }

    fn place(&mut self, event: &Event<'_>, time: EventTime, features: &Features) -> Place {
        let half_life = self.settings.parameters.decay.baseline_half_life;
        let shared_weight = self.store.weigh_shared(self.time.now(), half_life);
        let id = &event.identity.id;
        let slot = self.store.admit(features.identity, id, time, half_life);
        let group = self.store.group_slot(features, slot);
        let credential = features.credential;
        let now_secs = secs(time);
        let credential = credential.map(|key| self.store.credentials.admit(key, now_secs));
        let first_use = |slot: usize| !self.store.credentials.record(slot).is_known();
        let mut place = Place {
            slot,
            group,
            credential,
            is_first_use: credential.is_none_or(first_use),
            profile_weight: 1.0,
            shared_weight,
            now: time,
        };
        if let Some(profile) = self.store.split(slot, group).profile {
            place.now = profile.now(time);
            place.profile_weight = profile.weigh(place.now, half_life);
            self.late += u64::from(place.now > time);
        }
        place
    }

    #[inline]
    fn view<'v>(
        &'v self,
        event: &'v Event<'v>,
        features: &'v Features,
        place: &Place,
        peers: &'v Collective,
    ) -> View<'v> {
        let known = place.credential.filter(|_| !place.is_first_use);
        View {
            entity: self.settings.entity,
            event,
            features,
            profile: place
                .slot
                .map_or(&*self.blank, |slot| &self.store.entry(slot).profile),
            profile_weight: place.profile_weight,
            peers,
            population: &self.store.population,
            shared_weight: place.shared_weight,
            credential: known.map(|slot| self.store.credentials.record(slot)),
            issuer: self.store.issuer(features.issuer),
            names: &self.store.names,
            parameters: &self.settings.parameters,
        }
    }

    /// What the event deviates in, and what that means in the identity's case.
    #[inline]
    fn weigh(&self, view: &View<'_>, readings: &Readings, place: &Place) -> (Facts, Weighed) {
        let parameters = &self.settings.parameters;
        let case = self.case_of(view.features, place);
        let prices = Prices {
            calibration: &self.calibration,
            crowd: &self.crowd,
            case,
            now: place.now,
        };
        let facts: Facts = readings
            .iter()
            .filter_map(|(signal, reading)| prices.fact(*signal, reading, view))
            .collect();
        let half_life = parameters.decay.incident_half_life;
        let weighed = weigh(&facts, case, place.now, &parameters.score, half_life);
        (facts, weighed)
    }

    #[inline]
    fn case_of(&self, features: &Features, place: &Place) -> Option<&Incident> {
        let has_case = place
            .slot
            .is_none_or(|slot| self.store.entry(slot).profile.has_incident);
        has_case
            .then(|| self.incidents.get(features.identity))
            .flatten()
    }

    /// Counts what this identity shows for the first time in its case towards the crowd; tells of
    /// crowds that have just become large.
    fn join_crowd(&mut self, judged: &Judged<'_>) -> Vec<Notice> {
        let (now, identity) = (judged.place.now, judged.features.identity);
        let mut notices = Vec::new();
        for fact in judged.facts.iter().filter(|f| f.is_fresh && f.p <= CROWD_P) {
            let Some(shared) = fact.shared else { continue };
            let Some(identities) = self.crowd.add(shared, identity, NOTICED_FROM, now) else {
                continue;
            };
            let peers = self.store.group(judged.place.group);
            let view = self.view(judged.event, judged.features, &judged.place, peers);
            let signal = SIGNALS[fact.signal];
            let observed = signal
                .score(&view)
                .map(|reading| signal.explain(&view, &reading).observed);
            notices.push(Notice {
                time: now,
                signal: signal.name(),
                observed: observed.unwrap_or_default(),
                identities,
            });
        }
        notices
    }

    /// Takes evidence into the identity's case, and into the open alert's record.
    fn note_evidence(&mut self, judged: &Judged<'_>) {
        let parameters = &self.settings.parameters;
        if judged.weighed.event_nats < parameters.score.evidence_from_nats {
            return;
        }
        let case = self.incidents.absorb(
            judged.features.identity,
            judged.facts,
            &judged.weighed,
            judged.place.now,
            parameters.bounds.open_incidents,
            &mut self.let_go,
        );
        if let Some(alert) = case.alert.as_mut().filter(|alert| !alert.closed) {
            alert.events += 1;
            alert.last_evidence = judged.place.now;
            alert.peak_nats = alert.peak_nats.max(judged.weighed.score_nats);
        }
        self.release();
        if let Some(profile) = self.store.split(judged.place.slot, 0).profile {
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
        self.time.now()
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
        let (open_orders, orders_awaiting) = self.orders.unsettled();
        Health {
            identities: self.store.len(),
            groups: self.store.group_count(),
            state_bytes: self.store.memory_bytes(),
            evicted: counts.evicted,
            names: self.store.names.len(),
            names_refused: self.store.names.refused(),
            issuers: self.store.issuer_count(),
            reached_sources: self.reached.len(),
            open_orders,
            orders_awaiting,
            is_paused: self.switch.is_paused,
            credentials: self.store.credentials.held(),
            credentials_evicted: self.store.credentials.evicted(),
            unadmitted: counts.unadmitted,
            incidents: self.incidents.len(),
            incidents_dropped: self.incidents.dropped(),
            open_alerts: self.incidents.open_alerts(),
            late: self.late,
            duplicates: self.duplicates,
            threshold_nats: self.threshold_nats(),
            threshold_learned_share: self.threshold.learned_share(),
            budget_drift: self.threshold.budget_drift(),
        }
    }
}
