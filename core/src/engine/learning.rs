//! What an event teaches: everything while ordinary, less the more it surprised.

use super::{Engine, Judged};
use crate::baseline::profile::PEAKS;
use crate::enrich::Features;
use crate::score::incident::{Standing, Weighed};
use crate::signal::{Lesson, SIGNALS, learn_all};
use arrayvec::ArrayVec;

impl Engine {
    pub(super) fn learn(&mut self, judged: &Judged<'_>) {
        let Judged {
            event,
            features,
            weighed,
            place,
            ..
        } = judged;
        let standing = self
            .case_of(features, place)
            .map(|case| case.standing)
            .unwrap_or_default();
        let is_confirmed = standing == Standing::Confirmed;
        let trust = self.trust(features, weighed, standing) as f32;
        let fresh: ArrayVec<u32, { SIGNALS.len() }> = judged
            .facts
            .iter()
            .filter(|fact| weighed.fresh && fact.is_fresh && !is_confirmed)
            .map(|fact| fact.key)
            .collect();
        self.count_peak(judged);
        if let Some(slot) = place.credential {
            let previous = place
                .slot
                .map(|slot| self.store.entry(slot).profile.last_credential);
            let issuer = features.issuer;
            self.store.credentials.follow(slot, issuer, previous, event);
        }
        let issuer = place.credential.map(|_| features.issuer);
        let mut lesson = Lesson {
            event,
            features,
            now: place.now,
            learnt: self
                .store
                .split_with(place.slot, place.group, place.credential, issuer),
            profile_weight: place.profile_weight * trust,
            profile_weight_now: place.profile_weight,
            shared_weight: place.shared_weight * trust,
            shared_weight_now: place.shared_weight,
            fresh_facts: &fresh,
            parameters: &self.settings.parameters,
        };
        learn_all(&mut lesson);
        if let Some(profile) = lesson.learnt.profile {
            profile.last_seen = place.now;
            profile.last_credential = features.credential.unwrap_or(profile.last_credential);
            profile.events = profile.events.saturating_add(1);
        }
    }

    /// How much an event may teach: fully while ordinary or accepted by an analyst, nothing from the
    /// threshold on, while an alert is open, or while a confirmed attack is remembered.
    fn trust(&self, features: &Features, weighed: &Weighed, standing: Standing) -> f64 {
        let surprise_nats = match standing {
            Standing::Confirmed => return 0.0,
            Standing::Accepted => weighed.fresh_nats,
            Standing::Unanswered => weighed.event_nats,
        };
        if surprise_nats <= self.settings.parameters.score.full_trust_below_nats
            && weighed.evidence_nats <= 0.0
        {
            return 1.0;
        }
        if self.open_alert(features.identity).is_some() {
            return 0.0;
        }
        let until = self.settings.parameters.score.full_trust_below_nats;
        let span = (self.threshold_nats() - until).max(0.5);
        (1.0 - (weighed.score_nats.max(surprise_nats) - until) / span).clamp(0.0, 1.0)
    }

    /// The largest score and surprises of the identity's day go to threshold and calibration when
    /// the day is over. Days with an alert count too: most alerts are false, and a signal that
    /// raises them must weaken.
    fn count_peak(&mut self, judged: &Judged<'_>) {
        let (features, place, weighed) = (judged.features, &judged.place, &judged.weighed);
        let day = place.now.day() as u16;
        let Some(slot) = place.slot else {
            return;
        };
        let (threshold, calibration) = (&mut self.threshold, &mut self.calibration);
        let Some(profile) = self.store.split(Some(slot), place.group).profile else {
            return;
        };
        let is_new_day = profile.day != day;
        if is_new_day {
            if profile.day != 0 {
                threshold.add_peak(f64::from(profile.day_peak_nats));
                calibration.add_day(features.kind, |signal| profile.peak_nats(signal));
            }
            profile.day = day;
            profile.day_peak_nats = 0.0;
            profile.peaks = [0; PEAKS];
        }
        profile.day_peak_nats = profile.day_peak_nats.max(weighed.score_nats as f32);
        for fact in judged.facts {
            profile.keep_peak(fact.signal, fact.raw_nats);
        }
        if is_new_day && features.group.is_none() {
            self.store.learn_peers(slot, features.kind_group);
        }
    }
}
