//! The detect stage: events in, alerts, orders and decisions out. A worker has the shards of one view: by
//! identity, which consumes events, or by source, which consumes the sightings that the former publishes.
//! Each view has a consumer group of its own, because the assignor balances partitions over all topics of a
//! group: one instance would get the events and another the sightings.

use crate::clock::wall_time;
use crate::config::Config;
use crate::kafka::KafkaError;
use crate::kafka::checkpoint::{CheckpointSource, Scope, StateRecordSink};
use crate::kafka::feedback_consumer::FeedbackConsumer;
use crate::kafka::shard_handoff::ShardHandoff;
use crate::kafka::shard_recovery::ShardRecovery;
use crate::kafka::stage::{Processed, Record, Shared, Stage};
use crate::kafka::worker::MAX_BATCH;
use crate::metrics::Metrics;
use crate::outputs::dead_letter::DeadLetter;
use crate::outputs::retention_gap::RetentionGap;
use crate::query_router::{QueryRouter, ShardQuery};
use crate::shard::{OutputRecord, PendingRecord, Shard, ShardFactory, ShardId};
use arrayvec::ArrayVec;
use credwatch_core::engine::Detail;
use credwatch_core::enrich::Keys;
use credwatch_core::event::Activity;
use credwatch_core::signal::SIGNALS;
use credwatch_core::verdict::EntityView;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use tracing::{info, warn};

/// Reason for a record of a partition that was never assigned, which the client rules out.
const NOT_ASSIGNED: &str = "record of a partition that this worker does not own";

/// A record that is neither an event nor a sighting.
enum OtherRecord {
    IngestGap(RetentionGap),
    Rejected(String),
}

/// What a record contains.
type Content<'r> = Result<PendingRecord<'r>, OtherRecord>;

/// Shards of one worker.
pub struct Detect {
    entity: EntityView,
    shard_factory: ShardFactory,
    restorer: ShardRecovery,
    config: Arc<Config>,
    shards: BTreeMap<ShardId, Shard>,
    handoff: Arc<ShardHandoff>,
    metrics: Metrics,
    readings: Vec<u64>,
    feedback: Option<FeedbackConsumer>,
    has_feedback: bool,
    selected: BTreeSet<ShardId>,
    last_checkpointed: Option<ShardId>,
    query_router: Arc<QueryRouter>,
    own_inbox: Sender<ShardQuery>,
    inbox: Receiver<ShardQuery>,
}

impl Detect {
    /// A stage without shards, for those of the view `entity`.
    #[must_use]
    pub fn new(
        entity: EntityView,
        shard_factory: ShardFactory,
        group: &str,
        handoff: Arc<ShardHandoff>,
        shared: &Shared,
    ) -> Self {
        let (own_inbox, inbox) = QueryRouter::inbox();
        shared
            .query_router
            .set_partitions(shard_factory.partitions());
        Self {
            entity,
            shard_factory,
            restorer: ShardRecovery::new(Arc::clone(&shared.config), group.to_owned()),
            config: Arc::clone(&shared.config),
            shards: BTreeMap::new(),
            handoff,
            metrics: shared.metrics.clone(),
            readings: vec![0; SIGNALS.len()],
            feedback: None,
            has_feedback: false,
            selected: BTreeSet::new(),
            last_checkpointed: None,
            query_router: Arc::clone(&shared.query_router),
            own_inbox,
            inbox,
        }
    }

    /// The same, with feedback applied.
    #[must_use]
    pub fn with_feedback(mut self, feedback: FeedbackConsumer) -> Self {
        self.feedback = Some(feedback);
        self
    }

    fn id_of(&self, partition: i32) -> ShardId {
        let entity = self.entity;
        ShardId { entity, partition }
    }

    fn shard_of(&self, record: &Record<'_>) -> Option<&Shard> {
        self.shards.get(&self.id_of(record.partition))
    }

    /// Whether the state already contains the record: the group's offset was reset.
    fn is_known(&self, record: &Record<'_>) -> bool {
        let shard = self.shard_of(record);
        shard.is_some_and(|shard| record.offset < shard.next_offset())
    }

    fn decode<'r>(&self, record: &Record<'r>) -> Content<'r> {
        let Some(shard) = self.shard_of(record) else {
            return Err(OtherRecord::Rejected(NOT_ASSIGNED.to_owned()));
        };
        if let Some(gap) = shard.ingest_gap(record.payload) {
            return Err(OtherRecord::IngestGap(gap));
        }
        let decoded = shard.decode(record.payload, record.offset, record.appended_at);
        decoded.map_err(|error| OtherRecord::Rejected(error.to_string()))
    }

    /// Prefetches the records of the next events in each shard.
    fn prefetch(&self, records: &[Record<'_>], contents: &[Content<'_>]) {
        for (id, shard) in &self.shards {
            let of_shard = records.iter().zip(contents);
            let of_shard = of_shard.filter(|(record, _)| self.id_of(record.partition) == *id);
            let keys: Vec<Keys> = of_shard
                .filter_map(|(_, content)| content.as_ref().ok().map(|pending| pending.keys))
                .collect();
            shard.prefetch(&keys);
        }
    }

    fn process_record(
        &mut self,
        record: &Record<'_>,
        pending: PendingRecord<'_>,
        processed: &mut Processed,
    ) {
        let id = self.id_of(record.partition);
        let Some(shard) = self.shards.get_mut(&id) else {
            return;
        };
        let handled = shard.process(pending, Detail::Score);
        processed.outputs.extend(handled.sighting);
        for (signal, count) in self.readings.iter_mut().enumerate() {
            *count += u64::from(handled.step.contributing_signals >> signal & 1);
        }
        if handled.unknown_members > 0 {
            self.metrics
                .unknown_fields
                .inc_by(handled.unknown_members.into());
        }
        if record.key != handled.event.identity.id.as_bytes() {
            self.metrics.record_key_mismatches.inc();
        }
        let (activity, outcome) = (handled.event.activity, handled.event.outcome);
        if !handled.step.duplicate && self.entity == EntityView::Identity {
            self.metrics.observe_lifetime(&handled.event);
        }
        if matches!(activity, Activity::Rotate | Activity::Refresh) && !handled.step.duplicate {
            let labels = [activity.as_str(), outcome.as_str()];
            self.metrics.rotations.with_label_values(&labels).inc();
        }
        for notice in &handled.step.notices {
            self.metrics.population_notices.inc();
            info!(partition = record.partition, "{notice}");
        }
        if let Some(budget_alert) = handled.step.budget_alert {
            warn!(partition = record.partition, "{budget_alert}");
        }
        let alerts = handled.step.alerts;
        if alerts.is_empty() {
            return;
        }
        alerts
            .iter()
            .for_each(|alert| self.metrics.add_alert(alert));
        processed.urgent |= alerts.iter().any(|alert| !alert.decisions.is_empty());
        let outputs = shard.output_records(&alerts, Some(wall_time()), Some(record.payload));
        processed.outputs.extend(outputs);
    }

    /// Audits upgrades of shards and deleted events, and applies feedback.
    fn apply_unlogged_changes(&mut self) -> Vec<OutputRecord> {
        self.has_feedback = false;
        let mut outputs = Vec::new();
        for shard in self.shards.values_mut() {
            outputs.extend(shard.audit_upgrade());
            outputs.extend(shard.audit_retention_gaps());
        }
        if let Some(feedback) = &self.feedback {
            outputs.extend(feedback.drain_into(&mut self.shards));
        }
        outputs
    }

    fn changed(&self) -> impl Iterator<Item = ShardId> {
        let changed = self.shards.iter().filter(|(_, shard)| shard.has_changed());
        changed.map(|(id, _)| *id)
    }

    /// Selects the shards of the next checkpoint. One turn contains one shard, so that its transaction is
    /// short.
    fn select_shards(&mut self, scope: Scope) {
        self.selected = match scope {
            Scope::Urgent => {
                let pressing = self.shards.iter().filter(|(_, shard)| shard.is_urgent());
                pressing.map(|(id, _)| *id).collect()
            }
            Scope::Scheduled => {
                let after = self.changed().find(|id| Some(*id) > self.last_checkpointed);
                let next = after.or_else(|| self.changed().next());
                self.last_checkpointed = next;
                next.into_iter().collect()
            }
        };
    }

    fn selected_shards(&mut self) -> impl Iterator<Item = (&ShardId, &mut Shard)> {
        let shards = self.shards.iter_mut();
        shards.filter(|(id, _)| self.selected.contains(id))
    }

    fn unregister(&self, id: ShardId) {
        if id.entity == EntityView::Identity {
            self.query_router.unregister(id.partition);
        }
    }

    fn dead_letter(&mut self, record: &Record<'_>, reason: &str) -> OutputRecord {
        let id = self.id_of(record.partition);
        if let Some(shard) = self.shards.get_mut(&id) {
            shard.skip(record.offset);
        }
        self.metrics
            .dead_letters
            .with_label_values(&["detect"])
            .inc();
        let coordinates = (record.topic, record.partition, record.offset);
        let dead_letter = DeadLetter::new(reason, "detect", coordinates, record.payload);
        OutputRecord::dead_letter(&dead_letter)
    }
}

impl Stage for Detect {
    fn name(&self) -> &'static str {
        "detect"
    }

    fn topics(&self) -> Vec<String> {
        vec![self.config.topics.input_topic(self.entity).to_owned()]
    }

    fn process(&mut self, records: &[Record<'_>]) -> Result<Processed, KafkaError> {
        let records: ArrayVec<Record<'_>, MAX_BATCH> = records
            .iter()
            .filter(|record| !self.is_known(record))
            .copied()
            .collect();
        let contents: Vec<_> = records.iter().map(|record| self.decode(record)).collect();
        self.prefetch(&records, &contents);
        let mut processed = Processed::default();
        for (record, content) in records.iter().zip(contents) {
            match content {
                Ok(pending) => self.process_record(record, pending, &mut processed),
                Err(OtherRecord::IngestGap(gap)) => {
                    let shard = self.shards.get_mut(&self.id_of(record.partition));
                    let audited = shard.map(|shard| shard.audit_ingest_gap(&gap, record.offset));
                    processed.outputs.extend(audited);
                }
                Err(OtherRecord::Rejected(reason)) => {
                    processed.outputs.push(self.dead_letter(record, &reason));
                }
            }
        }
        Ok(processed)
    }

    fn assign(&mut self, partition: i32) -> Result<(), KafkaError> {
        let id = self.id_of(partition);
        let known = self.handoff.take(id);
        let is_cold = self.handoff.starts_cold(id);
        let shard = self
            .restorer
            .shard(&self.shard_factory, id, known, is_cold)?;
        self.shards.insert(id, shard);
        if id.entity == EntityView::Identity {
            self.query_router.register(partition, &self.own_inbox);
        }
        Ok(())
    }

    fn state(&mut self) -> Option<&mut dyn CheckpointSource> {
        Some(self)
    }

    fn revoke(&mut self, partition: i32) {
        let id = self.id_of(partition);
        if let Some(shard) = self.shards.remove(&id) {
            self.unregister(id);
            self.handoff.hand_off(shard);
        }
        self.metrics.remove_shard(id);
    }

    fn pass_over(&mut self, tombstone: &Record<'_>) {
        let id = self.id_of(tombstone.partition);
        if let Some(shard) = self.shards.get_mut(&id) {
            shard.skip(tombstone.offset);
        }
    }

    fn skip_deleted(&mut self, gap: &RetentionGap) -> Option<OutputRecord> {
        let id = self.id_of(gap.partition);
        if let Some(shard) = self.shards.get_mut(&id) {
            shard.skip_deleted(gap.clone());
        }
        None
    }

    fn serve_queries(&mut self) {
        while let Ok(query) = self.inbox.try_recv() {
            let id = ShardId::of_identities(query.partition());
            let shard = self.shards.get(&id);
            query.run(shard);
        }
    }

    fn tick(&mut self) {
        self.metrics.add_readings(&self.readings);
        self.readings.fill(0);
        self.handoff.expire();
        // Feedback may command a pause: it is applied at a checkpoint, and that does not wait.
        let feedback = self.feedback.as_ref();
        self.has_feedback = feedback.is_some_and(|feedback| feedback.has_pending(&self.shards));
        for (id, shard) in &self.shards {
            self.metrics.set_health(*id, &shard.health());
        }
    }
}

impl CheckpointSource for Detect {
    fn has_urgent(&self) -> bool {
        self.has_feedback || self.shards.values().any(Shard::is_urgent)
    }

    fn pending_shards(&self) -> u32 {
        self.changed().count() as u32
    }

    fn select(&mut self, scope: Scope) -> (Vec<OutputRecord>, bool) {
        let mut outputs = match scope {
            Scope::Scheduled => Vec::new(),
            Scope::Urgent => self.apply_unlogged_changes(),
        };
        self.select_shards(scope);
        let heads = self.selected_shards();
        outputs.extend(heads.filter_map(|(_, shard)| shard.sign_audit_head(wall_time())));
        (outputs, !self.selected.is_empty())
    }

    fn begin(&mut self, send: &mut StateRecordSink<'_>) -> io::Result<usize> {
        let begun = self.selected_shards().map(|(id, shard)| {
            shard.begin_checkpoint(&mut |key, value| send(id.partition, key, value))
        });
        begun.sum()
    }

    fn write_chunk(
        &mut self,
        most_bytes: usize,
        send: &mut StateRecordSink<'_>,
    ) -> io::Result<bool> {
        let mut is_sent = true;
        for (id, shard) in self.selected_shards() {
            let send = &mut |key: &[u8], value: Option<&[u8]>| send(id.partition, key, value);
            is_sent &= shard.write_checkpoint_chunk(most_bytes, send)?;
        }
        Ok(is_sent)
    }

    fn positions(&self) -> Vec<(&str, i32, i64)> {
        let chosen = self.selected.iter().filter_map(|id| {
            let topic = self.config.topics.input_topic(id.entity);
            Some((topic, id.partition, self.shards.get(id)?.next_offset()))
        });
        chosen.collect()
    }

    fn commit(&mut self) {
        // Unchanged state is not sent, such as the empty tables of a new shard.
        self.selected_shards()
            .for_each(|(_, shard)| shard.commit_checkpoint());
        self.selected.clear();
    }

    fn abort(&mut self) {
        self.selected_shards()
            .for_each(|(_, shard)| shard.abort_checkpoint());
    }
}

/// Events that a failed worker read and did not commit will be read again, by engines that must not have
/// processed them before: its shards are discarded.
impl Drop for Detect {
    fn drop(&mut self) {
        for id in self.shards.keys() {
            self.unregister(*id);
            self.handoff.forget(*id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;
    use crate::feedback::model::{ContainmentCommand, Feedback};
    use crate::kafka::shard_handoff::ColdStart;
    use crate::shard::load_model;

    fn of_three_shards() -> Detect {
        let config = Config::load(&Sources::default()).unwrap();
        let factory = ShardFactory::new(&config, load_model(&config).unwrap(), 3);
        let shared = Shared::new(config, Metrics::new("test").unwrap());
        let made = (0..3).map(|partition| {
            let id = ShardId::of_identities(partition);
            (id, factory.shard(id))
        });
        let shards = made.collect();
        let handoff = Arc::new(ShardHandoff::new(ColdStart::All));
        let mut detect = Detect::new(EntityView::Identity, factory, "test", handoff, &shared);
        detect.shards = shards;
        detect
    }

    /// Writes one checkpoint; returns the partitions that it contains.
    fn stored_shards(detect: &mut Detect, scope: Scope) -> Vec<i32> {
        let (_, has_some) = detect.select(scope);
        let partitions: Vec<i32> = detect.positions().iter().map(|(_, p, _)| *p).collect();
        assert_eq!(has_some, !partitions.is_empty());
        let mut sent = BTreeSet::new();
        let mut send = |partition, _: &[u8], _: Option<&[u8]>| {
            sent.insert(partition);
            Ok(())
        };
        detect.begin(&mut send).unwrap();
        while !detect.write_chunk(1, &mut send).unwrap() {}
        detect.commit();
        assert_eq!(sent.into_iter().collect::<Vec<_>>(), partitions);
        partitions
    }

    fn pass(detect: &mut Detect, partitions: &[i32], offset: i64) {
        for partition in partitions {
            let id = ShardId::of_identities(*partition);
            detect.shards.get_mut(&id).unwrap().skip(offset);
        }
    }

    #[test]
    fn shards_are_stored_in_turn_and_unchanged_ones_are_skipped() {
        let mut detect = of_three_shards();
        assert_eq!(detect.pending_shards(), 0);
        assert!(stored_shards(&mut detect, Scope::Scheduled).is_empty());
        pass(&mut detect, &[0, 2], 7);
        assert_eq!(detect.pending_shards(), 2);
        assert_eq!(stored_shards(&mut detect, Scope::Scheduled), [0]);
        pass(&mut detect, &[0, 1], 8);
        for turn in [1, 2, 0] {
            assert_eq!(stored_shards(&mut detect, Scope::Scheduled), [turn]);
        }
        assert_eq!(detect.pending_shards(), 0);
    }

    #[test]
    fn applied_feedback_is_stored_before_the_next_event() {
        let mut detect = of_three_shards();
        pass(&mut detect, &[0, 1, 2], 7);
        assert!(stored_shards(&mut detect, Scope::Urgent).is_empty());
        let pause = Feedback {
            containment: Some(ContainmentCommand::Pause),
            by: "ada".to_owned(),
            ..Feedback::default()
        };
        let shard = detect.shards.get_mut(&ShardId::of_identities(1)).unwrap();
        assert!(shard.apply_feedback(&pause, (0, 0), None).is_some());
        assert_eq!(stored_shards(&mut detect, Scope::Urgent), [1]);
        assert!(stored_shards(&mut detect, Scope::Urgent).is_empty());
    }
}
