//! The running case of one identity: weak evidence adds up, one case gives one alert.
//!
//! # Rule
//! An event adds what it exceeds `evidence_from_nats`; the sum halves every incident half-life.
//! A fact that the case already holds (the same new host again) adds only what it is now more
//! surprising by, so a hundred uses of one new host are not a hundred oddities; each of them carries
//! the score of its case. The score of an
//! event below `evidence_from_nats` is its own surprise.

use crate::parameters::{Parameters, ScoreParams};
use crate::score::combine::combine;
use crate::score::deviation::Deviation;
use crate::score::subject::Subject;
use crate::stats::decay::HalfLife;
use crate::units::{EventTime, MS_PER_DAY};
use crate::verdict::{ObservedTechnique, Severity, SignalVerdict};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;

/// Facts that one case remembers; the oldest give way.
const MAX_DEVIATIONS: usize = 24;
/// What a case holds is worth half after so long without evidence.
const DEVIATION_HALF_LIFE_MS: i64 = MS_PER_DAY;
/// A case without alert whose evidence is below this says nothing any more.
const MIN_EVIDENCE_NATS: f64 = 0.25;

/// Alert state of a case.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct AlertState {
    /// The alert's id.
    pub alert_id: String,
    /// When it was opened.
    pub opened: EventTime,
    /// When evidence was last added.
    pub last_evidence: EventTime,
    /// Whether it has been closed.
    pub closed: bool,
    /// Severity as last published.
    pub severity: Severity,
    /// Score as last published.
    pub published_nats: f64,
    /// Largest score.
    pub peak_nats: f64,
    /// Events that added evidence.
    pub events: u32,
    /// The strongest verdict of each signal.
    pub signals: Vec<SignalVerdict>,
    /// Techniques seen, in order of appearance.
    pub techniques: Vec<ObservedTechnique>,
    /// The identity and credential, for what is published later.
    pub subject: Subject,
}

/// What was answered to a case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum AnalystVerdict {
    /// Nothing.
    #[default]
    Pending,
    /// It is no attack: what it holds is news no more.
    Accepted,
    /// It is an attack: nothing is learned from the identity while it is remembered.
    Confirmed,
}

/// The running case of one identity.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct Incident {
    evidence_nats: f64,
    updated: EventTime,
    deviation_keys: [u32; MAX_DEVIATIONS],
    /// Surprise at which each fact was taken in.
    deviation_nats: [f32; MAX_DEVIATIONS],
    next_deviation: usize,
    /// What was answered to it.
    pub analyst_verdict: AnalystVerdict,
    /// Its alert, if it has one.
    pub alert: Option<AlertState>,
}

/// What one event means in its case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EventScore {
    /// The event alone.
    pub event_nats: f64,
    /// With what has accumulated.
    pub score_nats: f64,
    /// What the event tells that the case did not hold.
    pub new_nats: f64,
    /// Evidence of the case after the event.
    pub evidence_nats: f64,
    /// Whether the event tells something that the case did not hold.
    pub is_new: bool,
}

impl Incident {
    fn new(time: EventTime) -> Self {
        Self {
            evidence_nats: 0.0,
            updated: time,
            deviation_keys: [0; MAX_DEVIATIONS],
            deviation_nats: [0.0; MAX_DEVIATIONS],
            next_deviation: 0,
            analyst_verdict: AnalystVerdict::Pending,
            alert: None,
        }
    }

    /// The surprise at which the case holds `fact` at `now`; `None` where it is new to it. It halves
    /// every [`HELD_HALF_LIFE_MS`] without evidence, so who comes back after days is news again; an
    /// accepted case holds it without limit.
    #[must_use]
    pub fn known_surprise_nats(&self, deviation: u32, now: EventTime) -> Option<f64> {
        let baselines = self
            .deviation_keys
            .iter()
            .position(|known| *known == deviation)?;
        if self.analyst_verdict == AnalystVerdict::Accepted {
            return Some(f64::INFINITY);
        }
        let days = now.ms_since(self.updated).max(0) as f64 / DEVIATION_HALF_LIFE_MS as f64;
        Some(f64::from(self.deviation_nats[baselines]) * libm::exp2(-days))
    }

    /// What it holds, by key.
    pub fn deviation_keys(&self) -> impl Iterator<Item = u32> + use<> {
        self.deviation_keys
            .into_iter()
            .filter(|deviation| *deviation != 0)
    }

    /// Evidence left at `now`.
    #[must_use]
    pub fn evidence_at(&self, now: EventTime, half_life: HalfLife) -> f64 {
        self.evidence_nats * half_life.remaining(now.ms_since(self.updated))
    }

    /// Takes the event's evidence in.
    fn add_evidence(&mut self, deviations: &[Deviation], score: &EventScore, now: EventTime) {
        self.evidence_nats = score.evidence_nats;
        self.updated = self.updated.max(now);
        for deviation in deviations {
            let known = self
                .deviation_keys
                .iter()
                .position(|known| *known == deviation.key);
            let baselines = known.unwrap_or(self.next_deviation);
            let before = known.map_or(0.0, |baselines| self.deviation_nats[baselines]);
            self.deviation_keys[baselines] = deviation.key;
            self.deviation_nats[baselines] = before.max(deviation.nats as f32);
            if known.is_none() {
                self.next_deviation = (self.next_deviation + 1) % MAX_DEVIATIONS;
            }
        }
    }
}

/// Weighs an event against the case it belongs to. Pure.
#[must_use]
pub fn score_event(
    deviations: &[Deviation],
    incident: Option<&Incident>,
    now: EventTime,
    scoring: &ScoreParams,
    half_life: HalfLife,
) -> EventScore {
    let event_nats = combine(deviations, scoring, |deviation| deviation.nats);
    let from = scoring.evidence_from_nats;
    let (fresh_nats, before) = match incident {
        None => (event_nats, 0.0),
        Some(incident) => (
            combine(deviations, scoring, |deviation| deviation.new_nats),
            incident.evidence_at(now, half_life),
        ),
    };
    let fresh_excess = (fresh_nats - from).max(0.0);
    let evidence_nats = before + fresh_excess;
    let result = if event_nats >= from {
        from + evidence_nats
    } else {
        event_nats
    };
    EventScore {
        event_nats,
        score_nats: result,
        new_nats: fresh_nats,
        evidence_nats,
        is_new: fresh_excess > 0.0,
    }
}

/// All cases of a shard, bounded, in key order so that nothing depends on the order of a hash.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Incidents {
    incidents: BTreeMap<u64, Incident>,
    evicted: u64,
}

impl Incidents {
    /// The case of an identity.
    #[must_use]
    pub fn get(&self, identity: u64) -> Option<&Incident> {
        self.incidents.get(&identity)
    }

    /// Takes the evidence of an event into the case of its identity. Identities whose case had to
    /// give way are appended to `let_go`.
    pub fn add_evidence(
        &mut self,
        identity: u64,
        deviations: &[Deviation],
        score: &EventScore,
        now: EventTime,
        capacity: usize,
        evicted: &mut Vec<u64>,
    ) -> &mut Incident {
        if self.incidents.len() >= capacity && !self.incidents.contains_key(&identity) {
            self.evict_weaker_half(evicted);
        }
        let incident = self
            .incidents
            .entry(identity)
            .or_insert_with(|| Incident::new(now));
        incident.add_evidence(deviations, score, now);
        incident
    }

    /// States the alert of an identity's case, if it has a case.
    pub fn set_alert(&mut self, identity: u64, alert: AlertState) {
        if let Some(incident) = self.incidents.get_mut(&identity) {
            incident.alert = Some(alert);
        }
    }

    /// Whether the case of an identity has an open alert.
    #[must_use]
    pub fn has_open_alert(&self, identity: u64) -> bool {
        let alert = self
            .incidents
            .get(&identity)
            .and_then(|incident| incident.alert.as_ref());
        alert.is_some_and(|alert| !alert.closed)
    }

    /// Whose case has the alert `alert_id`. O(cases).
    #[must_use]
    pub fn identity_of(&self, alert_id: &str) -> Option<u64> {
        let has = |incident: &Incident| {
            incident
                .alert
                .as_ref()
                .is_some_and(|a| a.alert_id == alert_id)
        };
        let found = self.incidents.iter().find(|(_, incident)| has(incident));
        found.map(|(identity, _)| *identity)
    }

    /// Notes what was answered to the case of `identity`; an accepted one has no evidence left.
    pub fn set_analyst_verdict(&mut self, identity: u64, standing: AnalystVerdict) {
        if let Some(incident) = self.incidents.get_mut(&identity) {
            incident.analyst_verdict = standing;
            if standing == AnalystVerdict::Accepted {
                incident.evidence_nats = 0.0;
            }
        }
    }

    /// Forgets the case of `identity`; says whether there was one.
    pub fn remove(&mut self, identity: u64) -> bool {
        self.incidents.remove(&identity).is_some()
    }

    /// Closes the alert of `identity`, if it is open, and returns it.
    pub fn close(&mut self, identity: u64) -> Option<AlertState> {
        let alert = self.incidents.get_mut(&identity)?.alert.as_mut()?;
        let was_open = !std::mem::replace(&mut alert.closed, true);
        was_open.then(|| alert.clone())
    }

    /// Lets the weaker half of the cases go that have no open alert, and closed ones before all.
    #[cold]
    fn evict_weaker_half(&mut self, evicted: &mut Vec<u64>) {
        let mut candidates: Vec<(f64, u64)> = self
            .incidents
            .iter()
            .filter(|(_, incident)| incident.alert.as_ref().is_none_or(|alert| alert.closed))
            .map(|(key, incident)| (incident.evidence_nats, *key))
            .collect();
        if candidates.is_empty() {
            candidates = self
                .incidents
                .iter()
                .map(|(k, c)| (c.evidence_nats, *k))
                .collect();
        }
        candidates.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for (_, key) in &candidates[..candidates.len().div_ceil(2)] {
            self.incidents.remove(key);
            self.evicted += 1;
            evicted.push(*key);
        }
    }

    /// Closes and forgets what has decayed by `now`; returns the cases whose alert was closed, and
    /// appends the identities whose case ended to `let_go`.
    pub fn sweep(
        &mut self,
        now: EventTime,
        threshold_nats: f64,
        parameters: &Parameters,
        evicted: &mut Vec<u64>,
    ) -> Vec<AlertState> {
        let half_life = parameters.decay.incident_half_life;
        let params = &parameters.incident;
        let mut closed = Vec::new();
        self.incidents.retain(|key, incident| {
            let evidence = incident.evidence_at(now, half_life);
            let age_ms = now.ms_since(incident.updated);
            let sink = match &mut incident.alert {
                None => evidence >= MIN_EVIDENCE_NATS,
                Some(alert) => {
                    let is_quiet = age_ms >= params.open_at_least_ms;
                    let over =
                        is_quiet && evidence < params.closed_share_of_threshold * threshold_nats;
                    if over && !alert.closed {
                        alert.closed = true;
                        closed.push(alert.clone());
                    }
                    age_ms < params.remembered_ms
                }
            };
            if !sink {
                evicted.push(*key);
            }
            sink
        });
        closed
    }

    /// How many cases are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.incidents.len()
    }

    /// Whether no case is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.incidents.is_empty()
    }

    /// Cases with an open alert.
    #[must_use]
    pub fn open_alerts(&self) -> usize {
        let open =
            |incident: &&Incident| incident.alert.as_ref().is_some_and(|alert| !alert.closed);
        self.incidents.values().filter(open).count()
    }

    /// Cases let go at the limit.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MS_PER_SEC;

    fn deviation(p: f64, key: u32, incident: Option<&Incident>) -> Deviation {
        Deviation {
            signal: 0,
            key,
            shared_key: None,
            p,
            raw_nats: -libm::log(p),
            nats: -libm::log(p),
            new_nats: -libm::log(p)
                - incident
                    .and_then(|incident| incident.known_surprise_nats(key, EventTime::EARLIEST))
                    .unwrap_or(0.0),
            is_new: incident.is_none_or(|incident| {
                incident
                    .known_surprise_nats(key, EventTime::EARLIEST)
                    .is_none()
            }),
        }
    }

    /// Scores of events with these facts, a minute apart, each of probability `p`.
    fn scores(p: f64, keys: &[u32]) -> Vec<f64> {
        let parameters = Parameters::default();
        let mut incidents = Incidents::default();
        let mut now = EventTime::EARLIEST;
        keys.iter()
            .map(|key| {
                now = now.saturating_add_ms(60 * MS_PER_SEC);
                let (scoring, half_life) = (&parameters.score, parameters.decay.incident_half_life);
                let incident = incidents.get(7);
                let deviations = [deviation(p, *key, incident)];
                let score = score_event(&deviations, incident, now, scoring, half_life);
                incidents.add_evidence(7, &deviations, &score, now, 10, &mut Vec::new());
                score.score_nats
            })
            .collect()
    }

    #[test]
    fn ten_different_oddities_add_up() {
        let scores = scores(0.002, &(1..=10).collect::<Vec<_>>());
        assert!((scores[0] - 6.21).abs() < 0.01);
        assert!(scores[9] > 25.0, "{scores:?}");
    }

    #[test]
    fn one_oddity_repeated_does_not() {
        let scores = scores(0.002, &[5; 10]);
        assert!(scores[9] < 9.0, "{scores:?}");
    }

    #[test]
    fn cases_are_bounded_and_the_strong_stay() {
        let mut incidents = Incidents::default();
        let mut evicted = Vec::new();
        for identity in 0..100u64 {
            let score = EventScore {
                event_nats: 5.0,
                score_nats: 5.0,
                new_nats: 5.0,
                evidence_nats: identity as f64,
                is_new: true,
            };
            incidents.add_evidence(
                identity,
                &[deviation(0.01, 1, None)],
                &score,
                EventTime::EARLIEST,
                10,
                &mut evicted,
            );
            assert!(incidents.len() <= 10);
        }
        assert!(incidents.get(99).is_some() && incidents.get(0).is_none());
        assert_eq!(evicted.len() as u64, incidents.evicted());
    }
}
