//! `credwatch incidents` and `watch`.

use super::console_arguments::{IncidentsArguments, WatchArguments};
use super::settings::{code_of, with_config};
use super::terminal::{is_terminal, print, print_own, width};
use crate::commands::incidents::{of_file, of_service, watch};
use crate::reports::incident_list::incident_lines;
use serde_json::Value;

/// Clears the screen and goes to its first line.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

fn text(incidents: &[Value]) -> String {
    match incidents.is_empty() {
        true => "no incident is open\n".to_owned(),
        false => incident_lines(incidents, width(), is_terminal()),
    }
}

pub(super) fn incidents(arguments: &IncidentsArguments) -> u8 {
    with_config(&arguments.config, |config| {
        let limit = usize::from(arguments.limit);
        let found = match &arguments.alerts {
            Some(file) => of_file(file, limit),
            None => of_service(&config, &arguments.url, limit),
        };
        code_of(found.map(|incidents| print_own(&text(&incidents))))
    })
}

pub(super) fn watch_incidents(arguments: &WatchArguments) -> u8 {
    with_config(&arguments.config, |config| {
        let limit = usize::from(arguments.limit);
        let shown = watch(&config, &arguments.url, limit, |incidents| {
            if is_terminal() {
                print_own(CLEAR);
            }
            print_own(&text(incidents));
            if !is_terminal() {
                print("\n");
            }
        });
        code_of(shown)
    })
}
