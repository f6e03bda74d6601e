//! The state of one shard as a file: written by `replay --state`, read by `explain`.
//!
//! # Format
//! `credwatch state\n`, the version as four bytes, and a zstd frame with its content checksum. The frame
//! contains, as [borsh](https://borsh.io), the [`Header`], then for every record a 1, its key and its
//! bytes, then a 0. Maps are written in key order: equal state has equal bytes.

use crate::audit::record::AuditChain;
use borsh::{BorshDeserialize, BorshSerialize};
use credwatch_core::engine::{Engine, EngineRestore, RecordKey, Settings};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};
use std::rc::Rc;

const MAGIC: &[u8; 16] = b"credwatch state\n";
/// Version of the format, and of the records.
pub const VERSION: u32 = 7;
/// The fastest level: state is floats and hashes, which higher levels compress no better.
const LEVEL: i32 = 1;

/// Position and identity of a shard.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct Header {
    /// Its partition.
    pub partition: i32,
    /// Number of partitions.
    pub partitions: u32,
    /// Offset of the next record.
    pub next_offset: i64,
    /// Offset, in the baselines topic, at which its records begin; earlier ones belong to a discarded
    /// shard.
    pub first_record_offset: i64,
    /// Offsets of the next feedback, by partition of the feedback topic.
    pub feedback_offsets: BTreeMap<i32, i64>,
    /// Hash of model and detection settings.
    pub model_hash: String,
    /// Hash of the configuration.
    pub configuration_hash: String,
    /// The chain of its audit trail.
    pub audit: AuditChain,
}

/// Why a state file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Not a state file.
    #[error("not a credwatch state file; pass another directory")]
    NotAState,
    /// Another version.
    #[error(
        "format {found}, and this version reads {VERSION}; use the version that wrote \
         it, or move it away and replay from the start"
    )]
    Version {
        /// Its version.
        found: u32,
    },
    /// Truncated or damaged.
    #[error(
        "truncated or damaged ({0}); restore it from a backup, or remove it and replay from the start"
    )]
    Broken(io::Error),
}

/// Writes one shard's state.
///
/// # Errors
/// `out` fails.
pub fn write(mut out: impl Write, header: &Header, engine: &Engine) -> io::Result<()> {
    out.write_all(MAGIC)?;
    out.write_all(&VERSION.to_le_bytes())?;
    let mut frame = zstd::Encoder::new(out, LEVEL)?;
    frame.include_checksum(true)?;
    header.serialize(&mut frame)?;
    engine.save(&mut |key, bytes| {
        (1u8, key).serialize(&mut frame)?;
        bytes.unwrap_or_default().serialize(&mut frame)
    })?;
    0u8.serialize(&mut frame)?;
    frame.finish()?.flush()
}

/// Restores one shard's state into an engine; `settings` may depend on its header.
///
/// # Errors
/// The file is invalid; the error states the remedy.
pub fn read(
    mut input: impl Read,
    settings: impl FnOnce(&Header) -> Settings,
) -> Result<(Header, Engine), SnapshotError> {
    read_preamble(&mut input)?;
    read_frame(input, settings).map_err(SnapshotError::Broken)
}

/// Reads the header only.
///
/// # Errors
/// The file is invalid; the error states the remedy.
pub fn read_header(mut input: impl Read) -> Result<Header, SnapshotError> {
    read_preamble(&mut input)?;
    zstd::Decoder::new(input)
        .and_then(|mut frame| Header::deserialize_reader(&mut frame))
        .map_err(SnapshotError::Broken)
}

fn read_preamble(input: &mut impl Read) -> Result<(), SnapshotError> {
    let (mut magic, mut version) = ([0; MAGIC.len()], [0; 4]);
    let head = input.read_exact(&mut magic);
    head.and_then(|()| input.read_exact(&mut version))
        .map_err(|_| SnapshotError::NotAState)?;
    let found = u32::from_le_bytes(version);
    if &magic != MAGIC {
        return Err(SnapshotError::NotAState);
    }
    if found != VERSION {
        return Err(SnapshotError::Version { found });
    }
    Ok(())
}

fn read_frame(
    input: impl Read,
    settings: impl FnOnce(&Header) -> Settings,
) -> io::Result<(Header, Engine)> {
    let mut frame = BufReader::with_capacity(1 << 20, limited(input)?);
    let header = Header::deserialize_reader(&mut frame)?;
    let mut restoring: EngineRestore = Engine::restore(settings(&header));
    let mut bytes = Vec::new();
    while u8::deserialize_reader(&mut frame)? == 1 {
        let key = RecordKey::deserialize_reader(&mut frame)?;
        let length = u32::deserialize_reader(&mut frame)?;
        bytes.clear();
        (&mut frame).take(length.into()).read_to_end(&mut bytes)?;
        restoring.apply(key, &bytes)?;
    }
    // The checksum is verified at the end of the frame.
    match frame.read(&mut [0])? {
        0 => Ok((header, restoring.finish()?)),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "data after its end",
        )),
    }
}

/// State is floats and hashes: it expands by less than this. A file that expands more is not a state.
const MAX_EXPANSION: u64 = 100;
/// Expansion that is always permitted, in bytes.
const FREE_EXPANSION_BYTES: u64 = 64 << 20;

/// The content of the zstd frame `input`, within the limits.
fn limited(input: impl Read) -> io::Result<impl Read> {
    let input = CountingReader::new(input);
    let compressed = Rc::clone(&input.count);
    Ok(LimitedReader {
        inner: zstd::Decoder::new(input)?,
        compressed,
        expanded: 0,
    })
}

/// Counts the bytes that are read.
struct CountingReader<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R> CountingReader<R> {
    fn new(inner: R) -> Self {
        Self {
            inner,
            count: Rc::default(),
        }
    }
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}

/// Fails where far more comes out than went in.
struct LimitedReader<R> {
    inner: R,
    compressed: Rc<Cell<u64>>,
    expanded: u64,
}

impl<R: Read> Read for LimitedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.expanded += read as u64;
        let limit = FREE_EXPANSION_BYTES + MAX_EXPANSION * self.compressed.get();
        if self.expanded > limit {
            let why = "it expands far beyond its size";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};
    use crate::shard::{ShardFactory, load_model};

    fn settings() -> Settings {
        let config = Config::load(&Sources::default()).unwrap();
        let model = load_model(&config).unwrap();
        ShardFactory::new(&config, model, 1).settings().clone()
    }

    fn written() -> Vec<u8> {
        let header = Header {
            partition: 0,
            partitions: 1,
            next_offset: 7,
            first_record_offset: 0,
            feedback_offsets: BTreeMap::new(),
            model_hash: "m".to_owned(),
            configuration_hash: "c".to_owned(),
            audit: AuditChain::new(0),
        };
        let mut out = Vec::new();
        write(&mut out, &header, &Engine::new(settings())).unwrap();
        out
    }

    fn error(bytes: &[u8]) -> SnapshotError {
        read(bytes, |_| settings()).map(|_| ()).unwrap_err()
    }

    #[test]
    fn a_written_state_is_read_back() {
        let (header, engine) = read(written().as_slice(), |_| settings()).unwrap();
        assert_eq!((header.next_offset, engine.health().identities), (7, 0));
    }

    #[test]
    fn a_file_that_expands_without_end_is_rejected() {
        let mut bomb = Vec::new();
        zstd::stream::copy_encode(io::repeat(0).take(1 << 30), &mut bomb, 1).unwrap();
        let expanded = |bytes: &[u8]| {
            let mut frame = limited(bytes).unwrap();
            io::copy(&mut frame, &mut io::sink())
        };
        assert!(expanded(&bomb).is_err());
        let noise: Vec<u8> = (0..1u32 << 20).flat_map(u32::to_le_bytes).collect();
        let state = zstd::encode_all(noise.as_slice(), 1).unwrap();
        assert_eq!(expanded(&state).unwrap(), noise.len() as u64);
    }

    #[test]
    fn anything_else_is_rejected_with_the_remedy() {
        let good = written();
        assert!(matches!(error(b"PK\x03\x04"), SnapshotError::NotAState));
        assert!(matches!(error(&[b'x'; 64]), SnapshotError::NotAState));
        let mut newer = good.clone();
        newer[16] = 9;
        assert!(error(&newer).to_string().contains("format 9"));
        for end in [21, good.len() / 2, good.len() - 1] {
            assert!(
                matches!(error(&good[..end]), SnapshotError::Broken(_)),
                "{end}"
            );
        }
        for at in (40..good.len()).step_by(good.len() / 40) {
            let mut damaged = good.clone();
            damaged[at] ^= 0x10;
            assert!(matches!(error(&damaged), SnapshotError::Broken(_)), "{at}");
        }
    }
}
