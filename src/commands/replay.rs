//! `credwatch replay`: processes files with the same shards as `credwatch run`.

use crate::commands::local_shards::{LocalShards, LocalShardsError};
use crate::commands::summary::Summary;
use crate::config::Config;
use crate::files;
use crate::files::InputError;
use crate::files::state_directory::{StateError, StateFolder};
use crate::ingest::{ExpandedRecord, expand};
use crate::outputs::dead_letter::DeadLetter;
use crate::outputs::verdict_line;
use crate::shard::{OutputRecord, Stream};
use crate::sources::source_format::{Format, head, recognise};
use credwatch_core::engine::Detail;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// What to replay, and where to write what.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Files, directories, or `-`.
    pub inputs: Vec<PathBuf>,
    /// Format of the inputs; detected per document if omitted.
    pub format: Option<Format>,
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
    shards: LocalShards,
    detail: Detail,
    sinks: Sinks,
    summary: Summary,
}

/// Replays `options.inputs`; calls `progress` with the size of each document.
///
/// # Errors
/// An input cannot be read or an output cannot be written. Malformed records are not an error: they are
/// rejected and counted.
pub fn replay(
    config: &Config,
    options: &Options,
    mut progress: impl FnMut(&Path, u64),
) -> Result<Summary, ReplayError> {
    let files = files::list(&options.inputs)?;
    let state = options.state.as_deref().map(StateFolder::new);
    let mut replay = Replay {
        shards: LocalShards::open(config, options.partitions, state.as_ref())?,
        detail: match options.verdicts {
            Some(_) => Detail::Explained,
            None => Detail::Score,
        },
        sinks: Sinks::create(options)?,
        summary: Summary::new(config.guardrails.mode),
    };
    for path in files {
        let (mut parts, mut format, mut records) = (files::open(&path)?, options.format, 0);
        while let Some(part) = parts.next_part()? {
            let format = *format.get_or_insert_with(|| recognise(head(&part)));
            records += replay.part(&path, &part, format, records)?;
            progress(&path, part.len() as u64);
        }
    }
    for head in replay.shards.sign_audit_heads() {
        replay.sinks.publish(&head)?;
    }
    replay.sinks.finish()?;
    if let Some(state) = &state {
        replay.shards.save(state)?;
    }
    for (id, health) in replay.shards.health() {
        replay.summary.add_health(id, &health);
    }
    Ok(replay.summary)
}

impl Replay {
    /// Processes a part of a document whose first record has the number `first`; returns its number of
    /// records.
    fn part(
        &mut self,
        path: &Path,
        part: &[u8],
        format: Format,
        first: usize,
    ) -> Result<usize, ReplayError> {
        let name = path.display().to_string();
        let mut verdicts = Vec::new();
        let items = expand(part, format);
        let records = items.len();
        for mut item in items {
            item.index += first;
            let index = item.index;
            if let Some(line) = self.item(&name, &item)? {
                verdicts.push((index, line));
            }
        }
        // A bag is processed in order of time; its verdicts are written in input order.
        verdicts.sort_by_key(|(index, _)| *index);
        for (_, line) in &verdicts {
            self.sinks.verdicts.write(line)?;
        }
        Ok(records)
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
        for outgoing in &scored.outputs {
            self.sinks.publish(outgoing)?;
        }
        Ok(line)
    }

    fn reject(
        &mut self,
        name: &str,
        item: &ExpandedRecord<'_>,
        reason: &str,
    ) -> Result<(), ReplayError> {
        let coordinates = (name, -1, item.index as i64);
        let dead_letter = DeadLetter::new(reason, "replay", coordinates, item.raw);
        self.summary.add_dead(name, item.index, reason);
        self.sinks.publish(&OutputRecord::dead_letter(&dead_letter))
    }
}
