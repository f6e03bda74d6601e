//! Documents from files, directories and standard input, compressed or not.

pub mod state_directory;

use crate::sources::document::is_log_of_lines;
use crate::sources::time::parse_rfc3339;
use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};
use encoding_rs_io::DecodeReaderBytesBuilder;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Maximum size of a document that is read at once, decompressed.
pub const DOCUMENT_BYTES: u64 = 1 << 30;
/// Maximum length of a line.
pub const LINE_BYTES: usize = 64 << 20;

/// Why an input cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// Missing, not readable, or damaged compression.
    #[error("{}: {why}", .path.display())]
    Io {
        /// File.
        path: PathBuf,
        /// Reason.
        why: io::Error,
    },
    /// A directory without files.
    #[error("{}: no log files in this directory", .0.display())]
    Empty(PathBuf),
    /// Over the size limit.
    #[error("{}: more than {DOCUMENT_BYTES} bytes once decompressed; split it", .0.display())]
    TooLarge(PathBuf),
    /// A line is over the size limit.
    #[error("{}: a line of more than {LINE_BYTES} bytes; write one event per line", .0.display())]
    LongLine(PathBuf),
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> InputError + '_ {
    move |why| InputError::Io {
        path: path.to_path_buf(),
        why,
    }
}

/// File name extensions of logs; other files in a directory, such as a licence, are skipped.
const LOG_ENDINGS: [&str; 5] = ["json", "jsonl", "ndjson", "log", "txt"];
/// Extensions of compressed files, after a log's.
const PACKED_ENDINGS: [&str; 3] = ["gz", "zst", "zstd"];

/// The files of `inputs`, in the given order, those of a directory by name, subdirectories included, but only
/// log files. Where all their names state a time, they are in the order of these. `-` is standard input.
///
/// # Errors
/// An input is missing, or a directory contains no log file.
pub fn list(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, InputError> {
    let mut files = Vec::new();
    for input in inputs {
        if input.as_os_str() == "-" {
            files.push(input.clone());
            continue;
        }
        let metadata = std::fs::metadata(input).map_err(at(input))?;
        if metadata.is_dir() {
            let before = files.len();
            walk(input, &mut files)?;
            if files.len() == before {
                return Err(InputError::Empty(input.clone()));
            }
        } else {
            files.push(input.clone());
        }
    }
    sort_by_stamp(&mut files);
    Ok(files)
}

fn named_like_a_log(path: &Path) -> bool {
    let ends_in = |path: &Path, endings: &[&str]| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| endings.contains(&ending.to_ascii_lowercase().as_str()))
    };
    if ends_in(path, &PACKED_ENDINGS) {
        let unpacked = path.with_extension("");
        return unpacked.extension().is_none() || ends_in(&unpacked, &LOG_ENDINGS);
    }
    ends_in(path, &LOG_ENDINGS)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), InputError> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(at(folder))?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<_, _>>()
        .map_err(at(folder))?;
    entries.sort();
    for path in entries {
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden || !(path.is_dir() || named_like_a_log(&path)) {
            continue;
        }
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// The time in a name such as `…_20260205T0300Z_….json.gz`.
fn stamp(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    name.split('_').find(|part| {
        let bytes = part.as_bytes();
        bytes.len() == 14
            && bytes[8] == b'T'
            && bytes[13] == b'Z'
            && bytes[..8]
                .iter()
                .chain(&bytes[9..13])
                .all(u8::is_ascii_digit)
    })
}

/// The time at which a file was delivered, in epoch milliseconds, where its name states it.
#[must_use]
pub fn delivered_ms(path: &Path) -> Option<i64> {
    let stamp = stamp(path)?;
    let part = |from: usize, to: usize| &stamp[from..to];
    let text = format!(
        "{}-{}-{}T{}:{}:00Z",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(9, 11),
        part(11, 13)
    );
    parse_rfc3339(&text)
}

/// Files of several accounts and regions, one folder each, are taken in the order of time where their names
/// state it.
fn sort_by_stamp(files: &mut [PathBuf]) {
    if files.iter().all(|path| stamp(path).is_some()) {
        files.sort_by(|a, b| stamp(a).cmp(&stamp(b)).then(a.cmp(b)));
    }
}

/// Size of one read; a pipe returns what it has.
const PART_BYTES: usize = 128 << 10;

/// Number of bytes from which array and log are distinguished.
const HEAD_BYTES: usize = 4_096;

/// A document in parts: whole lines of a log as they arrive, or an array at once.
pub struct DocumentReader {
    path: PathBuf,
    plain: Box<dyn Read>,
    /// The beginning of an incomplete line.
    begun: Vec<u8>,
    is_log: Option<bool>,
    /// Whether the beginning was searched for an end of line.
    is_searched: bool,
}

/// UTF-16, as Windows writes it, by its mark or by the zero beside its first character.
fn utf_16(beginning: &[u8]) -> Option<&'static Encoding> {
    match beginning {
        [0xff, 0xfe, ..] | [b'{' | b'[' | b'"', 0, _, 0] => Some(UTF_16LE),
        [0xfe, 0xff, ..] | [0, b'{' | b'[' | b'"', 0, _] => Some(UTF_16BE),
        _ => None,
    }
}

/// Opens one document, decompressed and decoded as its first bytes indicate.
///
/// # Errors
/// It cannot be read.
pub fn open(path: &Path) -> Result<DocumentReader, InputError> {
    let mut raw: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).map_err(at(path))?)
    };
    let mut magic = Vec::new();
    raw.by_ref()
        .take(4)
        .read_to_end(&mut magic)
        .map_err(at(path))?;
    let is_gzip = magic.starts_with(&[0x1f, 0x8b]);
    let is_zstd = magic == [0x28, 0xb5, 0x2f, 0xfd];
    let whole = io::Cursor::new(magic).chain(raw);
    let mut plain: Box<dyn Read> = if is_gzip {
        Box::new(flate2::read::MultiGzDecoder::new(whole))
    } else if is_zstd {
        Box::new(zstd::stream::read::Decoder::new(whole).map_err(at(path))?)
    } else {
        Box::new(whole)
    };
    let mut beginning = Vec::new();
    plain
        .by_ref()
        .take(4)
        .read_to_end(&mut beginning)
        .map_err(at(path))?;
    let encoding = utf_16(&beginning);
    let whole = io::Cursor::new(beginning).chain(plain);
    Ok(DocumentReader {
        path: path.to_path_buf(),
        plain: match encoding {
            None => Box::new(whole),
            encoding => {
                let mut decoder = DecodeReaderBytesBuilder::new();
                Box::new(decoder.encoding(encoding).bom_override(true).build(whole))
            }
        },
        begun: Vec::new(),
        is_log: None,
        is_searched: false,
    })
}

impl DocumentReader {
    /// The next part; `None` at the end.
    ///
    /// # Errors
    /// It cannot be read, or one part is too large.
    pub fn next_part(&mut self) -> Result<Option<Vec<u8>>, InputError> {
        loop {
            if self.begun.len() as u64 > DOCUMENT_BYTES {
                return Err(InputError::TooLarge(self.path.clone()));
            }
            let searched = self.begun.len();
            if self.read_once()? == 0 {
                let rest = std::mem::take(&mut self.begun);
                return Ok((!rest.is_empty()).then_some(rest));
            }
            if self.is_log.is_none() && self.begun.len() < HEAD_BYTES {
                continue;
            }
            let is_log = *self
                .is_log
                .get_or_insert_with(|| is_log_of_lines(&self.begun));
            if !is_log {
                continue;
            }
            // Only the first search covers what was there before: a long line is not searched again.
            let from = if self.is_searched { searched } else { 0 };
            self.is_searched = true;
            if let Some(end) = memchr::memrchr(b'\n', &self.begun[from..]) {
                let rest = self.begun.split_off(from + end + 1);
                return Ok(Some(std::mem::replace(&mut self.begun, rest)));
            }
            if self.begun.len() > LINE_BYTES {
                return Err(InputError::LongLine(self.path.clone()));
            }
        }
    }

    fn read_once(&mut self) -> Result<usize, InputError> {
        let before = self.begun.len();
        self.begun.resize(before + PART_BYTES, 0);
        let read = loop {
            match self.plain.read(&mut self.begun[before..]) {
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let read = read.map_err(at(&self.path));
        self.begun
            .truncate(before + read.as_ref().copied().unwrap_or(0));
        read
    }

    /// The whole rest.
    ///
    /// # Errors
    /// It cannot be read, or is too large.
    pub fn rest(mut self) -> Result<Vec<u8>, InputError> {
        let mut document = std::mem::take(&mut self.begun);
        let read = (&mut self.plain)
            .take(DOCUMENT_BYTES + 1)
            .read_to_end(&mut document);
        read.map_err(at(&self.path))?;
        if document.len() as u64 > DOCUMENT_BYTES {
            return Err(InputError::TooLarge(self.path));
        }
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_line_without_end_is_rejected_before_it_fills_the_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bomb.gz");
        let out = File::create(&path).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
        io::copy(&mut io::repeat(b'x').take(1 << 30), &mut gzip).unwrap();
        gzip.finish().unwrap();
        let mut parts = open(&path).unwrap();
        assert!(matches!(parts.next_part(), Err(InputError::LongLine(_))));
        assert!(parts.begun.len() < 2 * LINE_BYTES);
    }

    #[test]
    fn compressed_files_are_recognised_by_their_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"hello").unwrap();
        let gzip = write("b.gz", &gzip.finish().unwrap());
        let zstd = write("a.zst", &zstd::encode_all(&b"hello"[..], 1).unwrap());
        let plain = write("c.json", b"hello");
        for path in [&gzip, &zstd, &plain] {
            assert_eq!(open(path).unwrap().rest().unwrap(), b"hello");
        }
        let listed = list(&[folder.path().to_path_buf()]).unwrap();
        assert_eq!(listed, [zstd, gzip, plain]);
    }

    #[test]
    fn utf_16_is_decoded_with_and_without_a_mark() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"{"time":1,"identity":{"id":"zoë"}}"#;
        let units = || text.encode_utf16();
        let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
        let marked = [&[0xff, 0xfe][..], &little].concat();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&marked).unwrap();
        let forms = [
            little,
            big.clone(),
            marked,
            [&[0xfe, 0xff][..], &big].concat(),
            gzip.finish().unwrap(),
        ];
        for (at, bytes) in forms.iter().enumerate() {
            let path = folder.path().join("log.json");
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(
                open(&path).unwrap().rest().unwrap(),
                text.as_bytes(),
                "{at}"
            );
        }
    }

    fn parts_of(text: &str) -> Vec<String> {
        /// Returns seven bytes at a time, like a slow pipe.
        struct Slow(io::Cursor<Vec<u8>>);
        impl Read for Slow {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let most = buffer.len().min(7);
                self.0.read(&mut buffer[..most])
            }
        }
        let mut parts = DocumentReader {
            path: PathBuf::from("x"),
            plain: Box::new(Slow(io::Cursor::new(text.as_bytes().to_vec()))),
            begun: Vec::new(),
            is_log: None,
            is_searched: false,
        };
        let next = || parts.next_part().unwrap();
        let found = std::iter::from_fn(next).map(|part| String::from_utf8(part).unwrap());
        found.collect()
    }

    #[test]
    fn a_log_is_read_in_whole_lines_and_an_array_at_once() {
        let log: String = (0..2_000).map(|n| format!("{{\"a\":{n}}}\n")).collect();
        let log = log + "{\"last\":1}";
        let parts = parts_of(&log);
        assert_eq!(parts.concat(), log);
        assert!(parts.len() > 1_000, "{}", parts.len());
        let last = parts.len() - 1;
        assert!(parts[..last].iter().all(|part| part.ends_with('\n')));
        for begin in ["[", "{\"Records\": ["] {
            let bag = format!("{begin}{}]", log.trim_end().replace('\n', ",\n"));
            assert_eq!(parts_of(&bag), [bag]);
        }
        assert!(parts_of("").is_empty());
    }

    #[test]
    fn files_of_several_regions_are_taken_in_the_order_of_time() {
        let folder = tempfile::tempdir().unwrap();
        let names = [
            "us/1_CloudTrail_us_20260205T0310Z_a.json",
            "eu/1_CloudTrail_eu_20260205T0300Z_b.json",
        ];
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "{}").unwrap();
        }
        let listed = list(&[folder.path().to_path_buf()]).unwrap();
        assert_eq!(
            listed,
            [folder.path().join(names[1]), folder.path().join(names[0])]
        );
    }

    #[test]
    fn a_name_states_when_its_file_was_delivered() {
        let of = |name: &str| delivered_ms(Path::new(name));
        assert_eq!(
            of("1_CloudTrail_us_20260205T0310Z_a.json.gz"),
            Some(1_770_261_000_000)
        );
        assert_eq!(of("1_CloudTrail_us_20269905T0310Z_a.json.gz"), None);
        assert_eq!(of("events.jsonl"), None);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = list(&[PathBuf::from("/nowhere/at/all")]).unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/at/all: "));
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(
            list(&[empty.path().to_path_buf()]),
            Err(InputError::Empty(_))
        ));
    }
}
