//! The only joiner of baseline, signals, score and decision: one event in, one verdict out.
//!
//! A pure, deterministic state machine: no clock, no randomness, no I/O. What should happen in
//! the world is returned as values ([`Stepped`]); the shell performs it.

mod output;
mod raise;

pub use output::{Alert, Decision, Health, Origin, Phase, Stepped};

use crate::baseline::profile::Profile;
use crate::baseline::store::Store;
use crate::catalogue::Catalogue;
use crate::decide::guardrail::{Guardrails, Recent};
use crate::enrich::{Features, enrich, identity_key};
use crate::event::Event;
use crate::params::Parameters;
use crate::score::combine::Readings;
use crate::score::incident::{Incidents, Weighed, weigh};
use crate::score::threshold::Threshold;
use crate::signal::{Lesson, SIGNALS, View};
use crate::stats::lifetime::LifetimeHistogram;
use crate::units::EventTime;
use crate::verdict::{SignalVerdict, Verdict};
use hashbrown::HashMap;
use std::sync::Arc;

/// Cases are looked through for what has decayed every so often, in milliseconds of event time.
const SWEEP_EVERY_MS: i64 = 600_000;

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
    features: &'j Features,
    readings: &'j Readings,
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
        self.store.touch(identity_key(&event.identity.id));
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
            features: &features,
            readings: &readings,
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

    /// Takes evidence into the identity's case, and into the open alert's record.
    fn note_evidence(&mut self, judged: &Judged<'_>) {
        let parameters = &self.settings.parameters;
        if judged.weighed.event_nats < parameters.scoring.evidence_from_nats {
            return;
        }
        let case = self.incidents.absorb(
            judged.features.identity,
            judged.readings,
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
