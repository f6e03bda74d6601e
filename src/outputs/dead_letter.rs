//! Rejected records, with the reason and their position.
//!
//! The payload itself is not copied: a malformed record may contain a secret anywhere. Only an excerpt is
//! included, in which long words and the values of names that announce a secret are masked.

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

/// Parts of names whose values are masked whatever their length.
const SECRET_NAMES: [&str; 16] = [
    "pass",
    "pwd",
    "secret",
    "token",
    "value",
    "representation",
    "credential",
    "auth",
    "key",
    "cookie",
    "session",
    "signature",
    "private",
    "otp",
    "pin",
    "hash",
];

/// The beginning of a record with every possible secret replaced by `***`: long words, and whatever stands
/// beside a name that announces a secret.
fn excerpt(record: &[u8]) -> String {
    let head = String::from_utf8_lossy(&record[..record.len().min(EXCERPT_BYTES)]);
    let mut shown = String::with_capacity(head.len());
    let (mut rest, mut is_secret) = (&*head, false);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string_length(rest),
            _ => word_length(rest),
        };
        let (part, after) = rest.split_at(length);
        rest = after;
        if !(first == '"' || is_word(first)) {
            // Punctuation between a name and its value keeps the announcement.
            is_secret &= matches!(first, ':' | '=' | '[' | ' ' | '\t');
            shown.extend(part.chars().filter(|c| !c.is_control()));
            continue;
        }
        let is_name = matches!(after.trim_start().chars().next(), Some(':' | '='));
        if is_name {
            is_secret = announces_secret(part);
            shown.push_str(&masked(part));
        } else if is_secret {
            shown.push_str("***");
        } else {
            shown.push_str(&masked(part));
        }
    }
    shown
}

/// Length of the quoted string at the beginning of `text`; all of it where it does not end.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of the word at the beginning of `text`, or of its first character.
fn word_length(text: &str) -> usize {
    let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
    let first = text.chars().next().map_or(0, char::len_utf8);
    end.max(first)
}

fn announces_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '/')
}

/// `text` with each long word replaced by `***`. A string that holds names of its own is masked whole.
fn masked(text: &str) -> String {
    if text.contains("\\\"") {
        return "\"***\"".to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (part, after) = rest.split_at(word_length(rest));
        rest = after;
        match part.len() >= SECRET_RUN && is_word(first) {
            true => shown.push_str("***"),
            false => shown.extend(part.chars().filter(|c| !c.is_control())),
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
    fn values_beside_telling_names_are_masked_whatever_their_length() {
        for record in [
            r#"{"password":"hun ter2","x":1}"#,
            r#"{"representation":"{\"credentials\":[{\"value\":\"hun ter2\"}]}"}"#,
            r#"{"x":"{\"password\":\"hun ter2\"}"}"#,
            r#"{"credentials":["hun ter2"]}"#,
            r#"{"Api-Key" : "hun ter2"#,
            "user=ada password=ter2 x=1",
            r#"{"pin":4711,"secretValue":ter2}"#,
        ] {
            let shown = excerpt(record.as_bytes());
            assert!(
                !shown.contains("ter2") && !shown.contains("4711"),
                "{shown}"
            );
        }
        assert_eq!(
            excerpt(br#"{"time":"soon","x":[1,true]}"#),
            r#"{"time":"soon","x":[1,true]}"#
        );
    }

    #[test]
    fn any_bytes_make_a_dead_letter() {
        let dead_letter = DeadLetter::new("x", "detect", ("t", 0, 7), &[0xff, 0xfe, 0, b'a']);
        assert!(serde_json::from_slice::<serde_json::Value>(&dead_letter.to_json()).is_ok());
    }
}
