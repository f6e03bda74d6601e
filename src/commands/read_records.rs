//! The records of files, part by part: one thread reads and unpacks, one a core maps and decodes, and the
//! caller visits the parts in the order in which they were read.

use crate::files;
use crate::files::InputError;
use crate::ingest::{DecodedNative, Expanded, RecordMapper};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

/// Parts that wait for a mapper, and for their visit, each.
const QUEUED_PARTS: usize = 4;
/// Bytes that were read and not visited: beyond them the reader waits, so that large documents are held one
/// at a time.
const MAX_BYTES_AHEAD: u64 = 64 << 20;

/// A part of a file.
#[derive(Clone, Debug)]
pub struct FilePart {
    /// Its file.
    pub path: Arc<Path>,
    /// Whether it is the first of its file.
    pub is_first: bool,
    /// Its size, unpacked.
    pub bytes: u64,
    /// Number of its records.
    pub records: usize,
}

/// A part as it was read.
struct UnmappedPart {
    path: Arc<Path>,
    is_first: bool,
    document: Vec<u8>,
}

/// What was read, or why nothing more is.
type ReadPart = Result<UnmappedPart, InputError>;
/// A part with its records, or why nothing more is read.
type MappedPart = Result<(FilePart, DecodedRecords), InputError>;
/// The records of a part.
pub(super) type DecodedRecords = Expanded<'static, DecodedNative>;

/// Calls `visit` with each part of `files`, in order, and its records, whose positions count from the
/// beginning of the file. Where `visit` fails it is over at once, even if a pipe that is read stays open.
///
/// # Errors
/// A file cannot be read, or `visit` fails.
pub(super) fn read_records<E: From<InputError>>(
    files: Vec<PathBuf>,
    mapper: &RecordMapper,
    visit: impl FnMut(&FilePart, DecodedRecords) -> Result<(), E>,
) -> Result<(), E> {
    let (mut threads, mut mappers, mut mapped) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
        let (read_sender, read_parts) = sync_channel(QUEUED_PARTS);
        let (mapped_sender, mapped_parts) = sync_channel(QUEUED_PARTS);
        let mapper = mapper.clone();
        threads.push(thread::spawn(move || {
            map_parts(&mapper, &read_parts, &mapped_sender);
        }));
        mappers.push(read_sender);
        mapped.push(mapped_parts);
    }
    let (visited_sender, visited) = channel();
    threads.push(thread::spawn(move || {
        PartReader::new(mappers, visited).read_files(&files);
    }));
    visit_in_order(mapped, visited_sender, visit)?;
    // A thread that panicked ended the input early.
    for thread in threads {
        thread.join().unwrap_or_else(|panic| resume_unwind(panic));
    }
    Ok(())
}

fn map_parts(mapper: &RecordMapper, read: &Receiver<ReadPart>, mapped: &SyncSender<MappedPart>) {
    for part in read {
        let part = part.map(|part| {
            let expanded = mapper.decode(&part.document);
            let mapped = FilePart {
                path: part.path,
                is_first: part.is_first,
                bytes: part.document.len() as u64,
                records: expanded.count,
            };
            (mapped, expanded)
        });
        if mapped.send(part).is_err() {
            return;
        }
    }
}

/// Visits the parts in the order in which they were dealt to the mappers. No thread waits for it afterwards.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the channels are closed at the end"
)]
fn visit_in_order<E: From<InputError>>(
    mapped: Vec<Receiver<MappedPart>>,
    visited: Sender<u64>,
    mut visit: impl FnMut(&FilePart, DecodedRecords) -> Result<(), E>,
) -> Result<(), E> {
    let mut records_before = 0;
    for parts in mapped.iter().cycle() {
        let Ok(part) = parts.recv() else { break };
        let (part, expanded) = part?;
        if part.is_first {
            records_before = 0;
        }
        let expanded = expanded.at(records_before);
        records_before += part.records;
        visit(&part, expanded)?;
        // A reader that has ended needs no answer.
        let _ = visited.send(part.bytes);
    }
    Ok(())
}

/// Reads files and deals their parts to the mappers in turn.
struct PartReader {
    mappers: Vec<SyncSender<ReadPart>>,
    next_mapper: usize,
    visited: Receiver<u64>,
    bytes_ahead: u64,
}

/// No further part is wanted.
struct Closed;

impl PartReader {
    fn new(mappers: Vec<SyncSender<ReadPart>>, visited: Receiver<u64>) -> Self {
        Self {
            mappers,
            next_mapper: 0,
            visited,
            bytes_ahead: 0,
        }
    }

    fn read_files(mut self, files: &[PathBuf]) {
        for file in files {
            if let Err(Closed) = self.read_file(file) {
                return;
            }
        }
    }

    fn read_file(&mut self, file: &Path) -> Result<(), Closed> {
        let path: Arc<Path> = Arc::from(file);
        let mut parts = files::open(file).or_else(|error| self.fail(error))?;
        let mut is_first = true;
        while let Some(document) = parts.next_part().or_else(|error| self.fail(error))? {
            self.wait_for_visits(document.len() as u64)?;
            self.deal(Ok(UnmappedPart {
                path: Arc::clone(&path),
                is_first,
                document,
            }))?;
            is_first = false;
        }
        Ok(())
    }

    /// Reports why nothing more is read.
    fn fail<T>(&mut self, error: InputError) -> Result<T, Closed> {
        self.deal(Err(error))?;
        Err(Closed)
    }

    fn deal(&mut self, part: ReadPart) -> Result<(), Closed> {
        let mapper = &self.mappers[self.next_mapper];
        self.next_mapper = (self.next_mapper + 1) % self.mappers.len();
        mapper.send(part).map_err(|_| Closed)
    }

    /// Waits until a part of `bytes` is no more than may be ahead.
    fn wait_for_visits(&mut self, bytes: u64) -> Result<(), Closed> {
        self.bytes_ahead -= self.visited.try_iter().sum::<u64>();
        while self.bytes_ahead > 0 && self.bytes_ahead + bytes > MAX_BYTES_AHEAD {
            self.bytes_ahead -= self.visited.recv().map_err(|_| Closed)?;
        }
        self.bytes_ahead += bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::source_format::Format;
    use std::fmt::Write as _;

    /// Files of one list each and of lines over several parts, with a malformed record here and there.
    fn files() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in 0..40 {
            let records = if file % 8 == 0 { 4_000 } else { 1 + file % 5 };
            let mut text = String::new();
            for record in 0..records {
                let time = 1_700_000_000_000_u64 + record * 1_000;
                let id = if record % 97 == 13 { "" } else { "a" };
                let line = format!(
                    r#"{{"time":{time},"identity":{{"id":"{id}{record}"}},"activity":"use"}}"#
                );
                writeln!(text, "{line}").unwrap();
            }
            if file % 2 == 1 {
                text = format!("[{}]", text.trim_end().replace('\n', ","));
            }
            std::fs::write(folder.path().join(format!("{file:02}.json")), text).unwrap();
        }
        folder
    }

    /// What one thread reads: file, index and text of each record.
    fn in_sequence(inputs: &[PathBuf], mapper: &RecordMapper) -> Vec<(PathBuf, usize, Vec<u8>)> {
        let mut found = Vec::new();
        for file in files::list(inputs).unwrap() {
            let (mut parts, mut first) = (files::open(&file).unwrap(), 0);
            while let Some(part) = parts.next_part().unwrap() {
                let expanded = mapper.expand(&part).at(first);
                first += expanded.count;
                let records = expanded.records.into_iter();
                found.extend(records.map(|item| (file.clone(), item.index, item.raw.into_owned())));
            }
        }
        found
    }

    #[test]
    fn parts_are_visited_in_the_order_of_one_thread() {
        let folder = files();
        let inputs = [folder.path().to_path_buf()];
        let mapper = RecordMapper::of_format(Format::Native);
        let (mut found, mut first_parts) = (Vec::new(), 0);
        read_records(files::list(&inputs).unwrap(), &mapper, |part, expanded| {
            first_parts += usize::from(part.is_first);
            let records = expanded.records.into_iter();
            found.extend(
                records.map(|item| (part.path.to_path_buf(), item.index, item.raw.into_owned())),
            );
            Ok::<(), InputError>(())
        })
        .unwrap();
        assert_eq!(first_parts, 40);
        assert!(found.len() > 16_000);
        assert_eq!(found, in_sequence(&inputs, &mapper));
    }

    #[test]
    fn a_visitor_that_fails_ends_all_threads() {
        let folder = files();
        let inputs = [folder.path().to_path_buf()];
        let mapper = RecordMapper::of_format(Format::Native);
        let mut visits = 0;
        let ended = read_records(files::list(&inputs).unwrap(), &mapper, |part, _| {
            visits += 1;
            match visits {
                3 => Err(InputError::TooLarge(part.path.to_path_buf())),
                _ => Ok(()),
            }
        });
        assert!(matches!(ended, Err(InputError::TooLarge(_))));
        assert_eq!(visits, 3);
    }

    #[test]
    fn a_visitor_that_fails_waits_for_no_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.jsonl");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let writer = {
            let pipe = pipe.clone();
            thread::spawn(move || {
                let mut writer = std::fs::File::create(pipe).unwrap();
                let line = r#"{"time":1700000000000,"identity":{"id":"a"},"activity":"use"}"#;
                std::io::Write::write_all(&mut writer, format!("{line}\n").repeat(100).as_bytes())
                    .unwrap();
                writer
            })
        };
        let mapper = RecordMapper::of_format(Format::Native);
        let ended = read_records(vec![pipe], &mapper, |part, _| {
            Err::<(), _>(InputError::TooLarge(part.path.to_path_buf()))
        });
        assert!(matches!(ended, Err(InputError::TooLarge(_))));
        // Open until here.
        drop(writer.join().unwrap());
    }

    #[test]
    fn a_damaged_file_is_named_after_the_parts_before_it() {
        let folder = files();
        let damaged = folder.path().join("20.json");
        std::fs::write(&damaged, [0x1f, 0x8b, 8, 0, 1]).unwrap();
        let mapper = RecordMapper::of_format(Format::Native);
        let mut files_read = 0;
        let ended = read_records(
            files::list(&[folder.path().to_path_buf()]).unwrap(),
            &mapper,
            |part, _| {
                files_read += usize::from(part.is_first);
                Ok(())
            },
        );
        assert!(matches!(ended, Err(InputError::Io { path, .. }) if path == damaged));
        assert_eq!(files_read, 20);
    }

    #[test]
    fn large_documents_are_held_one_at_a_time() {
        let (mapper, _parts) = sync_channel(QUEUED_PARTS);
        let (sender, visited) = channel();
        let mut reader = PartReader::new(vec![mapper], visited);
        assert!(reader.wait_for_visits(MAX_BYTES_AHEAD * 2).is_ok());
        sender.send(MAX_BYTES_AHEAD * 2).unwrap();
        assert!(reader.wait_for_visits(MAX_BYTES_AHEAD).is_ok());
        assert_eq!(reader.bytes_ahead, MAX_BYTES_AHEAD);
        drop(sender);
        assert!(reader.wait_for_visits(1).is_err());
    }
}
