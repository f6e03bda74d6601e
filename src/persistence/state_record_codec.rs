//! State records of a shard as records of the compacted topic `credential.baselines`.
//!
//! # Format
//! The Kafka key is the record's key and the part number, as [borsh](https://borsh.io); the marker, which
//! holds the position of the checkpoint in the log, has the key `marker`. The value is the version (1 byte),
//! the number of parts (2), a checksum over key, number and content (8), and the content. A state record is
//! split into parts of at most `PART_BYTES`; parts beyond the stated number are left over from a longer one.
//! A deleted state record is a Kafka record without value.

use crate::persistence::record_checksum::RecordChecksum;
use crate::persistence::snapshot::Header;
use borsh::{BorshDeserialize, to_vec};
use credwatch_core::engine::RecordKey;
use std::io;

/// Version of the format, and of the state records.
pub const VERSION: u8 = 5;
/// Maximum size of a part.
pub const PART_BYTES: usize = 512 * 1024;
const MARKER: &[u8] = b"marker";
const HEAD_BYTES: usize = 11;

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StateRecordError {
    /// Another version.
    #[error("of format {decoded}, and this version reads {VERSION}: run the version that wrote it")]
    Version {
        /// Its version.
        decoded: u8,
    },
    /// Written without the secret of `state.key_file`.
    #[error(
        "not authenticated by the key of `state.key_file`: it was written before the key was set, or forged"
    )]
    Unauthenticated,
    /// Damaged.
    #[error(
        "damaged, or written under another key of `state.key_file` ({0}): restore the topic from a backup"
    )]
    Broken(String),
}

fn damaged(why: impl Into<String>) -> StateRecordError {
    StateRecordError::Broken(why.into())
}

fn undecodable(why: &io::Error) -> StateRecordError {
    damaged(why.to_string())
}

/// Receives a record: its key and its value.
pub type RecordSink<'s> = dyn FnMut(&[u8], Option<&[u8]>) -> io::Result<()> + 's;

/// Writes one state record, using `value` as a buffer; `None` deletes it.
///
/// # Errors
/// `send` fails.
pub fn write(
    checksum: &RecordChecksum,
    key: RecordKey,
    content: Option<&[u8]>,
    value: &mut Vec<u8>,
    send: &mut RecordSink<'_>,
) -> io::Result<()> {
    let Some(content) = content else {
        return send(&to_vec(&(key, 0u16))?, None);
    };
    let parts = content.len().div_ceil(PART_BYTES).max(1);
    let mut chunks = content.chunks(PART_BYTES);
    for part in 0..parts {
        let key = to_vec(&(key, part as u16))?;
        encode_value(
            value,
            checksum,
            &key,
            parts as u16,
            chunks.next().unwrap_or_default(),
        );
        send(&key, Some(value))?;
    }
    Ok(())
}

/// Writes the marker.
///
/// # Errors
/// `send` fails.
pub fn write_marker(
    checksum: &RecordChecksum,
    header: &Header,
    send: &mut RecordSink<'_>,
) -> io::Result<()> {
    let mut value = Vec::new();
    encode_value(&mut value, checksum, MARKER, 1, &to_vec(header)?);
    send(MARKER, Some(&value))
}

/// Frames `content` as a record value.
fn encode_value(
    value: &mut Vec<u8>,
    checksum: &RecordChecksum,
    key: &[u8],
    parts: u16,
    content: &[u8],
) {
    value.clear();
    value.push(VERSION);
    value.extend_from_slice(&parts.to_le_bytes());
    value.extend_from_slice(&checksum.of(key, parts, content).to_le_bytes());
    value.extend_from_slice(content);
}

/// The content of a record.
#[derive(Debug)]
pub enum DecodedRecord {
    /// The position of the checkpoint.
    Marker(Box<Header>),
    /// A complete state record.
    Record(RecordKey, Vec<u8>),
    /// A part of an incomplete or deleted one.
    Incomplete,
}

/// Reads records in order, and joins their parts.
#[derive(Debug, Default)]
pub struct StateRecordReader {
    checksum: RecordChecksum,
    open: Option<(RecordKey, u16, Vec<u8>)>,
}

impl StateRecordReader {
    /// A reader of records with such a checksum.
    #[must_use]
    pub fn new(checksum: RecordChecksum) -> Self {
        Self {
            checksum,
            open: None,
        }
    }

    fn check(
        &self,
        key: &[u8],
        parts: u16,
        content: &[u8],
        stated: &[u8],
    ) -> Result<(), StateRecordError> {
        let is_valid =
            |checksum: &RecordChecksum| checksum.of(key, parts, content).to_le_bytes() == *stated;
        if is_valid(&self.checksum) {
            return Ok(());
        }
        if self.checksum.is_keyed() && is_valid(&RecordChecksum::default()) {
            return Err(StateRecordError::Unauthenticated);
        }
        Err(damaged("a checksum does not match"))
    }

    /// Reads the next record.
    ///
    /// # Errors
    /// The record is invalid; the error states the remedy.
    pub fn read(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<DecodedRecord, StateRecordError> {
        let Some(value) = value else {
            return Ok(DecodedRecord::Incomplete);
        };
        let Some((head, content)) = value.split_at_checked(HEAD_BYTES) else {
            return Err(damaged("a record is too short"));
        };
        if head[0] != VERSION {
            return Err(StateRecordError::Version { decoded: head[0] });
        }
        let parts = u16::from_le_bytes([head[1], head[2]]);
        self.check(key, parts, content, &head[3..])?;
        if key == MARKER {
            let header = Header::try_from_slice(content).map_err(|why| undecodable(&why))?;
            return Ok(DecodedRecord::Marker(Box::new(header)));
        }
        let (key, part) =
            <(RecordKey, u16)>::try_from_slice(key).map_err(|why| undecodable(&why))?;
        Ok(self.join(key, part, parts, content))
    }

    /// A part that does not continue the previous one is left over from a longer record, or its predecessor
    /// was rewritten and compacted away; in that case the complete record follows later.
    fn join(&mut self, key: RecordKey, part: u16, parts: u16, content: &[u8]) -> DecodedRecord {
        if part == 0 {
            self.open = Some((key, 0, Vec::new()));
        }
        let Some((open, next, bytes)) = &mut self.open else {
            return DecodedRecord::Incomplete;
        };
        if *open != key || *next != part {
            return DecodedRecord::Incomplete;
        }
        bytes.extend_from_slice(content);
        *next += 1;
        if *next < parts {
            return DecodedRecord::Incomplete;
        }
        let whole = std::mem::take(bytes);
        self.open = None;
        DecodedRecord::Record(key, whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(state_records: &[(RecordKey, Option<Vec<u8>>)]) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let mut records = Vec::new();
        for (key, content) in state_records {
            let mut send = |key: &[u8], value: Option<&[u8]>| {
                records.push((key.to_vec(), value.map(<[u8]>::to_vec)));
                Ok(())
            };
            let checksum = RecordChecksum::default();
            let content = content.as_deref();
            write(&checksum, *key, content, &mut Vec::new(), &mut send).unwrap();
        }
        records
    }

    fn read(records: &[(Vec<u8>, Option<Vec<u8>>)]) -> Vec<(RecordKey, Vec<u8>)> {
        let mut reader = StateRecordReader::default();
        let decoded = records
            .iter()
            .map(|(key, value)| reader.read(key, value.as_deref()).unwrap());
        let state_records = decoded.filter_map(|decoded| match decoded {
            DecodedRecord::Record(key, content) => Some((key, content)),
            _ => None,
        });
        state_records.collect()
    }

    #[test]
    fn records_of_any_size_are_read_back() {
        let state_records = [
            (RecordKey::Engine, Some(vec![1; 10])),
            (
                RecordKey::Population,
                Some((0..=255).cycle().take(3 * PART_BYTES + 7).collect()),
            ),
            (RecordKey::Identity(7), None),
            (RecordKey::SharedDeviations, Some(Vec::new())),
        ];
        let whole: Vec<_> = state_records
            .iter()
            .filter_map(|(key, content)| Some((*key, content.clone()?)))
            .collect();
        assert_eq!(read(&records(&state_records)), whole);
    }

    #[test]
    fn parts_left_over_from_a_longer_record_are_ignored() {
        let long = records(&[(RecordKey::SharedDeviations, Some(vec![1; 3 * PART_BYTES]))]);
        let short = records(&[(RecordKey::SharedDeviations, Some(vec![2; 5]))]);
        // After compaction: the latest record of each key.
        let left: Vec<_> = long[1..].iter().chain(&short).cloned().collect();
        assert_eq!(read(&left), vec![(RecordKey::SharedDeviations, vec![2; 5])]);
    }

    #[test]
    fn a_damaged_record_is_rejected() {
        let good = records(&[(RecordKey::EventIds, Some(vec![5; 40]))]).remove(0);
        let (key, value) = (good.0, good.1.unwrap());
        let error = |key: &[u8], value: &[u8]| {
            let taken = StateRecordReader::default().read(key, Some(value));
            taken.map(|_| ()).unwrap_err().to_string()
        };
        for at in 1..value.len() {
            let mut damaged = value.clone();
            damaged[at] ^= 4;
            assert!(error(&key, &damaged).contains("damaged"), "{at}");
        }
        let mut newer = value.clone();
        newer[0] = 9;
        assert!(error(&key, &newer).contains("format 9"));
        assert!(error(&key, &value[..5]).contains("too short"));
        let mut elsewhere = key.clone();
        elsewhere[0] ^= 1;
        assert!(error(&elsewhere, &value).contains("checksum does not match"));
    }

    #[test]
    fn with_a_key_only_its_holder_writes_what_is_restored() {
        let keyed = |secret, shard| RecordChecksum::new(secret).for_shard(shard);
        let records_of = |checksum: &RecordChecksum| {
            let mut records = Vec::new();
            let mut send = |key: &[u8], value: Option<&[u8]>| {
                records.push((key.to_vec(), value.unwrap().to_vec()));
                Ok(())
            };
            write(
                checksum,
                RecordKey::Engine,
                Some(&[7; 9]),
                &mut Vec::new(),
                &mut send,
            )
            .unwrap();
            records.remove(0)
        };
        let rejection = |checksum: RecordChecksum, (key, value): &(Vec<u8>, Vec<u8>)| {
            let read = StateRecordReader::new(checksum).read(key, Some(value));
            read.err().map(|why| why.to_string()).unwrap_or_default()
        };
        let own = keyed("a secret of the deployment", "identity/0");
        let record = records_of(&own);
        assert_eq!(rejection(own.clone(), &record), "");
        let plain = records_of(&RecordChecksum::default());
        assert!(rejection(own.clone(), &plain).contains("not authenticated"));
        for other in [
            keyed("another secret", "identity/0"),
            keyed("a secret of the deployment", "identity/1"),
            RecordChecksum::default(),
        ] {
            assert!(rejection(other, &record).contains("another key"));
        }
    }
}
