//! The incident of one identity: weak evidence accumulates, and one incident raises one alert.
//!
//! # Formula
//! An event adds the excess of its surprise over `evidence_from_nats`; the sum halves every incident
//! half-life. A deviation that the incident already holds (the same new host again) adds only its increase,
//! so that a hundred uses of one new host do not count as a hundred deviations; each of them has the score of
//! its incident. The score of an event below `evidence_from_nats` is its own
//! surprise.
//!
//! What the holder of the credential alone can cause is also summed apart, by the same formula: it alone
//! counts towards containment, the threshold and learning, so that an outsider steers none of them.

use crate::parameters::{Parameters, ScoreParams};
use crate::score::combine::combine;
use crate::score::deviation::Deviation;
use crate::score::subject::Subject;
use crate::stats::decay::HalfLife;
use crate::units::{EventTime, MS_PER_DAY};
use crate::verdict::{ObservedTechnique, Severity, SignalVerdict};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;

/// Deviations that one incident records; the oldest are evicted.
const MAX_DEVIATIONS: usize = 24;
/// Half-life of the surprise at which an incident holds a deviation that does not recur.
const DEVIATION_HALF_LIFE_MS: i64 = MS_PER_DAY;
/// An incident without alert ends when its evidence falls below this.
const MIN_EVIDENCE_NATS: f64 = 0.25;

/// Alert state of an incident.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct AlertState {
    /// The alert's id.
    pub alert_id: String,
    /// Time of opening.
    pub opened: EventTime,
    /// Time of the last evidence.
    pub last_evidence: EventTime,
    /// Whether it was closed.
    pub closed: bool,
    /// Severity as last published.
    pub severity: Severity,
    /// Severity of the attributable evidence alone; `None` while it is below the threshold.
    pub attributable_severity: Option<Severity>,
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
    /// The identity and credential, for later publications.
    pub subject: Subject,
}

/// An analyst's verdict on an incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum AnalystVerdict {
    /// None.
    #[default]
    Pending,
    /// Not an attack: its deviations add no further evidence.
    Accepted,
    /// An attack: nothing is learned from the identity while the incident is remembered.
    Confirmed,
}

/// The incident of one identity.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct Incident {
    evidence_nats: f64,
    attributable_evidence_nats: f64,
    updated: EventTime,
    deviation_keys: [u32; MAX_DEVIATIONS],
    /// Surprise at which each deviation was recorded.
    deviation_nats: [f32; MAX_DEVIATIONS],
    next_deviation: usize,
    /// Analyst verdict.
    pub analyst_verdict: AnalystVerdict,
    /// Alert, if one was raised.
    pub alert: Option<AlertState>,
}

/// Score of one event within its incident.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EventScore {
    /// Of all evidence.
    pub total: EvidenceScore,
    /// Of the evidence that the holder of the credential alone can cause.
    pub attributable: EvidenceScore,
}

/// Score of one body of evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EvidenceScore {
    /// The event alone.
    pub event_nats: f64,
    /// With accumulated evidence.
    pub score_nats: f64,
    /// The part that is new to the incident.
    pub new_nats: f64,
    /// Evidence of the incident after the event.
    pub evidence_nats: f64,
    /// Whether the event has a deviation that is new to the incident.
    pub is_new: bool,
}

impl Incident {
    fn new(time: EventTime) -> Self {
        Self {
            evidence_nats: 0.0,
            attributable_evidence_nats: 0.0,
            updated: time,
            deviation_keys: [0; MAX_DEVIATIONS],
            deviation_nats: [0.0; MAX_DEVIATIONS],
            next_deviation: 0,
            analyst_verdict: AnalystVerdict::Pending,
            alert: None,
        }
    }

    /// The surprise at which the incident holds the deviation of `key` at `now`; `None` where it is new. It
    /// halves every `DEVIATION_HALF_LIFE_MS` in which it does not recur, so that a return after days counts
    /// again; an accepted incident holds it without limit.
    #[must_use]
    pub fn known_surprise_nats(&self, deviation: u32, now: EventTime) -> Option<f64> {
        let baselines = self
            .deviation_keys
            .iter()
            .position(|known| *known == deviation)?;
        if self.analyst_verdict == AnalystVerdict::Accepted {
            return Some(f64::INFINITY);
        }
        Some(f64::from(self.deviation_nats[baselines]) * self.remaining_knowledge(now))
    }

    fn remaining_knowledge(&self, now: EventTime) -> f64 {
        let days = now.ms_since(self.updated).max(0) as f64 / DEVIATION_HALF_LIFE_MS as f64;
        libm::exp2(-days)
    }

    /// Recorded deviations, by key.
    pub fn deviation_keys(&self) -> impl Iterator<Item = u32> + use<> {
        self.deviation_keys
            .into_iter()
            .filter(|deviation| *deviation != 0)
    }

    /// Remaining evidence at `now`.
    #[must_use]
    pub fn evidence_at(&self, now: EventTime, half_life: HalfLife) -> f64 {
        self.evidence_nats * half_life.remaining(now.ms_since(self.updated))
    }

    /// Remaining attributable evidence at `now`.
    #[must_use]
    pub fn attributable_evidence_at(&self, now: EventTime, half_life: HalfLife) -> f64 {
        self.attributable_evidence_nats * half_life.remaining(now.ms_since(self.updated))
    }

    /// Rank for retention: attributable evidence before any that an outsider can cause.
    fn retention_rank(&self) -> (bool, f64, bool, f64) {
        let open = self.alert.as_ref().filter(|alert| !alert.closed);
        (
            open.is_some_and(|alert| alert.attributable_severity.is_some()),
            self.attributable_evidence_nats,
            open.is_some(),
            self.evidence_nats,
        )
    }

    /// Adds the event's evidence.
    fn add_evidence(&mut self, deviations: &[Deviation], score: &EventScore, now: EventTime) {
        let remaining = self.remaining_knowledge(now) as f32;
        self.deviation_nats
            .iter_mut()
            .for_each(|nats| *nats *= remaining);
        self.evidence_nats = score.total.evidence_nats;
        self.attributable_evidence_nats = score.attributable.evidence_nats;
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

/// Scores an event within the incident it belongs to. Pure.
#[must_use]
#[inline]
pub fn score_event(
    deviations: &[Deviation],
    incident: Option<&Incident>,
    now: EventTime,
    scoring: &ScoreParams,
    half_life: HalfLife,
) -> EventScore {
    let remaining = incident.map_or(0.0, |incident| {
        half_life.remaining(now.ms_since(incident.updated))
    });
    let before = incident.map(|incident| incident.evidence_nats * remaining);
    let total = score_evidence(deviations, (before, remaining), scoring, |_| true);
    let attributable_before =
        incident.map(|incident| incident.attributable_evidence_nats * remaining);
    let is_same = attributable_before == before
        && deviations.iter().all(|deviation| deviation.is_attributable);
    let attributable = if is_same {
        total
    } else {
        let before = (attributable_before, remaining);
        score_evidence(deviations, before, scoring, |d| d.is_attributable)
    };
    EventScore {
        total,
        attributable,
    }
}

/// Scores the deviations for which `counts` holds, after the evidence `before` of the incident, which is the
/// share `remaining` of what it was: while a deviation goes on, its evidence does not fade.
#[inline]
fn score_evidence(
    deviations: &[Deviation],
    (before, remaining): (Option<f64>, f64),
    scoring: &ScoreParams,
    counts: impl Fn(&Deviation) -> bool,
) -> EvidenceScore {
    let counted = |nats: f64, deviation: &Deviation| if counts(deviation) { nats } else { 0.0 };
    let event_nats = combine(deviations, scoring, |d| counted(d.nats, d));
    let from = scoring.evidence_from_nats;
    // What grows adds as much as if it had been as large at once.
    let known_nats = match before {
        None => 0.0,
        Some(_) => combine(deviations, scoring, |d| counted(d.known_nats, d)),
    };
    let new_nats = (event_nats - known_nats).max(0.0);
    let new_excess = (event_nats - known_nats.max(from)).max(0.0);
    let going_on = (event_nats - from).max(0.0) * remaining;
    let evidence_nats = (before.unwrap_or(0.0) + new_excess).max(going_on);
    let score_nats = if event_nats >= from {
        from + evidence_nats
    } else {
        event_nats
    };
    EvidenceScore {
        event_nats,
        score_nats,
        new_nats,
        evidence_nats,
        is_new: new_excess > 0.0,
    }
}

/// All incidents of a shard, bounded, in key order so that results do not depend on hash order.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Incidents {
    incidents: BTreeMap<u64, Incident>,
    evicted: u64,
}

impl Incidents {
    /// The incident of an identity.
    #[must_use]
    pub fn get(&self, identity: u64) -> Option<&Incident> {
        self.incidents.get(&identity)
    }

    /// Adds the evidence of an event to the incident of its identity. Identities whose incident was evicted
    /// are appended to `evicted`.
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

    /// Sets the alert of an identity's incident, if it has one.
    pub fn set_alert(&mut self, identity: u64, alert: AlertState) {
        if let Some(incident) = self.incidents.get_mut(&identity) {
            incident.alert = Some(alert);
        }
    }

    /// Whether the identity has an open alert.
    #[must_use]
    pub fn has_open_alert(&self, identity: u64) -> bool {
        let alert = self
            .incidents
            .get(&identity)
            .and_then(|incident| incident.alert.as_ref());
        alert.is_some_and(|alert| !alert.closed)
    }

    /// The identity whose incident has the alert `alert_id`. O(incidents).
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

    /// Sets the analyst verdict on the incident of `identity`; an accepted incident has no evidence left.
    pub fn set_analyst_verdict(&mut self, identity: u64, standing: AnalystVerdict) {
        if let Some(incident) = self.incidents.get_mut(&identity) {
            incident.analyst_verdict = standing;
            if standing == AnalystVerdict::Accepted {
                incident.evidence_nats = 0.0;
                incident.attributable_evidence_nats = 0.0;
            }
        }
    }

    /// Removes the incident of `identity`; returns whether there was one.
    pub fn remove(&mut self, identity: u64) -> bool {
        self.incidents.remove(&identity).is_some()
    }

    /// Closes the alert of `identity`, if it is open, and returns it.
    pub fn close(&mut self, identity: u64) -> Option<AlertState> {
        let alert = self.incidents.get_mut(&identity)?.alert.as_mut()?;
        let was_open = !std::mem::replace(&mut alert.closed, true);
        was_open.then(|| alert.clone())
    }

    /// Evicts the half of the incidents that ranks lowest, those without open alert where there are any.
    #[cold]
    fn evict_weaker_half(&mut self, evicted: &mut Vec<u64>) {
        let mut ranked: Vec<_> = self
            .incidents
            .iter()
            .map(|(key, incident)| (incident.retention_rank(), *key))
            .collect();
        ranked.sort_by(|((a, b, c, d), key), ((e, f, g, h), other)| {
            let by_attributable = a.cmp(e).then(b.total_cmp(f));
            by_attributable
                .then(c.cmp(g))
                .then(d.total_cmp(h))
                .then(key.cmp(other))
        });
        for (_, key) in &ranked[..ranked.len().div_ceil(2)] {
            self.incidents.remove(key);
            self.evicted += 1;
            evicted.push(*key);
        }
    }

    /// Closes and removes incidents that have decayed by `now`; returns those whose alert was closed, and
    /// appends the identities whose incident ended to `evicted`.
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
        closed.sort_by(|a, b| a.alert_id.cmp(&b.alert_id));
        closed
    }

    /// Number of incidents.
    #[must_use]
    pub fn len(&self) -> usize {
        self.incidents.len()
    }

    /// Whether there is no incident.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.incidents.is_empty()
    }

    /// Number of incidents with an open alert.
    #[must_use]
    pub fn open_alerts(&self) -> usize {
        let open =
            |incident: &&Incident| incident.alert.as_ref().is_some_and(|alert| !alert.closed);
        self.incidents.values().filter(open).count()
    }

    /// Number of evicted incidents.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::IdentityKind;
    use crate::units::MS_PER_SEC;

    fn deviation(p: f64, key: u32, incident: Option<&Incident>) -> Deviation {
        Deviation {
            signal: 0,
            key,
            shared_key: None,
            p,
            raw_nats: -libm::log(p),
            nats: -libm::log(p),
            known_nats: incident
                .and_then(|incident| incident.known_surprise_nats(key, EventTime::EARLIEST))
                .unwrap_or(0.0),
            is_new: incident.is_none_or(|incident| {
                incident
                    .known_surprise_nats(key, EventTime::EARLIEST)
                    .is_none()
            }),
            is_attributable: true,
        }
    }

    /// Scores of events with these deviations, a minute apart, each of probability `p`.
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
                score.total.score_nats
            })
            .collect()
    }

    #[test]
    fn ten_different_deviations_add_up() {
        let scores = scores(0.002, &(1..=10).collect::<Vec<_>>());
        assert!((scores[0] - 6.21).abs() < 0.01);
        assert!(scores[9] > 25.0, "{scores:?}");
    }

    #[test]
    fn a_repeated_deviation_does_not_add_up() {
        let scores = scores(0.002, &[5; 10]);
        assert!(scores[9] < 9.0, "{scores:?}");
    }

    #[test]
    fn a_deviation_that_grows_counts_as_if_it_had_been_as_large_at_once() {
        let parameters = Parameters::default();
        let (scoring, half_life) = (&parameters.score, parameters.decay.incident_half_life);
        let now = EventTime::EARLIEST;
        let mut incidents = Incidents::default();
        let mut last = 0.0;
        for p in [0.02, 0.01, 0.001, 0.0005, 0.00001] {
            let incident = incidents.get(7);
            let deviations = [deviation(p, 1, incident)];
            let score = score_event(&deviations, incident, now, scoring, half_life);
            incidents.add_evidence(7, &deviations, &score, now, 10, &mut Vec::new());
            last = score.total.score_nats;
        }
        assert!((last + libm::log(0.00001)).abs() < 1e-5, "{last}");
    }

    /// Adds `evidence_nats` to the incident of an identity, of ten at most.
    fn add(incidents: &mut Incidents, identity: u64, evidence_nats: f64, evicted: &mut Vec<u64>) {
        let evidence = EvidenceScore {
            event_nats: 5.0,
            score_nats: 5.0,
            new_nats: 5.0,
            evidence_nats,
            is_new: true,
        };
        let score = EventScore {
            total: evidence,
            attributable: evidence,
        };
        let (deviations, now) = ([deviation(0.01, 1, None)], EventTime::EARLIEST);
        incidents.add_evidence(identity, &deviations, &score, now, 10, evicted);
    }

    /// One incident with `evidence_nats`.
    fn one(identity: u64, evidence_nats: f64) -> Incidents {
        let mut incidents = Incidents::default();
        add(&mut incidents, identity, evidence_nats, &mut Vec::new());
        incidents
    }

    fn alert() -> AlertState {
        let now = EventTime::EARLIEST;
        AlertState {
            alert_id: "a-1".to_owned(),
            opened: now,
            last_evidence: now,
            closed: false,
            severity: Severity::Low,
            attributable_severity: None,
            published_nats: 0.0,
            peak_nats: 0.0,
            events: 1,
            signals: Vec::new(),
            techniques: Vec::new(),
            subject: Subject {
                id: "svc-1".to_owned(),
                kind: IdentityKind::Service,
                group: None,
                owner: None,
                credential: None,
            },
        }
    }

    #[test]
    fn an_alert_is_open_until_its_incident_is_quiet() {
        let parameters = Parameters::default();
        let mut incidents = one(7, 1e-6);
        assert!(!incidents.has_open_alert(7) && !incidents.is_empty());
        incidents.set_alert(7, alert());
        assert!(incidents.has_open_alert(7) && !incidents.has_open_alert(8));
        let sweep = |incidents: &mut Incidents, after_ms| {
            let (now, mut evicted) = (EventTime::EARLIEST.saturating_add_ms(after_ms), Vec::new());
            let closed = incidents.sweep(now, 7.0, &parameters, &mut evicted).len();
            (closed, evicted.len())
        };
        let (open_ms, remembered_ms) = (
            parameters.incident.open_at_least_ms,
            parameters.incident.remembered_ms,
        );
        assert_eq!(sweep(&mut incidents, open_ms - 1), (0, 0));
        assert_eq!(sweep(&mut incidents, open_ms), (1, 0));
        assert!(!incidents.has_open_alert(7));
        assert_eq!(sweep(&mut incidents, remembered_ms - 1), (0, 0));
        assert_eq!(sweep(&mut incidents, remembered_ms), (0, 1));
        assert!(incidents.is_empty());
    }

    #[test]
    fn an_alert_stays_open_while_its_evidence_is_a_share_of_the_threshold() {
        let parameters = Parameters::default();
        let share = parameters.incident.closed_share_of_threshold;
        let at = EventTime::EARLIEST.saturating_add_ms(parameters.incident.open_at_least_ms);
        let half_life = parameters.decay.incident_half_life;
        for (evidence_nats, closes) in [(60.0, false), (1.0, true)] {
            let mut incidents = one(7, evidence_nats);
            incidents.set_alert(7, alert());
            let left = incidents.get(7).unwrap().evidence_at(at, half_life);
            // Just above and just below the share of the threshold that closes it.
            let threshold_nats = left / share * if closes { 1.001 } else { 0.999 };
            let closed = incidents.sweep(at, threshold_nats, &parameters, &mut Vec::new());
            assert_eq!(!closed.is_empty(), closes, "{evidence_nats}");
        }
    }

    #[test]
    fn an_incident_without_alert_is_forgotten_with_its_evidence() {
        let parameters = Parameters::default();
        let now = EventTime::EARLIEST;
        for (evidence_nats, is_kept) in [
            (MIN_EVIDENCE_NATS * 1.01, true),
            (MIN_EVIDENCE_NATS * 0.99, false),
        ] {
            let (mut incidents, mut evicted) = (one(7, evidence_nats), Vec::new());
            incidents.sweep(now, 7.0, &parameters, &mut evicted);
            assert_eq!(evicted.is_empty(), is_kept, "{evidence_nats}");
        }
    }

    #[test]
    fn incidents_are_bounded_and_the_weakest_are_evicted() {
        let mut incidents = Incidents::default();
        let mut evicted = Vec::new();
        for identity in 0..100u64 {
            add(&mut incidents, identity, identity as f64, &mut evicted);
            assert!(incidents.len() <= 10);
        }
        assert!(incidents.get(99).is_some() && incidents.get(0).is_none());
        assert_eq!(evicted.len() as u64, incidents.evicted());
    }
}
