//! The ingest stage: raw logs in, native events keyed by identity out.

use crate::config;
use crate::config::Config;
use crate::enrichment::{DatabaseError, DatabaseInfo, Enricher};
use crate::ingest::{LeftOut, MAX_RECORDS, NativeRecord, RecordMapper};
use crate::kafka::KafkaError;
use crate::kafka::stage::{Processed, Record, Stage};
use crate::metrics::Metrics;
use crate::outputs::dead_letter::DeadLetter;
use crate::outputs::retention_gap::RetentionGap;
use crate::schema_registry::{DecodeError, RegistryError, SchemaRegistry, SchemaSource};
use crate::shard::{OutputRecord, Stream};
use crate::token_redaction::Redactor;
use std::sync::Arc;
use tracing::{info, warn};

/// Dead letters for single events of one record; a further one stands for all others.
const MAX_DEAD_LETTERS: usize = 16;

/// A raw topic, and how its records are read.
struct RawTopic {
    name: String,
    schemas: Option<SchemaSource>,
    mapper: RecordMapper,
}

impl RawTopic {
    fn open(settings: &config::Ingest, redactor: &Redactor) -> Result<Self, RegistryError> {
        Ok(Self {
            name: settings.topic.clone(),
            schemas: SchemaSource::open(&settings.encoding)?,
            mapper: RecordMapper::of_topic(settings).with_redactor(redactor.clone()),
        })
    }
}

/// The raw topics of one worker.
pub struct Ingest {
    topics: Vec<RawTopic>,
    registry: Option<SchemaRegistry>,
    enrichment: config::Enrichment,
    enricher: Option<Arc<Enricher>>,
    redactor: Redactor,
    metrics: Metrics,
}

impl Ingest {
    /// A stage for the raw topics of `config`.
    ///
    /// # Errors
    /// A database or a schema cannot be read.
    pub fn new(config: &Config, metrics: Metrics) -> Result<Self, KafkaError> {
        let redactor = &config.redactor;
        let topics = config
            .ingest
            .iter()
            .map(|topic| RawTopic::open(topic, redactor));
        let settings = &config.schema_registry;
        let registry = (!settings.endpoint.url.is_empty())
            .then(|| SchemaRegistry::new(&settings.endpoint, &settings.username));
        let mut stage = Self {
            topics: topics.collect::<Result<_, _>>()?,
            registry: registry.transpose()?,
            enrichment: config.enrichment.clone(),
            enricher: None,
            redactor: redactor.clone(),
            metrics,
        };
        stage.open_databases()?;
        Ok(stage)
    }

    /// Opens the databases, and has all topics use them.
    fn open_databases(&mut self) -> Result<(), DatabaseError> {
        self.enricher = Enricher::open(&self.enrichment)?.map(Arc::new);
        for topic in &mut self.topics {
            topic.mapper = topic.mapper.clone().with_enricher(self.enricher.clone());
        }
        let built = &self.metrics.enrichment_database_build_seconds;
        built.reset();
        for info in self
            .enricher
            .iter()
            .flat_map(|enricher| enricher.databases())
        {
            let DatabaseInfo {
                kind,
                hash,
                built_secs,
            } = info;
            let labels = [kind.as_str(), hash.as_str()];
            built.with_label_values(&labels).set(*built_secs as f64);
            info!(kind, hash, "enrichment database opened");
        }
        Ok(())
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
    fn outputs(&mut self, record: &Record<'_>) -> Result<Vec<OutputRecord>, KafkaError> {
        let topic = self.topics.iter().find(|topic| topic.name == record.topic);
        let Some(topic) = topic else {
            let why = "record of a topic that is not configured";
            return Ok(vec![self.dead_letter(record, record.payload, why)]);
        };
        let Some(schemas) = &topic.schemas else {
            return Ok(self.expand(record, &topic.mapper));
        };
        match schemas.decode(self.registry.as_mut(), record.payload) {
            Ok(json) => {
                let decoded = Record {
                    payload: &json,
                    ..*record
                };
                Ok(self.expand(&decoded, &topic.mapper))
            }
            Err(DecodeError::Rejected(why)) => {
                Ok(vec![self.dead_letter(record, record.payload, &why)])
            }
            Err(DecodeError::Registry(error)) => Err(error.into()),
        }
    }

    fn expand(&self, record: &Record<'_>, mapper: &RecordMapper) -> Vec<OutputRecord> {
        let whole = |reason: &str| vec![self.dead_letter(record, record.payload, reason)];
        let items = match mapper.expand_bounded(record.payload, record.stamped_at) {
            None => return whole(&format!("record with more than {MAX_RECORDS} events")),
            Some(expanded) => expanded,
        };
        if items.records.is_empty() && items.left_out.is_empty() {
            return whole("record without events");
        }
        for LeftOut { format, reason } in items.left_out {
            let left_out = &self.metrics.records_left_out;
            left_out.with_label_values(&[format, reason]).inc();
        }
        let (mut outputs, mut rejected) = (Vec::new(), 0);
        for item in items.records {
            let raw = item.raw;
            match item.outcome.and_then(|native| self.event(native)) {
                Ok(event) => outputs.push(event),
                Err(reason) => {
                    rejected += 1;
                    if rejected <= MAX_DEAD_LETTERS {
                        outputs.push(self.dead_letter(record, &raw, &reason));
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
            .key(&self.redactor)
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
            payload: native.into_published(&self.redactor),
        })
    }
}

impl Stage for Ingest {
    fn name(&self) -> &'static str {
        "ingest"
    }

    fn topics(&self) -> Vec<String> {
        self.topics.iter().map(|topic| topic.name.clone()).collect()
    }

    fn process(&mut self, records: &[Record<'_>]) -> Result<Processed, KafkaError> {
        let mut outputs = Vec::new();
        for record in records {
            outputs.extend(self.outputs(record)?);
        }
        Ok(Processed {
            outputs,
            urgent: false,
        })
    }

    fn assign(&mut self, _: i32) -> Result<(), KafkaError> {
        Ok(())
    }

    fn revoke(&mut self, _: i32) {}

    fn skip_deleted(&mut self, gap: &RetentionGap) -> Option<OutputRecord> {
        Some(OutputRecord::retention_gap(gap))
    }

    fn serve_queries(&mut self) {}

    fn tick(&mut self) {
        let is_outdated = self
            .enricher
            .as_ref()
            .is_some_and(|enricher| enricher.is_outdated());
        if is_outdated && let Err(error) = self.open_databases() {
            warn!("the previous databases are used: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    fn expand(payload: &[u8]) -> Vec<OutputRecord> {
        let file = "[[ingest]]\ntopic = \"raw\"\nformat = \"native\"\n";
        let sources = Sources {
            files: vec![("mine.toml".to_owned(), file.to_owned())],
            ..Sources::default()
        };
        let config = Config::load(&sources).unwrap();
        let mut stage = Ingest::new(&config, Metrics::new("test").unwrap()).unwrap();
        let record = Record {
            topic: "raw",
            partition: 0,
            offset: 7,
            appended_at: None,
            stamped_at: None,
            key: b"",
            payload,
            is_tombstone: false,
        };
        stage.outputs(&record).unwrap()
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
