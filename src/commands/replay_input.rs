//! Inputs through the shards of a configuration, for commands that only look at what comes out.

use crate::commands::local_shards::{LocalShards, LocalShardsError, ShardOutput};
use crate::config::Config;
use crate::files;
use crate::files::InputError;
use crate::ingest::expand;
use crate::sources::source_format::{head, recognise};
use credwatch_core::engine::Detail;
use std::path::{Path, PathBuf};

/// Why inputs could not be fed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayInputError {
    /// An input cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// There are no shards to feed.
    #[error(transparent)]
    Lanes(#[from] LocalShardsError),
}

/// Judges every readable record of `inputs` and shows each to `look`; calls `progress` with the
/// bytes of each document done. Records that cannot be read are left out.
///
/// # Errors
/// An input or the model cannot be read.
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
