//! The model as data: `models/` read into the core's parameters and catalogue.

use credwatch_core::catalogue::{Abuse, AccessLevel, Catalogue};
use credwatch_core::parameters::{Bounds, Decay, IncidentLaw, Parameters, Prior, Scoring, SeverityLaw, ThresholdLaw};
use credwatch_core::stats::decay::HalfLife;
use credwatch_core::units::MS_PER_SEC;
use credwatch_core::verdict::{SignalName, Technique};
use serde::Deserialize;
use std::collections::BTreeMap;

const PARAMETERS: &str = include_str!("../models/parameters.toml");
const ACCESS_LEVELS: &str = include_str!("../models/aws/access_levels.tsv");
const ACTION_TECHNIQUES: &str = include_str!("../models/attack/action_techniques.tsv");
const TECHNIQUES: &str = include_str!("../models/attack/techniques.tsv");
/// Hex digits of a hash that are shown.
const HASH_DIGITS: usize = 16;

/// Why a model file is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Not TOML, a number is missing, or one is unknown.
    #[error("model parameters: {0}")]
    Toml(#[from] toml::de::Error),
    /// A number is out of range.
    #[error("model parameter `{0}` must be a positive number")]
    Range(&'static str),
    /// A line of a table does not parse.
    #[error("models/{file}, line {line}: {why}")]
    Table {
        /// Which file.
        file: &'static str,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        why: &'static str,
    },
}

/// A model ready for an engine.
#[derive(Clone, Debug)]
pub struct Model {
    /// Numbers.
    pub parameters: Parameters,
    /// Actions.
    pub catalogue: Catalogue,
    digest: blake3::Hash,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    decay: RawDecay,
    bounds: RawBounds,
    prior: RawPrior,
    score: RawScore,
    threshold: RawThreshold,
    severity: RawSeverity,
    incident: RawIncident,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDecay {
    baseline_half_life_days: f64,
    failure_window_half_life_secs: f64,
    incident_half_life_secs: f64,
    peak_half_life_days: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBounds {
    group_values: usize,
    population_values: usize,
    groups: usize,
    names: usize,
    issuers: usize,
    open_incidents: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPrior {
    share_list: f64,
    share_read: f64,
    share_tagging: f64,
    share_write: f64,
    share_permissions: f64,
    share_abused: f64,
    share_abused_rare: f64,
    level_strength: f64,
    level_prior_strength: f64,
    rhythm_days: f64,
    failure_rate: f64,
    login_failure_rate: f64,
    failure_strength: f64,
    lifetime_log_sd: f64,
    move_rate: f64,
    hard_violation_p: f64,
    impossible_journeys_a_day: f64,
    self_grant_p: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScore {
    group_excess_from_nats: f64,
    group_excess_share: f64,
    evidence_from_nats: f64,
    trust_until_nats: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawThreshold {
    initial_nats: f64,
    lowest_nats: f64,
    tolerated_error_nats: f64,
    rise_nats_per_day: f64,
    fall_nats_per_day: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSeverity {
    medium_above_nats: f64,
    high_above_nats: f64,
    critical_above_nats: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawIncident {
    update_step_nats: f64,
    update_step_share: f64,
    closed_share_of_threshold: f64,
    open_at_least_secs: i64,
    remembered_secs: i64,
}

impl Model {
    /// The model that this program carries.
    ///
    /// # Errors
    /// Only if the files under `models/` were broken when the program was built.
    pub fn embedded() -> Result<Self, ModelError> {
        Self::parse(PARAMETERS)
    }

    /// The embedded model with the numbers of another parameter file.
    ///
    /// # Errors
    /// Says which number is missing, unknown or out of range.
    pub fn parse(parameters: &str) -> Result<Self, ModelError> {
        let raw: Raw = toml::from_str(parameters)?;
        let mut hasher = blake3::Hasher::new();
        for part in [parameters, ACCESS_LEVELS, ACTION_TECHNIQUES, TECHNIQUES] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        Ok(Self {
            parameters: parameters_of(&raw)?,
            catalogue: catalogue()?,
            digest: hasher.finalize(),
        })
    }

    /// Hash of the model together with the detection settings, the same on every instance.
    #[must_use]
    pub fn hash_with(
        &self,
        alerts_per_day: f64,
        limits: [usize; 2],
        signals_off: &[SignalName],
    ) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.digest.as_bytes());
        hasher.update(&alerts_per_day.to_le_bytes());
        for limit in limits {
            hasher.update(&(limit as u64).to_le_bytes());
        }
        for signal in signals_off {
            hasher.update(signal.as_str().as_bytes());
        }
        hasher.finalize().to_hex()[..HASH_DIGITS].to_owned()
    }
}

fn half_life(name: &'static str, days: f64) -> Result<HalfLife, ModelError> {
    HalfLife::from_days(days).ok_or(ModelError::Range(name))
}

const SECS_PER_DAY: f64 = 86_400.0;

fn parameters_of(raw: &Raw) -> Result<Parameters, ModelError> {
    let (decay, prior) = (&raw.decay, &raw.prior);
    let positive = [
        ("prior.level_strength", prior.level_strength),
        ("prior.level_prior_strength", prior.level_prior_strength),
        ("prior.failure_rate", prior.failure_rate),
        ("prior.login_failure_rate", prior.login_failure_rate),
        ("prior.failure_strength", prior.failure_strength),
        ("prior.lifetime_log_sd", prior.lifetime_log_sd),
        ("prior.move_rate", prior.move_rate),
        ("prior.hard_violation_p", prior.hard_violation_p),
        (
            "prior.impossible_journeys_a_day",
            prior.impossible_journeys_a_day,
        ),
        (
            "threshold.tolerated_error_nats",
            raw.threshold.tolerated_error_nats,
        ),
        ("threshold.lowest_nats", raw.threshold.lowest_nats),
    ];
    if let Some((name, _)) = positive.iter().find(|(_, v)| !(v.is_finite() && *v > 0.0)) {
        return Err(ModelError::Range(name));
    }
    Ok(Parameters {
        decay: Decay {
            baseline: half_life(
                "decay.baseline_half_life_days",
                decay.baseline_half_life_days,
            )?,
            baseline_days: decay.baseline_half_life_days,
            failure_window: half_life(
                "decay.failure_window_half_life_secs",
                decay.failure_window_half_life_secs / SECS_PER_DAY,
            )?,
            incident: half_life(
                "decay.incident_half_life_secs",
                decay.incident_half_life_secs / SECS_PER_DAY,
            )?,
            peak: half_life("decay.peak_half_life_days", decay.peak_half_life_days)?,
        },
        bounds: Bounds {
            group_values: raw.bounds.group_values,
            population_values: raw.bounds.population_values,
            groups: raw.bounds.groups,
            names: raw.bounds.names,
            issuers: raw.bounds.issuers,
            open_incidents: raw.bounds.open_incidents,
        },
        prior: Prior {
            level_shares: [
                prior.share_list,
                prior.share_read,
                prior.share_tagging,
                prior.share_write,
                prior.share_permissions,
            ],
            abused_share: prior.share_abused,
            abused_rare_share: prior.share_abused_rare,
            level_strength: prior.level_strength,
            level_prior_strength: prior.level_prior_strength,
            rhythm_days: prior.rhythm_days,
            failure_rate: prior.failure_rate,
            login_failure_rate: prior.login_failure_rate,
            failure_strength: prior.failure_strength,
            lifetime_log_sd: prior.lifetime_log_sd,
            move_rate: prior.move_rate,
            hard_violation_p: prior.hard_violation_p,
            impossible_journeys_a_day: prior.impossible_journeys_a_day,
            self_grant_p: prior.self_grant_p,
        },
        scoring: Scoring {
            group_excess_from_nats: raw.score.group_excess_from_nats,
            group_excess_share: raw.score.group_excess_share,
            evidence_from_nats: raw.score.evidence_from_nats,
            trust_until_nats: raw.score.trust_until_nats,
        },
        threshold: ThresholdLaw {
            initial_nats: raw.threshold.initial_nats,
            lowest_nats: raw.threshold.lowest_nats,
            tolerated_error_nats: raw.threshold.tolerated_error_nats,
            rise_nats_per_day: raw.threshold.rise_nats_per_day,
            fall_nats_per_day: raw.threshold.fall_nats_per_day,
        },
        severity: SeverityLaw {
            medium_above_nats: raw.severity.medium_above_nats,
            high_above_nats: raw.severity.high_above_nats,
            critical_above_nats: raw.severity.critical_above_nats,
        },
        incident: IncidentLaw {
            update_step_nats: raw.incident.update_step_nats,
            update_step_share: raw.incident.update_step_share,
            closed_share_of_threshold: raw.incident.closed_share_of_threshold,
            open_at_least_ms: raw.incident.open_at_least_secs * MS_PER_SEC,
            remembered_ms: raw.incident.remembered_secs * MS_PER_SEC,
        },
    })
}

/// Lines of a table without comments, numbered from 1.
fn rows(table: &'static str) -> impl Iterator<Item = (usize, &'static str)> {
    let numbered = table.lines().enumerate().map(|(at, line)| (at + 1, line));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn catalogue() -> Result<Catalogue, ModelError> {
    let mut catalogue = Catalogue::default();
    for (line, row) in rows(ACCESS_LEVELS) {
        let fail = |why| ModelError::Table {
            file: "aws/access_levels.tsv",
            line,
            why,
        };
        let mut columns = row.split('\t');
        let (Some(service), Some(level), Some(actions)) =
            (columns.next(), columns.next(), columns.next())
        else {
            return Err(fail("expected service, level, actions"));
        };
        let level = AccessLevel::parse(level).ok_or_else(|| fail("unknown access level"))?;
        for action in actions.split(',') {
            catalogue.set_level(&format!("{service}:{action}"), level);
        }
    }
    let names: BTreeMap<&str, &str> = rows(TECHNIQUES)
        .filter_map(|(_, r)| r.split_once('\t'))
        .collect();
    for (line, row) in rows(ACTION_TECHNIQUES) {
        let fail = |why| ModelError::Table {
            file: "attack/action_techniques.tsv",
            line,
            why,
        };
        let mut columns = row.split('\t');
        let (Some(action), Some(id), Some(use_)) = (columns.next(), columns.next(), columns.next())
        else {
            return Err(fail("expected action, technique, legitimate use"));
        };
        let rarely_legitimate = match use_ {
            "common" => false,
            "rare" => true,
            _ => return Err(fail("legitimate use must be common or rare")),
        };
        let name = names
            .get(id)
            .ok_or_else(|| fail("technique is not in techniques.tsv"))?;
        let abuse = Abuse {
            technique: Technique { id, name },
            rarely_legitimate,
        };
        catalogue.set_abuse(action, abuse);
    }
    Ok(catalogue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_model_is_whole() {
        let model = Model::embedded().unwrap();
        assert!(model.catalogue.len() > 20_000);
        let facts = model.catalogue.facts("cloudtrail:StopLogging").unwrap();
        assert_eq!(facts.abuse.unwrap().technique.id, "T1562.008");
        assert_eq!(facts.level, AccessLevel::Write);
    }

    #[test]
    fn the_hash_follows_every_setting() {
        let model = Model::embedded().unwrap();
        let hash = model.hash_with(5.0, [1_000, 9], &[]);
        assert_eq!(hash, model.hash_with(5.0, [1_000, 9], &[]));
        assert_ne!(hash, model.hash_with(6.0, [1_000, 9], &[]));
        assert_ne!(hash, model.hash_with(5.0, [1_001, 9], &[]));
        assert_ne!(hash, model.hash_with(5.0, [1_000, 8], &[]));
        assert_ne!(
            hash,
            model.hash_with(5.0, [1_000, 9], &[SignalName::Rhythm])
        );
        let other = PARAMETERS.replace("initial_nats = 9.0", "initial_nats = 9.5");
        assert_ne!(
            hash,
            Model::parse(&other)
                .unwrap()
                .hash_with(5.0, [1_000, 9], &[])
        );
    }

    #[test]
    fn a_wrong_number_is_named() {
        let zero = PARAMETERS.replace("failure_strength = 20.0", "failure_strength = 0.0");
        let error = Model::parse(&zero).unwrap_err().to_string();
        assert_eq!(
            error,
            "model parameter `prior.failure_strength` must be a positive number"
        );
        let unknown = PARAMETERS.replace("failure_strength", "failure_strenght");
        assert!(
            Model::parse(&unknown)
                .unwrap_err()
                .to_string()
                .contains("failure_strenght")
        );
    }
}
