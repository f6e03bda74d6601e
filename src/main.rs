//! The `credwatch` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    credwatch::cli::main()
}
