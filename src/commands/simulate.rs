//! `credwatch simulate`: labelled traffic of a seeded organisation, reproducible by its seed.

use crate::commands::evaluate::Label;
use crate::simulation::SimulatedEvent;
use crate::simulation::attack::{SCENARIOS, campaign};
use crate::simulation::organisation::Organisation;
use crate::sources::time::parse_rfc3339;
use credwatch_core::units::{EventTime, MS_PER_DAY, MS_PER_HOUR, MS_PER_SEC};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

/// The first day, a Monday.
const FIRST_DAY: &str = "2026-01-05T00:00:00Z";
/// Days without attacks at the beginning.
const QUIET_DAYS: i64 = 14;
/// Day of the outage.
const OUTAGE_DAY: i64 = 19;

/// Options.
#[derive(Clone, Debug)]
pub struct Options {
    /// Seed.
    pub seed: u64,
    /// Days.
    pub days: i64,
    /// Identities at the beginning.
    pub identities: usize,
    /// Scenarios; all where empty.
    pub attacks: Vec<String>,
    /// Events, as JSON lines in order of time.
    pub out: PathBuf,
    /// Labels of the events that belong to attacks.
    pub labels: PathBuf,
}

/// Why a simulation failed.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// Unknown scenario.
    #[error("unknown attack {0:?}; known: none, {known}", known = SCENARIOS.join(", "))]
    Attack(String),
    /// A file cannot be written.
    #[error("{}: {why}", .path.display())]
    Write {
        /// File.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
}

/// What was written.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// Events.
    pub events: usize,
    /// Campaigns.
    pub campaigns: usize,
}

fn requested(names: &[String]) -> Result<Vec<&'static str>, SimulateError> {
    if names.is_empty() {
        return Ok(SCENARIOS.to_vec());
    }
    names
        .iter()
        .filter(|name| *name != "none")
        .map(|name| {
            let known = SCENARIOS.iter().find(|known| *known == name);
            known
                .copied()
                .ok_or_else(|| SimulateError::Attack(name.clone()))
        })
        .collect()
}

/// Simulates and writes.
///
/// # Errors
/// An attack is unknown or a file cannot be written.
pub fn simulate(options: &Options) -> Result<Written, SimulateError> {
    let scenarios = requested(&options.attacks)?;
    let first = parse_rfc3339(FIRST_DAY).and_then(EventTime::from_epoch_ms);
    let first = first.unwrap_or(EventTime::EARLIEST);
    let mut organisation = Organisation::new(options.seed, options.identities);
    let mut events: Vec<(SimulatedEvent, Option<usize>)> = Vec::new();
    let mut campaigns = 0;
    // Two campaigns of each scenario, spread evenly over the days with attacks.
    let planned = 2 * scenarios.len() as i64;
    let open_days = (options.days - QUIET_DAYS).max(0);
    for day in 0..options.days {
        let midnight = first.saturating_add_ms(day * MS_PER_DAY);
        organisation.change(day);
        organisation.outage = (day == OUTAGE_DAY).then(|| {
            let from = midnight.epoch_ms() + 13 * MS_PER_HOUR;
            (from, from + 2 * MS_PER_HOUR)
        });
        events.extend(
            organisation
                .day(midnight)
                .into_iter()
                .map(|event| (event, None)),
        );
        let begun = |day: i64| {
            (planned * (day - QUIET_DAYS))
                .checked_div(open_days)
                .unwrap_or(0)
        };
        for at in begun(day).max(0)..begun(day + 1).max(0) {
            let scenario = scenarios[at as usize % scenarios.len()];
            let secs = organisation.dice().between(8.0, 18.0) * 3_600.0;
            let start = midnight.saturating_add_ms(secs as i64 * MS_PER_SEC);
            let attack = campaign(&mut organisation, scenario, start);
            events.extend(attack.into_iter().map(|event| (event, Some(campaigns))));
            campaigns += 1;
        }
    }
    events.sort_by_key(|(event, _)| event.time);
    write(options, &events)?;
    Ok(Written {
        events: events.len(),
        campaigns,
    })
}

fn write(
    options: &Options,
    events: &[(SimulatedEvent, Option<usize>)],
) -> Result<(), SimulateError> {
    let failed = |path: &PathBuf| {
        let path = path.clone();
        move |why| SimulateError::Write { path, why }
    };
    let out = File::create(&options.out).map_err(failed(&options.out))?;
    let labels = File::create(&options.labels).map_err(failed(&options.labels))?;
    let (mut out, mut labels) = (BufWriter::new(out), BufWriter::new(labels));
    for (simulated, campaign) in events {
        let mut line = simulated.event.to_json();
        line.push(b'\n');
        out.write_all(&line).map_err(failed(&options.out))?;
        let (Some(scenario), Some(campaign)) = (simulated.attack, campaign) else {
            continue;
        };
        let label = Label {
            event_id: simulated.event.event_id.clone().unwrap_or_default(),
            campaign: format!("{scenario}-{campaign}"),
            scenario: scenario.to_owned(),
        };
        let line = serde_json::to_string(&label).unwrap_or_default();
        writeln!(labels, "{line}").map_err(failed(&options.labels))?;
    }
    out.flush().map_err(failed(&options.out))?;
    labels.flush().map_err(failed(&options.labels))
}
