//! The verdict on an event: readings, signals, severities, techniques.

use crate::string_enum;
use borsh::{BorshDeserialize, BorshSerialize};

string_enum! {
    /// The baseline that a reading rests on, from the narrowest.
    Level {
        /// The identity's own history.
        Identity = "identity",
        /// Its peers' history.
        Peers = "peers",
        /// The population's history, and the prior.
        Population = "population",
    }
}

string_enum! {
    /// The view of a shard: by identity or by source. A stolen credential shows at its identity, a password
    /// spray over a thousand identities only at its source.
    #[derive(Default)]
    EntityView {
        /// By identity.
        #[default]
        Identity = "identity",
        /// By source network.
        Source = "source",
    }
}

string_enum! {
    /// Severity of an alert. Its meaning in surprise is defined in `score::severity`.
    Severity {
        /// Below the alert threshold.
        Informational = "informational",
        /// Reaches the threshold.
        Low = "low",
        /// Clearly above it.
        Medium = "medium",
        /// Far above it.
        High = "high",
        /// Hard evidence, or many independent deviations at once.
        Critical = "critical",
    }
}

string_enum! {
    /// The signals.
    SignalName {
        /// Unusual host.
        Host = "host",
        /// Unusual network or country.
        Network = "network",
        /// Unusual client software.
        Client = "client",
        /// Unusual operation or resource.
        Action = "action",
        /// Permission above the usual ones.
        Privilege = "privilege",
        /// Unusual token lifetime.
        TokenLifetime = "token_lifetime",
        /// Used outside its lifetime.
        CredentialAge = "credential_age",
        /// Refreshed off its cadence.
        Refresh = "refresh",
        /// Unusual hour of the week.
        Rhythm = "rhythm",
        /// Too many events.
        Rate = "rate",
        /// Too many failures, or a success after them.
        Failure = "failure",
        /// Too many distinct actions and resources.
        FanOut = "fan_out",
        /// Impossible travel.
        Travel = "travel",
        /// One credential in two places.
        Concurrency = "concurrency",
        /// First use after a long silence.
        Dormancy = "dormancy",
        /// No purpose where one is usually stated.
        Purpose = "purpose",
        /// Unusual issuer of the credential.
        Issuer = "issuer",
    }
}

string_enum! {
    /// An analyst's verdict on an alert.
    AlertVerdict {
        /// An attack.
        TruePositive = "true_positive",
        /// Not an attack; do not alert on this again.
        FalsePositive = "false_positive",
        /// Unusual, but intended.
        Expected = "expected",
        /// The earlier verdict no longer holds.
        Withdrawn = "withdrawn",
    }
}

/// Lower bound of probabilities: no baseline holds enough observations to distinguish smaller
/// ones.
pub const MIN_P: f64 = 1e-12;

/// Result of a signal that does not abstain.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Reading {
    /// Tail probability under the baseline, in [[`MIN_P`], 1].
    pub p: f64,
    /// Decayed number of observations behind it.
    pub observations: f32,
    /// Key of the deviation, so that it counts once within an incident.
    pub deviation_key: u32,
    /// Baseline that determined `p`.
    pub level: Level,
}

impl Reading {
    /// A reading with `p` clamped to its range.
    #[must_use]
    pub fn new(p: f64, level: Level, observations: f64, deviation_key: u32) -> Self {
        let p = if p.is_finite() {
            p.clamp(MIN_P, 1.0)
        } else {
            1.0
        };
        Self {
            p,
            observations: observations as f32,
            deviation_key,
            level,
        }
    }

    /// Surprise: −ln *p*, in nats; larger is more anomalous.
    #[must_use]
    pub fn surprise_nats(&self) -> f64 {
        // Not its negative, which for a probability of 1 would be -0.
        0.0 - libm::log(self.p)
    }
}

/// What was observed and expected, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Explanation {
    /// The value of this event.
    pub observed: String,
    /// The usual values of the baseline.
    pub expected: String,
    /// One sentence.
    pub sentence: String,
}

/// An ATT&CK technique, as the model declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Technique {
    /// Such as `T1078.004`.
    pub id: &'static str,
    /// Such as `Cloud Accounts`.
    pub name: &'static str,
}

/// An ATT&CK technique, as an incident records it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ObservedTechnique {
    /// Such as `T1078.004`.
    pub id: String,
    /// Such as `Cloud Accounts`.
    pub name: String,
}

impl From<Technique> for ObservedTechnique {
    fn from(technique: Technique) -> Self {
        Self {
            id: technique.id.to_owned(),
            name: technique.name.to_owned(),
        }
    }
}

impl PartialEq<Technique> for ObservedTechnique {
    fn eq(&self, technique: &Technique) -> bool {
        self.id == technique.id
    }
}

/// The contribution of one signal to a verdict.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct SignalVerdict {
    /// Signal.
    pub name: SignalName,
    /// Its reading.
    pub reading: Reading,
    /// What it contributes to the score, in nats: calibrated, less what is shared by many or recurs.
    pub nats: f64,
    /// Its explanation, with the odds of `nats`.
    pub explanation: Explanation,
}

/// The score of one event with its evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Score that alerting compares with the threshold: accumulated evidence included.
    pub score_nats: f64,
    /// Score of this event alone.
    pub event_nats: f64,
    /// The alert this event belongs to, if it raised or extended one.
    pub alert_id: Option<String>,
    /// Signals that did not abstain; explained on request.
    pub signals: Vec<SignalVerdict>,
}
