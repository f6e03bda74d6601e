//! Parameters of the model: each is declared once, with its key in `models/parameters.toml`, unit and
//! published default.

use crate::stats::decay::HalfLife;
use crate::units::MS_PER_SEC;

/// Why parameters are invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterError {
    /// A parameter is missing; section and key.
    Missing(&'static str, &'static str),
    /// A parameter is outside its range; section and key.
    OutOfRange(&'static str, &'static str),
}

impl std::fmt::Display for ParameterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(section, key) => write!(f, "`{section}.{key}` is missing"),
            Self::OutOfRange(section, key) => {
                write!(f, "`{section}.{key}` must be a positive number")
            }
        }
    }
}

impl std::error::Error for ParameterError {}

/// Looks up the number under a section and a key.
pub type Lookup<'l> = dyn FnMut(&'static str, &'static str) -> Option<f64> + 'l;

/// Declares the sections: one struct each, its published defaults, and how it is read.
macro_rules! parameters {
    ($(
        $(#[$section_doc:meta])*
        $section:ident: $name:ident {
            $($(#[$doc:meta])* $field:ident: $type:ty = $key:literal $unit:ident($default:expr)),+ $(,)?
        }
    )+) => {
        $(
            $(#[$section_doc])*
            #[derive(Clone, Copy, Debug, PartialEq)]
            pub struct $name { $($(#[$doc])* pub $field: $type),+ }

            impl Default for $name {
                fn default() -> Self {
                    Self { $($field: $unit($default).expect("a default is within its range")),+ }
                }
            }
        )+

        /// All parameters of the model.
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        pub struct Parameters { $($(#[$section_doc])* pub $section: $name),+ }

        impl Parameters {
            /// Section, key and published default of every parameter, in the unit of the key.
            pub const KEYS: &'static [(&'static str, &'static str, f64)] =
                &[$($((stringify!($section), $key, $default)),+),+];

            /// Reads every parameter through `lookup`.
            ///
            /// # Errors
            /// The first parameter that is missing or outside its range.
            pub fn read(lookup: &mut Lookup<'_>) -> Result<Self, ParameterError> {
                Ok(Self { $($section: $name {
                    $($field: {
                        let (section, key) = (stringify!($section), $key);
                        let number = lookup(section, key).ok_or(ParameterError::Missing(section, key))?;
                        $unit(number).ok_or(ParameterError::OutOfRange(section, key))?
                    }),+
                }),+ })
            }
        }
    };
}

parameters! {
    /// Half-lives.
    decay: DecayParams {
        /// Half-life of an observation in a baseline.
        baseline_half_life: HalfLife = "baseline_half_life_days" half_life_days(30.0),
        /// Half-life of the recent window of the `failure` signal.
        failure_window_half_life: HalfLife = "failure_window_half_life_secs" half_life_secs(900.0),
        /// Half-life of accumulated incident evidence.
        incident_half_life: HalfLife = "incident_half_life_secs" half_life_secs(1_800.0),
        /// Half-life of the daily peaks from which the alert threshold is estimated.
        peak_half_life: HalfLife = "peak_half_life_days" half_life_days(7.0),
    }

    /// Capacities.
    bounds: BoundsParams {
        /// Distinct values of one feature in a peer group.
        group_values: usize = "group_values" count(4_096.0),
        /// Distinct values of one feature in the population.
        population_values: usize = "population_values" count(65_536.0),
        /// Peer groups.
        groups: usize = "groups" count(1_000.0),
        /// Labels for explanations.
        labels: usize = "labels" count(500_000.0),
        /// Pairs of issuer and credential kind with a lifetime histogram.
        issuers: usize = "issuers" count(256.0),
        /// Incidents held.
        open_incidents: usize = "open_incidents" count(20_000.0),
    }

    /// Priors.
    prior: PriorParams {
        /// Share of calls with access level `list`.
        share_list: f64 = "share_list" number(0.40),
        /// Share of calls with access level `read`.
        share_read: f64 = "share_read" number(0.40),
        /// Share of calls with access level `tagging`.
        share_tagging: f64 = "share_tagging" number(0.02),
        /// Share of calls with access level `write`.
        share_write: f64 = "share_write" number(0.165),
        /// Share of calls with access level `permissions`.
        share_permissions: f64 = "share_permissions" number(0.01),
        /// Share of first uses that are known from attacks but have common legitimate use.
        abused_share: f64 = "share_abused" number(0.005),
        /// Share of first uses that are known from attacks and rarely have legitimate use.
        abused_rare_share: f64 = "share_abused_rare" number(0.0002),
        /// Pseudo-count of the peers' access levels in the identity's posterior.
        level_strength: f64 = "level_strength" positive(10.0),
        /// Pseudo-count of the prior's access levels in the peers' posterior.
        level_prior_strength: f64 = "level_prior_strength" positive(50.0),
        /// Pseudo-count, in days, of the peers' activity profile.
        rhythm_days: f64 = "rhythm_days" number(1.0),
        /// Share of uses that fail.
        failure_rate: f64 = "failure_rate" positive(0.02),
        /// Share of logins that fail.
        login_failure_rate: f64 = "login_failure_rate" positive(0.10),
        /// Pseudo-count, in trials, of the peers' failure rate.
        failure_strength: f64 = "failure_strength" positive(20.0),
        /// Standard deviation of the natural logarithm of token lifetimes of one identity and issuer.
        lifetime_log_sd: f64 = "lifetime_log_sd" positive(0.35),
        /// Share of credential-days on which a credential is seen at a new host, network or client.
        relocation_rate: f64 = "relocation_rate" positive(0.03),
        /// Probability of a use outside a credential's validity.
        hard_violation_p: f64 = "hard_violation_p" positive(1e-6),
        /// Impossible journeys per day of an identity with a known location.
        impossible_journeys_a_day: f64 = "impossible_journeys_a_day" positive(0.002),
        /// Probability of a grant to oneself.
        self_grant_p: f64 = "self_grant_p" number(0.0005),
    }

    /// Combination of readings into a score.
    score: ScoreParams {
        /// Deviations of further signal families count from here, in nats.
        group_excess_from_nats: f64 = "group_excess_from_nats" number(2.0),
        /// Share of their excess that is added to the score.
        group_excess_share: f64 = "group_excess_share" number(0.5),
        /// Events below this add no evidence to an incident, in nats.
        evidence_from_nats: f64 = "evidence_from_nats" number(3.0),
        /// Events below this are learned with full weight, in nats.
        full_trust_below_nats: f64 = "full_trust_below_nats" number(5.0),
    }

    /// The alert threshold.
    threshold: ThresholdParams {
        /// Threshold until the tail of the score is estimated, in nats.
        initial_nats: f64 = "initial_nats" number(9.0),
        /// Lower bound of the threshold, in nats.
        min_nats: f64 = "min_nats" positive(7.0),
        /// Lower bound of the threshold where identities are few, in nats.
        min_nats_of_few: f64 = "min_nats_of_few" positive(6.5),
        /// Share of the budget that alerts by chance alone may take.
        chance_share_of_budget: f64 = "chance_share_of_budget" positive(0.2),
        /// The estimate has full weight once its standard error is at most this, in nats.
        tolerated_error_nats: f64 = "tolerated_error_nats" positive(0.5),
        /// Largest rise of the threshold in a day, in nats.
        max_rise_nats_per_day: f64 = "max_rise_nats_per_day" number(0.5),
        /// Largest fall of the threshold in a day, in nats.
        max_fall_nats_per_day: f64 = "max_fall_nats_per_day" number(1.0),
    }

    /// Severity by excess of the score over the threshold.
    severity: SeverityParams {
        /// Medium from here, in nats.
        medium_above_nats: f64 = "medium_above_nats" number(1.0),
        /// High from here, in nats.
        high_above_nats: f64 = "high_above_nats" number(3.0),
        /// Critical from here, in nats.
        critical_above_nats: f64 = "critical_above_nats" number(7.0),
    }

    /// Lifecycle of an incident.
    incident: IncidentParams {
        /// Growth of the score since the last publication that warrants an update, in nats.
        update_step_nats: f64 = "update_step_nats" number(3.0),
        /// An alert closes when evidence falls below this share of the threshold.
        closed_share_of_threshold: f64 = "closed_share_of_threshold" number(0.5),
        /// An alert stays open for at least this long after its last evidence, in milliseconds.
        open_at_least_ms: i64 = "open_at_least_secs" ms_from_secs(43_200.0),
        /// Deviations of a closed incident are remembered for this long, in milliseconds.
        remembered_ms: i64 = "remembered_secs" ms_from_secs(604_800.0),
    }
}

impl DecayParams {
    /// The half-life of baselines in days, for sketches that age in daily steps.
    #[must_use]
    pub fn baseline_half_life_days(&self) -> f64 {
        self.baseline_half_life.days()
    }
}

impl PriorParams {
    /// Share of calls by access level, in the order of [`crate::catalogue::AccessLevel`].
    #[must_use]
    pub fn level_shares(&self) -> [f64; 5] {
        [
            self.share_list,
            self.share_read,
            self.share_tagging,
            self.share_write,
            self.share_permissions,
        ]
    }
}

const SECS_PER_DAY: f64 = 86_400.0;
/// Largest integer that a number of a parameter file represents exactly.
const MAX_COUNT: f64 = 9_007_199_254_740_992.0;

fn number(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn positive(value: f64) -> Option<f64> {
    (value.is_finite() && value > 0.0).then_some(value)
}

fn count(value: f64) -> Option<usize> {
    ((0.0..MAX_COUNT).contains(&value) && value.fract() == 0.0).then_some(value as usize)
}

fn ms_from_secs(value: f64) -> Option<i64> {
    (0.0..MAX_COUNT / 1_000.0)
        .contains(&value)
        .then(|| value as i64 * MS_PER_SEC)
}

fn half_life_days(value: f64) -> Option<HalfLife> {
    HalfLife::from_days(value)
}

fn half_life_secs(value: f64) -> Option<HalfLife> {
    HalfLife::from_days(value / SECS_PER_DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(section: &str, key: &str, value: Option<f64>) -> Result<Parameters, ParameterError> {
        Parameters::read(&mut |s, k| {
            if (s, k) == (section, key) {
                return value;
            }
            let known = Parameters::KEYS.iter().find(|(a, b, _)| (*a, *b) == (s, k));
            known.map(|(_, _, default)| *default)
        })
    }

    #[test]
    fn the_published_defaults_read_as_the_default() {
        assert_eq!(with("", "", None), Ok(Parameters::default()));
        let changed = with("score", "full_trust_below_nats", Some(6.0)).unwrap();
        assert!((changed.score.full_trust_below_nats - 6.0).abs() < 1e-12);
        assert_eq!(changed.incident.open_at_least_ms, 12 * 3_600_000);
    }

    #[test]
    fn a_missing_or_impossible_parameter_is_named() {
        let missing = with("incident", "remembered_secs", None).unwrap_err();
        assert_eq!(missing.to_string(), "`incident.remembered_secs` is missing");
        for (section, key, value) in [
            ("decay", "baseline_half_life_days", 0.0),
            ("decay", "incident_half_life_secs", f64::INFINITY),
            ("bounds", "groups", 1.5),
            ("bounds", "groups", -1.0),
            ("prior", "failure_strength", 0.0),
            ("prior", "self_grant_p", f64::NAN),
            ("incident", "remembered_secs", -1.0),
            ("incident", "remembered_secs", 1e18),
        ] {
            let found = with(section, key, Some(value)).unwrap_err();
            assert!(found.to_string().contains(key), "{found}");
        }
    }
}
