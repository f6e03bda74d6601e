//! The state of one shard as a file: what `replay --state` writes, and `explain` reads.
//!
//! # Format
//! `credwatch state\n`, the version as four bytes, and a zstd frame with its content checksum. In the
//! frame, as [borsh](https://borsh.io): the [`Header`], then for every piece a 1, its key and its
//! bytes, then a 0. Maps are written in key order: the same knowledge is the same bytes.

use crate::audit::record::AuditChain;
use borsh::{BorshDeserialize, BorshSerialize};
use credwatch_core::engine::{Engine, EngineRestore, RecordKey, Settings};
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};

const MAGIC: &[u8; 16] = b"credwatch state\n";
/// Version of the format, and of what the pieces hold.
pub const VERSION: u32 = 4;
/// The fastest level: state is floats and hashes, which more effort does not make smaller.
const LEVEL: i32 = 1;

/// Where a shard stands.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct Header {
    /// Which partition it owns.
    pub partition: i32,
    /// Of how many.
    pub partitions: u32,
    /// Offset of the next record.
    pub next_offset: i64,
    /// Offset, in the topic of baselines, from which its pieces lie; what lies before is of a shard that
    /// was given up.
    pub first_record_offset: i64,
    /// Offsets of the next answers, by partition of the feedback topic.
    pub feedback_offsets: BTreeMap<i32, i64>,
    /// Model and detection settings that it was made with.
    pub model_hash: String,
    /// Configuration that it was made with.
    pub configuration_hash: String,
    /// The chain of its audit trail.
    pub audit: AuditChain,
}

/// Why a state cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Something else.
    #[error("this is no state of credwatch; name another folder")]
    NotAState,
    /// From another version.
    #[error(
        "format {found}, and this version reads {VERSION}; use the version that wrote \
         it, or move it away and replay from the start"
    )]
    Version {
        /// What it says.
        found: u32,
    },
    /// Torn or damaged.
    #[error(
        "torn or damaged ({0}); restore it from a copy, or move it away and replay from the start"
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

/// Reads one shard's state into an engine under `settings`, which may depend on whose it is.
///
/// # Errors
/// Says what is wrong with it, and the way out.
pub fn read(
    mut input: impl Read,
    settings: impl FnOnce(&Header) -> Settings,
) -> Result<(Header, Engine), SnapshotError> {
    read_preamble(&mut input)?;
    read_frame(input, settings).map_err(SnapshotError::Broken)
}

/// Reads only where the shard stood.
///
/// # Errors
/// Says what is wrong with it, and the way out.
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
    let mut frame = BufReader::with_capacity(1 << 20, zstd::Decoder::new(input)?);
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
    // The checksum is looked at when the frame ends.
    match frame.read(&mut [0])? {
        0 => Ok((header, restoring.finish()?)),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it goes on after its end",
        )),
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
    fn what_was_written_is_read() {
        let (header, engine) = read(written().as_slice(), |_| settings()).unwrap();
        assert_eq!((header.next_offset, engine.health().identities), (7, 0));
    }

    #[test]
    fn anything_else_is_refused_with_the_way_out() {
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
