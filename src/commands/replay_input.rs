//! Processes inputs with the shards of a configuration, for commands that only use the results.

use crate::commands::local_shards::{LocalShards, LocalShardsError, ShardOutput};
use crate::commands::read_records::{FilePart, read_records};
use crate::config::Config;
use crate::enrichment::{DatabaseError, Enricher};
use crate::files;
use crate::files::InputError;
use crate::ingest::RecordMapper;
use crate::sources::source_format::Format;
use credwatch_core::engine::Detail;
use std::path::PathBuf;
use std::sync::Arc;

/// Why inputs could not be processed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayInputError {
    /// An input cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A database cannot be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The shards cannot be created.
    #[error(transparent)]
    Lanes(#[from] LocalShardsError),
}

/// Processes every readable record of `inputs` and calls `visit` with each result; calls `progress` with each
/// part of a file. Malformed records are skipped.
///
/// # Errors
/// An input or the model is invalid.
pub(super) fn read_inputs(
    config: &Config,
    inputs: &[PathBuf],
    partitions: u32,
    detail: Detail,
    mut progress: impl FnMut(&FilePart),
    mut look: impl FnMut(&ShardOutput<'_>),
) -> Result<(), ReplayInputError> {
    let mut shards = LocalShards::open(config, partitions, None)?;
    let enricher = Enricher::open(&config.enrichment)?.map(Arc::new);
    let mapper = RecordMapper::of_format(Format::Auto)
        .with_enricher(enricher)
        .with_redactor(config.redactor.clone());
    read_records(files::list(inputs)?, &mapper, |part, expanded| {
        for item in expanded.records {
            let Ok(mut record) = item.outcome else {
                continue;
            };
            record.take_event(|native, decoded| {
                if let Ok(scored) = shards.process(&native.json, decoded, detail) {
                    look(&scored);
                }
            });
        }
        progress(part);
        Ok(())
    })
}
