//! The detect stage: events in, alerts, orders and decisions out. One shard a partition and view: of
//! identities, which read events, and of sources, which read the sightings that those publish.

use crate::clock::wall_time;
use crate::config::Config;
use crate::engine::Detail;
use crate::enrich::Keys;
use crate::event::Activity;
use crate::inquiry::{Desk, Inquiry};
use crate::kafka::KafkaError;
use crate::kafka::answers::Answers;
use crate::kafka::pool::Pool;
use crate::kafka::restore::Restorer;
use crate::kafka::transaction::{Checkpoint, SendBaseline};
use crate::kafka::worker::{MOST_TOGETHER, Processed, Record, Shared, Stage};
use crate::metrics::Metrics;
use crate::shard::{Blueprint, Outgoing, Pending, Shard, ShardId};
use crate::signal::SIGNALS;
use crate::verdict::EntityView;
use crate::wire::dead_letter::DeadLetter;
use arrayvec::ArrayVec;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use tracing::{info, warn};

/// A reason for a record of a partition that was never assigned, which the client rules out.
const NOT_OURS: &str = "record of a partition that this worker does not own";
/// A reason for a record without value.
const NO_VALUE: &str = "record without value";

/// Shards of one worker.
pub struct Detect {
    blueprint: Blueprint,
    restorer: Restorer,
    config: Arc<Config>,
    shards: BTreeMap<ShardId, Shard>,
    pool: Arc<Pool>,
    metrics: Metrics,
    readings: Vec<u64>,
    answers: Option<Answers>,
    has_answers: bool,
    desk: Arc<Desk>,
    own_inbox: Sender<Inquiry>,
    inbox: Receiver<Inquiry>,
}

impl Detect {
    /// A stage that owns nothing yet.
    #[must_use]
    pub fn new(blueprint: Blueprint, group: &str, pool: Arc<Pool>, shared: &Shared) -> Self {
        let (own_inbox, inbox) = Desk::inbox();
        shared.desk.set_partitions(blueprint.partitions());
        Self {
            blueprint,
            restorer: Restorer::new(Arc::clone(&shared.config), group.to_owned()),
            config: Arc::clone(&shared.config),
            shards: BTreeMap::new(),
            pool,
            metrics: shared.metrics.clone(),
            readings: vec![0; SIGNALS.len()],
            answers: None,
            has_answers: false,
            desk: Arc::clone(&shared.desk),
            own_inbox,
            inbox,
        }
    }

    /// The same, which takes in what people answer.
    #[must_use]
    pub fn heeding(mut self, answers: Answers) -> Self {
        self.answers = Some(answers);
        self
    }

    fn id_of(&self, topic: &str, partition: i32) -> ShardId {
        if topic == self.config.topics.sightings {
            ShardId::of_sources(partition)
        } else {
            ShardId::of_identities(partition)
        }
    }

    fn shard_of(&self, record: &Record<'_>) -> Option<&Shard> {
        self.shards.get(&self.id_of(record.topic, record.partition))
    }

    /// Whether the state holds the record already: the group's offset was set back.
    fn is_known(&self, record: &Record<'_>) -> bool {
        let shard = self.shard_of(record);
        shard.is_some_and(|shard| record.offset < shard.next_offset())
    }

    fn read<'r>(&self, record: &Record<'r>) -> Result<Pending<'r>, String> {
        if record.payload.is_empty() {
            return Err(NO_VALUE.to_owned());
        }
        let shard = self.shard_of(record).ok_or(NOT_OURS)?;
        let read = shard.read(record.payload, record.offset);
        read.map_err(|error| error.to_string())
    }

    /// Has each shard ask memory for what its records will need.
    fn expect(&self, records: &[Record<'_>], pending: &[Result<Pending<'_>, String>]) {
        for (id, shard) in &self.shards {
            let of_shard = records.iter().zip(pending);
            let of_shard =
                of_shard.filter(|(record, _)| self.id_of(record.topic, record.partition) == *id);
            let keys: Vec<Keys> = of_shard
                .filter_map(|(_, pending)| pending.as_ref().ok().map(|pending| pending.keys))
                .collect();
            shard.expect(&keys);
        }
    }

    fn judge(&mut self, record: &Record<'_>, pending: Pending<'_>, processed: &mut Processed) {
        let id = self.id_of(record.topic, record.partition);
        let Some(shard) = self.shards.get_mut(&id) else {
            return;
        };
        let handled = shard.judge(pending, Detail::Score);
        processed.outputs.extend(handled.sighting);
        for (signal, count) in self.readings.iter_mut().enumerate() {
            *count += u64::from(handled.stepped.spoke >> signal & 1);
        }
        if handled.unknown_members > 0 {
            self.metrics
                .unknown_members
                .inc_by(handled.unknown_members.into());
        }
        if record.key != handled.event.identity.id.as_bytes() {
            self.metrics.foreign_keys.inc();
        }
        let (activity, outcome) = (handled.event.activity, handled.event.outcome);
        if matches!(activity, Activity::Rotate | Activity::Refresh) && !handled.stepped.duplicate {
            let labels = [activity.as_str(), outcome.as_str()];
            self.metrics.rotations.with_label_values(&labels).inc();
        }
        for notice in &handled.stepped.notices {
            self.metrics.notices.inc();
            info!(partition = record.partition, "{notice}");
        }
        if let Some(news) = handled.stepped.budget_news {
            warn!(partition = record.partition, "{news}");
        }
        let alerts = handled.stepped.alerts;
        if alerts.is_empty() {
            return;
        }
        alerts
            .iter()
            .for_each(|alert| self.metrics.add_alert(alert));
        processed.urgent |= alerts.iter().any(|alert| !alert.decisions.is_empty());
        let outputs = shard.publications(&alerts, Some(wall_time()), Some(record.payload));
        processed.outputs.extend(outputs);
    }

    fn close_desk(&self, id: ShardId) {
        if id.entity == EntityView::Identity {
            self.desk.close(id.partition);
        }
    }

    fn set_aside(&mut self, record: &Record<'_>, reason: &str) -> Outgoing {
        let id = self.id_of(record.topic, record.partition);
        if let Some(shard) = self.shards.get_mut(&id) {
            shard.pass(record.offset);
        }
        self.metrics
            .dead_letters
            .with_label_values(&["detect"])
            .inc();
        let coordinates = (record.topic, record.partition, record.offset);
        let letter = DeadLetter::new(reason, "detect", coordinates, record.payload);
        Outgoing::dead_letter(&letter)
    }
}

impl Stage for Detect {
    fn name(&self) -> &'static str {
        "detect"
    }

    fn topics(&self) -> Vec<String> {
        let topics = &self.config.topics;
        vec![topics.events.clone(), topics.sightings.clone()]
    }

    fn process(&mut self, records: &[Record<'_>]) -> Processed {
        let records: ArrayVec<Record<'_>, MOST_TOGETHER> = records
            .iter()
            .filter(|record| !self.is_known(record))
            .copied()
            .collect();
        let pending: Vec<_> = records.iter().map(|record| self.read(record)).collect();
        self.expect(&records, &pending);
        let mut processed = Processed::default();
        for (record, pending) in records.iter().zip(pending) {
            match pending {
                Ok(pending) => self.judge(record, pending, &mut processed),
                Err(reason) => processed.outputs.push(self.set_aside(record, &reason)),
            }
        }
        processed
    }

    fn assign(&mut self, topic: &str, partition: i32) -> Result<(), KafkaError> {
        let id = self.id_of(topic, partition);
        let known = self.pool.take(id);
        let is_cold = self.pool.starts_cold(id);
        let shard = self.restorer.shard(&self.blueprint, id, known, is_cold)?;
        self.shards.insert(id, shard);
        if id.entity == EntityView::Identity {
            self.desk.open(partition, &self.own_inbox);
        }
        Ok(())
    }

    fn wants_checkpoint(&self) -> bool {
        self.has_answers || self.shards.values().any(Shard::has_upgrade)
    }

    fn prepare_checkpoint(&mut self) -> Vec<Outgoing> {
        self.has_answers = false;
        let upgrades = self.shards.values_mut().filter_map(Shard::announce_upgrade);
        let mut said: Vec<Outgoing> = upgrades.collect();
        if let Some(answers) = &self.answers {
            said.extend(answers.hand_to(&mut self.shards));
        }
        let shards = self.shards.values_mut();
        said.extend(shards.filter_map(|shard| shard.sign_audit(wall_time())));
        said
    }

    fn checkpoint(&self) -> Option<&dyn Checkpoint> {
        let has_changed = self.shards.values().any(Shard::has_changed);
        has_changed.then_some(self as &dyn Checkpoint)
    }

    fn mark_kept(&mut self) {
        // What has not changed was not sent, the empty tables of a new shard among it.
        let shards = self.shards.values_mut();
        shards
            .filter(|s| s.has_changed())
            .for_each(Shard::mark_kept);
    }

    fn revoke(&mut self, topic: &str, partition: i32) {
        let id = self.id_of(topic, partition);
        if let Some(shard) = self.shards.remove(&id) {
            self.close_desk(id);
            self.pool.park(shard);
        }
        self.metrics.drop_shard(id);
    }

    fn attend(&mut self) {
        while let Ok(inquiry) = self.inbox.try_recv() {
            let id = ShardId::of_identities(inquiry.partition());
            let shard = self.shards.get(&id);
            inquiry.answer(shard);
        }
    }

    fn tick(&mut self) {
        self.metrics.add_readings(&self.readings);
        self.readings.fill(0);
        self.pool.expire();
        // An answer may be an order to stop: it is taken in at a checkpoint, and that does not wait.
        let answers = self.answers.as_ref();
        self.has_answers = answers.is_some_and(|answers| answers.has_news(&self.shards));
        for (id, shard) in &self.shards {
            self.metrics.set_health(*id, &shard.health());
        }
    }
}

impl Checkpoint for Detect {
    fn send(&self, send: &mut SendBaseline<'_>) -> io::Result<()> {
        let changed = self.shards.iter().filter(|(_, shard)| shard.has_changed());
        for (id, shard) in changed {
            shard.checkpoint(&mut |key, value| send(id.partition, key, value))?;
        }
        Ok(())
    }

    fn positions(&self) -> Vec<(&str, i32, i64)> {
        let shards = self.shards.iter().filter(|(_, shard)| shard.has_changed());
        shards
            .map(|(id, shard)| {
                let topic = self.config.topics.of_view(id.entity);
                (topic, id.partition, shard.next_offset())
            })
            .collect()
    }
}

/// What a failed worker read and did not commit will be read again, by engines that must not have
/// seen it before: its shards are lost.
impl Drop for Detect {
    fn drop(&mut self) {
        for id in self.shards.keys() {
            self.close_desk(*id);
            self.pool.forget(*id);
        }
    }
}
