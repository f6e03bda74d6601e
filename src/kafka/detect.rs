//! The detect stage: events in, alerts, orders and decisions out. One shard a partition and view: of
//! identities, which read events, and of sources, which read the sightings that those publish.

use crate::clock::wall_time;
use crate::config::Config;
use crate::kafka::KafkaError;
use crate::kafka::checkpoint::{Extent, SendBaseline, State};
use crate::kafka::feedback_consumer::Answers;
use crate::kafka::shard_handoff::Pool;
use crate::kafka::shard_recovery::Restorer;
use crate::kafka::worker::{MOST_TOGETHER, Processed, Record, Shared, Stage};
use crate::metrics::Metrics;
use crate::outputs::dead_letter::DeadLetter;
use crate::query_router::{Desk, Inquiry};
use crate::shard::{Blueprint, Outgoing, Pending, Shard, ShardId};
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
    chosen: BTreeSet<ShardId>,
    last_turn: Option<ShardId>,
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
            chosen: BTreeSet::new(),
            last_turn: None,
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

    /// Has shards say that they were upgraded, and take in what people answer.
    fn take_answers(&mut self) -> Vec<Outgoing> {
        self.has_answers = false;
        let upgrades = self.shards.values_mut().filter_map(Shard::announce_upgrade);
        let mut said: Vec<Outgoing> = upgrades.collect();
        if let Some(answers) = &self.answers {
            said.extend(answers.hand_to(&mut self.shards));
        }
        said
    }

    fn changed(&self) -> impl Iterator<Item = ShardId> {
        let changed = self.shards.iter().filter(|(_, shard)| shard.has_changed());
        changed.map(|(id, _)| *id)
    }

    /// Chooses the shards that the next checkpoint keeps. A turn is of one shard, so that its transaction is
    /// not open for long.
    fn choose_shards(&mut self, extent: Extent) {
        self.chosen = match extent {
            Extent::Pressing => {
                let pressing = self.shards.iter().filter(|(_, shard)| shard.is_pressing());
                pressing.map(|(id, _)| *id).collect()
            }
            Extent::Turn => {
                let after = self.changed().find(|id| Some(*id) > self.last_turn);
                let next = after.or_else(|| self.changed().next());
                self.last_turn = next;
                next.into_iter().collect()
            }
        };
    }

    fn chosen_shards(&mut self) -> impl Iterator<Item = (&ShardId, &mut Shard)> {
        let shards = self.shards.iter_mut();
        shards.filter(|(id, _)| self.chosen.contains(id))
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

    fn state(&mut self) -> Option<&mut dyn State> {
        Some(self)
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

impl State for Detect {
    fn is_pressing(&self) -> bool {
        self.has_answers || self.shards.values().any(Shard::has_upgrade)
    }

    fn turns(&self) -> u32 {
        self.changed().count() as u32
    }

    fn choose(&mut self, extent: Extent) -> (Vec<Outgoing>, bool) {
        let mut said = match extent {
            Extent::Turn => Vec::new(),
            Extent::Pressing => self.take_answers(),
        };
        self.choose_shards(extent);
        let heads = self.chosen_shards();
        said.extend(heads.filter_map(|(_, shard)| shard.sign_audit(wall_time())));
        (said, !self.chosen.is_empty())
    }

    fn begin(&mut self, send: &mut SendBaseline<'_>) -> io::Result<usize> {
        let begun = self.chosen_shards().map(|(id, shard)| {
            shard.begin_checkpoint(&mut |key, value| send(id.partition, key, value))
        });
        begun.sum()
    }

    fn go_on(&mut self, most_bytes: usize, send: &mut SendBaseline<'_>) -> io::Result<bool> {
        let mut is_sent = true;
        for (id, shard) in self.chosen_shards() {
            let send = &mut |key: &[u8], value: Option<&[u8]>| send(id.partition, key, value);
            is_sent &= shard.continue_checkpoint(most_bytes, send)?;
        }
        Ok(is_sent)
    }

    fn positions(&self) -> Vec<(&str, i32, i64)> {
        let chosen = self.chosen.iter().filter_map(|id| {
            let topic = self.config.topics.of_view(id.entity);
            Some((topic, id.partition, self.shards.get(id)?.next_offset()))
        });
        chosen.collect()
    }

    fn mark_kept(&mut self) {
        // What has not changed was not sent, the empty tables of a new shard among it.
        self.chosen_shards()
            .for_each(|(_, shard)| shard.mark_kept());
        self.chosen.clear();
    }

    fn give_up(&mut self) {
        self.chosen_shards()
            .for_each(|(_, shard)| shard.give_checkpoint_up());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;
    use crate::feedback::model::{Answer, Enforcement};
    use crate::shard::load_model;

    fn of_three_shards() -> Detect {
        let config = Config::load(&Sources::default()).unwrap();
        let blueprint = Blueprint::new(&config, load_model(&config).unwrap(), 3);
        let shared = Shared::new(config, Metrics::new("test").unwrap());
        let made = (0..3).map(|partition| {
            let id = ShardId::of_identities(partition);
            (id, blueprint.shard(id))
        });
        let shards = made.collect();
        let mut detect = Detect::new(blueprint, "test", Arc::new(Pool::new(true)), &shared);
        detect.shards = shards;
        detect
    }

    /// Makes one checkpoint; returns whose partitions it kept.
    fn kept(detect: &mut Detect, extent: Extent) -> Vec<i32> {
        let (_, has_some) = detect.choose(extent);
        let partitions: Vec<i32> = detect.positions().iter().map(|(_, p, _)| *p).collect();
        assert_eq!(has_some, !partitions.is_empty());
        let mut sent = BTreeSet::new();
        let mut send = |partition, _: &[u8], _: Option<&[u8]>| {
            sent.insert(partition);
            Ok(())
        };
        detect.begin(&mut send).unwrap();
        while !detect.go_on(1, &mut send).unwrap() {}
        detect.mark_kept();
        assert_eq!(sent.into_iter().collect::<Vec<_>>(), partitions);
        partitions
    }

    fn pass(detect: &mut Detect, partitions: &[i32], offset: i64) {
        for partition in partitions {
            let id = ShardId::of_identities(*partition);
            detect.shards.get_mut(&id).unwrap().pass(offset);
        }
    }

    #[test]
    fn shards_are_kept_in_turn_and_those_unchanged_have_none() {
        let mut detect = of_three_shards();
        assert_eq!(detect.turns(), 0);
        assert!(kept(&mut detect, Extent::Turn).is_empty());
        pass(&mut detect, &[0, 2], 7);
        assert_eq!(detect.turns(), 2);
        assert_eq!(kept(&mut detect, Extent::Turn), [0]);
        pass(&mut detect, &[0, 1], 8);
        for turn in [1, 2, 0] {
            assert_eq!(kept(&mut detect, Extent::Turn), [turn]);
        }
        assert_eq!(detect.turns(), 0);
    }

    #[test]
    fn what_was_answered_is_kept_before_the_next_event() {
        let mut detect = of_three_shards();
        pass(&mut detect, &[0, 1, 2], 7);
        assert!(kept(&mut detect, Extent::Pressing).is_empty());
        let pause = Answer {
            containment: Some(Enforcement::Pause),
            by: "ada".to_owned(),
            ..Answer::default()
        };
        let shard = detect.shards.get_mut(&ShardId::of_identities(1)).unwrap();
        assert!(shard.take_answer(&pause, (0, 0), None).is_some());
        assert_eq!(kept(&mut detect, Extent::Pressing), [1]);
        assert!(kept(&mut detect, Extent::Pressing).is_empty());
    }
}
