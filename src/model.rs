//! Reads the model files of `models/` into the core's parameters and catalogue.

use credwatch_core::catalogue::{Abuse, AccessLevel, Catalogue};
use credwatch_core::parameters::{ParameterError, Parameters};
use credwatch_core::verdict::{SignalName, Technique};
use std::collections::BTreeMap;

const PARAMETERS: &str = include_str!("../models/parameters.toml");
const ACCESS_LEVELS: &str = include_str!("../models/aws/access_levels.tsv");
const ACTIONS: &str = include_str!("../models/actions/actions.tsv");
const ACTION_TECHNIQUES: &str = include_str!("../models/attack/action_techniques.tsv");
const TECHNIQUES: &str = include_str!("../models/attack/techniques.tsv");
/// What a table states where nothing is known.
const UNKNOWN: &str = "-";
/// Hex digits of a displayed hash.
const HASH_DIGITS: usize = 16;

/// Why a model file is invalid.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Not TOML, or a value is not a number.
    #[error("model parameters: {0}")]
    Toml(#[from] toml::de::Error),
    /// An unknown key.
    #[error("model parameter `{0}` is unknown: check the spelling against models/parameters.toml")]
    Unknown(String),
    /// A parameter is missing or out of range.
    #[error("model parameter {0}")]
    Parameter(#[from] ParameterError),
    /// A line of a table does not parse.
    #[error("models/{file}, line {line}: {why}")]
    Table {
        /// File.
        file: &'static str,
        /// Line, from 1.
        line: usize,
        /// Problem.
        why: &'static str,
    },
}

/// A model ready for an engine.
#[derive(Clone, Debug)]
pub struct Model {
    /// Parameters.
    pub parameters: Parameters,
    /// Catalogue of actions.
    pub catalogue: Catalogue,
    digest: blake3::Hash,
}

impl Model {
    /// The embedded model.
    ///
    /// # Errors
    /// Only if the files under `models/` were invalid when the program was built.
    pub fn embedded() -> Result<Self, ModelError> {
        Self::parse(PARAMETERS)
    }

    /// The embedded model with the parameters of another file.
    ///
    /// # Errors
    /// A parameter is missing, unknown or out of range.
    pub fn parse(parameters: &str) -> Result<Self, ModelError> {
        let mut hasher = blake3::Hasher::new();
        let tables = [ACCESS_LEVELS, ACTIONS, ACTION_TECHNIQUES, TECHNIQUES];
        for part in std::iter::once(parameters).chain(tables) {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        Ok(Self {
            parameters: parameters_of(parameters)?,
            catalogue: catalogue()?,
            digest: hasher.finalize(),
        })
    }

    /// Hash of the model and the detection settings, equal on every instance.
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

/// Parses the parameters from TOML; an unknown key is an error.
fn parameters_of(text: &str) -> Result<Parameters, ModelError> {
    let sections: BTreeMap<String, BTreeMap<String, f64>> = toml::from_str(text)?;
    for (section, keys) in &sections {
        let is_known = |key: &String| {
            Parameters::KEYS
                .iter()
                .any(|(s, k, _)| s == section && k == key)
        };
        if let Some(unknown) = keys.keys().find(|key| !is_known(key)) {
            return Err(ModelError::Unknown(format!("{section}.{unknown}")));
        }
    }
    Ok(Parameters::read(&mut |section, key| {
        sections.get(section)?.get(key).copied()
    })?)
}

/// Lines of a table without comments, numbered from 1.
fn rows(table: &'static str) -> impl Iterator<Item = (usize, &'static str)> {
    let numbered = table.lines().enumerate().map(|(at, line)| (at + 1, line));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn catalogue() -> Result<Catalogue, ModelError> {
    let mut catalogue = Catalogue::default();
    add_access_levels(&mut catalogue)?;
    let names: BTreeMap<&str, &str> = rows(TECHNIQUES)
        .filter_map(|(_, r)| r.split_once('\t'))
        .collect();
    for (line, row) in rows(ACTION_TECHNIQUES) {
        let fail = |why| ModelError::Table {
            file: "attack/action_techniques.tsv",
            line,
            why,
        };
        let [action, id, use_] = columns(row).ok_or_else(|| fail("expected 3 columns"))?;
        catalogue.set_abuse(action, abuse(&names, id, use_).map_err(fail)?);
    }
    for (line, row) in rows(ACTIONS) {
        let fail = |why| ModelError::Table {
            file: "actions/actions.tsv",
            line,
            why,
        };
        let [action, level, id, use_] = columns(row).ok_or_else(|| fail("expected 4 columns"))?;
        if level != UNKNOWN {
            let level = AccessLevel::parse(level).ok_or_else(|| fail("unknown access level"))?;
            catalogue.set_level(action, level);
        }
        if id != UNKNOWN {
            catalogue.set_abuse(action, abuse(&names, id, use_).map_err(fail)?);
        }
    }
    Ok(catalogue)
}

fn add_access_levels(catalogue: &mut Catalogue) -> Result<(), ModelError> {
    for (line, row) in rows(ACCESS_LEVELS) {
        let fail = |why| ModelError::Table {
            file: "aws/access_levels.tsv",
            line,
            why,
        };
        let [service, level, actions] = columns(row).ok_or_else(|| fail("expected 3 columns"))?;
        let level = AccessLevel::parse(level).ok_or_else(|| fail("unknown access level"))?;
        for action in actions.split(',') {
            catalogue.set_level(&format!("{service}:{action}"), level);
        }
    }
    Ok(())
}

/// The columns of a row, where there are as many as expected.
fn columns<const N: usize>(row: &'static str) -> Option<[&'static str; N]> {
    let columns: Vec<&str> = row.split('\t').collect();
    columns.try_into().ok()
}

fn abuse(
    names: &BTreeMap<&'static str, &'static str>,
    id: &'static str,
    legitimate_use: &str,
) -> Result<Abuse, &'static str> {
    let name = names.get(id).ok_or("technique is not in techniques.tsv")?;
    Ok(Abuse {
        technique: Technique { id, name },
        rarely_legitimate: match legitimate_use {
            "common" => false,
            "rare" => true,
            _ => return Err("legitimate use must be common or rare"),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_model_is_complete() {
        let model = Model::embedded().unwrap();
        assert!(model.catalogue.len() > 20_000);
        let deviations = model.catalogue.facts("cloudtrail:StopLogging").unwrap();
        assert_eq!(deviations.abuse.unwrap().technique.id, "T1562.008");
        assert_eq!(deviations.level, AccessLevel::Write);
        let owner = "gcp:cloudresourcemanager.SetIamPolicy:roles/owner";
        assert_eq!(
            model.catalogue.facts(owner).unwrap().level,
            AccessLevel::Permissions
        );
    }

    #[test]
    fn the_published_parameters_are_the_default_of_the_core() {
        assert_eq!(Model::embedded().unwrap().parameters, Parameters::default());
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
    fn an_invalid_parameter_is_named() {
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
