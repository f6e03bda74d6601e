//! A shard: one partition's engine with what surrounds it, decode in front and formats behind.
//! `run` and `replay` drive the same shard, so the same log gives the same outputs.

mod checkpoint;
mod feedback;
mod output_record;
pub mod partitioner;
mod query;
mod shard_factory;

pub use checkpoint::{RestoreError, ShardRestore};
pub use output_record::{OutputRecord, Stream};
pub use query::QueryError;
pub use shard_factory::{LoadModelError, ShardFactory, load_model, model_hash};

use crate::audit::record::AuditChain;
use crate::crypto::Signer;
use crate::orders::model::Order;
use crate::outputs::ocsf_finding;
use crate::outputs::ocsf_finding::Hashes;
use crate::outputs::sighting_record;
use crate::outputs::sighting_record::SightingError;
use crate::sources::native;
use crate::sources::native::NativeError;
use credwatch_core::engine::{
    Alert, Detail, Engine, FeedbackEffect, Health, ProfileReport, SourcePosition, StepOutput,
    UnusedPrivileges,
};
use credwatch_core::enrich::Keys;
use credwatch_core::event::Event;
use credwatch_core::sighting::Sighting;
use credwatch_core::units::EventTime;
use credwatch_core::verdict::{AlertVerdict, EntityView, Verdict};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which shard: a partition of the events topic, or of the topic of sightings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId {
    /// Whose behaviour it looks at.
    pub entity: EntityView,
    /// Its partition.
    pub partition: i32,
}

impl ShardId {
    /// The shard of identities of `partition`.
    #[must_use]
    pub fn of_identities(partition: i32) -> Self {
        Self {
            entity: EntityView::Identity,
            partition,
        }
    }

    /// The shard of sources of `partition`.
    #[must_use]
    pub fn of_sources(partition: i32) -> Self {
        Self {
            entity: EntityView::Source,
            partition,
        }
    }
}

/// One partition's engine with its formats.
#[derive(Clone, Debug)]
pub struct Shard {
    entity: EntityView,
    engine: Engine,
    audit: AuditChain,
    /// Where the record stands that was taken last.
    position: SourcePosition,
    /// Offset of the next record when the state was kept last.
    checkpointed_offset: i64,
    /// The same when the checkpoint began that is being made.
    checkpoint_offset: i64,
    /// Offset in the topic of baselines from which its pieces lie.
    first_record_offset: i64,
    /// Offsets of the next answers, by partition of the feedback topic.
    feedback_offsets: BTreeMap<i32, i64>,
    /// Whether answers were taken in since the state was kept last.
    has_feedback: bool,
    /// What it was made with, where that is not what it runs with.
    upgrade: Option<Upgrade>,
    configuration_hash: Arc<str>,
    partitions: u32,
    signer: Option<Arc<Signer>>,
}

/// Another model or configuration than the one that a shard's state was made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// Hash of the model and detection settings before.
    pub old_model: String,
    /// Hash of the configuration before.
    pub old_configuration: String,
}

/// A record that was read and is still to be judged.
pub struct PendingRecord<'r> {
    decoded: DecodedRecord<'r>,
    /// Of its records in the engine.
    pub keys: Keys,
    offset: i64,
    unknown_fields: u32,
}

/// What a record holds.
enum DecodedRecord<'r> {
    /// An event, for shards of identities.
    Event(Event<'r>),
    /// An authentication at its source, for shards of sources.
    Sighting(Sighting<'r>),
}

/// Why a record cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is no native event.
    #[error(transparent)]
    Native(#[from] NativeError),
    /// It is no sighting.
    #[error(transparent)]
    Sighting(#[from] SightingError),
}

/// What one record gave.
pub struct ProcessedRecord<'r> {
    /// The event; of a sighting, as one of the source.
    pub event: Event<'r>,
    /// The event as it is seen at its source, to be published.
    pub sighting: Option<OutputRecord>,
    /// What the engine made of it.
    pub step: StepOutput,
    /// Members of the record that this version does not know.
    pub unknown_members: u32,
}

impl Shard {
    /// Reads one record.
    ///
    /// # Errors
    /// Says what is wrong with the record.
    pub fn decode<'r>(
        &self,
        record: &'r [u8],
        offset: i64,
    ) -> Result<PendingRecord<'r>, ReadError> {
        if self.entity == EntityView::Source {
            let sighting = sighting_record::decode(record)?;
            return Ok(PendingRecord {
                keys: Keys::of(&sighting.as_event()),
                decoded: DecodedRecord::Sighting(sighting),
                offset,
                unknown_fields: 0,
            });
        }
        let (event, unknown_members) = self.event(record, offset)?;
        Ok(PendingRecord {
            keys: Keys::of(&event),
            decoded: DecodedRecord::Event(event),
            offset,
            unknown_fields: unknown_members,
        })
    }

    fn event<'r>(&self, record: &'r [u8], offset: i64) -> Result<(Event<'r>, u32), NativeError> {
        let decoded = native::decode(record)?;
        let mut event = decoded.event;
        if event.event_id.is_empty() {
            let SourcePosition {
                topic, partition, ..
            } = &self.position;
            event.event_id = Cow::Owned(format!("{topic}-{partition}-{offset}"));
        }
        Ok((event, decoded.unknown_fields))
    }

    /// Asks memory for what the next records will need; changes nothing.
    pub fn prefetch(&self, next: &[Keys]) {
        self.engine.prefetch(next);
    }

    /// Which shard this is.
    #[must_use]
    pub fn id(&self) -> ShardId {
        ShardId {
            entity: self.entity,
            partition: self.position.partition,
        }
    }

    /// Offset of the record to take next.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.position.offset + 1
    }

    /// The record at `offset` is no event: the next one comes after it.
    pub fn skip(&mut self, offset: i64) {
        self.position.offset = offset;
    }

    /// Takes one record in.
    pub fn process<'r>(
        &mut self,
        pending: PendingRecord<'r>,
        detail: Detail,
    ) -> ProcessedRecord<'r> {
        self.position.offset = pending.offset;
        let PendingRecord {
            decoded: taken,
            keys,
            ..
        } = pending;
        let (event, output, sighting) = match taken {
            DecodedRecord::Event(event) => {
                let output = self.engine.step(&event, keys, &self.position, detail);
                let sighting = self.sighting(&event, &output);
                (event, output, sighting)
            }
            DecodedRecord::Sighting(sighting) => {
                let (partition, offset) = sighting.position;
                let origin = SourcePosition {
                    topic: Arc::clone(&self.position.topic),
                    partition,
                    offset,
                };
                let output = self.engine.step_sighting(&sighting, &origin, detail);
                (sighting.into_event(), output, None)
            }
        };
        ProcessedRecord {
            event,
            sighting,
            step: output,
            unknown_members: pending.unknown_fields,
        }
    }

    fn sighting(&self, event: &Event<'_>, output: &StepOutput) -> Option<OutputRecord> {
        if output.duplicate {
            return None;
        }
        let position = (self.position.partition, self.position.offset);
        let known = self.engine.entities() as u64;
        let (network, record) =
            sighting_record::of_event(event, output.is_known_source, known, position)?;
        Some(OutputRecord::sighting(network, record))
    }

    /// Reads one record and takes it in.
    ///
    /// # Errors
    /// Says what is wrong with the record; nothing was learned from it.
    pub fn handle<'r>(
        &mut self,
        record: &'r [u8],
        offset: i64,
        detail: Detail,
    ) -> Result<ProcessedRecord<'r>, ReadError> {
        Ok(self.process(self.decode(record, offset)?, detail))
    }

    /// Takes a record in that was taken and published before: what it gives is thrown away.
    pub fn replay(&mut self, record: &[u8], offset: i64) {
        match self.handle(record, offset, Detail::Score) {
            Ok(handled) => {
                let alerts = handled.step.alerts;
                self.output_records(&alerts, None, Some(record));
            }
            Err(_) => self.skip(offset),
        }
    }

    /// Records to publish for `alerts`, in order. Orders are issued at `issued_at`, or at event
    /// time where there is no wall clock to go by. `record` is what was read when they were raised: its
    /// hash goes into the audit trail, so that what was kept of it can be proved.
    pub fn output_records(
        &mut self,
        alerts: &[Alert],
        issued_at: Option<EventTime>,
        record: Option<&[u8]>,
    ) -> Vec<OutputRecord> {
        let mut outgoing = Vec::new();
        for alert in alerts {
            let key = alert.incident.subject.id.as_str();
            let hashes = Hashes {
                model: self.engine.model_hash(),
                configuration: &self.configuration_hash,
            };
            let payload = ocsf_finding::to_json(alert, hashes);
            let id = ocsf_finding::publication_id(alert);
            let (stream, time) = (Stream::Alerts, alert.time);
            outgoing.push(OutputRecord::cloud_event(
                stream,
                key,
                "alert.v1",
                id.clone(),
                time,
                payload,
            ));
            for (nth, decision) in alert.decisions.iter().enumerate() {
                let key = decision.subject.id.as_str();
                let issued_at = issued_at.unwrap_or(alert.time);
                let order = Order::new(alert, decision, issued_at);
                let order = order.signed(self.signer.as_deref(), issued_at, alert.time);
                let payload = order.to_json();
                let order_id = decision.order_id.clone();
                let stream = Stream::Revocations;
                outgoing.push(OutputRecord::cloud_event(
                    stream, key, "order.v1", order_id, time, payload,
                ));
                let model_hash = self.engine.model_hash();
                let payload = self.audit.decision(alert, decision, model_hash, record);
                let stream = Stream::Decisions;
                let id = match nth {
                    0 => id.clone(),
                    _ => format!("{id}-{nth}"),
                };
                let record =
                    OutputRecord::cloud_event(stream, key, "decision.v1", id, time, payload);
                outgoing.push(record.in_partition(self.position.partition));
            }
        }
        outgoing
    }

    /// The id of one record and what it would score by what is known now; changes nothing.
    ///
    /// # Errors
    /// Says what is wrong with the record.
    pub fn score_only(&self, record: &[u8]) -> Result<(String, Verdict), NativeError> {
        let (event, _) = self.event(record, self.position.offset)?;
        Ok((event.event_id.to_string(), self.engine.score_only(&event)))
    }

    /// Takes what somebody answers to an alert; see [`Engine::heed`].
    pub fn apply_alert_verdict(&mut self, alert_id: &str, verdict: AlertVerdict) -> FeedbackEffect {
        self.engine.apply_alert_verdict(alert_id, verdict)
    }

    /// What is known of an identity.
    #[must_use]
    pub fn profile_report(&self, identity: &str) -> Option<ProfileReport> {
        self.engine.profile_report(identity)
    }

    /// What identities have not used for `days` days; O(identities).
    #[must_use]
    pub fn unused_privileges(&self, days: u16) -> Vec<UnusedPrivileges> {
        self.engine.unused_privileges(days)
    }

    /// Where alerts begin now, and how much of that is learned, 0 to 1.
    #[must_use]
    pub fn threshold(&self) -> (f64, f64) {
        let engine = &self.engine;
        (engine.threshold_nats(), engine.threshold_learned_share())
    }

    /// Counts and sizes; O(groups, cases, orders).
    #[must_use]
    pub fn health(&self) -> Health {
        self.engine.health()
    }
}
