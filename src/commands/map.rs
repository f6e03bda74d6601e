//! `credwatch map`: what a jq program makes of raw records.

use crate::commands::read_records::read_records;
use crate::files;
use crate::files::InputError;
use crate::ingest::{LeftOut, RecordMapper};
use crate::token_redaction::Redactor;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;

/// Why records could not be mapped.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// An input cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The events cannot be written.
    #[error("writing events: {0}")]
    Output(#[from] io::Error),
}

/// What became of the records.
#[derive(Clone, Debug, Default)]
pub struct MapSummary {
    events: u64,
    left_out: BTreeMap<LeftOut, u64>,
    /// Number and first position by reason.
    rejected: BTreeMap<String, (u64, String)>,
}

impl MapSummary {
    /// Number of rejected records.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.rejected.values().map(|(records, _)| records).sum()
    }
}

impl fmt::Display for MapSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events", self.events)?;
        for (LeftOut { reason, .. }, records) in &self.left_out {
            write!(f, "\n{records} records left out: {reason}")?;
        }
        for (reason, (records, first)) in &self.rejected {
            write!(f, "\n{records} records rejected, first {first}: {reason}")?;
        }
        Ok(())
    }
}

/// Writes the events that `mapper` makes of the records of `inputs`, one a line, as they would be published.
///
/// # Errors
/// An input cannot be read, or `out` fails.
pub fn map_records(
    inputs: &[PathBuf],
    mapper: &RecordMapper,
    out: &mut impl Write,
) -> Result<MapSummary, MapError> {
    let redactor = Redactor::default();
    let mut summary = MapSummary::default();
    read_records(files::list(inputs)?, mapper, |part, expanded| {
        for left_out in expanded.left_out {
            *summary.left_out.entry(left_out).or_default() += 1;
        }
        for item in expanded.records {
            match item.outcome {
                Ok(record) => {
                    out.write_all(&record.into_record().into_published(&redactor))?;
                    out.write_all(b"\n")?;
                    summary.events += 1;
                }
                Err(reason) => {
                    let at = || format!("{} record {}", part.path.display(), item.index);
                    let rejected = summary.rejected.entry(reason);
                    rejected.or_insert_with(|| (0, at())).0 += 1;
                }
            }
        }
        Ok::<(), MapError>(())
    })?;
    Ok(summary)
}
