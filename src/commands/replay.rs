//! `credwatch replay`: processes files with the same shards as `credwatch run`.

use crate::commands::local_shards::{LocalShards, LocalShardsError};
use crate::commands::read_records::{DecodedRecords, FilePart, read_records};
use crate::commands::reordering::{PlacedRecord, Reordering};
use crate::commands::summary::Summary;
use crate::config::Config;
use crate::console::Console;
use crate::console::event_history::RecentEvents;
use crate::enrichment::{DatabaseError, Enricher};
use crate::files;
use crate::files::InputError;
use crate::files::state_directory::{StateError, StateFolder};
use crate::ingest::{DecodedNative, ExpandedRecord, NativeRecord, RecordMapper};
use crate::outputs::dead_letter::DeadLetter;
use crate::outputs::verdict_line;
use crate::shard::{OutputRecord, Stream};
use crate::sources::native::Decoded;
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

/// The file that is being read.
#[derive(Default)]
struct CurrentFile {
    name: Arc<str>,
    /// The time in its name.
    delivered_ms: Option<i64>,
    /// Position of its first record in all inputs.
    first_position: usize,
    /// Records that were read of it.
    records: usize,
}

/// Where a record stands.
struct RecordOrigin<'r> {
    file: &'r str,
    index: usize,
    raw: &'r [u8],
}

/// A running replay.
struct Replay {
    file: CurrentFile,
    reordering: Reordering,
    /// Verdicts by position, until no earlier one is missing.
    verdicts: BTreeMap<usize, Vec<Vec<u8>>>,
    shards: LocalShards,
    detail: Detail,
    sinks: Sinks,
    summary: Summary,
    console: Option<(Arc<Console>, Arc<RecentEvents>)>,
}

/// Replays `options.inputs`; calls `progress` with each part of a file.
///
/// # Errors
/// An input cannot be read or an output cannot be written. Malformed records are not an error: they are
/// rejected and counted.
pub fn replay(
    config: &Config,
    options: &Options,
    progress: impl FnMut(&FilePart),
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
    mut progress: impl FnMut(&FilePart),
) -> Result<(Summary, LocalShards), ReplayError> {
    // Before an output is created: a mistyped input costs no result of an earlier replay.
    let files = files::list(&options.inputs)?;
    let state = options.state.as_deref().map(StateFolder::new);
    let enricher = Enricher::open(&config.enrichment)?.map(Arc::new);
    let mapper = options
        .mapper
        .clone()
        .with_enricher(enricher)
        .with_redactor(config.redactor.clone());
    let mut replay = Replay {
        file: CurrentFile::default(),
        reordering: Reordering::default(),
        verdicts: BTreeMap::new(),
        shards: LocalShards::open(config, options.partitions, state.as_ref())?,
        detail: match options.verdicts {
            Some(_) => Detail::Explained,
            None => Detail::Score,
        },
        sinks: Sinks::create(options)?,
        summary: Summary::new(config.guardrails.mode),
        console: console.map(|(model, events)| (Arc::clone(model), Arc::clone(events))),
    };
    read_records(files, &mapper, |part, expanded| {
        if part.is_first {
            replay.begin_file(&part.path)?;
        }
        replay.take_part(expanded)?;
        progress(part);
        Ok::<(), ReplayError>(())
    })?;
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
    /// Continues with a file: everything of the one before it was read.
    fn begin_file(&mut self, path: &Path) -> Result<(), ReplayError> {
        if self.file.delivered_ms.is_some() {
            self.process_held(self.file.delivered_ms)?;
        }
        self.file = CurrentFile {
            name: Arc::from(path.display().to_string()),
            delivered_ms: files::delivered_ms(path),
            first_position: self.file.first_position + self.file.records,
            records: 0,
        };
        if self.file.delivered_ms.is_none() {
            self.process_held(None)?;
        }
        Ok(())
    }

    /// Processes the records of a part, or holds them back until their time.
    fn take_part(&mut self, expanded: DecodedRecords) -> Result<(), ReplayError> {
        self.file.records += expanded.count;
        let file = Arc::clone(&self.file.name);
        for item in expanded.records {
            let position = self.file.first_position + item.index;
            if self.file.delivered_ms.is_some() && item.outcome.is_ok() {
                self.reordering.hold(PlacedRecord {
                    file: Arc::clone(&file),
                    position,
                    item,
                });
                continue;
            }
            let line = self.item(&file, item)?;
            self.keep_verdict(position, line);
        }
        self.write_verdicts()
    }

    /// Processes what was held back and is due, where the present file was delivered at `delivered_ms`.
    fn process_held(&mut self, delivered_ms: Option<i64>) -> Result<(), ReplayError> {
        while let Some(record) = self.reordering.next(delivered_ms) {
            let line = self.item(&record.file, record.item)?;
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
        file: &str,
        item: ExpandedRecord<'_, DecodedNative>,
    ) -> Result<Option<Vec<u8>>, ReplayError> {
        let origin = RecordOrigin {
            file,
            index: item.index,
            raw: &item.raw,
        };
        match item.outcome {
            Ok(mut record) => record
                .take_event(|native, decoded| self.event(&origin, native, decoded))
                .unwrap_or(Ok(None)),
            Err(reason) => self.reject(&origin, &reason).map(|()| None),
        }
    }

    fn event(
        &mut self,
        origin: &RecordOrigin<'_>,
        native: &NativeRecord<'_>,
        decoded: Decoded<'_>,
    ) -> Result<Option<Vec<u8>>, ReplayError> {
        self.summary.unread_expiries += u64::from(native.expiry_unparsed);
        let scored = match self.shards.process(&native.json, decoded, self.detail) {
            Ok(scored) => scored,
            Err(error) => return self.reject(origin, &error.to_string()).map(|()| None),
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

    fn reject(&mut self, origin: &RecordOrigin<'_>, reason: &str) -> Result<(), ReplayError> {
        let RecordOrigin { file, index, raw } = *origin;
        let dead_letter = DeadLetter::new(reason, "replay", (file, -1, index as i64), raw);
        self.summary.add_dead(file, index, reason);
        self.sinks.publish(&OutputRecord::dead_letter(&dead_letter))
    }
}
