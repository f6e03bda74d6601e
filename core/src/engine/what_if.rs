//! Scores an event without learning from it.

use super::Engine;
use super::readings::{read_signals, verdicts};
use crate::enrich::enrich;
use crate::event::Event;
use crate::verdict::Verdict;

impl Engine {
    /// The verdict on `event`, with sentences, as if it were the next event. Nothing is learned or counted,
    /// so scores of several events do not accumulate.
    #[must_use]
    pub fn score_only(&self, event: &Event<'_>) -> Verdict {
        let features = enrich(
            event,
            self.keys(event),
            &self.settings.catalogue,
            &self.settings.hash_key,
        );
        let baselines = self.find_known_baselines(event, event.time, &features);
        let (group, kind) = (features.group, features.kind_group);
        let peers = match self.scoring.store.find_group(group, kind, baselines.slot) {
            Some(group) => self.scoring.store.group(group),
            None => &self.scoring.store.population,
        };
        let context = self.score_context(event, &features, &baselines, peers);
        let readings = read_signals(&context, self.enabled_for(event));
        let (deviations, score) = self.score_event(&context, &readings, &baselines);
        let alert = self.open_alert(features.identity);
        Verdict {
            score_nats: score.total.score_nats,
            event_nats: score.total.event_nats,
            alert_id: alert.map(|alert| alert.alert_id.clone()),
            signals: verdicts(&context, &readings, &deviations, true),
        }
    }
}
