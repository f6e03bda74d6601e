//! Settings for a command, from files and the environment, and its exit code.

use super::arguments::ConfigArguments;
use super::exit;
use super::terminal::print_error;
use crate::config::{Config, Sources};

/// Runs `work` with the settings, or reports all problems of them.
pub(super) fn with_config(arguments: &ConfigArguments, perform: impl FnOnce(Config) -> u8) -> u8 {
    match load(arguments) {
        Ok(config) => perform(config),
        Err(problems) => {
            problems.iter().for_each(|problem| print_error(problem));
            exit::USAGE
        }
    }
}

fn load(arguments: &ConfigArguments) -> Result<Config, Vec<String>> {
    let mut sources = Sources::default();
    let mut problems = Vec::new();
    for path in &arguments.files {
        match std::fs::read_to_string(path) {
            Ok(text) => sources.files.push((path.display().to_string(), text)),
            Err(why) => problems.push(format!("{}: {why}", path.display())),
        }
    }
    sources.environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    match Config::load(&sources) {
        Ok(config) if problems.is_empty() => Ok(config),
        Ok(_) => Err(problems),
        Err(error) => {
            problems.extend(error.problems);
            Err(problems)
        }
    }
}

/// Prints the error of `result`; returns 0 without one.
pub(super) fn code_of<E: std::fmt::Display>(result: Result<(), E>) -> u8 {
    match result {
        Ok(()) => 0,
        Err(error) => {
            print_error(&error.to_string());
            exit::FAILED
        }
    }
}
