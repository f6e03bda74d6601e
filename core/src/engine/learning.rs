//! How an event updates the baselines: fully while ordinary, less the more it deviated.

use super::pipeline::{BaselineRef, ScoredEvent, host_for};
use super::{Engine, Scoring};
use crate::baseline::peak_days::{FAMILIES, PEAK_NATS};
use crate::baseline::profile::{PEAKS, Profile};
use crate::enrich::Features;
use crate::event::{Attribution, IdentityKind};
use crate::score::calibration::Calibration;
use crate::score::incident::{AnalystVerdict, EventScore};
use crate::signal::{LearnContext, SIGNALS, learn_all, learn_attempt};
use crate::verdict::EntityView;
use arrayvec::ArrayVec;

impl Engine {
    pub(super) fn learn(&mut self, scored: &ScoredEvent<'_>) {
        match scored.event.attribution() {
            Attribution::Anyone => self.learn_attempt(scored),
            Attribution::Holder | Attribution::Platform => self.learn_use(scored),
        }
    }

    /// Learns from an event that anyone can cause: a source learns of its own visitors, and an identity
    /// nothing but that it was tried. Runs of failures at a network of its own are those of its holder, and
    /// count as ordinary whether or not they alerted.
    fn learn_attempt(&mut self, scored: &ScoredEvent<'_>) {
        let ScoredEvent {
            features,
            score,
            baselines,
            ..
        } = scored;
        let Some(slot) = baselines.slot else { return };
        let is_source = self.settings.entity == EntityView::Source;
        let standing = self.standing(features, baselines);
        let trust = match is_source && features.is_known_source {
            true => self.trust(features, score, standing) as f32,
            false => 0.0,
        };
        if is_source {
            self.record_daily_peak(scored);
        } else if self.is_own_network(slot, features) || !self.has_alert(features) {
            let profile = self.scoring.store.profile_mut(slot);
            for deviation in scored.deviations {
                profile.record_peak(deviation.signal, deviation.raw_nats);
            }
        }
        let mut context = self.learn_context(scored, trust, &[]);
        learn_attempt(&mut context);
        if is_source && let Some(profile) = context.baselines.profile {
            profile.last_seen = baselines.now;
            profile.events = profile.events.saturating_add(1);
        }
    }

    /// Whether the identity was used from the network of this event.
    fn is_own_network(&self, slot: usize, features: &Features) -> bool {
        let known = &self.scoring.store.entry(slot).profile.prefix;
        features.prefix.is_some_and(|prefix| known.contains(prefix))
    }

    /// Whether the entity has an alert, or had one that is remembered.
    fn has_alert(&self, features: &Features) -> bool {
        let incident = self.scoring.incidents.get(features.identity);
        incident.is_some_and(|incident| incident.alert.is_some())
    }

    fn standing(&self, features: &Features, baselines: &BaselineRef) -> AnalystVerdict {
        self.incident_of(features, baselines)
            .map(|incident| incident.analyst_verdict)
            .unwrap_or_default()
    }

    fn learn_context<'l>(
        &'l mut self,
        scored: &ScoredEvent<'l>,
        trust: f32,
        new_deviations: &'l [u32],
    ) -> LearnContext<'l> {
        let (features, baselines) = (scored.features, &scored.baselines);
        let issuer = baselines.credential.map(|_| features.issuer);
        let host = match baselines.slot {
            Some(slot) => {
                let profile = &self.scoring.store.entry(slot).profile;
                host_for(profile, features, baselines.profile_weight)
            }
            None => features.host,
        };
        LearnContext {
            entity: self.settings.entity,
            event: scored.event,
            features,
            host,
            now: baselines.now,
            baselines: self.scoring.store.baselines_mut(
                baselines.slot,
                baselines.group,
                baselines.credential,
                issuer,
            ),
            profile_weight: baselines.profile_weight * trust,
            profile_weight_now: baselines.profile_weight,
            shared_weight: baselines.shared_weight * trust,
            shared_weight_now: baselines.shared_weight,
            new_deviations,
            calendar: &self.scoring.calendar,
            parameters: &self.settings.parameters,
            hash_key: &self.settings.hash_key,
        }
    }

    fn learn_use(&mut self, scored: &ScoredEvent<'_>) {
        let ScoredEvent {
            event,
            features,
            score,
            baselines,
            ..
        } = scored;
        let standing = self.standing(features, baselines);
        let is_confirmed = standing == AnalystVerdict::Confirmed;
        let trust = self.trust(features, score, standing) as f32;
        let new_deviations: ArrayVec<u32, { SIGNALS.len() }> = scored
            .deviations
            .iter()
            .filter(|deviation| score.total.is_new && deviation.is_new && !is_confirmed)
            .map(|deviation| deviation.key)
            .collect();
        self.record_daily_peak(scored);
        if let Some(slot) = baselines.credential {
            let previous = baselines
                .slot
                .map(|slot| self.scoring.store.entry(slot).profile.last_credential);
            let issuer = features.issuer;
            self.scoring
                .store
                .credentials
                .track_lifecycle(slot, issuer, previous, event);
        }
        let mut context = self.learn_context(scored, trust, &new_deviations);
        learn_all(&mut context);
        if let Some(issuer) = context.baselines.issuer {
            issuer.first_seen.get_or_insert(baselines.now);
        }
        if let Some(profile) = context.baselines.profile {
            profile.last_seen = baselines.now;
            profile.last_credential = features.credential.unwrap_or(profile.last_credential);
            profile.events = profile.events.saturating_add(1);
        }
    }

    /// How much an event may teach: fully while ordinary or accepted by an analyst, nothing from the
    /// threshold on, while an alert on attributable evidence is open, or while a confirmed attack is
    /// remembered. What an outsider did to the identity does not count.
    fn trust(&self, features: &Features, score: &EventScore, standing: AnalystVerdict) -> f64 {
        let is_source = self.settings.entity == EntityView::Source;
        let score = if is_source {
            &score.total
        } else {
            &score.attributable
        };
        let surprise_nats = match standing {
            AnalystVerdict::Confirmed => return 0.0,
            AnalystVerdict::Accepted => score.new_nats,
            AnalystVerdict::Pending => score.event_nats,
        };
        if surprise_nats <= self.settings.parameters.score.full_trust_below_nats
            && score.evidence_nats <= 0.0
        {
            return 1.0;
        }
        let open_alert = self.open_alert(features.identity);
        if open_alert.is_some_and(|alert| is_source || alert.attributable_severity.is_some()) {
            return 0.0;
        }
        let until = self.settings.parameters.score.full_trust_below_nats;
        let span = (self.threshold_nats() - until).max(0.5);
        (1.0 - (score.score_nats.max(surprise_nats) - until) / span).clamp(0.0, 1.0)
    }

    /// The day's largest attributable score and the surprises of the identity go to the threshold and the
    /// calibration when the day is over. Days of an identity with an alert count too: most alerts are false
    /// positives, and a signal that raises them must lose weight. Those of a source do not: anyone can cause
    /// them.
    fn record_daily_peak(&mut self, scored: &ScoredEvent<'_>) {
        let (features, baselines, score) = (scored.features, &scored.baselines, &scored.score);
        let day = baselines.now.day() as u16;
        let Some(slot) = baselines.slot else {
            return;
        };
        // What an attack did at a source must not make the next one look ordinary.
        let is_left_out = self.settings.entity == EntityView::Source && self.has_alert(features);
        let is_confirmed = self.standing(features, baselines) == AnalystVerdict::Confirmed;
        let Scoring {
            store,
            threshold,
            calibration,
            calendar,
            ..
        } = &mut self.scoring;
        let profile = store.profile_mut(slot);
        let is_new_day = profile.day != day;
        if is_new_day {
            if profile.day != 0 && !is_left_out {
                threshold.record_peak(f64::from(profile.day_peak_nats));
                calibration.add_day(features.kind, |signal| profile.peak_nats(signal));
                if !is_confirmed {
                    count_peak_day(profile, calibration, features.kind);
                }
            }
            profile.peak_days.fade(day.saturating_sub(profile.day));
            profile.day = day;
            calendar.record(features.kind, i64::from(day));
            profile.day_peak_nats = 0.0;
            profile.peaks = [0; PEAKS];
        }
        let score_nats = match self.settings.entity {
            EntityView::Identity => score.attributable.score_nats,
            EntityView::Source => score.total.score_nats,
        };
        profile.day_peak_nats = profile.day_peak_nats.max(score_nats as f32);
        for deviation in scored.deviations {
            profile.record_peak(deviation.signal, deviation.raw_nats);
        }
        if is_new_day && features.group.is_none() {
            store.update_learned_group(slot, features.kind_group);
        }
    }
}

/// Counts the day that is over for each family of signals that stood out.
fn count_peak_day(profile: &mut Profile, calibration: &Calibration, kind: IdentityKind) {
    let mut largest = [0.0f64; FAMILIES];
    for (at, signal) in SIGNALS.iter().enumerate() {
        let nats = calibration.calibrate(kind, at, profile.peak_nats(at));
        let family = &mut largest[signal.family() as usize];
        *family = family.max(nats);
    }
    for (family, nats) in largest.into_iter().enumerate() {
        if nats >= PEAK_NATS {
            profile.peak_days.add(family, nats);
        }
    }
}
