//! A raw document → native events, in processing order.
//!
//! A document is a Kafka record or a file: one JSON object, lines of them, an array, or
//! `{"Records":[…]}`. The elements of an array have no order: they are sorted by time, and
//! by position where times are equal. Lines are a log and keep their order.

use crate::sources::cloudtrail;
use crate::sources::keycloak;
use crate::sources::native;
use crate::sources::native::encode::NativeEvent;
use crate::sources::source_format::{Document, Format, split};
use crate::sources::time::parse_rfc3339;
use crate::token_redaction::without_tokens;
use std::borrow::Cow;

/// A native event, ready to be published or scored.
#[derive(Debug)]
pub struct NativeRecord<'d> {
    /// The record.
    pub json: Cow<'d, [u8]>,
    /// Key of the identity; `None` for a native line, which is parsed later.
    pub key: Option<String>,
    /// Whether a stated expiry could not be parsed.
    pub expiry_unparsed: bool,
}

/// One record of a document.
#[derive(Debug)]
pub struct ExpandedRecord<'d> {
    /// Position in the document, from 0.
    pub index: usize,
    /// The original text.
    pub raw: &'d [u8],
    /// The event, or the reason for its rejection.
    pub outcome: Result<NativeRecord<'d>, String>,
}

/// Maximum number of records in one record of a topic.
pub const MAX_RECORDS: usize = 100_000;

/// Splits and maps a record of a topic, whose size its producer chose: `None` where it holds more than
/// [`MAX_RECORDS`] records.
#[must_use]
pub fn expand_bounded(record: &[u8], format: Format) -> Option<Vec<ExpandedRecord<'_>>> {
    let document = split(record);
    (document.len() <= MAX_RECORDS).then(|| map(document, format))
}

/// Splits and maps a document; records are returned in processing order.
#[must_use]
pub fn expand(document: &[u8], format: Format) -> Vec<ExpandedRecord<'_>> {
    map(split(document), format)
}

fn map(document: Document<'_>, format: Format) -> Vec<ExpandedRecord<'_>> {
    match document {
        Document::Lines(lines) => items(&lines, |line| match format {
            Format::Native => Ok((0, native_line(line))),
            Format::CloudTrail => from_cloudtrail(line),
            Format::Keycloak => from_keycloak(line),
        })
        .into_iter()
        .map(|(_, item)| item)
        .collect(),
        Document::Array {
            records,
            is_truncated,
        } => {
            let last = records.len().wrapping_sub(1);
            let mut items = items(&records, |record| match format {
                Format::Native => from_native(record),
                Format::CloudTrail => from_cloudtrail(record),
                Format::Keycloak => from_keycloak(record),
            });
            if is_truncated {
                mark_truncated(&mut items, last);
            }
            items.sort_by_key(|(time_ms, _)| *time_ms);
            items.into_iter().map(|(_, item)| item).collect()
        }
    }
}

type Timed<T> = Result<(i64, T), String>;

fn items<'d>(
    records: &[&'d [u8]],
    map: impl Fn(&'d [u8]) -> Timed<NativeRecord<'d>>,
) -> Vec<(i64, ExpandedRecord<'d>)> {
    let numbered = records.iter().enumerate();
    numbered
        .map(|(index, raw)| {
            // A malformed record has no time and comes last.
            let (time_ms, outcome) = match map(raw) {
                Ok((time_ms, native)) => (time_ms, Ok(native)),
                Err(reason) => (i64::MAX, Err(reason)),
            };
            (
                time_ms,
                ExpandedRecord {
                    index,
                    raw,
                    outcome,
                },
            )
        })
        .collect()
}

fn mark_truncated(items: &mut [(i64, ExpandedRecord<'_>)], last: usize) {
    if let Some((_, item)) = items.get_mut(last)
        && let Err(reason) = &mut item.outcome
    {
        *reason = format!("the document is truncated here: {reason}");
    }
}

fn native_line(line: &[u8]) -> NativeRecord<'_> {
    NativeRecord {
        json: Cow::Borrowed(line),
        key: None,
        expiry_unparsed: false,
    }
}

fn from_native(record: &[u8]) -> Timed<NativeRecord<'_>> {
    let decoded = native::decode(record).map_err(|error| error.to_string())?;
    let native = NativeRecord {
        key: Some(decoded.event.identity.id.into_owned()),
        ..native_line(record)
    };
    Ok((decoded.event.time.epoch_ms(), native))
}

fn from_cloudtrail(record: &[u8]) -> Timed<NativeRecord<'_>> {
    let mapped = cloudtrail::map(record).map_err(|error| error.to_string())?;
    Ok(from_mapped(&mapped.event, mapped.expiry_unparsed))
}

fn from_keycloak(record: &[u8]) -> Timed<NativeRecord<'_>> {
    let event = keycloak::map(record).map_err(|error| error.to_string())?;
    Ok(from_mapped(&event, false))
}

fn from_mapped<'d>(event: &NativeEvent, expiry_unread: bool) -> (i64, NativeRecord<'d>) {
    let native = NativeRecord {
        json: Cow::Owned(event.to_json()),
        key: Some(event.identity.id.clone()),
        expiry_unparsed: expiry_unread,
    };
    (parse_rfc3339(&event.time).unwrap_or(i64::MAX), native)
}

impl NativeRecord<'_> {
    /// The record as it may be published: values that look like tokens are replaced by their fingerprint.
    #[must_use]
    pub fn into_published(self) -> Vec<u8> {
        let text = std::str::from_utf8(&self.json).ok();
        match text.and_then(without_tokens) {
            Some(clean) => clean.into_bytes(),
            None => self.json.into_owned(),
        }
    }

    /// Key of the identity, parsed from the record where it is not known yet.
    ///
    /// # Errors
    /// The record is not a native event.
    pub fn key(&self) -> Result<Cow<'_, str>, native::NativeError> {
        match &self.key {
            Some(key) => Ok(Cow::Borrowed(key)),
            None => Ok(native::decode(&self.json)?.event.identity.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, ms: i64) -> String {
        format!(r#"{{"time":{ms},"identity":{{"id":"{id}"}},"activity":"use"}}"#)
    }

    fn order(document: &str) -> Vec<usize> {
        expand(document.as_bytes(), Format::Native)
            .iter()
            .map(|i| i.index)
            .collect()
    }

    #[test]
    fn an_array_is_sorted_by_time_and_a_log_keeps_its_order() {
        let (late, early) = (event("a", 1_700_000_002_000), event("b", 1_700_000_001_000));
        assert_eq!(order(&format!("[{late},{early},{early}]")), [1, 2, 0]);
        assert_eq!(order(&format!("{late}\n{early}\n")), [0, 1]);
    }

    #[test]
    fn a_malformed_element_is_rejected_alone() {
        let good = event("a", 1_700_000_001_000);
        let document = format!("[{good},{{\"time\":}},{good}]");
        let items = expand(document.as_bytes(), Format::Native);
        assert_eq!(items.iter().filter(|i| i.outcome.is_ok()).count(), 2);
    }

    #[test]
    fn a_record_of_too_many_events_is_not_expanded() {
        let of = |records: usize| format!("[{}{{}}]", "{},".repeat(records - 1));
        let expanded = |document: &str| {
            expand_bounded(document.as_bytes(), Format::CloudTrail).map(|items| items.len())
        };
        assert_eq!(expanded(&of(MAX_RECORDS)), Some(MAX_RECORDS));
        assert_eq!(expanded(&of(MAX_RECORDS + 1)), None);
    }

    #[test]
    fn a_truncated_document_is_reported() {
        let good = event("a", 1_700_000_001_000);
        let document = format!("{{\"Records\":[{good},{{\"time\"");
        let items = expand(document.as_bytes(), Format::Native);
        let reason = items[1].outcome.as_ref().unwrap_err();
        assert!(
            reason.starts_with("the document is truncated here"),
            "{reason}"
        );
    }
}
