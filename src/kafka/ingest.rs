//! The ingest stage: raw logs in, native events keyed by identity out.

use crate::config::Ingest as Source;
use crate::ingest::{MAX_RECORDS, NativeRecord, expand_bounded};
use crate::kafka::KafkaError;
use crate::kafka::worker::{Processed, Record, Stage};
use crate::metrics::Metrics;
use crate::outputs::dead_letter::DeadLetter;
use crate::shard::{OutputRecord, Stream};
use crate::sources::source_format::Format;

/// Dead letters for single events of one record; a further one stands for all others.
const MAX_DEAD_LETTERS: usize = 16;

/// The raw topics of one worker.
pub struct Ingest {
    sources: Vec<Source>,
    metrics: Metrics,
}

impl Ingest {
    /// A stage for `sources`.
    #[must_use]
    pub fn new(sources: Vec<Source>, metrics: Metrics) -> Self {
        Self { sources, metrics }
    }

    fn format_of(&self, topic: &str) -> Format {
        let source = self.sources.iter().find(|source| source.topic == topic);
        source.map_or(Format::Native, |source| source.format)
    }

    fn dead_letter(&self, record: &Record<'_>, raw: &[u8], reason: &str) -> OutputRecord {
        self.metrics
            .dead_letters
            .with_label_values(&["ingest"])
            .inc();
        let coordinates = (record.topic, record.partition, record.offset);
        OutputRecord::dead_letter(&DeadLetter::new(reason, "ingest", coordinates, raw))
    }
}

impl Ingest {
    /// The events of one record, and its rejected parts.
    fn expand(&self, record: &Record<'_>) -> Vec<OutputRecord> {
        let whole = |reason: &str| vec![self.dead_letter(record, record.payload, reason)];
        let items = match expand_bounded(record.payload, self.format_of(record.topic)) {
            None => return whole(&format!("record with more than {MAX_RECORDS} events")),
            Some(items) if items.is_empty() => return whole("record without events"),
            Some(items) => items,
        };
        let (mut outputs, mut rejected) = (Vec::new(), 0);
        for item in items {
            let raw = item.raw;
            match item.outcome.and_then(|native| self.event(native)) {
                Ok(event) => outputs.push(event),
                Err(reason) => {
                    rejected += 1;
                    if rejected <= MAX_DEAD_LETTERS {
                        outputs.push(self.dead_letter(record, raw, &reason));
                    }
                }
            }
        }
        if let Some(further @ 1..) = rejected.checked_sub(MAX_DEAD_LETTERS) {
            let reason = format!("{further} further events of this record were rejected");
            outputs.push(self.dead_letter(record, record.payload, &reason));
        }
        outputs
    }

    fn event(&self, native: NativeRecord<'_>) -> Result<OutputRecord, String> {
        let key = native
            .key()
            .map_err(|error| error.to_string())?
            .into_owned();
        self.metrics
            .unparsed_expiries
            .inc_by(u64::from(native.expiry_unparsed));
        Ok(OutputRecord {
            stream: Stream::Events,
            partition: None,
            key,
            headers: Vec::new(),
            payload: native.into_published(),
        })
    }
}

impl Stage for Ingest {
    fn name(&self) -> &'static str {
        "ingest"
    }

    fn topics(&self) -> Vec<String> {
        self.sources
            .iter()
            .map(|source| source.topic.clone())
            .collect()
    }

    fn process(&mut self, records: &[Record<'_>]) -> Processed {
        let outputs = records.iter().flat_map(|record| self.expand(record));
        Processed {
            outputs: outputs.collect(),
            urgent: false,
        }
    }

    fn assign(&mut self, _: &str, _: i32) -> Result<(), KafkaError> {
        Ok(())
    }

    fn revoke(&mut self, _: &str, _: i32) {}

    fn serve_queries(&mut self) {}

    fn tick(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(payload: &[u8]) -> Vec<OutputRecord> {
        let stage = Ingest::new(Vec::new(), Metrics::new("test").unwrap());
        let record = Record {
            topic: "raw",
            partition: 0,
            offset: 7,
            appended_at: None,
            key: b"",
            payload,
        };
        stage.expand(&record)
    }

    #[test]
    fn what_is_rejected_of_one_record_costs_a_bounded_number_of_dead_letters() {
        let event = r#"{"time":1700000000000,"identity":{"id":"svc"},"activity":"use"}"#;
        let document = format!("[{}{event}]", "{\"secret\":\"hunter2\"},".repeat(5_000));
        let outputs = expand(document.as_bytes());
        assert_eq!(outputs.len(), MAX_DEAD_LETTERS + 2);
        let events = outputs
            .iter()
            .filter(|output| output.stream == Stream::Events);
        assert_eq!(events.count(), 1);
        let bytes: usize = outputs.iter().map(|output| output.payload.len()).sum();
        assert!(bytes < 20_000, "{bytes}");
        assert_eq!(expand(b"").len(), 1);
        assert_eq!(
            expand(format!("[{}{{}}]", "{},".repeat(200_000)).as_bytes()).len(),
            1
        );
    }
}
