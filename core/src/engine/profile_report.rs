//! The baseline of one identity as text and numbers, for a person.

use super::Engine;
use crate::baseline::profile::Profile;
use crate::score::incident::Incident;
use crate::signal::categorical::describe_values;
use crate::stats::hour_of_week::HourRates;
use crate::stats::student::Moments;
use crate::units::{EventTime, MS_PER_SEC, Span};

/// Hours listed as the most active ones.
const MAX_HOURS_SHOWN: usize = 4;
/// Minimum ratio of a busiest hour to the mean.
const MIN_PEAK_RATIO: f32 = 1.5;

/// The baseline of one identity.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileReport {
    /// Its id.
    pub id: String,
    /// Events seen, undecayed.
    pub events: u32,
    /// First event.
    pub first_seen: EventTime,
    /// Latest event.
    pub last_seen: EventTime,
    /// Decayed number of events.
    pub observations: f64,
    /// Habits: name of the feature, and its values, most frequent first.
    pub habits: Vec<(&'static str, String)>,
    /// Its incident, if any.
    pub incident: Option<IncidentSummary>,
}

/// An incident in progress.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentSummary {
    /// Remaining evidence, in nats.
    pub evidence_nats: f64,
    /// Its alert, if one was raised, and whether it is open.
    pub alert: Option<(String, bool)>,
}

impl Engine {
    /// The baseline of `identity`; `None` where there is none. O(1).
    #[must_use]
    pub fn profile_report(&self, identity: &str) -> Option<ProfileReport> {
        let key = self.identity_key(identity);
        let profile = &self
            .scoring
            .store
            .entry(self.scoring.store.find(key, identity)?)
            .profile;
        let half_life = self.settings.parameters.decay.baseline_half_life;
        let weight = profile.landmark.weight_at(profile.last_seen, half_life);
        Some(ProfileReport {
            id: identity.to_owned(),
            events: profile.events,
            first_seen: profile.first_seen,
            last_seen: profile.last_seen,
            observations: profile.decayed_events(profile.last_seen, half_life),
            habits: self.habits(profile, weight),
            incident: self
                .scoring
                .incidents
                .get(key)
                .map(|incident| self.incident_summary(incident)),
        })
    }

    fn incident_summary(&self, incident: &Incident) -> IncidentSummary {
        let half_life = self.settings.parameters.decay.incident_half_life;
        let alert = incident.alert.as_ref();
        IncidentSummary {
            evidence_nats: incident.evidence_at(self.intake.clock.watermark(), half_life),
            alert: alert.map(|alert| (alert.alert_id.clone(), !alert.closed)),
        }
    }

    fn habits(&self, profile: &Profile, weight: f32) -> Vec<(&'static str, String)> {
        let names = &self.scoring.store.labels;
        let failures = &profile.failures;
        let mut habits = vec![
            ("hosts", describe_values(&profile.host, names)),
            ("address ranges", describe_values(&profile.prefix, names)),
            ("networks", describe_values(&profile.network, names)),
            ("countries", describe_values(&profile.country, names)),
            ("clients", describe_values(&profile.client, names)),
            ("actions", describe_values(&profile.action, names)),
            ("resources", describe_values(&profile.resource, names)),
            ("issuers", describe_values(&profile.issuer, names)),
        ];
        habits.retain(|(_, words)| words != "none observed");
        let rates = profile.hours.rates(weight, None, 0.5);
        if profile.hours.observations(weight) >= 1.0 {
            habits.push(("most active", busiest(&rates)));
        }
        if let Some(count) = typical(&profile.hourly.log_count, weight) {
            habits.push((
                "volume",
                format!("about {count:.0} events in an active hour"),
            ));
        }
        if failures.tried > 0.0 {
            let share = 100.0 * failures.failed / failures.tried;
            habits.push(("failures", format!("{share:.1} % of uses")));
        }
        if let Some(missed) = typical(&profile.log_silence, weight) {
            let words = format!("about {missed:.1} active hours");
            habits.push(("pauses", words));
        }
        let lifetimes = profile.lifetimes.iter().filter(|l| l.issuer != 0);
        let lifetimes: Vec<String> = lifetimes
            .filter_map(|l| typical(&l.log_secs, weight))
            .map(|secs| {
                let ms = (secs * MS_PER_SEC as f64) as i64;
                format!("about {}", Span { ms })
            })
            .collect();
        if !lifetimes.is_empty() {
            habits.push(("token lifetime", lifetimes.join(", ")));
        }
        habits
    }
}

/// The typical value behind logarithms; `None` where none was observed.
fn typical(logs: &Moments, weight: f32) -> Option<f64> {
    (logs.count(weight) > 0.0).then(|| libm::exp(logs.mean()))
}

fn busiest(rates: &HourRates) -> String {
    let mut bins: Vec<usize> = (0..rates.len()).collect();
    bins.sort_by(|a, b| rates[*b].total_cmp(&rates[*a]).then(a.cmp(b)));
    let mean = rates.iter().sum::<f32>() / rates.len() as f32;
    if bins
        .first()
        .is_some_and(|bin| rates[*bin] < MIN_PEAK_RATIO * mean)
    {
        return "evenly at all hours".to_owned();
    }
    bins.truncate(MAX_HOURS_SHOWN);
    bins.sort_unstable();
    let name = |bin: &usize| {
        let day = if *bin < 24 {
            "working days"
        } else {
            "weekends"
        };
        format!("{:02}:00 UTC on {day}", bin % 24)
    };
    bins.iter().map(name).collect::<Vec<_>>().join(", ")
}
