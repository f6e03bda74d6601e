//! Creates shards from model, settings and number of partitions.

use super::{Shard, ShardId, Upgrade};
use crate::audit::record::AuditChain;
use crate::config::{Config, Detect};
use crate::crypto::{DerivedKey, Signer};
use crate::model::{Model, ModelError};
use crate::persistence::record_checksum::RecordChecksum;
use crate::persistence::snapshot;
use crate::persistence::snapshot::{Header, SnapshotError};
use crate::token_redaction::Redactor;
use credwatch_core::engine::{Engine, Settings, SourcePosition};
use credwatch_core::stats::hash::HashKey;
use credwatch_core::verdict::EntityView;
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

/// Share of the alert budget for the source view.
const SOURCE_VIEW_SHARE: f64 = 0.1;

/// State shared by all shards of one process.
#[derive(Clone, Debug)]
pub struct ShardFactory {
    settings: Settings,
    max_sources: usize,
    configuration_hash: Arc<str>,
    events_topic: Arc<str>,
    partitions: u32,
    signer: Option<Arc<Signer>>,
    checksum: RecordChecksum,
    redactor: Redactor,
    /// Secret from which each new shard derives that of its keys; `None`: keys are not secret.
    hash_secret: Option<DerivedKey>,
}

impl ShardFactory {
    /// A factory of shards for `partitions` partitions of the events topic.
    ///
    /// # Errors
    /// The model is invalid.
    pub fn new(config: &Config, model: Model, partitions: u32) -> Self {
        let partitions = partitions.max(1);
        let detect = &config.detect;
        let model_hash = model_hash(&model, detect);
        Self {
            max_sources: (detect.max_sources / partitions as usize).max(1),
            settings: Settings {
                entity: EntityView::Identity,
                shards: partitions,
                parameters: Arc::new(model.parameters),
                catalogue: Arc::new(model.catalogue),
                model_hash: model_hash.into(),
                alerts_per_day: (1.0 - SOURCE_VIEW_SHARE) * detect.alerts_per_day
                    / f64::from(partitions),
                max_identities: (detect.max_identities / partitions as usize).max(1),
                disabled_signals: detect.disabled_signals.clone(),
                policy: Arc::clone(&config.policy),
                guardrails: config.guardrails.clone(),
                hash_key: HashKey::default(),
            },
            configuration_hash: config.hash.as_str().into(),
            events_topic: config.topics.events.as_str().into(),
            partitions,
            signer: config.signer.clone(),
            checksum: RecordChecksum::new(config.state_secret.reveal()),
            redactor: config.redactor.clone(),
            hash_secret: config.signer.as_deref().and_then(Signer::derive_secret),
        }
    }

    /// Settings of each shard's engine, guardrails aside.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Hash of model and detection settings.
    #[must_use]
    pub fn model_hash(&self) -> &str {
        &self.settings.model_hash
    }

    /// A shard without baselines.
    #[must_use]
    pub fn shard(&self, id: ShardId) -> Shard {
        let mut settings = self.settings_of(id);
        if let Some(secret) = &self.hash_secret {
            settings.hash_key = hash_key(secret, id);
        }
        self.assemble(id.entity, Engine::new(settings), self.initial_header(id))
    }

    /// Settings of the engine of one shard. The views share the alert budget; only the view by identity
    /// contains anybody.
    pub(crate) fn settings_of(&self, id: ShardId) -> Settings {
        let index = u32::try_from(id.partition).unwrap_or(0);
        match id.entity {
            EntityView::Identity => Settings {
                guardrails: self.settings.guardrails.for_shard(index, self.partitions),
                ..self.settings.clone()
            },
            EntityView::Source => Settings {
                entity: EntityView::Source,
                alerts_per_day: self.settings.alerts_per_day * SOURCE_VIEW_SHARE
                    / (1.0 - SOURCE_VIEW_SHARE),
                max_identities: self.max_sources,
                ..self.settings.clone()
            },
        }
    }

    pub(super) fn assemble(&self, entity: EntityView, engine: Engine, header: Header) -> Shard {
        let hash = &self.configuration_hash;
        let partition = header.partition;
        let checksum = self.checksum_of(ShardId { entity, partition });
        let has_news =
            header.model_hash != self.model_hash() || header.configuration_hash != **hash;
        let upgrade = has_news.then_some(Upgrade {
            old_model: header.model_hash,
            old_configuration: header.configuration_hash,
        });
        Shard {
            entity,
            engine,
            audit: header.audit.for_entity(entity),
            position: SourcePosition {
                topic: Arc::clone(&self.events_topic),
                partition: header.partition,
                offset: header.next_offset - 1,
                record_time: None,
            },
            checkpointed_offset: header.next_offset,
            checkpoint_offset: header.next_offset,
            first_record_offset: header.first_record_offset,
            feedback_offsets: header.feedback_offsets,
            has_unlogged_change: false,
            retention_gaps: Vec::new(),
            upgrade,
            configuration_hash: Arc::clone(hash),
            signer: self.signer.clone(),
            checksum,
            redactor: self.redactor.clone(),
            partitions: self.partitions,
        }
    }

    /// Checksum of the stored records of one shard.
    pub(super) fn checksum_of(&self, id: ShardId) -> RecordChecksum {
        self.checksum
            .for_shard(&format!("{}/{}", id.entity, id.partition))
    }

    /// Header of a shard without state.
    fn initial_header(&self, id: ShardId) -> Header {
        let partition = id.partition;
        Header {
            partition,
            partitions: self.partitions,
            next_offset: 0,
            first_record_offset: 0,
            feedback_offsets: BTreeMap::new(),
            model_hash: self.model_hash().to_owned(),
            configuration_hash: self.configuration_hash.to_string(),
            audit: AuditChain::new(partition),
        }
    }

    /// A shard of the view `entity`, restored from `input`.
    ///
    /// # Errors
    /// The state is damaged or of another version.
    pub fn reopen(&self, entity: EntityView, input: impl Read) -> Result<Shard, SnapshotError> {
        let settings = |header: &Header| {
            let partition = header.partition;
            self.settings_of(ShardId { entity, partition })
        };
        let (header, engine) = snapshot::read(input, settings)?;
        Ok(self.assemble(entity, engine, header))
    }

    /// Partitions of the events topic.
    #[must_use]
    pub fn partitions(&self) -> u32 {
        self.partitions
    }
}

fn hash_key(secret: &DerivedKey, id: ShardId) -> HashKey {
    let of_shard = format!("{}/{}", id.entity, id.partition);
    let mut key = [0; 16];
    key.copy_from_slice(&secret.hash(of_shard.as_bytes())[..16]);
    HashKey::new(key)
}

/// Hash of model and detection settings.
#[must_use]
pub fn model_hash(model: &Model, detect: &Detect) -> String {
    model.hash_with(
        detect.alerts_per_day,
        [detect.max_identities, detect.max_sources],
        &detect.disabled_signals,
    )
}

/// Reads the configured model.
///
/// # Errors
/// The file is invalid.
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

/// Why the model cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadModelError {
    /// The file cannot be read.
    #[error("`detect.model_file` {path}: {why}")]
    Read {
        /// File.
        path: String,
        /// Reason.
        why: std::io::Error,
    },
    /// The file is not a valid model.
    #[error(transparent)]
    Model(#[from] ModelError),
}
