//! The signals, one file each. A signal scores (reads only), explains, and learns (writes); it returns a tail
//! probability under the baseline, or abstains.

pub mod action;
pub mod categorical;
pub mod client;
pub mod concurrency;
pub mod credential_age;
pub mod dormancy;
pub mod failure;
pub mod fan_out;
pub mod host;
pub mod issuer;
pub mod network;
pub mod privilege;
pub mod purpose;
pub mod rate;
pub mod refresh;
pub mod rhythm;
pub mod token_lifetime;
pub mod travel;
mod volume;

use crate::baseline::activity_calendar::ActivityCalendar;
use crate::baseline::credential::CredentialRecord;
use crate::baseline::group_baseline::GroupBaseline;
use crate::baseline::issuer::IssuerBaseline;
use crate::baseline::label_dictionary::LabelDictionary;
use crate::baseline::peak_days::FAMILIES;
use crate::baseline::profile::Profile;
use crate::baseline::store::BaselineMut;
use crate::enrich::Features;
use crate::event::Event;
use crate::parameters::Parameters;
use crate::stats::hash::HashKey;
use crate::units::{EventTime, MS_PER_DAY};
use crate::verdict::{EntityView, Explanation, Level, Reading, SignalName, Technique};

/// Families of signals with a common cause. One cause moves several signals of a family, so a family counts
/// once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalFamily {
    /// Origin and client: a new machine changes network and client too.
    Origin,
    /// Activity.
    Operation,
    /// The credential itself.
    Token,
    /// Time.
    Time,
    /// Volume.
    Volume,
    /// Outcome.
    Outcome,
    /// Simultaneous use.
    CredentialBinding,
    /// Purpose.
    Purpose,
}

/// Number of families.
pub const SIGNAL_FAMILIES: usize = FAMILIES;

/// Input of a signal when it scores. Reads only.
#[derive(Clone, Copy)]
pub struct ScoreContext<'v> {
    /// View of the shard.
    pub entity: EntityView,
    /// The event.
    pub event: &'v Event<'v>,
    /// Its features.
    pub features: &'v Features,
    /// Its host as the identity knows it: the family where its names turn over.
    pub host: Option<u32>,
    /// The identity's baseline; empty for a new identity.
    pub profile: &'v Profile,
    /// Weight of an observation made now in it.
    pub profile_weight: f32,
    /// The peers' baseline.
    pub peers: &'v GroupBaseline,
    /// The population's baseline.
    pub population: &'v GroupBaseline,
    /// Weight of an observation made now in the shared baselines.
    pub shared_weight: f32,
    /// The credential in use; `None` where the event names none, or at its first use.
    pub credential: Option<&'v CredentialRecord>,
    /// The issuer's baseline; `None` where unknown.
    pub issuer: Option<&'v IssuerBaseline>,
    /// Labels for explanations.
    pub labels: &'v LabelDictionary,
    /// Days on which identities were active.
    pub calendar: &'v ActivityCalendar,
    /// Parameters of the model.
    pub parameters: &'v Parameters,
}

/// For so long after its first use the others do not show yet what is usual under an issuer.
const ISSUER_LEARNING_MS: i64 = 7 * MS_PER_DAY;
/// For so long an identity that came with its issuer has no habits of its own.
const IDENTITY_LEARNING_MS: i64 = MS_PER_DAY;

impl ScoreContext<'_> {
    /// Whether the identity came with an issuer that is newer than what was learned, such as that of a log
    /// which was connected today: everything is as new as on the first day of a deployment, and what others
    /// do elsewhere says nothing about it.
    #[must_use]
    pub fn came_with_new_issuer(&self) -> bool {
        let now = self.event.time;
        let first_seen = match self.profile.events {
            0 => now,
            _ => self.profile.first_seen,
        };
        if self.event.credential.is_none() || now.ms_since(first_seen) >= IDENTITY_LEARNING_MS {
            return false;
        }
        let issued_since = self.issuer.and_then(|issuer| issuer.first_seen);
        let since = issued_since.unwrap_or(first_seen);
        now.ms_since(since) < ISSUER_LEARNING_MS
            && first_seen.ms_since(since) >= 0
            && self.calendar.has_days_outside(since.day()..=now.day())
    }

    /// Whether the identity was used from this network before.
    #[must_use]
    pub fn is_at_usual_network(&self) -> bool {
        let known = |prefix| self.profile.prefix.contains(prefix);
        match self.entity {
            EntityView::Identity => self.features.prefix.is_some_and(known),
            EntityView::Source => self.features.is_known_source,
        }
    }
}

/// Input of a signal when it learns, with the baselines that it modifies.
pub struct LearnContext<'l> {
    /// View of the shard.
    pub entity: EntityView,
    /// The event.
    pub event: &'l Event<'l>,
    /// Its features.
    pub features: &'l Features,
    /// Its host as the identity knows it: the family where its names turn over.
    pub host: Option<u32>,
    /// The time at which the event is processed.
    pub now: EventTime,
    /// Baselines to modify.
    pub baselines: BaselineMut<'l>,
    /// Weight of this observation in the identity's baseline: decay times trust.
    pub profile_weight: f32,
    /// Weight of a fully trusted observation in it.
    pub profile_weight_now: f32,
    /// Weight of this observation in the shared baselines.
    pub shared_weight: f32,
    /// Weight of a fully trusted observation in the shared baselines.
    pub shared_weight_now: f32,
    /// Keys of the deviations of this event that are new to its incident.
    pub new_deviations: &'l [u32],
    /// Days on which identities were active.
    pub calendar: &'l ActivityCalendar,
    /// Parameters of the model.
    pub parameters: &'l Parameters,
    /// The secret under which texts are hashed.
    pub hash_key: &'l HashKey,
}

/// A signal: one kind of deviation.
pub trait Signal: Sync {
    /// Its name.
    fn name(&self) -> SignalName;

    /// Its family.
    fn family(&self) -> SignalFamily;

    /// ATT&CK techniques that a deviation of such an entity may indicate.
    fn techniques(&self, entity: EntityView) -> &'static [Technique];

    /// Tail probability under the baseline; `None` to abstain. Pure.
    fn score(&self, context: &ScoreContext<'_>) -> Option<Reading>;

    /// Whether the holder of the credential alone can cause a deviation of `event`.
    fn is_attributable(&self, _: &Event<'_>) -> bool {
        true
    }

    /// Whether a deviation breaks a rule, rather than being improbable: its odds are not those of any data.
    fn is_rule(&self) -> bool {
        false
    }

    /// Key of the deviation across identities, so that what many show on one day is discounted and reported
    /// once;
    /// `None` where a deviation is specific to one identity.
    fn shared_key(&self, _: &ScoreContext<'_>, reading: &Reading) -> Option<u32> {
        Some(reading.deviation_key)
    }

    /// Upper bound of the share of all identities that show one shared deviation within half a day by chance.
    fn shared_by_chance(&self) -> f64 {
        0.0
    }

    /// Explains the reading. Called only where a person will read it.
    fn explain(&self, context: &ScoreContext<'_>, reading: &Reading) -> Explanation;

    /// Updates the baselines.
    fn learn(&self, context: &mut LearnContext<'_>);
}

/// Number of signals.
pub const SIGNAL_COUNT: usize = 17;

/// Lists the signals once: as a table for look-up by index, and as direct calls in sequence, so that a
/// reading need not pass through memory.
macro_rules! signals {
    ($($at:literal: $signal:expr),+ $(,)?) => {
        /// All signals, in the order in which they are reported. What counts first uses comes before
        /// `concurrency`, which marks a credential as used.
        pub static SIGNALS: [&dyn Signal; SIGNAL_COUNT] = [$(&$signal),+];

        /// Calls `visit` with the index and the reading of each signal whose bit is set in `enabled`.
        #[inline]
        pub fn score_all(context: &ScoreContext<'_>, enabled: u32, mut visit: impl FnMut(usize, Reading)) {
            $(if enabled & 1 << $at != 0
                && let Some(reading) = $signal.score(context)
            {
                visit($at, reading);
            })+
        }

        /// Updates the baselines for every signal.
        #[inline]
        pub fn learn_all(context: &mut LearnContext<'_>) {
            $($signal.learn(context);)+
        }
    };
}

/// Updates the baselines for an event that anyone can cause: attempts are counted, and a source counts its
/// hour.
pub fn learn_attempt(context: &mut LearnContext<'_>) {
    failure::learn_attempt(context);
    if context.entity == EntityView::Source {
        rate::Rate.learn(context);
    }
}

signals! {
    0: host::Host,
    1: network::Network,
    2: client::Client,
    3: action::Action,
    4: privilege::Privilege,
    5: token_lifetime::TokenLifetime,
    6: issuer::Issuer,
    7: credential_age::CredentialAge,
    8: refresh::Refresh,
    9: rhythm::Rhythm,
    10: rate::Rate,
    11: failure::Failure,
    12: fan_out::FanOut,
    13: travel::Travel,
    14: concurrency::Concurrency,
    15: dormancy::Dormancy,
    16: purpose::Purpose,
}

/// T1078.
pub const VALID_ACCOUNTS: Technique = Technique {
    id: "T1078",
    name: "Valid Accounts",
};
/// T1098.
pub const ACCOUNT_MANIPULATION: Technique = Technique {
    id: "T1098",
    name: "Account Manipulation",
};
/// T1110.
pub const BRUTE_FORCE: Technique = Technique {
    id: "T1110",
    name: "Brute Force",
};
/// T1550.
pub const ALTERNATE_AUTHENTICATION: Technique = Technique {
    id: "T1550",
    name: "Use Alternate Authentication Material",
};
/// T1606.
pub const FORGED_CREDENTIALS: Technique = Technique {
    id: "T1606",
    name: "Forge Web Credentials",
};

/// Level of a reading: the identity's own from `enough` observations on.
fn evidence_level(observations: f64, enough: f64) -> Level {
    if observations >= enough {
        Level::Identity
    } else {
        Level::Peers
    }
}

/// A probability as text: `1 in 48,000`.
#[must_use]
pub fn format_odds(p: f64) -> String {
    let odds = (1.0 / p).clamp(1.0, 1e12);
    let rounded = if odds >= 1_000.0 {
        let step = libm::pow(10.0, libm::floor(libm::log10(odds)) - 1.0);
        libm::round(odds / step) * step
    } else {
        libm::round(odds)
    };
    let digits = format!("{rounded:.0}");
    let mut grouped = String::with_capacity(digits.len() + 4);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("1 in {grouped}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odds_are_shown_as_one_in_n() {
        assert_eq!(format_odds(0.5), "1 in 2");
        assert_eq!(format_odds(1.0 / 48_123.0), "1 in 48,000");
        assert_eq!(format_odds(0.0), "1 in 1,000,000,000,000");
    }
}
