//! Rejected records, with the reason and their position.
//!
//! The payload itself is not copied: a malformed record may contain a secret anywhere. Only an excerpt, with
//! every long run of word characters masked, is included.

use serde::Serialize;

/// Bytes of a record from which the excerpt is made.
const EXCERPT_BYTES: usize = 400;
/// Runs of at least this many word characters may be a secret.
const SECRET_RUN: usize = 16;

/// One rejected record.
#[derive(Debug, Serialize)]
pub struct DeadLetter<'a> {
    /// Reason.
    pub reason: &'a str,
    /// The stage that rejected it.
    pub stage: &'a str,
    /// Topic, or file.
    pub topic: &'a str,
    /// Partition; -1 for a file.
    pub partition: i32,
    /// Offset; for a file, the number of the record from 0.
    pub offset: i64,
    /// Size of the record.
    pub bytes: usize,
    /// BLAKE3 of the record.
    pub digest: String,
    /// Its beginning, masked.
    pub excerpt: String,
}

impl<'a> DeadLetter<'a> {
    /// A dead letter for `record`.
    #[must_use]
    pub fn new(
        reason: &'a str,
        stage: &'a str,
        (topic, partition, offset): (&'a str, i32, i64),
        record: &[u8],
    ) -> Self {
        Self {
            reason,
            stage,
            topic,
            partition,
            offset,
            bytes: record.len(),
            digest: blake3::hash(record).to_hex().to_string(),
            excerpt: excerpt(record),
        }
    }

    /// One line of JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// The beginning of a record with every possible secret replaced by `***`.
fn excerpt(record: &[u8]) -> String {
    let head = String::from_utf8_lossy(&record[..record.len().min(EXCERPT_BYTES)]);
    let mut shown = String::with_capacity(head.len());
    let mut run = String::new();
    for character in head.chars().chain(['\n']) {
        if character.is_alphanumeric() || matches!(character, '_' | '-' | '.' | '+' | '/' | '=') {
            run.push(character);
            continue;
        }
        shown.push_str(if run.len() >= SECRET_RUN { "***" } else { &run });
        run.clear();
        if !character.is_control() {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_shows_the_shape_and_no_secret() {
        let record = br#"{"time":"soon","password":"hunter2hunter2hunter2","token":"eyJhbGciOi.J9"#;
        let dead_letter = DeadLetter::new("not JSON", "detect", ("t", 0, 7), record);
        assert!(dead_letter.excerpt.contains(r#""time":"soon""#));
        assert!(!dead_letter.excerpt.contains("hunter2"));
        assert_eq!(dead_letter.bytes, record.len());
    }

    #[test]
    fn any_bytes_make_a_dead_letter() {
        let dead_letter = DeadLetter::new("x", "detect", ("t", 0, 7), &[0xff, 0xfe, 0, b'a']);
        assert!(serde_json::from_slice::<serde_json::Value>(&dead_letter.to_json()).is_ok());
    }
}
