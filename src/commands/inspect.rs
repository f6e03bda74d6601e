//! `credwatch inspect`: what inputs hold, before anything is scored.

use crate::commands::read_records::{FilePart, read_records};
use crate::files;
use crate::files::InputError;
use crate::ingest::RecordMapper;
use crate::reports::inspection::InspectionReport;
use std::path::PathBuf;

/// Reads `inputs` and reports formats, identities, filled fields, and what was left out or rejected; calls
/// `progress` with each part of a file.
///
/// # Errors
/// An input cannot be read.
pub fn inspect(
    inputs: &[PathBuf],
    mapper: &RecordMapper,
    mut progress: impl FnMut(&FilePart),
) -> Result<InspectionReport, InputError> {
    let mut report = InspectionReport::default();
    read_records(files::list(inputs)?, mapper, |part, expanded| {
        let name = part.path.display().to_string();
        report.add_part(part.bytes);
        expanded
            .left_out
            .iter()
            .for_each(|left_out| report.add_left_out(*left_out));
        let kinds = expanded.envelopes.iter();
        kinds.for_each(|kind| report.add_envelope(kind));
        for item in expanded.records {
            match item.outcome {
                Ok(mut record) => {
                    record.take_event(|_, decoded| report.add_event(item.format, &decoded.event));
                }
                Err(reason) => report.add_rejected(&reason, &name, item.index),
            }
        }
        progress(part);
        Ok::<(), InputError>(())
    })?;
    Ok(report.finish())
}
