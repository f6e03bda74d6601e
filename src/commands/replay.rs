//! `credwatch replay`: processes files with the same shards as `credwatch run`.

use crate::commands::local_shards::{LocalShards, LocalShardsError};
use crate::commands::reordering::{PlacedRecord, Reordering};
use crate::commands::summary::Summary;
use crate::config::Config;
use crate::console::Console;
use crate::console::event_history::RecentEvents;
use crate::enrichment::{DatabaseError, Enricher};
use crate::files;
use crate::files::InputError;
use crate::files::state_directory::{StateError, StateFolder};
use crate::ingest::{ExpandedRecord, RecordMapper};
use crate::outputs::dead_letter::DeadLetter;
use crate::outputs::verdict_line;
use crate::shard::{OutputRecord, Stream};
use credwatch_core::engine::Detail;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What to replay, and where to write what.
#[derive(Clone, Debug)]
pub struct Options {
    /// Files, directories, or `-`.
    pub inputs: Vec<PathBuf>,
    /// How their records are mapped.
    pub mapper: RecordMapper,
    /// Shards.
    pub partitions: u32,
    /// One verdict per event.
    pub verdicts: Option<PathBuf>,
    /// Alerts.
    pub alerts: Option<PathBuf>,
    /// Containment orders.
    pub orders: Option<PathBuf>,
    /// Audit trail.
    pub audit: Option<PathBuf>,
    /// Rejected records.
    pub dead: Option<PathBuf>,
    /// State directory, from which baselines are loaded and to which they are saved.
    pub state: Option<PathBuf>,
}

/// Why a replay failed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// An input cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A database cannot be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The shards cannot be created.
    #[error(transparent)]
    Lanes(#[from] LocalShardsError),
    /// The state cannot be saved.
    #[error(transparent)]
    State(#[from] StateError),
    /// An output cannot be written.
    #[error("{}: {why}", .path.display())]
    Output {
        /// File.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
}

/// A file of JSON lines, or nothing.
struct Lines(Option<(PathBuf, BufWriter<File>)>);

impl Lines {
    fn create(path: Option<&PathBuf>) -> Result<Self, ReplayError> {
        let Some(path) = path else {
            return Ok(Self(None));
        };
        match File::create(path) {
            Ok(file) => Ok(Self(Some((path.clone(), BufWriter::new(file))))),
            Err(why) => Err(ReplayError::Output {
                path: path.clone(),
                why,
            }),
        }
    }

    fn write(&mut self, line: &[u8]) -> Result<(), ReplayError> {
        let Some((path, file)) = &mut self.0 else {
            return Ok(());
        };
        let written = file.write_all(line).and_then(|()| file.write_all(b"\n"));
        written.map_err(|why| ReplayError::Output {
            path: path.clone(),
            why,
        })
    }

    fn finish(&mut self) -> Result<(), ReplayError> {
        match &mut self.0 {
            None => Ok(()),
            Some((path, file)) => file.flush().map_err(|why| ReplayError::Output {
                path: path.clone(),
                why,
            }),
        }
    }
}

/// The files that a replay writes.
struct Sinks {
    verdicts: Lines,
    alerts: Lines,
    orders: Lines,
    audit: Lines,
    dead: Lines,
}

impl Sinks {
    fn create(options: &Options) -> Result<Self, ReplayError> {
        Ok(Self {
            verdicts: Lines::create(options.verdicts.as_ref())?,
            alerts: Lines::create(options.alerts.as_ref())?,
            orders: Lines::create(options.orders.as_ref())?,
            audit: Lines::create(options.audit.as_ref())?,
            dead: Lines::create(options.dead.as_ref())?,
        })
    }

    fn publish(&mut self, outgoing: &OutputRecord) -> Result<(), ReplayError> {
        let lines = match outgoing.stream {
            Stream::Alerts => &mut self.alerts,
            Stream::Revocations => &mut self.orders,
            Stream::Decisions => &mut self.audit,
            Stream::DeadLetter => &mut self.dead,
            Stream::Events | Stream::Sightings => return Ok(()),
        };
        lines.write(&outgoing.payload)
    }

    fn finish(&mut self) -> Result<(), ReplayError> {
        for lines in [
            &mut self.verdicts,
            &mut self.alerts,
            &mut self.orders,
            &mut self.audit,
            &mut self.dead,
        ] {
            lines.finish()?;
        }
        Ok(())
    }
}

/// A running replay.
struct Replay {
    reordering: Reordering,
    /// Verdicts by position, until no earlier one is missing.
    verdicts: BTreeMap<usize, Vec<Vec<u8>>>,
    mapper: RecordMapper,
    shards: LocalShards,
    detail: Detail,
    sinks: Sinks,
    summary: Summary,
    console: Option<(Arc<Console>, Arc<RecentEvents>)>,
}

/// Replays `options.inputs`; calls `progress` with the size of each document.
///
/// # Errors
/// An input cannot be read or an output cannot be written. Malformed records are not an error: they are
/// rejected and counted.
pub fn replay(
    config: &Config,
    options: &Options,
    progress: impl FnMut(&Path, u64),
) -> Result<Summary, ReplayError> {
    replay_into(config, options, None, progress).map(|(summary, _)| summary)
}

/// The same, into a console where there is one; the shards remain, for questions.
///
/// # Errors
/// As for [`replay`].
pub(crate) fn replay_into(
    config: &Config,
    options: &Options,
    console: Option<(&Arc<Console>, &Arc<RecentEvents>)>,
    mut progress: impl FnMut(&Path, u64),
) -> Result<(Summary, LocalShards), ReplayError> {
    let files = files::list(&options.inputs)?;
    let state = options.state.as_deref().map(StateFolder::new);
    let enricher = Enricher::open(&config.enrichment)?.map(Arc::new);
    let mut replay = Replay {
        reordering: Reordering::default(),
        verdicts: BTreeMap::new(),
        mapper: options
            .mapper
            .clone()
            .with_enricher(enricher)
            .with_redactor(config.redactor.clone()),
        shards: LocalShards::open(config, options.partitions, state.as_ref())?,
        detail: match options.verdicts {
            Some(_) => Detail::Explained,
            None => Detail::Score,
        },
        sinks: Sinks::create(options)?,
        summary: Summary::new(config.guardrails.mode),
        console: console.map(|(model, events)| (Arc::clone(model), Arc::clone(events))),
    };
    let mut position = 0;
    for path in files {
        let (mut parts, mut first) = (files::open(&path)?, 0);
        let name: Arc<str> = Arc::from(path.display().to_string());
        let delivered_ms = files::delivered_ms(&path);
        if delivered_ms.is_none() {
            replay.process_held(None)?;
        }
        while let Some(part) = parts.next_part()? {
            let expanded = replay.mapper.expand(&part).at(first);
            first += expanded.count;
            for item in expanded.records {
                replay.take(&name, position + item.index, item, delivered_ms.is_some())?;
            }
            replay.write_verdicts()?;
            progress(&path, part.len() as u64);
        }
        position += first;
        if delivered_ms.is_some() {
            replay.process_held(delivered_ms)?;
        }
    }
    replay.process_held(None)?;
    for head in replay.shards.sign_audit_heads() {
        replay.publish(&head)?;
    }
    replay.sinks.finish()?;
    if let Some(state) = &state {
        replay.shards.save(state)?;
    }
    for (id, health) in replay.shards.health() {
        replay.summary.add_health(id, &health);
    }
    Ok((replay.summary, replay.shards))
}

impl Replay {
    /// Processes a record at a position of all inputs, or holds it back until its time.
    fn take(
        &mut self,
        file: &Arc<str>,
        position: usize,
        item: ExpandedRecord<'_>,
        is_held: bool,
    ) -> Result<(), ReplayError> {
        if is_held && item.outcome.is_ok() {
            self.reordering.hold(PlacedRecord {
                file: Arc::clone(file),
                position,
                item: item.into_owned(),
            });
            return Ok(());
        }
        let line = self.item(file, &item)?;
        self.keep_verdict(position, line);
        Ok(())
    }

    /// Processes what was held back and is due, where the present file was delivered at `delivered_ms`.
    fn process_held(&mut self, delivered_ms: Option<i64>) -> Result<(), ReplayError> {
        while let Some(record) = self.reordering.next(delivered_ms) {
            let line = self.item(&record.file, &record.item)?;
            self.keep_verdict(record.position, line);
        }
        self.write_verdicts()
    }

    /// Keeps a verdict until those of earlier records are there.
    fn keep_verdict(&mut self, position: usize, line: Option<Vec<u8>>) {
        if let Some(line) = line {
            self.verdicts.entry(position).or_default().push(line);
        }
    }

    /// Writes the verdicts before the first record that is held back: they stand in the order of the inputs.
    fn write_verdicts(&mut self) -> Result<(), ReplayError> {
        let first_held = self.reordering.first_position().unwrap_or(usize::MAX);
        let later = self.verdicts.split_off(&first_held);
        for line in std::mem::replace(&mut self.verdicts, later)
            .values()
            .flatten()
        {
            self.sinks.verdicts.write(line)?;
        }
        Ok(())
    }

    /// Processes one record; returns its verdict line if requested.
    fn item(
        &mut self,
        name: &str,
        item: &ExpandedRecord<'_>,
    ) -> Result<Option<Vec<u8>>, ReplayError> {
        let native = match &item.outcome {
            Ok(native) => native,
            Err(reason) => return self.reject(name, item, reason).map(|()| None),
        };
        self.summary.unread_expiries += u64::from(native.expiry_unparsed);
        let scored = match self.shards.process(native, self.detail) {
            Ok(scored) => scored,
            Err(error) => {
                return self.reject(name, item, &error.to_string()).map(|()| None);
            }
        };
        self.summary.add_event(&scored.handled);
        let at_source = scored.at_source.as_ref();
        let at_source = at_source.and_then(|output| output.verdict.as_ref());
        let line = scored
            .handled
            .step
            .verdict
            .as_ref()
            .map(|verdict| verdict_line::to_json(&scored.handled.event, verdict, at_source));
        scored
            .alerts()
            .for_each(|alert| self.summary.add_alert(alert));
        if let Some((console, events)) = &self.console {
            let event = &scored.handled.event;
            events.add(event, &native.json, scored.handled.step.event_nats);
            console.set_latest_event(event.time.epoch_ms());
        }
        let outputs = scored.outputs;
        for outgoing in &outputs {
            self.publish(outgoing)?;
        }
        Ok(line)
    }

    fn publish(&mut self, output: &OutputRecord) -> Result<(), ReplayError> {
        if let Some((console, _)) = &self.console {
            console.take_output(output);
        }
        self.sinks.publish(output)
    }

    fn reject(
        &mut self,
        name: &str,
        item: &ExpandedRecord<'_>,
        reason: &str,
    ) -> Result<(), ReplayError> {
        let coordinates = (name, -1, item.index as i64);
        let dead_letter = DeadLetter::new(reason, "replay", coordinates, &item.raw);
        self.summary.add_dead(name, item.index, reason);
        self.sinks.publish(&OutputRecord::dead_letter(&dead_letter))
    }
}
