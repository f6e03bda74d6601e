//! Processes inputs with the shards of a configuration, for commands that only use the results.

use crate::commands::local_shards::{LocalShards, LocalShardsError, ShardOutput};
use crate::config::Config;
use crate::files;
use crate::files::InputError;
use crate::ingest::expand;
use crate::sources::source_format::{head, recognise};
use credwatch_core::engine::Detail;
use std::path::{Path, PathBuf};

/// Why inputs could not be processed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayInputError {
    /// An input cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
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
    for path in files::list(inputs)? {
        let (mut parts, mut format) = (files::open(&path)?, None);
        while let Some(part) = parts.next_part()? {
            let format = *format.get_or_insert_with(|| recognise(head(&part)));
            for item in expand(&part, format) {
                let Ok(native) = item.outcome else { continue };
                if let Ok(scored) = shards.process(&native, detail) {
                    look(&scored);
                }
            }
            progress(&path, part.len() as u64);
        }
    }
    Ok(())
}
