//! The command line: arguments in, exit code out. Results go to stdout, everything else to
//! stderr.

mod arguments;
mod commands;
mod console_arguments;
mod demo_command;
mod feedback_commands;
mod incident_commands;
mod input_commands;
mod replay_console;
mod settings;
mod terminal;

use arguments::Arguments;
use clap::Parser;
use std::process::ExitCode;

/// Exit codes, as documented in the CLI reference.
pub mod exit {
    /// Failed while running.
    pub const FAILED: u8 = 1;
    /// Wrong usage or configuration.
    pub const USAGE: u8 = 2;
    /// `--strict` was given and an input was rejected.
    pub const INPUT_REJECTED: u8 = 3;
    /// Verification failed.
    pub const NOT_VERIFIED: u8 = 4;
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(reason) = terminal::start_log(arguments.log_format, arguments.quiet) {
        terminal::print_error(&reason);
        return ExitCode::from(exit::USAGE);
    }
    let code = if arguments.version {
        commands::version()
    } else {
        match &arguments.command {
            Some(command) => commands::perform(command, arguments.quiet),
            None => exit::USAGE,
        }
    };
    ExitCode::from(code)
}
