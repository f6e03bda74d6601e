//! A raw document → native events, in processing order.
//!
//! A document is a Kafka record or a file ([`crate::sources::document`]). The elements of a list have no
//! order: they are sorted by time, and by position where times are equal. Lines are a log and keep their
//! order.

mod decoded_native;
mod map_record;

pub use decoded_native::DecodedNative;

use crate::config;
use crate::enrichment::Enricher;
use crate::sources::document::{Document, split};
use crate::sources::jq::JqProgram;
use crate::sources::native;
use crate::sources::source_format::{Format, RawRecord};
use crate::token_redaction::Redactor;
use credwatch_core::units::EventTime;
use map_record::{Mapped, MappedEvent, NoEvent, map_record};
use std::borrow::Cow;
use std::sync::Arc;

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

/// One record of a document, whose event is an `E`.
#[derive(Debug)]
pub struct ExpandedRecord<'d, E = NativeRecord<'d>> {
    /// Position in the document, from 0.
    pub index: usize,
    /// What it was read as.
    pub format: Format,
    /// Time of the event in epoch milliseconds; 0 for a native line, which is parsed later.
    pub time_ms: i64,
    /// The original text; of the second and later events of a record the event.
    pub raw: Cow<'d, [u8]>,
    /// The event, or the reason for its rejection.
    pub outcome: Result<E, String>,
}

impl ExpandedRecord<'_> {
    /// The same with its event decoded, independent of its document.
    fn decoded(self, redactor: &Redactor) -> ExpandedRecord<'static, DecodedNative> {
        let outcome = self.outcome.and_then(|native| {
            DecodedNative::decode(native, redactor).map_err(|error| error.to_string())
        });
        ExpandedRecord {
            index: self.index,
            format: self.format,
            time_ms: self.time_ms,
            raw: Cow::Owned(self.raw.into_owned()),
            outcome,
        }
    }
}

/// Maximum number of records in one record of a topic.
pub const MAX_RECORDS: usize = 100_000;

/// Documents or records that are about no use of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// Format, or `envelope`.
    pub format: &'static str,
    /// Why.
    pub reason: &'static str,
}

/// The records of a document, whose events are an `E` each.
#[derive(Debug)]
pub struct Expanded<'d, E = NativeRecord<'d>> {
    /// The records, in processing order.
    pub records: Vec<ExpandedRecord<'d, E>>,
    /// What was left out on purpose.
    pub left_out: Vec<LeftOut>,
    /// Kinds of the envelopes that were opened.
    pub envelopes: Vec<&'static str>,
    /// Number of records in the document, those left out included.
    pub count: usize,
}

impl<E> Expanded<'_, E> {
    /// The same part of a document of which `before` records came earlier.
    #[must_use]
    pub fn at(mut self, before: usize) -> Self {
        self.records
            .iter_mut()
            .for_each(|record| record.index += before);
        self
    }
}

/// How the records of a source become events.
#[derive(Clone, Debug)]
pub struct RecordMapper {
    format: Format,
    program: Option<Arc<JqProgram>>,
    enricher: Option<Arc<Enricher>>,
    redactor: Redactor,
}

impl RecordMapper {
    /// By an adapter; [`Format::Auto`] chooses it by record.
    #[must_use]
    pub fn of_format(format: Format) -> Self {
        Self {
            format,
            program: None,
            enricher: None,
            redactor: Redactor::default(),
        }
    }

    /// By a program.
    #[must_use]
    pub fn of_program(program: Arc<JqProgram>) -> Self {
        Self {
            program: Some(program),
            ..Self::of_format(Format::Jq)
        }
    }

    /// As the settings of a topic say.
    #[must_use]
    pub fn of_topic(topic: &config::Ingest) -> Self {
        match &topic.program {
            Some(program) => Self::of_program(Arc::clone(program)),
            None => Self::of_format(topic.format),
        }
    }

    /// The same, with what is known of addresses added to events.
    #[must_use]
    pub fn with_enricher(self, enricher: Option<Arc<Enricher>>) -> Self {
        Self { enricher, ..self }
    }

    /// The same, with secrets replaced by `redactor`.
    #[must_use]
    pub fn with_redactor(self, redactor: Redactor) -> Self {
        Self { redactor, ..self }
    }

    /// Splits and maps a record of a topic, whose size its producer chose: `None` where it holds more than
    /// [`MAX_RECORDS`] records.
    #[must_use]
    pub fn expand_bounded<'d>(
        &self,
        record: &'d [u8],
        record_time: Option<EventTime>,
    ) -> Option<Expanded<'d>> {
        let document = split(record);
        (document.records.len() <= MAX_RECORDS).then(|| map(document, self, record_time))
    }

    /// Splits and maps a document.
    #[must_use]
    pub fn expand<'d>(&self, document: &'d [u8]) -> Expanded<'d> {
        map(split(document), self, None)
    }

    /// The same with the events decoded, independent of the document.
    #[must_use]
    pub fn decode(&self, document: &[u8]) -> Expanded<'static, DecodedNative> {
        let expanded = self.expand(document);
        let records = expanded.records.into_iter();
        Expanded {
            records: records
                .map(|record| record.decoded(&self.redactor))
                .collect(),
            left_out: expanded.left_out,
            envelopes: expanded.envelopes,
            count: expanded.count,
        }
    }
}

/// Splits and maps a document by adapters.
#[must_use]
pub fn expand(document: &[u8], format: Format) -> Expanded<'_> {
    RecordMapper::of_format(format).expand(document)
}

fn map<'d>(
    document: Document<'d>,
    mapper: &RecordMapper,
    record_time: Option<EventTime>,
) -> Expanded<'d> {
    let count = document.records.len();
    let is_list = document.is_list;
    let of_envelope = document.left_out.into_iter().map(|reason| LeftOut {
        format: "envelope",
        reason,
    });
    let mut left_out: Vec<LeftOut> = of_envelope.collect();
    let mut items = items(document.records, &mut left_out, |record| {
        let format = match mapper.format {
            Format::Auto => record.format,
            given => given,
        };
        let mapped = map_record(mapper, &record.text, format, is_list, record_time);
        (format, mapped)
    });
    if document.is_truncated {
        mark_truncated(&mut items, count.wrapping_sub(1));
    }
    if is_list {
        items.sort_by_key(|item| item.time_ms);
    }
    Expanded {
        records: items,
        left_out,
        envelopes: document.envelopes,
        count,
    }
}

/// The events of every record.
fn items<'d>(
    records: Vec<RawRecord<'d>>,
    left_out: &mut Vec<LeftOut>,
    map: impl Fn(&RawRecord<'d>) -> (Format, Mapped<'d>),
) -> Vec<ExpandedRecord<'d>> {
    let mut items: Vec<ExpandedRecord<'d>> = Vec::with_capacity(records.len());
    for (index, record) in records.into_iter().enumerate() {
        let (format, events) = map(&record);
        let mut raw = record.text;
        let mut add = |time_ms, raw, outcome| {
            let item = ExpandedRecord {
                index,
                format,
                time_ms,
                raw,
                outcome,
            };
            items.push(item);
        };
        match events {
            Ok(events) => {
                for (number, MappedEvent { time_ms, outcome }) in events.into_iter().enumerate() {
                    // A large record of many events is kept once.
                    let raw = match &outcome {
                        _ if number == 0 => std::mem::take(&mut raw),
                        Ok(native) => native.json.clone(),
                        Err(rejected) => Cow::Owned(rejected.json.clone()),
                    };
                    add(time_ms, raw, outcome.map_err(|rejected| rejected.reason));
                }
            }
            Err(NoEvent::LeftOut(reason)) => left_out.push(LeftOut {
                format: format.as_str(),
                reason,
            }),
            // A malformed record has no time and comes last.
            Err(NoEvent::Rejected(reason)) => add(i64::MAX, raw, Err(reason)),
        }
    }
    items
}

fn mark_truncated(items: &mut [ExpandedRecord<'_>], last: usize) {
    let last = items.iter_mut().find(|item| item.index == last);
    if let Some(item) = last
        && let Err(reason) = &mut item.outcome
    {
        *reason = format!("the document is truncated here: {reason}");
    }
}

impl NativeRecord<'_> {
    /// The same, independent of its document.
    fn into_owned(self) -> NativeRecord<'static> {
        NativeRecord {
            json: Cow::Owned(self.json.into_owned()),
            key: self.key,
            expiry_unparsed: self.expiry_unparsed,
        }
    }

    /// The record as it may be published: values that look like tokens are replaced by their fingerprint.
    #[must_use]
    pub fn into_published(self, redactor: &Redactor) -> Vec<u8> {
        let text = std::str::from_utf8(&self.json).ok();
        match text.and_then(|text| redactor.without_tokens(text)) {
            Some(clean) => clean.into_bytes(),
            None => self.json.into_owned(),
        }
    }

    /// Key of the identity, parsed from the record where it is not known yet.
    ///
    /// # Errors
    /// The record is not a native event.
    pub fn key(&self, redactor: &Redactor) -> Result<Cow<'_, str>, native::NativeError> {
        match &self.key {
            Some(key) => Ok(Cow::Borrowed(key)),
            None => Ok(native::decode(&self.json, redactor)?.event.identity.id),
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
            .records
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
        let items = expand(document.as_bytes(), Format::Native).records;
        assert_eq!(items.iter().filter(|i| i.outcome.is_ok()).count(), 2);
    }

    #[test]
    fn a_record_of_too_many_events_is_not_expanded() {
        let of = |records: usize| format!("[{}{{}}]", "{},".repeat(records - 1));
        let mapper = RecordMapper::of_format(Format::CloudTrail);
        let expanded = |document: &str| {
            let expanded = mapper.expand_bounded(document.as_bytes(), None);
            expanded.map(|items| items.records.len())
        };
        assert_eq!(expanded(&of(MAX_RECORDS)), Some(MAX_RECORDS));
        assert_eq!(expanded(&of(MAX_RECORDS + 1)), None);
    }

    #[test]
    fn what_is_published_has_fingerprints_of_the_deployment() {
        let ssh = "Nov 20 10:15:30 web sshd[7]: Failed password for invalid user hunter#2 from \
                   192.0.2.7 port 1 ssh2";
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2VjcmV0";
        let native = event(token, 1_700_000_001_000);
        let published = |redactor: &Redactor, format, document: &str| {
            let mapper = RecordMapper::of_format(format).with_redactor(redactor.clone());
            let at = EventTime::from_epoch_ms(1_700_000_000_000);
            let mut records = mapper
                .expand_bounded(document.as_bytes(), at)
                .unwrap()
                .records;
            let native = records.remove(0).outcome.unwrap();
            String::from_utf8(native.into_published(redactor)).unwrap()
        };
        for (format, document) in [(Format::Ssh, ssh), (Format::Native, &*native)] {
            let unkeyed = published(&Redactor::default(), format, document);
            let keyed = published(&Redactor::new("of the deployment"), format, document);
            assert!(unkeyed.contains("fp-") && keyed.contains("fp-"), "{keyed}");
            assert_ne!(unkeyed, keyed);
            assert!(
                !keyed.contains("hunter") && !keyed.contains("eyJ"),
                "{keyed}"
            );
        }
    }

    #[test]
    fn a_record_without_a_time_gets_that_of_kafka_and_states_so() {
        let okta = r#"{"eventType":"user.session.start","actor":{"id":"00u1","type":"User"},
            "outcome":{"result":"SUCCESS"}}"#;
        let at = EventTime::from_epoch_ms(1_700_000_000_000);
        let mapper = RecordMapper::of_format(Format::Auto);
        let expanded = mapper.expand_bounded(okta.as_bytes(), at).unwrap();
        let native = expanded.records[0].outcome.as_ref().unwrap();
        let json: serde_json::Value = serde_json::from_slice(&native.json).unwrap();
        assert_eq!(json["time"], "2023-11-14T22:13:20.000Z");
        assert_eq!(json["time_source"], "record");
        let of_file = expand(okta.as_bytes(), Format::Auto).records;
        assert_eq!(
            of_file[0].outcome.as_ref().unwrap_err(),
            "record without a time"
        );
    }

    #[test]
    fn a_truncated_document_is_reported() {
        let good = event("a", 1_700_000_001_000);
        let document = format!("{{\"Records\":[{good},{{\"time\"");
        let items = expand(document.as_bytes(), Format::Native).records;
        let reason = items[1].outcome.as_ref().unwrap_err();
        assert!(
            reason.starts_with("the document is truncated here"),
            "{reason}"
        );
    }
}
