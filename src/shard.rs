//! A shard: one partition's engine with what surrounds it, decode in front and formats behind.
//! `run` and `replay` drive the same shard, so the same log gives the same outputs.

use crate::config::{Config, Detect, Topics};
use crate::engine::{Alert, Detail, Engine, Health, Opinion, Origin, Portrait, Settings, Stepped};
use crate::enrich::Keys;
use crate::event::Event;
use crate::units::EventTime;
use crate::verdict::Verdict;
use crate::wire::audit::AuditChain;
use crate::wire::model::{Model, ModelError};
use crate::wire::native::{self, NativeError};
use crate::wire::ocsf::{self, Hashes};
use crate::wire::snapshot::{self, Header, SnapshotError};
use crate::wire::time::format_rfc3339;
use crate::wire::{dead_letter::DeadLetter, order};
use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::sync::Arc;

/// Where an output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Native events made from raw logs.
    Events,
    /// Alerts.
    Alerts,
    /// Containment orders.
    Revocations,
    /// Audit trail.
    Decisions,
    /// What could not be read.
    DeadLetter,
}

impl Stream {
    /// The topic of this stream.
    #[must_use]
    pub fn topic(self, topics: &Topics) -> &str {
        match self {
            Self::Events => &topics.events,
            Self::Alerts => &topics.alerts,
            Self::Revocations => &topics.revocations,
            Self::Decisions => &topics.decisions,
            Self::DeadLetter => &topics.deadletter,
        }
    }
}

/// One record to publish.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Where to.
    pub stream: Stream,
    /// Key.
    pub key: String,
    /// CloudEvents attributes (binary mode) and content type.
    pub headers: Vec<(&'static str, String)>,
    /// Value.
    pub payload: Vec<u8>,
}

impl Outgoing {
    /// A record with CloudEvents headers. `time` is event time, so that a repeated run writes the
    /// same bytes.
    #[must_use]
    pub fn cloud_event(
        stream: Stream,
        key: &str,
        kind: &str,
        id: String,
        time: EventTime,
        payload: Vec<u8>,
    ) -> Self {
        Self {
            stream,
            key: key.to_owned(),
            headers: vec![
                ("ce_specversion", "1.0".to_owned()),
                ("ce_type", format!("io.credwatch.{kind}")),
                ("ce_source", "/credwatch/detect".to_owned()),
                ("ce_id", id),
                ("ce_time", format_rfc3339(time)),
                ("content-type", "application/json".to_owned()),
            ],
            payload,
        }
    }

    /// A record set aside.
    #[must_use]
    pub fn dead_letter(letter: &DeadLetter<'_>) -> Self {
        Self {
            stream: Stream::DeadLetter,
            key: format!("{}-{}-{}", letter.topic, letter.partition, letter.offset),
            headers: vec![
                ("content-type", "application/json".to_owned()),
                ("credwatch_reason", letter.reason.to_owned()),
                ("credwatch_topic", letter.topic.to_owned()),
                ("credwatch_partition", letter.partition.to_string()),
                ("credwatch_offset", letter.offset.to_string()),
            ],
            payload: letter.to_json(),
        }
    }
}

/// Everything that shards of one process share.
#[derive(Clone, Debug)]
pub struct Blueprint {
    settings: Settings,
    configuration_hash: Arc<str>,
    events_topic: Arc<str>,
    partitions: u32,
}

impl Blueprint {
    /// What shards are made of, for `partitions` partitions of the events topic.
    ///
    /// # Errors
    /// Says what is wrong with the model.
    pub fn new(config: &Config, model: Model, partitions: u32) -> Self {
        let partitions = partitions.max(1);
        let detect = &config.detect;
        let model_hash = model_hash(&model, detect);
        Self {
            settings: Settings {
                parameters: Arc::new(model.parameters),
                catalogue: Arc::new(model.catalogue),
                model_hash: model_hash.into(),
                alerts_per_day: detect.alerts_per_day / f64::from(partitions),
                max_identities: (detect.max_identities / partitions as usize).max(1),
                signals_off: detect.signals_off.clone(),
                guardrails: config.guardrails.clone(),
            },
            configuration_hash: config.hash.as_str().into(),
            events_topic: config.topics.events.as_str().into(),
            partitions,
        }
    }

    /// What each shard's engine is told, guardrails aside.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Hash of model and detection settings.
    #[must_use]
    pub fn model_hash(&self) -> &str {
        &self.settings.model_hash
    }

    /// A cold shard for `partition`.
    #[must_use]
    pub fn shard(&self, partition: i32) -> Shard {
        let engine = Engine::new(self.settings_of(partition));
        self.assemble(partition, engine, AuditChain::new(partition))
    }

    fn settings_of(&self, partition: i32) -> Settings {
        let index = u32::try_from(partition).unwrap_or(0);
        Settings {
            guardrails: self.settings.guardrails.for_shard(index, self.partitions),
            ..self.settings.clone()
        }
    }

    fn assemble(&self, partition: i32, engine: Engine, audit: AuditChain) -> Shard {
        Shard {
            engine,
            audit,
            origin: Origin {
                topic: Arc::clone(&self.events_topic),
                partition,
                offset: 0,
            },
            configuration_hash: Arc::clone(&self.configuration_hash),
            partitions: self.partitions,
        }
    }

    /// A shard as its state in `input` says that it was left, and where.
    ///
    /// # Errors
    /// The state is damaged or of another version.
    pub fn reopen(&self, input: impl Read) -> Result<(Header, Shard), SnapshotError> {
        let (header, engine) = snapshot::read(input, |header| self.settings_of(header.partition))?;
        let shard = self.assemble(header.partition, engine, header.audit.clone());
        Ok((header, shard))
    }

    /// Partitions of the events topic.
    #[must_use]
    pub fn partitions(&self) -> u32 {
        self.partitions
    }
}

/// Hash of model and detection settings.
#[must_use]
pub fn model_hash(model: &Model, detect: &Detect) -> String {
    model.hash_with(
        detect.alerts_per_day,
        detect.max_identities,
        &detect.signals_off,
    )
}

/// Reads the model that a configuration names.
///
/// # Errors
/// Says what is wrong with the file.
pub fn load_model(config: &Config) -> Result<Model, LoadModelError> {
    match &config.detect.model_file {
        None => Ok(Model::embedded()?),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|why| LoadModelError::Read {
                path: path.clone(),
                why,
            })?;
            Ok(Model::parse(&text)?)
        }
    }
}

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum LoadModelError {
    /// The file cannot be read.
    #[error("`detect.model_file` {path}: {why}")]
    Read {
        /// Which.
        path: String,
        /// Why.
        why: std::io::Error,
    },
    /// The file is no model.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// One partition's engine with its formats.
#[derive(Clone, Debug)]
pub struct Shard {
    engine: Engine,
    audit: AuditChain,
    origin: Origin,
    configuration_hash: Arc<str>,
    partitions: u32,
}

/// A record that was read and is still to be judged.
pub struct Pending<'r> {
    event: Event<'r>,
    /// Of its records in the engine.
    pub keys: Keys,
    offset: i64,
    unknown_members: u32,
}

/// What one record gave.
pub struct Handled<'r> {
    /// The event.
    pub event: Event<'r>,
    /// What the engine made of it.
    pub stepped: Stepped,
    /// Members of the record that this version does not know.
    pub unknown_members: u32,
}

impl Shard {
    /// Reads one record of the events topic.
    ///
    /// # Errors
    /// Says what is wrong with the record.
    pub fn read<'r>(&self, record: &'r [u8], offset: i64) -> Result<Pending<'r>, NativeError> {
        let decoded = native::decode(record)?;
        let mut event = decoded.event;
        if event.event_id.is_empty() {
            let Origin {
                topic, partition, ..
            } = &self.origin;
            event.event_id = Cow::Owned(format!("{topic}-{partition}-{offset}"));
        }
        Ok(Pending {
            keys: Keys::of(&event),
            event,
            offset,
            unknown_members: decoded.unknown_members,
        })
    }

    /// Asks memory for what the next records will need; changes nothing.
    pub fn expect(&self, next: &[Keys]) {
        self.engine.expect(next);
    }

    /// Takes one record in.
    pub fn judge<'r>(&mut self, pending: Pending<'r>, detail: Detail) -> Handled<'r> {
        self.origin.offset = pending.offset;
        let Pending { event, keys, .. } = pending;
        let stepped = self.engine.step(&event, keys, &self.origin, detail);
        Handled {
            event,
            stepped,
            unknown_members: pending.unknown_members,
        }
    }

    /// Reads one record of the events topic and takes it in.
    ///
    /// # Errors
    /// Says what is wrong with the record; nothing was learned from it.
    pub fn handle<'r>(
        &mut self,
        record: &'r [u8],
        offset: i64,
        detail: Detail,
    ) -> Result<Handled<'r>, NativeError> {
        Ok(self.judge(self.read(record, offset)?, detail))
    }

    /// Records to publish for `alerts`, in order. Orders are issued at `issued_at`, or at event
    /// time where there is no wall clock to go by.
    pub fn publications(
        &mut self,
        alerts: &[Alert],
        issued_at: Option<EventTime>,
    ) -> Vec<Outgoing> {
        let mut outgoing = Vec::new();
        for alert in alerts {
            let key = alert.case.subject.id.as_str();
            let hashes = Hashes {
                model: self.engine.model_hash(),
                configuration: &self.configuration_hash,
            };
            let payload = ocsf::to_json(alert, hashes);
            let id = ocsf::publication_id(alert);
            let (stream, time) = (Stream::Alerts, alert.time);
            outgoing.push(Outgoing::cloud_event(
                stream,
                key,
                "alert.v1",
                id.clone(),
                time,
                payload,
            ));
            if let Some(decision) = &alert.decision {
                let payload = order::to_json(alert, decision, issued_at.unwrap_or(alert.time));
                let order_id = decision.order_id.clone();
                let stream = Stream::Revocations;
                outgoing.push(Outgoing::cloud_event(
                    stream, key, "order.v1", order_id, time, payload,
                ));
            }
            if let Some(payload) = self.audit.decision(alert, self.engine.model_hash()) {
                let stream = Stream::Decisions;
                outgoing.push(Outgoing::cloud_event(
                    stream,
                    key,
                    "decision.v1",
                    id,
                    time,
                    payload,
                ));
            }
        }
        outgoing
    }

    /// The id of one record and what it would score by what is known now; changes nothing.
    ///
    /// # Errors
    /// Says what is wrong with the record.
    pub fn consider(&self, record: &[u8]) -> Result<(String, Verdict), NativeError> {
        let event = self.read(record, self.origin.offset)?.event;
        Ok((event.event_id.to_string(), self.engine.consider(&event)))
    }

    /// Takes what somebody answers to an alert; see [`Engine::heed`].
    pub fn heed(&mut self, alert_id: &str, opinion: Opinion) -> Option<Option<Alert>> {
        self.engine.heed(alert_id, opinion)
    }

    /// What is known of an identity.
    #[must_use]
    pub fn portrait(&self, identity: &str) -> Option<Portrait> {
        self.engine.portrait(identity)
    }

    /// Where alerts begin now, and how much of that is learned, 0 to 1.
    #[must_use]
    pub fn threshold(&self) -> (f64, f64) {
        let engine = &self.engine;
        (engine.threshold_nats(), engine.threshold_learned_share())
    }

    /// Writes its state, for a next record at `next_offset`.
    ///
    /// # Errors
    /// `out` fails.
    pub fn save(&self, out: impl Write, next_offset: i64) -> io::Result<()> {
        let header = Header {
            partition: self.origin.partition,
            partitions: self.partitions,
            next_offset,
            model_hash: self.engine.model_hash().to_owned(),
            audit: self.audit.clone(),
        };
        snapshot::write(out, &header, &self.engine)
    }

    /// Counts and sizes; O(identities).
    #[must_use]
    pub fn health(&self) -> Health {
        self.engine.health()
    }
}
