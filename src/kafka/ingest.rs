//! The ingest stage: raw logs in, native events keyed by identity out.

use crate::config::Ingest as Source;
use crate::ingest::expand;
use crate::kafka::worker::{Processed, Record, Stage};
use crate::metrics::Metrics;
use crate::shard::{Outgoing, Stream};
use crate::wire::dead_letter::DeadLetter;
use crate::wire::format::Format;

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

    fn set_aside(&self, record: &Record<'_>, raw: &[u8], reason: &str) -> Outgoing {
        self.metrics
            .dead_letters
            .with_label_values(&["ingest"])
            .inc();
        let coordinates = (record.topic, record.partition, record.offset);
        Outgoing::dead_letter(&DeadLetter::new(reason, "ingest", coordinates, raw))
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

    fn process(&mut self, record: &Record<'_>) -> Processed {
        let items = expand(record.payload, self.format_of(record.topic));
        if items.is_empty() {
            return Processed {
                outputs: vec![self.set_aside(record, record.payload, "record without events")],
                urgent: false,
            };
        }
        let mut outputs = Vec::with_capacity(items.len());
        for item in items {
            let native = match item.outcome {
                Ok(native) => native,
                Err(reason) => {
                    outputs.push(self.set_aside(record, item.raw, &reason));
                    continue;
                }
            };
            let key = match native.key() {
                Ok(key) => key.into_owned(),
                Err(error) => {
                    outputs.push(self.set_aside(record, item.raw, &error.to_string()));
                    continue;
                }
            };
            self.metrics
                .unread_expiries
                .inc_by(u64::from(native.expiry_unread));
            outputs.push(Outgoing {
                stream: Stream::Events,
                key,
                headers: Vec::new(),
                payload: native.json.into_owned(),
            });
        }
        Processed {
            outputs,
            urgent: false,
        }
    }

    fn assign(&mut self, _: &str, _: i32) {}

    fn revoke(&mut self, _: &str, _: i32) {}

    fn tick(&mut self) {}
}
