//! The commands that read files of records: inspect, map and replay.

use super::arguments::{InspectArguments, MapArguments, MapperArguments, ReplayArguments};
use super::exit;
use super::replay_console::replay_with_console;
use super::settings::{code_of, with_config};
use super::terminal::{print, print_error, with_progress};
use crate::commands::inspect::inspect;
use crate::commands::map::map_records;
use crate::commands::replay;
use crate::commands::replay::replay;
use crate::ingest::RecordMapper;
use crate::sources::jq::{JqProgram, ProgramError};
use crate::sources::source_format::Format;
use std::path::Path;
use std::sync::Arc;

fn mapper_of_program(path: &Path) -> Result<RecordMapper, ProgramError> {
    let program = JqProgram::open(&path.to_string_lossy())?;
    Ok(RecordMapper::of_program(Arc::new(program)))
}

/// The mapper that `arguments` name.
fn mapper(arguments: &MapperArguments) -> Result<RecordMapper, ProgramError> {
    if let Some(program) = &arguments.program {
        return mapper_of_program(program);
    }
    let format = arguments.format.as_deref().and_then(Format::parse);
    Ok(RecordMapper::of_format(format.unwrap_or(Format::Auto)))
}

/// Continues with a mapper; a program that is invalid is a wrong usage.
fn with_mapper(
    mapper: Result<RecordMapper, ProgramError>,
    perform: impl FnOnce(RecordMapper) -> u8,
) -> u8 {
    match mapper {
        Ok(mapper) => perform(mapper),
        Err(error) => {
            print_error(&error.to_string());
            exit::USAGE
        }
    }
}

/// The exit code of a command that rejected some records.
fn code_of_rejections(is_strict: bool, rejected: u64) -> u8 {
    match is_strict && rejected > 0 {
        true => exit::INPUT_REJECTED,
        false => 0,
    }
}

pub(super) fn map_files(arguments: &MapArguments) -> u8 {
    with_mapper(
        mapper_of_program(&arguments.program),
        |mapper| match map_records(&arguments.inputs, &mapper, &mut std::io::stdout().lock()) {
            Ok(summary) => {
                print_error(&summary.to_string());
                code_of_rejections(arguments.strict, summary.rejected())
            }
            Err(error) => code_of(Err(error)),
        },
    )
}

pub(super) fn inspect_files(arguments: &InspectArguments, quiet: bool) -> u8 {
    with_mapper(mapper(&arguments.mapper), |mapper| {
        let inspected = with_progress(quiet, &arguments.inputs, |advance| {
            inspect(&arguments.inputs, &mapper, advance)
        });
        code_of(inspected.map(|report| {
            if arguments.json {
                print(&format!("{}\n", serde_json::json!(report)));
            } else {
                print(&report.to_string());
            }
        }))
    })
}

pub(super) fn replay_files(arguments: &ReplayArguments, quiet: bool) -> u8 {
    with_mapper(mapper(&arguments.mapper), |mapper| {
        let options = replay::Options {
            inputs: arguments.inputs.clone(),
            mapper,
            partitions: arguments.partitions,
            verdicts: arguments.verdicts.clone(),
            alerts: arguments.alerts.clone(),
            orders: arguments.orders.clone(),
            audit: arguments.audit.clone(),
            dead: arguments.dead.clone(),
            state: arguments.state.clone(),
        };
        with_config(&arguments.config, |config| {
            if let Some(listen) = arguments.console {
                let shown = with_progress(quiet, &arguments.inputs, |advance| {
                    replay_with_console(&config, &options, listen, advance)
                });
                return match shown {
                    Ok(summary) => code_of_rejections(arguments.strict, summary.dead),
                    Err(error) => code_of(Err(error)),
                };
            }
            match with_progress(quiet, &arguments.inputs, |advance| {
                replay(&config, &options, advance)
            }) {
                Ok(summary) => {
                    print(&summary.to_string());
                    code_of_rejections(arguments.strict, summary.dead)
                }
                Err(error) => code_of(Err(error)),
            }
        })
    })
}
