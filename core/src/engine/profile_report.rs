//! What is known of one identity, in words and numbers, for a person who asks.

use super::Engine;
use crate::baseline::profile::Profile;
use crate::enrich::identity_key;
use crate::score::incident::Incident;
use crate::signal::categorical::in_words;
use crate::stats::hour_of_week::HourRates;
use crate::stats::student::Moments;
use crate::units::{EventTime, MS_PER_SEC, Span};

/// Hours named as the most active ones.
const HOURS_NAMED: usize = 4;
/// A busiest hour below this many times the mean is no busiest hour.
const EVEN_UNTIL: f32 = 1.5;

/// What is known of one identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Portrait {
    /// Its id.
    pub id: String,
    /// Events seen, undecayed.
    pub events: u32,
    /// First event.
    pub first_seen: EventTime,
    /// Latest event.
    pub last_seen: EventTime,
    /// Events that the baseline rests on, decayed.
    pub observations: f64,
    /// Habits: what they are of, and the values, the most usual first.
    pub habits: Vec<(&'static str, String)>,
    /// Its case, if it has one.
    pub case: Option<Case>,
}

/// A running case.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Evidence left by now.
    pub evidence_nats: f64,
    /// Its alert, if one was raised, and whether it is open.
    pub alert: Option<(String, bool)>,
}

impl Engine {
    /// What is known of `identity`; `None` where nothing is. O(1).
    #[must_use]
    pub fn portrait(&self, identity: &str) -> Option<Portrait> {
        let key = identity_key(identity);
        let profile = &self.store.entry(self.store.find(key)?).profile;
        let half_life = self.settings.parameters.decay.baseline_half_life;
        let weight = profile.landmark.weight_at(profile.last_seen, half_life);
        Some(Portrait {
            id: identity.to_owned(),
            events: profile.events,
            first_seen: profile.first_seen,
            last_seen: profile.last_seen,
            observations: profile.usefulness(profile.last_seen, half_life),
            habits: self.habits(profile, weight),
            case: self.incidents.get(key).map(|case| self.case(case)),
        })
    }

    fn case(&self, case: &Incident) -> Case {
        let half_life = self.settings.parameters.decay.incident_half_life;
        let alert = case.alert.as_ref();
        Case {
            evidence_nats: case.evidence_at(self.time.now(), half_life),
            alert: alert.map(|alert| (alert.alert_id.clone(), !alert.closed)),
        }
    }

    fn habits(&self, profile: &Profile, weight: f32) -> Vec<(&'static str, String)> {
        let names = &self.store.names;
        let failures = &profile.failures;
        let mut habits = vec![
            ("hosts", in_words(&profile.host, names)),
            ("address ranges", in_words(&profile.prefix, names)),
            ("networks", in_words(&profile.network, names)),
            ("countries", in_words(&profile.country, names)),
            ("clients", in_words(&profile.client, names)),
            ("actions", in_words(&profile.action, names)),
            ("resources", in_words(&profile.resource, names)),
        ];
        habits.retain(|(_, words)| words != "nothing known");
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
            let words = format!("miss about {missed:.1} hours in which it should be active");
            habits.push(("silences", words));
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

/// The typical value behind logarithms; `None` where nothing was observed.
fn typical(logs: &Moments, weight: f32) -> Option<f64> {
    (logs.count(weight) > 0.0).then(|| libm::exp(logs.mean()))
}

fn busiest(rates: &HourRates) -> String {
    let mut bins: Vec<usize> = (0..rates.len()).collect();
    bins.sort_by(|a, b| rates[*b].total_cmp(&rates[*a]).then(a.cmp(b)));
    let mean = rates.iter().sum::<f32>() / rates.len() as f32;
    if bins
        .first()
        .is_some_and(|bin| rates[*bin] < EVEN_UNTIL * mean)
    {
        return "at all hours alike".to_owned();
    }
    bins.truncate(HOURS_NAMED);
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
