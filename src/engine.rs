//! The only joiner of baseline, signals, score and decision: one event in, one verdict out.
//!
//! A pure, deterministic state machine: no clock, no randomness, no I/O. What should happen in
//! the world is returned as [`Effect`]s; the shell performs them.

use crate::baseline::profile::Profile;
use crate::baseline::store::Store;
use crate::catalogue::Catalogue;
use crate::decide::guardrail::{Allowed, Guardrails, Recent};
use crate::decide::{Action, policy};
use crate::enrich::{Features, enrich};
use crate::event::{Activity, Event};
use crate::params::Parameters;
use crate::score::combine::Readings;
use crate::score::incident::{AlertState, Incidents, Subject, SubjectCredential, Weighed, weigh};
use crate::score::severity::severity;
use crate::score::threshold::Threshold;
use crate::signal::{ACCOUNT_MANIPULATION, Lesson, SIGNALS, View};
use crate::stats::lifetime::LifetimeHistogram;
use crate::units::EventTime;
use crate::verdict::{SignalVerdict, Technique, Verdict};
use hashbrown::HashMap;
use std::sync::Arc;

/// Cases are looked through for what has decayed every so often, in milliseconds of event time.
const SWEEP_EVERY_MS: i64 = 600_000;
/// A signal is named in an alert, with its techniques, from this surprise on.
const NAMED_FROM_NATS: f64 = 3.0;
/// Hex digits of an alert id.
const ID_DIGITS: usize = 32;

/// What an engine is told at birth.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The numbers of the model.
    pub parameters: Arc<Parameters>,
    /// What is known about actions.
    pub catalogue: Arc<Catalogue>,
    /// Hash of model and detection settings.
    pub model_hash: Arc<str>,
    /// Alerts a day that this shard may raise.
    pub alerts_per_day: f64,
    /// Identities that this shard may keep.
    pub max_identities: usize,
    /// Limits on containment, this shard's part.
    pub guardrails: Guardrails,
}

/// Where an event stood in its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Topic.
    pub topic: Arc<str>,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

/// Phase of an alert's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// First publication.
    Opened,
    /// Evidence or severity grew.
    Updated,
    /// Evidence decayed away.
    Closed,
}

/// What was decided for an alert, with what weakened it.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Idempotency key of the order.
    pub order_id: String,
    /// Name of the policy.
    pub policy: &'static str,
    /// What the policy asked for.
    pub wanted: Action,
    /// What the guardrails left.
    pub allowed: Allowed,
}

/// One publication about a case.
#[derive(Clone, Debug)]
pub struct Alert {
    /// Phase.
    pub phase: Phase,
    /// Event time of this publication.
    pub time: EventTime,
    /// Score now.
    pub score_nats: f64,
    /// Threshold now.
    pub threshold_nats: f64,
    /// How much of the threshold is learned, 0 to 1.
    pub threshold_learned_share: f64,
    /// The case.
    pub case: AlertState,
    /// What was decided, where something was.
    pub decision: Option<Decision>,
    /// The event behind this publication; `None` when it closed by decay.
    pub event_id: Option<String>,
    /// Where that event stood.
    pub origin: Option<Origin>,
}

/// What one step gave.
#[derive(Debug, Default)]
pub struct Stepped {
    /// Score, with what has accumulated.
    pub score_nats: f64,
    /// The event alone.
    pub event_nats: f64,
    /// Whether each signal spoke, by index, as bits.
    pub spoke: u32,
    /// Alerts to publish, in order.
    pub alerts: Vec<Alert>,
    /// The explained verdict, where asked for.
    pub verdict: Option<Verdict>,
}

/// Counts and sizes for metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct Health {
    /// Identities known.
    pub identities: usize,
    /// Peer groups known.
    pub groups: usize,
    /// Bytes of state.
    pub state_bytes: usize,
    /// Identities that gave way at the limit.
    pub evicted: u64,
    /// Events whose identity found no room.
    pub unadmitted: u64,
    /// Cases held.
    pub incidents: usize,
    /// Cases let go at the limit.
    pub incidents_dropped: u64,
    /// Alerts open.
    pub open_alerts: usize,
    /// Events older than their identity's latest.
    pub late: u64,
    /// Threshold.
    pub threshold_nats: f64,
    /// Alerts a day over the budget, once known.
    pub budget_drift: Option<f64>,
}

/// One shard's state machine.
#[derive(Clone, Debug)]
pub struct Engine {
    settings: Settings,
    store: Store,
    issuers: HashMap<u32, LifetimeHistogram>,
    incidents: Incidents,
    threshold: Threshold,
    recent: Recent,
    blank: Box<Profile>,
    now: EventTime,
    next_sweep: EventTime,
    late: u64,
    let_go: Vec<u64>,
}

/// One event with all that was made of it.
struct Judged<'j> {
    event: &'j Event<'j>,
    origin: &'j Origin,
    features: Features,
    readings: Readings,
    weighed: Weighed,
    place: Place,
}

/// Where and with which weight an event meets the baselines.
struct Place {
    slot: Option<usize>,
    group: usize,
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
            issuers: HashMap::new(),
            incidents: Incidents::default(),
            threshold: Threshold::new(settings.alerts_per_day, law, &parameters.decay),
            recent: Recent::default(),
            blank: Box::new(Profile::new(EventTime::EARLIEST)),
            now: EventTime::EARLIEST,
            next_sweep: EventTime::EARLIEST,
            late: 0,
            let_go: Vec::new(),
            settings,
        }
    }

    /// Judges one event and learns from it. With `explain`, the verdict says why in words.
    pub fn step(&mut self, event: &Event<'_>, origin: &Origin, explain: bool) -> Stepped {
        let mut stepped = Stepped::default();
        self.advance(event.time, &mut stepped.alerts);
        let features = enrich(event, &self.settings.catalogue);
        let place = self.place(event, &features);
        let view = self.view(event, &features, &place);
        let mut readings: Readings = [None; SIGNALS.len()];
        for (at, signal) in SIGNALS.iter().enumerate() {
            readings[at] = signal.score(&view);
            stepped.spoke |= u32::from(readings[at].is_some()) << at;
        }
        let weighed = self.weigh(&features, &readings, &place);
        stepped.event_nats = weighed.event_nats;
        stepped.score_nats = weighed.score_nats;
        let alerting = self.alerting(&features, &weighed);
        let signals = if explain || alerting {
            explained(&view, &readings)
        } else {
            Vec::new()
        };
        let judged = Judged {
            event,
            origin,
            features,
            readings,
            weighed,
            place,
        };
        self.note_evidence(&judged);
        if alerting {
            stepped.alerts.push(self.raise(&judged, &signals));
        }
        if explain {
            stepped.verdict = Some(Verdict {
                score_nats: weighed.score_nats,
                event_nats: weighed.event_nats,
                alert_id: self.alert_id_of(&judged),
                signals,
            });
        }
        self.learn(&judged);
        stepped
    }

    /// Moves the shard's time on and closes what has decayed.
    fn advance(&mut self, time: EventTime, alerts: &mut Vec<Alert>) {
        self.now = self.now.max(time);
        self.threshold.reach_day(self.now.day());
        if self.now >= self.next_sweep {
            self.next_sweep = self.now.saturating_add_ms(SWEEP_EVERY_MS);
            self.sweep(alerts);
        }
    }

    #[cold]
    fn sweep(&mut self, alerts: &mut Vec<Alert>) {
        let threshold_nats = self.threshold.nats();
        let parameters = &self.settings.parameters;
        let closed = self
            .incidents
            .sweep(self.now, threshold_nats, parameters, &mut self.let_go);
        self.release();
        for case in closed {
            alerts.push(Alert {
                phase: Phase::Closed,
                time: self.now,
                score_nats: case.published_nats,
                threshold_nats,
                threshold_learned_share: self.threshold.learned_share(),
                case,
                decision: None,
                event_id: None,
                origin: None,
            });
        }
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

    fn place(&mut self, event: &Event<'_>, features: &Features) -> Place {
        let half_life = self.settings.parameters.decay.baseline;
        let group = self.store.group_slot(features);
        let shared_weight = self.store.weigh_shared(self.now, half_life);
        let id = &event.identity.id;
        let slot = self
            .store
            .admit(features.identity, id, event.time, half_life);
        let mut place = Place {
            slot,
            group,
            profile_weight: 1.0,
            shared_weight,
            now: event.time,
        };
        if let Some(profile) = self.store.split(slot, group).profile {
            place.now = profile.now(event.time);
            place.profile_weight = profile.weigh(place.now, half_life);
            self.late += u64::from(place.now > event.time);
        }
        place
    }

    fn view<'v>(&'v self, event: &'v Event<'v>, features: &'v Features, place: &Place) -> View<'v> {
        View {
            event,
            features,
            profile: place
                .slot
                .map_or(&*self.blank, |slot| &self.store.entry(slot).profile),
            profile_weight: place.profile_weight,
            peers: self.store.group(place.group),
            population: &self.store.population,
            shared_weight: place.shared_weight,
            issuer_lifetimes: self.issuers.get(&features.issuer),
            names: &self.store.names,
            parameters: &self.settings.parameters,
        }
    }

    fn weigh(&self, features: &Features, readings: &Readings, place: &Place) -> Weighed {
        let parameters = &self.settings.parameters;
        let has_case = place
            .slot
            .is_none_or(|slot| self.store.entry(slot).profile.has_incident);
        let case = has_case
            .then(|| self.incidents.get(features.identity))
            .flatten();
        let half_life = parameters.decay.incident;
        weigh(readings, case, place.now, &parameters.scoring, half_life)
    }

    fn open_alert(&self, identity: u64) -> Option<&AlertState> {
        let alert = self.incidents.get(identity)?.alert.as_ref()?;
        (!alert.closed).then_some(alert)
    }

    /// Whether this event opens an alert or is worth an update of one.
    fn alerting(&self, features: &Features, weighed: &Weighed) -> bool {
        if weighed.score_nats < self.threshold.nats() {
            return false;
        }
        let law = &self.settings.parameters;
        match self.open_alert(features.identity) {
            None => weighed.fresh,
            Some(alert) => {
                let now = severity(weighed.score_nats, self.threshold.nats(), &law.severity);
                let growth = weighed.score_nats - alert.published_nats;
                now > alert.severity || (weighed.fresh && growth >= law.incident.update_step_nats)
            }
        }
    }

    fn alert_id_of(&self, judged: &Judged<'_>) -> Option<String> {
        let from = self.settings.parameters.scoring.evidence_from_nats;
        self.open_alert(judged.features.identity)
            .filter(|_| judged.weighed.event_nats >= from)
            .map(|alert| alert.alert_id.clone())
    }

    /// Takes evidence into the identity's case, and into the open alert's record.
    fn note_evidence(&mut self, judged: &Judged<'_>) {
        let parameters = &self.settings.parameters;
        if judged.weighed.event_nats < parameters.scoring.evidence_from_nats {
            return;
        }
        let case = self.incidents.absorb(
            judged.features.identity,
            &judged.readings,
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

    /// Opens an alert, or updates the open one, and decides.
    #[cold]
    fn raise(&mut self, judged: &Judged<'_>, signals: &[SignalVerdict]) -> Alert {
        let Judged {
            event,
            origin,
            features,
            weighed,
            ..
        } = judged;
        let threshold_nats = self.threshold.nats();
        let law = &self.settings.parameters.severity;
        let severity = severity(weighed.score_nats, threshold_nats, law);
        let subject = subject_of(event);
        let known = self.open_alert(features.identity).cloned();
        let phase = if known.is_some() {
            Phase::Updated
        } else {
            Phase::Opened
        };
        let grew = known.as_ref().is_none_or(|alert| severity > alert.severity);
        let mut case = known.unwrap_or_else(|| AlertState {
            alert_id: alert_id(event, &self.settings.model_hash),
            opened: event.time,
            last_evidence: event.time,
            closed: false,
            severity,
            published_nats: 0.0,
            peak_nats: 0.0,
            events: 1,
            signals: Vec::new(),
            techniques: Vec::new(),
            subject: subject.clone(),
        });
        case.severity = case.severity.max(severity);
        case.published_nats = weighed.score_nats;
        case.peak_nats = case.peak_nats.max(weighed.score_nats);
        case.subject = subject;
        merge_signals(&mut case.signals, signals);
        let known = features.abuse.map(|abuse| abuse.technique);
        merge_techniques(&mut case.techniques, event.activity, known, signals);
        if phase == Phase::Opened {
            self.threshold.count_alert();
        }
        let decision = grew.then(|| self.decide(&case, features));
        self.incidents.set_alert(features.identity, case.clone());
        Alert {
            phase,
            time: event.time,
            score_nats: weighed.score_nats,
            threshold_nats,
            threshold_learned_share: self.threshold.learned_share(),
            case,
            decision,
            event_id: Some(event.event_id.clone().into_owned()),
            origin: Some((*origin).clone()),
        }
    }

    fn decide(&mut self, case: &AlertState, features: &Features) -> Decision {
        let subject = &case.subject;
        let credential = subject.credential.as_ref();
        let kind = credential.and_then(|c| c.kind);
        let wanted = policy::default_action(case.severity, subject.kind, kind);
        let identity = (subject.id.as_str(), features.identity);
        let active = self.store.len();
        let rails = &self.settings.guardrails;
        let allowed = self
            .recent
            .weaken(wanted, identity, self.now, active, rails);
        let credential_id = credential.map_or("", |c| c.id.as_str());
        Decision {
            order_id: digest(&[&case.alert_id, allowed.action.as_str(), credential_id]),
            policy: policy::DEFAULT_POLICY,
            wanted,
            allowed,
        }
    }

    fn learn(&mut self, judged: &Judged<'_>) {
        let Judged {
            event,
            features,
            weighed,
            place,
            ..
        } = judged;
        let parameters = Arc::clone(&self.settings.parameters);
        let trust = self.trust(features, weighed) as f32;
        self.count_peak(place, weighed);
        let lifetimes = if features.lifetime_secs.is_some() {
            issuer_slot(
                &mut self.issuers,
                features,
                self.now,
                parameters.bounds.issuers,
            )
        } else {
            None
        };
        let mut lesson = Lesson {
            event,
            features,
            now: place.now,
            learnt: self.store.split(place.slot, place.group),
            profile_weight: place.profile_weight * trust,
            shared_weight: place.shared_weight * trust,
            shared_weight_now: place.shared_weight,
            issuer_lifetimes: lifetimes,
            parameters: &parameters,
        };
        SIGNALS.iter().for_each(|signal| signal.learn(&mut lesson));
        if let Some(profile) = lesson.learnt.profile {
            profile.last_seen = place.now;
            profile.events = profile.events.saturating_add(1);
        }
    }

    /// How much an event may teach: fully while ordinary, nothing from the threshold on or while
    /// an alert is open.
    fn trust(&self, features: &Features, weighed: &Weighed) -> f64 {
        if weighed.event_nats <= self.settings.parameters.scoring.trust_until_nats
            && weighed.evidence_nats <= 0.0
        {
            return 1.0;
        }
        if self.open_alert(features.identity).is_some() {
            return 0.0;
        }
        let until = self.settings.parameters.scoring.trust_until_nats;
        let span = (self.threshold.nats() - until).max(0.5);
        (1.0 - (weighed.score_nats.max(weighed.event_nats) - until) / span).clamp(0.0, 1.0)
    }

    /// The largest score of the identity's day goes to the threshold when the day is over.
    fn count_peak(&mut self, place: &Place, weighed: &Weighed) {
        let day = place.now.day() as u16;
        let Some(profile) = self.store.split(place.slot, place.group).profile else {
            return;
        };
        if profile.day != day {
            if profile.day_peak_nats > 0.0 {
                self.threshold.add_peak(f64::from(profile.day_peak_nats));
            }
            profile.day = day;
            profile.day_peak_nats = 0.0;
        }
        profile.day_peak_nats = profile.day_peak_nats.max(weighed.score_nats as f32);
    }

    /// Hash of model and detection settings, as alerts state it.
    #[must_use]
    pub fn model_hash(&self) -> &str {
        &self.settings.model_hash
    }

    /// Counts and sizes; O(identities), for metrics.
    #[must_use]
    pub fn health(&self) -> Health {
        let counts = self.store.counts();
        Health {
            identities: self.store.len(),
            groups: self.store.group_count(),
            state_bytes: self.store.memory_bytes(),
            evicted: counts.evicted,
            unadmitted: counts.unadmitted,
            incidents: self.incidents.len(),
            incidents_dropped: self.incidents.dropped(),
            open_alerts: self.incidents.open_alerts(),
            late: self.late,
            threshold_nats: self.threshold.nats(),
            budget_drift: self.threshold.budget_drift(),
        }
    }
}

fn issuer_slot<'i>(
    issuers: &'i mut HashMap<u32, LifetimeHistogram>,
    features: &Features,
    now: EventTime,
    capacity: usize,
) -> Option<&'i mut LifetimeHistogram> {
    let room = issuers.len() < capacity;
    match issuers.entry(features.issuer) {
        hashbrown::hash_map::Entry::Occupied(known) => Some(known.into_mut()),
        hashbrown::hash_map::Entry::Vacant(vacant) if room => {
            Some(vacant.insert(LifetimeHistogram::new(now)))
        }
        hashbrown::hash_map::Entry::Vacant(_) => None,
    }
}

fn explained(view: &View<'_>, readings: &Readings) -> Vec<SignalVerdict> {
    SIGNALS
        .iter()
        .zip(readings)
        .filter_map(|(signal, reading)| {
            let reading = (*reading)?;
            Some(SignalVerdict {
                name: signal.name(),
                reading,
                explanation: signal.explain(view, &reading),
            })
        })
        .collect()
}

fn subject_of(event: &Event<'_>) -> Subject {
    let owned = |text: &Option<crate::event::Text<'_>>| text.as_deref().map(str::to_owned);
    Subject {
        id: event.identity.id.clone().into_owned(),
        kind: event.identity.kind,
        group: owned(&event.identity.group),
        owner: owned(&event.identity.owner),
        credential: event.credential.as_ref().map(SubjectCredential::of),
    }
}

/// Keeps each signal's strongest verdict, the strongest first.
fn merge_signals(kept: &mut Vec<SignalVerdict>, new: &[SignalVerdict]) {
    for verdict in new {
        if verdict.reading.surprise_nats() < NAMED_FROM_NATS {
            continue;
        }
        match kept.iter_mut().find(|known| known.name == verdict.name) {
            Some(known) if known.reading.p <= verdict.reading.p => {}
            Some(known) => *known = verdict.clone(),
            None => kept.push(verdict.clone()),
        }
    }
    kept.sort_by(|a, b| {
        a.reading
            .p
            .total_cmp(&b.reading.p)
            .then(a.name.cmp(&b.name))
    });
}

/// Adds what the action is known from, and what the strong signals may be a sign of.
fn merge_techniques(
    kept: &mut Vec<Technique>,
    activity: Activity,
    known: Option<Technique>,
    signals: &[SignalVerdict],
) {
    let speaking = signals
        .iter()
        .filter(|verdict| verdict.reading.surprise_nats() >= NAMED_FROM_NATS)
        .filter_map(|verdict| SIGNALS.iter().find(|signal| signal.name() == verdict.name))
        .flat_map(|signal| signal.techniques().iter().copied());
    let granting = (activity == Activity::Grant && known.is_none()).then_some(ACCOUNT_MANIPULATION);
    for technique in known.into_iter().chain(granting).chain(speaking) {
        if !kept.contains(&technique) {
            kept.push(technique);
        }
    }
}

fn digest(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex()[..ID_DIGITS].to_owned()
}

/// View, entity, the event that opened it, and model: the same however the events came.
fn alert_id(event: &Event<'_>, model_hash: &str) -> String {
    digest(&["identity", &event.identity.id, &event.event_id, model_hash])
}
