//! The records of files, part by part.

use crate::files;
use crate::files::InputError;
use crate::ingest::{Expanded, RecordMapper};
use std::path::{Path, PathBuf};

/// Calls `visit` with each part of `inputs`: its file, its size, and its records, whose positions count from
/// the beginning of the file.
///
/// # Errors
/// An input cannot be read, or `visit` fails.
pub(super) fn read_records<E: From<InputError>>(
    inputs: &[PathBuf],
    mapper: &RecordMapper,
    mut visit: impl FnMut(&Path, u64, Expanded<'_>) -> Result<(), E>,
) -> Result<(), E> {
    for path in files::list(inputs)? {
        let (mut parts, mut first) = (files::open(&path)?, 0);
        while let Some(part) = parts.next_part()? {
            let expanded = mapper.expand(&part).at(first);
            first += expanded.count;
            visit(&path, part.len() as u64, expanded)?;
        }
    }
    Ok(())
}
