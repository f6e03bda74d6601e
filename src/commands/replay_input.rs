//! Processes inputs with the shards of a configuration, for commands that only use the results.

use crate::commands::local_shards::{LocalShards, LocalShardsError, ShardOutput};
use crate::commands::read_records::read_records;
use crate::config::Config;
use crate::enrichment::{DatabaseError, Enricher};
use crate::files::InputError;
use crate::ingest::RecordMapper;
use crate::sources::source_format::Format;
use credwatch_core::engine::Detail;
use std::path::{Path, PathBuf};
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

/// Processes every readable record of `inputs` and calls `visit` with each result; calls `progress` with the
/// size of each document. Malformed records are skipped.
///
/// # Errors
/// An input or the model is invalid.
pub(super) fn read_inputs(
    config: &Config,
    inputs: &[PathBuf],
    partitions: u32,
    detail: Detail,
    mut progress: impl FnMut(&Path, u64),
    mut look: impl FnMut(&ShardOutput<'_>),
) -> Result<(), ReplayInputError> {
    let mut shards = LocalShards::open(config, partitions, None)?;
    let enricher = Enricher::open(&config.enrichment)?.map(Arc::new);
    let mapper = RecordMapper::of_format(Format::Auto)
        .with_enricher(enricher)
        .with_redactor(config.redactor.clone());
    read_records(inputs, &mapper, |path, bytes, expanded| {
        for item in expanded.records {
            let Ok(native) = item.outcome else { continue };
            if let Ok(scored) = shards.process(&native, detail) {
                look(&scored);
            }
        }
        progress(path, bytes);
        Ok(())
    })
}
