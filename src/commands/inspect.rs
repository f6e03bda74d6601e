//! `credwatch inspect`: what inputs hold, before anything is scored.

use crate::commands::read_records::read_records;
use crate::files::InputError;
use crate::ingest::RecordMapper;
use crate::reports::inspection::InspectionReport;
use crate::sources::native;
use crate::token_redaction::Redactor;
use std::path::{Path, PathBuf};

/// Reads `inputs` and reports formats, identities, filled fields, and what was left out or rejected; calls
/// `progress` with the size of each part of a file.
///
/// # Errors
/// An input cannot be read.
pub fn inspect(
    inputs: &[PathBuf],
    mapper: &RecordMapper,
    mut progress: impl FnMut(&Path, u64),
) -> Result<InspectionReport, InputError> {
    let mut report = InspectionReport::default();
    read_records(inputs, mapper, |path, bytes, expanded| {
        let name = path.display().to_string();
        report.add_part(bytes);
        expanded
            .left_out
            .iter()
            .for_each(|left_out| report.add_left_out(*left_out));
        let kinds = expanded.envelopes.iter();
        kinds.for_each(|kind| report.add_envelope(kind));
        for item in expanded.records {
            let outcome = item.outcome.and_then(|native| {
                let decoded = native::decode(&native.json, &Redactor::default())
                    .map_err(|error| error.to_string())?;
                report.add_event(item.format, &decoded.event);
                Ok(())
            });
            if let Err(reason) = outcome {
                report.add_rejected(&reason, &name, item.index);
            }
        }
        progress(path, bytes);
        Ok::<(), InputError>(())
    })?;
    Ok(report.finish())
}
