//! A shard: the engine of one partition with decoding before it and encoding after it.
//! `run` and `replay` use the same shard, so the same log gives the same outputs.

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
use crate::outputs::retention_gap::RetentionGap;
use crate::outputs::sighting_record;
use crate::outputs::sighting_record::SightingError;
use crate::persistence::record_checksum::RecordChecksum;
use crate::sources::native;
use crate::sources::native::{Decoded, NativeError};
use crate::token_redaction::Redactor;
use credwatch_core::engine::{
    Alert, Detail, Engine, FeedbackEffect, Health, IdentityHygiene, ProfileReport, SourcePosition,
    StepOutput,
};
use credwatch_core::enrich::Keys;
use credwatch_core::event::Event;
use credwatch_core::sighting::Sighting;
use credwatch_core::units::EventTime;
use credwatch_core::verdict::{AlertVerdict, EntityView, Verdict};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Identity of a shard: a partition of the events topic, or of the sightings topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId {
    /// Its view.
    pub entity: EntityView,
    /// Its partition.
    pub partition: i32,
}

impl ShardId {
    /// The shard of the identity view of `partition`.
    #[must_use]
    pub fn of_identities(partition: i32) -> Self {
        Self {
            entity: EntityView::Identity,
            partition,
        }
    }

    /// The shard of the source view of `partition`.
    #[must_use]
    pub fn of_sources(partition: i32) -> Self {
        Self {
            entity: EntityView::Source,
            partition,
        }
    }
}

/// The engine of one partition with its formats.
#[derive(Clone, Debug)]
pub struct Shard {
    entity: EntityView,
    engine: Engine,
    audit: AuditChain,
    /// Position of the latest record.
    position: SourcePosition,
    /// Offset of the next record at the last checkpoint.
    checkpointed_offset: i64,
    /// Offset of the next record at the beginning of the checkpoint in progress.
    checkpoint_offset: i64,
    /// Offset in the baselines topic at which its records begin.
    first_record_offset: i64,
    /// Offsets of the next feedback, by partition of the feedback topic.
    feedback_offsets: BTreeMap<i32, i64>,
    /// Whether the state was changed by what is not in its log since the last checkpoint.
    has_unlogged_change: bool,
    /// Deleted events that are still to be audited.
    retention_gaps: Vec<RetentionGap>,
    /// Model and configuration of the restored state, where they differ from the present ones.
    upgrade: Option<Upgrade>,
    configuration_hash: Arc<str>,
    partitions: u32,
    signer: Option<Arc<Signer>>,
    checksum: RecordChecksum,
    redactor: Redactor,
}

/// Model and configuration of a restored state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// Previous hash of the model and detection settings.
    pub old_model: String,
    /// Previous hash of the configuration.
    pub old_configuration: String,
}

/// A decoded record that is still to be processed.
pub struct PendingRecord<'r> {
    decoded: RecordContent<'r>,
    /// Keys of its baselines.
    pub keys: Keys,
    offset: i64,
    record_time: Option<EventTime>,
    unknown_fields: u32,
}

/// Content of a record.
enum RecordContent<'r> {
    /// An event, for the identity view.
    Event(Event<'r>),
    /// A sighting, for the source view.
    Sighting(Sighting<'r>),
}

/// Why a record was rejected.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not a native event.
    #[error(transparent)]
    Native(#[from] NativeError),
    /// Not a sighting.
    #[error(transparent)]
    Sighting(#[from] SightingError),
}

/// Result of one record.
pub struct ProcessedRecord<'r> {
    /// The event; that of a sighting, as an event of the source.
    pub event: Event<'r>,
    /// The sighting of the event, to publish.
    pub sighting: Option<OutputRecord>,
    /// Output of the engine.
    pub step: StepOutput,
    /// Number of unknown fields of the record.
    pub unknown_members: u32,
}

impl Shard {
    /// Decodes one record.
    ///
    /// # Errors
    /// The record is malformed.
    pub fn decode<'r>(
        &self,
        record: &'r [u8],
        offset: i64,
        record_time: Option<EventTime>,
    ) -> Result<PendingRecord<'r>, ReadError> {
        if self.entity == EntityView::Source {
            let sighting = sighting_record::decode(record)?;
            return Ok(PendingRecord {
                keys: self.engine.keys(&sighting.as_event()),
                decoded: RecordContent::Sighting(sighting),
                offset,
                record_time,
                unknown_fields: 0,
            });
        }
        Ok(self.accept(native::decode(record, &self.redactor)?, offset, record_time))
    }

    /// The gap in a raw topic that a record of its log states.
    #[must_use]
    pub fn ingest_gap(&self, record: &[u8]) -> Option<RetentionGap> {
        (self.entity == EntityView::Source)
            .then(|| sighting_record::retention_gap(record))
            .flatten()
    }

    /// Takes an event that was decoded from the record at `offset`.
    pub fn accept<'r>(
        &self,
        decoded: Decoded<'r>,
        offset: i64,
        record_time: Option<EventTime>,
    ) -> PendingRecord<'r> {
        let mut event = self.with_id(decoded.event, offset);
        event.bound_time(record_time);
        PendingRecord {
            keys: self.engine.keys(&event),
            decoded: RecordContent::Event(event),
            offset,
            record_time,
            unknown_fields: decoded.unknown_fields,
        }
    }

    /// `event` with an id, by its position where its record states none.
    fn with_id<'r>(&self, mut event: Event<'r>, offset: i64) -> Event<'r> {
        if event.event_id.is_empty() {
            let SourcePosition {
                topic, partition, ..
            } = &self.position;
            event.event_id = Cow::Owned(format!("{topic}-{partition}-{offset}"));
        }
        event
    }

    /// Prefetches the baselines of the next records; changes nothing.
    pub fn prefetch(&self, next: &[Keys]) {
        self.engine.prefetch(next);
    }

    /// Its identity.
    #[must_use]
    pub fn id(&self) -> ShardId {
        ShardId {
            entity: self.entity,
            partition: self.position.partition,
        }
    }

    /// Offset of the next record.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.position.offset + 1
    }

    /// Skips the record at `offset`, which is not an event.
    pub fn skip(&mut self, offset: i64) {
        self.position.offset = self.position.offset.max(offset);
    }

    /// Continues after events that were deleted before they were read. They are no part of the log, so that
    /// the state is to be stored before the next event.
    pub fn skip_deleted(&mut self, gap: RetentionGap) {
        self.skip(gap.last_offset);
        self.retention_gaps.push(gap);
    }

    /// Processes one record.
    pub fn process<'r>(
        &mut self,
        pending: PendingRecord<'r>,
        detail: Detail,
    ) -> ProcessedRecord<'r> {
        self.position.offset = pending.offset;
        self.position.record_time = pending.record_time;
        let PendingRecord {
            decoded: taken,
            keys,
            ..
        } = pending;
        let (event, output, sighting) = match taken {
            RecordContent::Event(event) => {
                let output = self.engine.step(&event, keys, &self.position, detail);
                let sighting = self.sighting(&event, &output);
                (event, output, sighting)
            }
            RecordContent::Sighting(sighting) => {
                let (partition, offset) = sighting.position;
                let origin = SourcePosition {
                    topic: Arc::clone(&self.position.topic),
                    partition,
                    offset,
                    record_time: pending.record_time,
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
        let (network, record) = sighting_record::of_event(event, output.is_known_source, position)?;
        Some(OutputRecord::sighting(network, record))
    }

    /// Decodes and processes one record.
    ///
    /// # Errors
    /// The record is malformed; nothing was learned from it.
    pub fn handle<'r>(
        &mut self,
        record: &'r [u8],
        offset: i64,
        record_time: Option<EventTime>,
        detail: Detail,
    ) -> Result<ProcessedRecord<'r>, ReadError> {
        Ok(self.process(self.decode(record, offset, record_time)?, detail))
    }

    /// Replays a record whose outputs were published before: its outputs are suppressed.
    pub fn replay(&mut self, record: &[u8], offset: i64, record_time: Option<EventTime>) {
        if let Some(gap) = self.ingest_gap(record) {
            self.audit_ingest_gap(&gap, offset);
            return;
        }
        match self.handle(record, offset, record_time, Detail::Score) {
            Ok(handled) => {
                let alerts = handled.step.alerts;
                self.output_records(&alerts, None, Some(record));
            }
            Err(_) => self.skip(offset),
        }
    }

    /// Records to publish for `alerts`, in order. Orders are issued at `issued_at`, or at event time where
    /// there is no wall clock. `record` is the record that raised them: its hash is part of the audit trail,
    /// so that the evidence can be verified.
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

    /// The id of one record and what it would score; changes nothing.
    ///
    /// # Errors
    /// The record is malformed.
    pub fn score_only(&self, record: &[u8]) -> Result<(String, Verdict), NativeError> {
        let decoded = native::decode(record, &self.redactor)?;
        let event = self.with_id(decoded.event, self.position.offset);
        Ok((event.event_id.to_string(), self.engine.score_only(&event)))
    }

    /// Applies an analyst's verdict; see [`Engine::apply_alert_verdict`].
    pub fn apply_alert_verdict(&mut self, alert_id: &str, verdict: AlertVerdict) -> FeedbackEffect {
        self.engine.apply_alert_verdict(alert_id, verdict)
    }

    /// The baseline of an identity.
    #[must_use]
    pub fn profile_report(&self, identity: &str) -> Option<ProfileReport> {
        self.engine.profile_report(identity)
    }

    /// Privileges that identities have not used for `days` days; O(identities).
    #[must_use]
    pub fn hygiene(&self, days: u16) -> Vec<IdentityHygiene> {
        self.engine.hygiene(days)
    }

    /// Alert threshold, and weight of the estimate in it, 0 to 1.
    #[must_use]
    pub fn threshold(&self) -> (f64, f64) {
        let engine = &self.engine;
        (engine.threshold_nats(), engine.threshold_learned_share())
    }

    /// Counts and sizes; O(groups, incidents, orders).
    #[must_use]
    pub fn health(&self) -> Health {
        self.engine.health()
    }
}
