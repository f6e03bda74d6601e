//! What shards are made of: model, settings, and how many of them there are.

use super::{Shard, Upgrade};
use crate::config::{Config, Detect};
use crate::engine::{Engine, Origin, Settings};
use crate::signing::Signer;
use crate::wire::audit::AuditChain;
use crate::wire::model::{Model, ModelError};
use crate::wire::snapshot::{self, Header, SnapshotError};
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

/// Everything that shards of one process share.
#[derive(Clone, Debug)]
pub struct Blueprint {
    settings: Settings,
    configuration_hash: Arc<str>,
    events_topic: Arc<str>,
    partitions: u32,
    signer: Option<Arc<Signer>>,
}

impl Blueprint {
    /// What shards are made of, for `partitions` partitions of the events topic.
    ///
    /// # Errors
    /// Says what is wrong with the model.
    pub fn new(config: &Config, model: Model, partitions: u32) -> Self {
        let partitions = partitions.max(1);
        let detect = &config.detect;
        let model_hash = model_hash(&model, detect);
        Self {
            settings: Settings {
                parameters: Arc::new(model.parameters),
                catalogue: Arc::new(model.catalogue),
                model_hash: model_hash.into(),
                alerts_per_day: detect.alerts_per_day / f64::from(partitions),
                max_identities: (detect.max_identities / partitions as usize).max(1),
                signals_off: detect.signals_off.clone(),
                guardrails: config.guardrails.clone(),
            },
            configuration_hash: config.hash.as_str().into(),
            events_topic: config.topics.events.as_str().into(),
            partitions,
            signer: config.signer.clone(),
        }
    }

    /// What each shard's engine is told, guardrails aside.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Hash of model and detection settings.
    #[must_use]
    pub fn model_hash(&self) -> &str {
        &self.settings.model_hash
    }

    /// A cold shard for `partition`.
    #[must_use]
    pub fn shard(&self, partition: i32) -> Shard {
        let engine = Engine::new(self.settings_of(partition));
        self.assemble(engine, self.beginning(partition))
    }

    pub(super) fn settings_of(&self, partition: i32) -> Settings {
        let index = u32::try_from(partition).unwrap_or(0);
        Settings {
            guardrails: self.settings.guardrails.for_shard(index, self.partitions),
            ..self.settings.clone()
        }
    }

    pub(super) fn assemble(&self, engine: Engine, header: Header) -> Shard {
        let hash = &self.configuration_hash;
        let has_news =
            header.model_hash != self.model_hash() || header.configuration_hash != **hash;
        let upgrade = has_news.then_some(Upgrade {
            old_model: header.model_hash,
            old_configuration: header.configuration_hash,
        });
        Shard {
            engine,
            audit: header.audit,
            origin: Origin {
                topic: Arc::clone(&self.events_topic),
                partition: header.partition,
                offset: header.next_offset - 1,
            },
            kept_offset: header.next_offset,
            first_piece: header.first_piece,
            answers: header.answers,
            has_answers: false,
            upgrade,
            configuration_hash: Arc::clone(hash),
            signer: self.signer.clone(),
            partitions: self.partitions,
        }
    }

    /// Where a shard of `partition` stands that knows nothing yet.
    fn beginning(&self, partition: i32) -> Header {
        Header {
            partition,
            partitions: self.partitions,
            next_offset: 0,
            first_piece: 0,
            answers: BTreeMap::new(),
            model_hash: self.model_hash().to_owned(),
            configuration_hash: self.configuration_hash.to_string(),
            audit: AuditChain::new(partition),
        }
    }

    /// A shard as its state in `input` says that it was left.
    ///
    /// # Errors
    /// The state is damaged or of another version.
    pub fn reopen(&self, input: impl Read) -> Result<Shard, SnapshotError> {
        let (header, engine) = snapshot::read(input, |header| self.settings_of(header.partition))?;
        Ok(self.assemble(engine, header))
    }

    /// Partitions of the events topic.
    #[must_use]
    pub fn partitions(&self) -> u32 {
        self.partitions
    }
}

/// Hash of model and detection settings.
#[must_use]
pub fn model_hash(model: &Model, detect: &Detect) -> String {
    model.hash_with(
        detect.alerts_per_day,
        detect.max_identities,
        &detect.signals_off,
    )
}

/// Reads the model that a configuration names.
///
/// # Errors
/// Says what is wrong with the file.
pub fn load_model(config: &Config) -> Result<Model, LoadModelError> {
    match &config.detect.model_file {
        None => Ok(Model::embedded()?),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|why| LoadModelError::Read {
                path: path.clone(),
                why,
            })?;
            Ok(Model::parse(&text)?)
        }
    }
}

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum LoadModelError {
    /// The file cannot be read.
    #[error("`detect.model_file` {path}: {why}")]
    Read {
        /// Which.
        path: String,
        /// Why.
        why: std::io::Error,
    },
    /// The file is no model.
    #[error(transparent)]
    Model(#[from] ModelError),
}
