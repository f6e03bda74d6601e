//! The path of one event, from top to bottom: intake → baselines → signals → score → decide → learn.

use super::Engine;
use super::dedup::Repetition;
use super::readings::{Readings, is_known_source, read_signals, verdicts};
use super::step_output::{Detail, PopulationNotice, SourcePosition, StepOutput};
use crate::baseline::credential::secs;
use crate::baseline::group_baseline::GroupBaseline;
use crate::baseline::host_names::HostKeys;
use crate::baseline::profile::Profile;
use crate::enrich::{Features, Keys, enrich};
use crate::event::{Attribution, Event};
use crate::score::deviation::{Deviation, DeviationContext, Deviations};
use crate::score::incident::{EventScore, Incident, score_event};
use crate::score::shared_deviations::expected_by_chance;
use crate::signal::{SIGNALS, ScoreContext};
use crate::units::{EventTime, MS_PER_DAY};
use crate::verdict::{EntityView, Verdict};

/// Interval at which decayed incidents are closed and evicted, in milliseconds of event time.
const SWEEP_INTERVAL_MS: i64 = 600_000;
/// Deviations with a tail probability up to this are recorded as possibly shared by many.
const SHARED_DEVIATION_MAX_P: f64 = 0.01;
/// Identities with one deviation from which a population notice is emitted, once a day.
const NOTICE_MIN_IDENTITIES: f64 = 5.5;

/// One event with its score.
pub(super) struct ScoredEvent<'e> {
    pub(super) event: &'e Event<'e>,
    pub(super) position: &'e SourcePosition,
    pub(super) features: &'e Features,
    pub(super) deviations: &'e Deviations,
    pub(super) score: EventScore,
    /// Whether an outsider can have caused it: a failure away from where the identity is used.
    pub(super) is_by_anyone: bool,
    pub(super) baselines: BaselineRef,
}

impl ScoredEvent<'_> {
    /// Whether anyone can have made up the name: it failed, and has no baseline.
    fn is_of_unknown_name(&self) -> bool {
        self.baselines.slot.is_none() && self.event.attribution() == Attribution::Anyone
    }
}

/// The host of an event as the identity with `profile` knows it.
pub(super) fn host_for(profile: &Profile, features: &Features, weight_now: f32) -> Option<u32> {
    let keys = HostKeys {
        name: features.host,
        family: features.host_family,
    };
    profile.host_names.host(features.kind, keys, weight_now)
}

/// The baselines that apply to an event, and the weight of an observation in them.
pub(super) struct BaselineRef {
    pub(super) slot: Option<usize>,
    pub(super) group: usize,
    pub(super) credential: Option<usize>,
    pub(super) is_first_use: bool,
    pub(super) profile_weight: f32,
    pub(super) shared_weight: f32,
    /// The time at which the event is processed: never before the identity's latest event.
    pub(super) now: EventTime,
}

impl Engine {
    /// Loads the records of the next events, up to [`PREFETCH_MAX`](super::PREFETCH_MAX), into the
    /// cache. Changes nothing.
    pub fn prefetch(&self, next: &[Keys]) {
        self.scoring.store.prefetch(next);
    }

    /// Scores one event, whose keys are `keys`, and learns from it. A duplicate is scored and changes
    /// nothing. Cost: about a microsecond; an alert some tens of microseconds.
    pub fn step(
        &mut self,
        event: &Event<'_>,
        keys: Keys,
        position: &SourcePosition,
        detail: Detail,
    ) -> StepOutput {
        debug_assert_eq!(keys, self.keys(event), "the keys are the event's own");
        let (catalogue, hash_key) = (&self.settings.catalogue, &self.settings.hash_key);
        let features = enrich(event, keys, catalogue, hash_key);
        self.process(event, &features, position, detail)
    }

    pub(super) fn process(
        &mut self,
        event: &Event<'_>,
        features: &Features,
        position: &SourcePosition,
        detail: Detail,
    ) -> StepOutput {
        let hash_key = &self.settings.hash_key;
        let repetition = self.intake.dedup.insert(event, features.identity, hash_key);
        let mut output = StepOutput {
            duplicate: repetition == Repetition::Duplicate,
            ..StepOutput::default()
        };
        self.intake.duplicates += u64::from(output.duplicate);
        self.intake.conflicting_ids += u64::from(repetition == Repetition::Conflict);
        let observed_at = self.advance(event, features, position, &mut output);
        let baselines = self.resolve_baselines(event, observed_at, features);
        let peers = self.scoring.store.group(baselines.group);
        let context = self.score_context(event, features, &baselines, peers);
        let readings = read_signals(&context, self.enabled_for(event));
        output.is_known_source = baselines.slot.is_some() && is_known_source(&context);
        output.contributing_signals = readings.iter().fold(0, |bits, (at, _)| bits | 1 << at);
        let (deviations, score) = self.score_event(&context, &readings, &baselines);
        output.event_nats = score.total.event_nats;
        output.score_nats = score.total.score_nats;
        let is_alerting = !output.duplicate
            && (self.should_alert(features, &score)
                || self.has_unpublished_logins(features.identity));
        let signals = match detail {
            _ if is_alerting => verdicts(&context, &readings, &deviations, true),
            Detail::Score => Vec::new(),
            Detail::Readings => verdicts(&context, &readings, &deviations, false),
            Detail::Explained => verdicts(&context, &readings, &deviations, true),
        };
        let is_by_anyone =
            event.attribution() == Attribution::Anyone && !context.is_at_usual_network();
        let scored = ScoredEvent {
            event,
            position,
            features,
            deviations: &deviations,
            score,
            is_by_anyone,
            baselines,
        };
        if !output.duplicate {
            output.notices = self.record_shared_deviations(&scored);
            self.accumulate_evidence(&scored);
            if is_alerting {
                output.alerts.push(self.raise_alert(&scored, &signals));
            }
        }
        if detail != Detail::Score {
            output.verdict = Some(Verdict {
                score_nats: score.total.score_nats,
                event_nats: score.total.event_nats,
                alert_id: self.alert_id_of(&scored),
                signals,
            });
        }
        if !output.duplicate {
            self.learn(&scored);
        }
        output
    }

    /// Advances the watermark, decays the calibration daily, and closes decayed incidents; returns
    /// the time at which the event is processed.
    fn advance(
        &mut self,
        event: &Event<'_>,
        features: &Features,
        position: &SourcePosition,
        output: &mut StepOutput,
    ) -> EventTime {
        let (identity, record_time) = (features.identity, position.record_time);
        let before = self.intake.clock.watermark();
        let observed_at = if output.duplicate || self.is_of_anyone(event) {
            self.intake.clock.bound(event.time)
        } else {
            self.intake.clock.observe(identity, event.time, record_time)
        };
        if self.intake.clock.watermark() < before {
            self.rewind();
        }
        let watermark = self.intake.clock.watermark();
        output.budget_alert = self.scoring.threshold.advance_to_day(watermark.day());
        if watermark.day() > self.scoring.aged_day {
            let half_life = self.settings.parameters.decay.baseline_half_life;
            if self.scoring.aged_day > 0 {
                let remaining = half_life.remaining(MS_PER_DAY);
                self.scoring.calibration.decay(remaining);
            }
            self.scoring.aged_day = watermark.day();
        }
        if watermark >= self.scoring.next_sweep {
            self.scoring.next_sweep = watermark.saturating_add_ms(SWEEP_INTERVAL_MS);
            self.sweep(&mut output.alerts);
        }
        observed_at
    }

    /// The watermark had jumped ahead and is back: what waits for a time waits for it again.
    #[cold]
    fn rewind(&mut self) {
        let watermark = self.intake.clock.watermark();
        let scoring = &mut self.scoring;
        scoring.threshold.rewind_to_day(watermark.day());
        scoring.aged_day = scoring.aged_day.min(watermark.day());
        scoring.next_sweep = scoring.next_sweep.min(watermark);
        scoring.store.rewind_shared_decay(watermark);
    }

    /// Clears the incident flag of identities whose incident was evicted or has ended.
    pub(super) fn clear_incident_flags(&mut self) {
        for key in self.scoring.evicted.drain(..) {
            if let Some(slot) = self.scoring.store.slot_of_key(key) {
                self.scoring.store.profile_mut(slot).has_incident = false;
            }
        }
    }

    /// Whether anyone can have caused the event in the name of the entity. A source itself causes its
    /// failures.
    fn is_of_anyone(&self, event: &Event<'_>) -> bool {
        self.settings.entity == EntityView::Identity && event.attribution() == Attribution::Anyone
    }

    fn resolve_baselines(
        &mut self,
        event: &Event<'_>,
        time: EventTime,
        features: &Features,
    ) -> BaselineRef {
        let half_life = self.settings.parameters.decay.baseline_half_life;
        let watermark = self.intake.clock.watermark();
        let shared_weight = self
            .scoring
            .store
            .advance_shared_decay(watermark, half_life);
        if self.is_of_anyone(event) {
            let known = self.find_known_baselines(event, time, features);
            let store = &mut self.scoring.store;
            let group = store.known_group_slot_for(features, known.slot);
            return BaselineRef { group, ..known };
        }
        let store = &mut self.scoring.store;
        let slot = store.get_or_insert(features.identity, &event.identity.id, time, half_life);
        let group = store.group_slot_for(features, slot);
        let credential = features
            .credential
            .map(|key| store.credentials.get_or_insert(key, secs(time)));
        let is_first_use = |slot: usize| !store.credentials.record(slot).is_known();
        let mut baselines = BaselineRef {
            slot,
            group,
            credential,
            is_first_use: credential.is_none_or(is_first_use),
            profile_weight: 1.0,
            shared_weight,
            now: time,
        };
        if let Some(slot) = slot {
            let profile = store.profile_mut(slot);
            if self.intake.clock.contradicts(profile.last_seen, time) {
                profile.last_seen = time;
            }
            baselines.now = profile.effective_time(time);
            baselines.profile_weight = profile.advance_decay(baselines.now, half_life);
            self.intake.late += u64::from(baselines.now > time);
        }
        baselines
    }

    /// The baselines that there are already, but for the group. Creates none.
    pub(super) fn find_known_baselines(
        &self,
        event: &Event<'_>,
        time: EventTime,
        features: &Features,
    ) -> BaselineRef {
        let half_life = self.settings.parameters.decay.baseline_half_life;
        let store = &self.scoring.store;
        let slot = store.find(features.identity, &event.identity.id);
        let profile = slot.map(|slot| &store.entry(slot).profile);
        let now = profile.map_or(time, |profile| profile.effective_time(time));
        let known = features
            .credential
            .and_then(|key| store.credentials.find(key));
        let credential = known.filter(|slot| store.credentials.record(*slot).is_known());
        BaselineRef {
            slot,
            group: 0,
            credential,
            is_first_use: credential.is_none(),
            profile_weight: profile.map_or(1.0, |p| p.landmark.weight_at(now, half_life)),
            shared_weight: store.shared_weight(),
            now,
        }
    }

    #[inline]
    pub(super) fn score_context<'c>(
        &'c self,
        event: &'c Event<'c>,
        features: &'c Features,
        baselines: &BaselineRef,
        peers: &'c GroupBaseline,
    ) -> ScoreContext<'c> {
        let store = &self.scoring.store;
        let known = baselines.credential.filter(|_| !baselines.is_first_use);
        let profile = match baselines.slot {
            Some(slot) => &store.entry(slot).profile,
            None => &*self.scoring.empty_profile,
        };
        ScoreContext {
            entity: self.settings.entity,
            event,
            features,
            host: host_for(profile, features, baselines.profile_weight),
            profile,
            profile_weight: baselines.profile_weight,
            peers,
            population: &store.population,
            shared_weight: baselines.shared_weight,
            credential: known.map(|slot| store.credentials.record(slot)),
            issuer: store.issuer(features.issuer),
            labels: &store.labels,
            calendar: &self.scoring.calendar,
            parameters: &self.settings.parameters,
        }
    }

    /// The deviations of the event, and its score within the identity's incident.
    #[inline]
    pub(super) fn score_event(
        &self,
        context: &ScoreContext<'_>,
        readings: &Readings,
        baselines: &BaselineRef,
    ) -> (Deviations, EventScore) {
        let parameters = &self.settings.parameters;
        let incident = self.incident_of(context.features, baselines);
        let now = baselines.now;
        let deviation_context = DeviationContext {
            calibration: &self.scoring.calibration,
            shared_deviations: &self.scoring.shared_deviations,
            identities: self.scoring.store.len(),
            now,
        };
        let known_nats = |key| incident.and_then(|incident| incident.known_surprise_nats(key, now));
        let deviations: Deviations = readings
            .iter()
            .filter_map(|(signal, reading)| {
                deviation_context.deviation(*signal, reading, context, known_nats)
            })
            .collect();
        let half_life = parameters.decay.incident_half_life;
        let score = score_event(&deviations, incident, now, &parameters.score, half_life);
        (deviations, score)
    }

    #[inline]
    pub(super) fn incident_of(
        &self,
        features: &Features,
        baselines: &BaselineRef,
    ) -> Option<&Incident> {
        let has_incident = baselines
            .slot
            .is_none_or(|slot| self.scoring.store.entry(slot).profile.has_incident);
        has_incident
            .then(|| self.scoring.incidents.get(features.identity))
            .flatten()
    }

    /// Records the deviations that are new to the identity's incident as possibly shared by many; returns a
    /// notice for each that has just become common. Failures that an outsider can have caused are not
    /// recorded: many of them would hide his others.
    fn record_shared_deviations(&mut self, scored: &ScoredEvent<'_>) -> Vec<PopulationNotice> {
        let (now, identity) = (scored.baselines.now, scored.features.identity);
        let is_recorded =
            |deviation: &&Deviation| deviation.is_new && deviation.p <= SHARED_DEVIATION_MAX_P;
        let mut notices = Vec::new();
        if scored.is_by_anyone {
            return notices;
        }
        for deviation in scored.deviations.iter().filter(is_recorded) {
            let Some(shared_key) = deviation.shared_key else {
                continue;
            };
            let share = SIGNALS[deviation.signal].shared_by_chance();
            let least = NOTICE_MIN_IDENTITIES + expected_by_chance(share, self.scoring.store.len());
            let shared = &mut self.scoring.shared_deviations;
            if let Some(identities) = shared.record(shared_key, identity, least, now) {
                notices.push(self.population_notice(scored, deviation.signal, identities));
            }
        }
        notices
    }

    #[cold]
    fn population_notice(
        &self,
        scored: &ScoredEvent<'_>,
        signal: usize,
        identities: f64,
    ) -> PopulationNotice {
        let peers = self.scoring.store.group(scored.baselines.group);
        let context = self.score_context(scored.event, scored.features, &scored.baselines, peers);
        let signal = SIGNALS[signal];
        let observed = signal
            .score(&context)
            .map(|reading| signal.explain(&context, &reading).observed);
        PopulationNotice {
            time: scored.baselines.now,
            signal: signal.name(),
            observed: observed.unwrap_or_default(),
            identities,
        }
    }

    /// Adds the event's evidence to the identity's incident and its open alert.
    fn accumulate_evidence(&mut self, scored: &ScoredEvent<'_>) {
        let parameters = &self.settings.parameters;
        if scored.score.total.event_nats < parameters.score.evidence_from_nats
            || scored.is_of_unknown_name()
        {
            return;
        }
        let incident = self.scoring.incidents.add_evidence(
            scored.features.identity,
            scored.deviations,
            &scored.score,
            scored.baselines.now,
            parameters.bounds.open_incidents,
            &mut self.scoring.evicted,
        );
        if let Some(alert) = incident.alert.as_mut().filter(|alert| !alert.closed) {
            alert.events += 1;
            alert.last_evidence = scored.baselines.now;
            alert.peak_nats = alert.peak_nats.max(scored.score.total.score_nats);
        }
        self.clear_incident_flags();
        if let Some(slot) = scored.baselines.slot {
            self.scoring.store.profile_mut(slot).has_incident = true;
        }
    }
}
