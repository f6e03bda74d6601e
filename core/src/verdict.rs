//! The vocabulary of judgement: readings, verdicts, severities, techniques.

use crate::string_enum;
use borsh::{BorshDeserialize, BorshSerialize};

string_enum! {
    /// Whose knowledge a reading rests on, from the narrowest.
    Level {
        /// The identity's own history.
        Identity = "identity",
        /// Its peers'.
        Peers = "peers",
        /// Everyone's in the partition, and the prior behind it.
        Population = "population",
    }
}

string_enum! {
    /// Whose behaviour a shard looks at. A stolen credential shows at its identity, a spray over a
    /// thousand identities only at its source.
    #[derive(Default)]
    EntityView {
        /// Each identity's.
        #[default]
        Identity = "identity",
        /// Each source network's.
        Source = "source",
    }
}

string_enum! {
    /// How bad it is. The meaning in surprise stands at `score::severity`.
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
    /// One way in which an event can deviate.
    SignalName {
        /// Unusual host.
        Host = "host",
        /// Unusual network or country.
        Network = "network",
        /// Unusual client software.
        Client = "client",
        /// Unusual operation or resource.
        Action = "action",
        /// Permission above the usual.
        Privilege = "privilege",
        /// Unusual lifetime of a token.
        TokenLifetime = "token_lifetime",
        /// Used outside its life.
        CredentialAge = "credential_age",
        /// Refreshed off its cadence.
        Refresh = "refresh",
        /// Unusual hour of the week.
        Rhythm = "rhythm",
        /// Too many events.
        Rate = "rate",
        /// Too many failures, or a success after them.
        Failure = "failure",
        /// Too many distinct things.
        FanOut = "fan_out",
        /// Faster than one can travel.
        Travel = "travel",
        /// One credential in two places.
        Concurrency = "concurrency",
        /// First use after a long silence.
        Dormancy = "dormancy",
        /// No purpose where there always is one.
        Purpose = "purpose",
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

/// Probabilities below this are all the same to us: no baseline holds enough observations to
/// tell them apart.
pub const MIN_P: f64 = 1e-12;

/// What a signal answers when it does not abstain.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Reading {
    /// Tail probability under the baseline, in [`SMALLEST_P`, 1].
    pub p: f64,
    /// Decayed number of observations behind it.
    pub observations: f32,
    /// Names the fact observed, so that one fact is not counted twice within an incident.
    pub deviation_key: u32,
    /// Whose knowledge decided.
    pub level: Level,
}

impl Reading {
    /// A reading with `p` held within its range.
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
        -libm::log(self.p)
    }
}

/// What was observed and expected, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Explanation {
    /// The value of this event.
    pub observed: String,
    /// What the baseline holds instead.
    pub expected: String,
    /// One sentence for a person.
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

/// One signal's part in a verdict.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct SignalVerdict {
    /// Which signal.
    pub name: SignalName,
    /// What it read.
    pub reading: Reading,
    /// Why, in words.
    pub explanation: Explanation,
}

/// The score of one event with its evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What alerting compares with the threshold: accumulated evidence included.
    pub score_nats: f64,
    /// This event alone.
    pub event_nats: f64,
    /// The alert this event belongs to, if it raised or fed one.
    pub alert_id: Option<String>,
    /// Signals that did not abstain; explained when asked for.
    pub signals: Vec<SignalVerdict>,
}
