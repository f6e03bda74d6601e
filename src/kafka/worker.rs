//! The consumer loop of one thread, with a transactional producer of outputs and one of checkpoints: poll,
//! process, commit.
//!
//! A partition belongs to one worker at a time. When partitions are revoked, the records read from them are
//! committed first, inside the rebalance callback, so that the next owner starts where this one stopped and
//! nothing is published twice. Offsets are committed under the group's generation: a worker that lost its
//! partitions without noticing cannot commit.

use crate::checkpointing::duty_cycle::DutyCycle;
use crate::clock::{ClockJumpDetector, Stopwatch, wall_time};
use crate::kafka::batch_consumer::BatchConsumer;
use crate::kafka::checkpoint::{Checkpoints, Scope};
use crate::kafka::producer::TransactionalProducer;
use crate::kafka::rebalance::{PartitionChange, RebalanceState, names};
use crate::kafka::retention_watch::RetentionWatch;
use crate::kafka::stage::{Processed, Record, Shared, Stage};
use crate::kafka::transaction::Transaction;
use crate::kafka::{KafkaError, client};
use crate::metrics::Metrics;
use crate::mutex::lock;
use crate::outputs::retention_gap::RetentionGap;
use crate::shard::RestoreError;
use arrayvec::ArrayVec;
use credwatch_core::units::EventTime;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing::{error, info, info_span, warn};

/// Number of outputs that forces a commit.
const MAX_OUTPUTS: usize = 20_000;
/// Available records are processed in batches of up to this many.
pub const MAX_BATCH: usize = 32;
/// Urgent commits take at most one part in this many of the time: many of them are delayed,
const URGENT_DUTY: u32 = 2;
/// but single ones that take longer than usual are not.
const URGENT_ALLOWANCE: Duration = Duration::from_millis(50);
/// Timeout of one poll.
const POLL_TIMEOUT: Duration = Duration::from_millis(20);
/// Timeout while a checkpoint is sent between polls: without events the worker would wait instead of sending.
const POLL_TIMEOUT_CHECKPOINTING: Duration = Duration::from_millis(1);

/// Runs `stage` until shutdown is requested.
///
/// # Errors
/// The consumer or producer failed permanently. Uncommitted records will be consumed again.
pub fn run(
    stage: &mut dyn Stage,
    group: &str,
    transactional_id: &str,
    shared: &Shared,
) -> Result<(), KafkaError> {
    let _span = info_span!("consume", stage = stage.name()).entered();
    let kafka = &shared.config.kafka;
    let open = |id: &str| TransactionalProducer::open(kafka, &shared.config.topics, id);
    let transaction = Transaction::new(open(transactional_id)?, shared.metrics.clone());
    let checkpoints = match stage.state() {
        None => None,
        Some(_) => {
            let id = format!("{transactional_id}-baselines");
            let (every, metrics) = (shared.config.checkpoint_interval, shared.metrics.clone());
            Some(Checkpoints::new(every, metrics, move || open(&id))?)
        }
    };
    let owner = Arc::new(RebalanceState {
        transaction: Mutex::new(transaction),
        queue: Mutex::default(),
        changes: Mutex::default(),
        failed: Mutex::default(),
        was_assigned: AtomicBool::default(),
        halted: Mutex::default(),
        status: Arc::clone(&shared.status),
        metrics: shared.metrics.clone(),
    });
    shared.status.begin_join(transactional_id);
    let topics = stage.topics();
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let consumer = BatchConsumer::subscribe(&client::consumer(kafka, group), &owner, &topics)?;
    let mut worker = Worker {
        stage,
        owner,
        consumer,
        commits: DutyCycle::new(
            Duration::from_millis(kafka.commit_interval_ms),
            URGENT_DUTY,
            URGENT_ALLOWANCE,
        ),
        checkpoints,
        name: transactional_id.to_owned(),
        since_tick: Stopwatch::start(),
        clock: ClockJumpDetector::start(),
        topic_name: Arc::from(""),
        oldest_ms: None,
        retention: RetentionWatch::default(),
        shared,
        taken: 0,
    };
    let result = worker.work();
    worker.leave();
    result
}

struct Worker<'w> {
    stage: &'w mut dyn Stage,
    owner: Arc<RebalanceState>,
    consumer: BatchConsumer,
    commits: DutyCycle,
    checkpoints: Option<Checkpoints<'w>>,
    name: String,
    since_tick: Stopwatch,
    clock: ClockJumpDetector,
    topic_name: Arc<str>,
    oldest_ms: Option<i64>,
    retention: RetentionWatch,
    shared: &'w Shared,
    taken: u64,
}

impl Worker<'_> {
    fn work(&mut self) -> Result<(), KafkaError> {
        let mut urgent = false;
        while !self.shared.stopping() {
            let checkpoints = self.checkpoints.as_ref();
            let within = match checkpoints.is_some_and(Checkpoints::is_writing) {
                true => POLL_TIMEOUT_CHECKPOINTING,
                false => POLL_TIMEOUT,
            };
            urgent |= self.take(self.commits.wait().min(within))?;
            self.stage.serve_queries();
            if self.stage.state().is_some_and(|state| state.has_urgent()) {
                self.checkpoint_now(Scope::Urgent)?;
                urgent = false;
                continue;
            }
            self.proceed_with_checkpoint()?;
            let is_urgent = urgent && self.commits.has_budget();
            if is_urgent || self.commits.wait().is_zero() {
                self.commit()?;
                self.finish_checkpoint()?;
                urgent = false;
            }
        }
        self.checkpoint_now(Scope::Urgent)?;
        let turns = self.stage.state().map_or(0, |state| state.pending_shards());
        (0..turns).try_for_each(|_| self.checkpoint_now(Scope::Scheduled))
    }

    fn proceed_with_checkpoint(&mut self) -> Result<(), KafkaError> {
        if let (Some(checkpoints), Some(state)) = (&mut self.checkpoints, self.stage.state()) {
            let outputs = checkpoints.poll(state)?;
            lock(&self.owner.transaction).push(outputs);
        }
        Ok(())
    }

    fn finish_checkpoint(&mut self) -> Result<(), KafkaError> {
        let group = || self.consumer.client().group_metadata();
        match (&mut self.checkpoints, self.stage.state()) {
            (Some(checkpoints), Some(state)) => checkpoints.commit_if_written(state, group),
            _ => Ok(()),
        }
    }

    /// Commits everything, and writes a whole checkpoint.
    fn checkpoint_now(&mut self, scope: Scope) -> Result<(), KafkaError> {
        self.commit()?;
        let group = || self.consumer.client().group_metadata();
        match (&mut self.checkpoints, self.stage.state()) {
            (Some(checkpoints), Some(state)) => checkpoints.checkpoint_now(state, scope, group),
            _ => Ok(()),
        }
    }

    /// Serves events of the client, waits for a record, and processes it with those that are available.
    fn take(&mut self, wait: Duration) -> Result<bool, KafkaError> {
        if let Err(error) = self.consumer.serve_events() {
            Self::log_consumer_error(&error)?;
        }
        self.apply_rebalance()?;
        let batch = self.consumer.take(wait);
        let mut records: ArrayVec<Record<'_>, MAX_BATCH> = ArrayVec::new();
        for record in batch.records() {
            match record {
                Ok(record) if self.owner.is_halted(record.topic, record.partition) => {}
                Ok(record) => records.push(record),
                Err(error) => Self::log_consumer_error(&error)?,
            }
        }
        let Some(first) = records.first() else {
            return Ok(false);
        };
        let first_ms = first.stamped_at.map(EventTime::epoch_ms);
        let processed = Self::process(self.stage, &self.shared.metrics, &records)?;
        let mut transaction = lock(&self.owner.transaction);
        for record in &records {
            if *self.topic_name != *record.topic {
                self.topic_name = Arc::from(record.topic);
            }
            transaction.advance(&self.topic_name, record.partition, record.offset + 1);
            self.retention
                .advance(&self.topic_name, record.partition, record.offset);
        }
        transaction.push(processed.outputs);
        self.oldest_ms = self.oldest_ms.or(first_ms);
        self.taken += records.len() as u64;
        Ok(processed.urgent || transaction.len() >= MAX_OUTPUTS)
    }

    fn process(
        stage: &mut dyn Stage,
        metrics: &Metrics,
        records: &[Record<'_>],
    ) -> Result<Processed, KafkaError> {
        if !records.iter().any(|record| record.is_tombstone) {
            return stage.process(records);
        }
        let (tombstones, records): (Vec<Record<'_>>, _) =
            records.iter().partition(|record| record.is_tombstone);
        let processed = stage.process(&records)?;
        tombstones
            .iter()
            .for_each(|tombstone| stage.pass_over(tombstone));
        let counter = metrics.tombstones.with_label_values(&[stage.name()]);
        counter.inc_by(tombstones.len() as u64);
        Ok(processed)
    }

    /// Completes a rebalance that happened while events were served. Where its commit failed, the stage has
    /// processed more than is committed and must stop.
    fn apply_rebalance(&mut self) -> Result<(), KafkaError> {
        if let Some(error) = lock(&self.owner.failed).take() {
            return Err(error);
        }
        let changes: Vec<PartitionChange> = lock(&self.owner.changes).drain(..).collect();
        if changes.iter().any(|change| !change.is_assigned)
            && let (Some(checkpoints), Some(state)) = (&mut self.checkpoints, self.stage.state())
        {
            checkpoints.abort_in_flight(state)?;
        }
        for change in changes {
            let (topic, partition) = (change.topic.as_str(), change.partition);
            let stage = self.stage.name();
            if change.is_assigned {
                info!(topic, partition, stage, "partition assigned");
                self.assign(topic, partition)?;
                self.owner.status.recover(stage);
            } else {
                info!(topic, partition, stage, "partition revoked");
                self.stage.revoke(partition);
                self.retention.revoke(topic, partition);
            }
        }
        if self.owner.was_assigned.swap(false, Ordering::Relaxed) {
            self.shared.status.end_join(&self.name);
        }
        Ok(())
    }

    fn assign(&mut self, topic: &str, partition: i32) -> Result<(), KafkaError> {
        match self.stage.assign(partition) {
            Err(KafkaError::Restore(why)) => return self.halt(topic, partition, &why),
            assigned => assigned?,
        }
        self.owner.status.assign(topic, partition);
        let client = self.consumer.client();
        if let Some(gap) = self.retention.assign(client, topic, partition)?
            && Self::skip_deleted(&self.owner, self.stage, &gap)
        {
            let next_offset = gap.last_offset + 1;
            lock(&self.owner.transaction).advance(&Arc::from(topic), partition, next_offset);
        }
        Ok(())
    }

    /// Reports offsets that were deleted before they were read, and continues after them. Returns whether the
    /// next transaction contains the report.
    fn skip_deleted(owner: &RebalanceState, stage: &mut dyn Stage, gap: &RetentionGap) -> bool {
        warn!("{gap}; lengthen the topic's retention, or add capacity");
        let labels = [gap.topic.as_str(), &gap.partition.to_string()];
        let deleted = owner
            .metrics
            .records_deleted_unread
            .with_label_values(&labels);
        deleted.inc_by(gap.records());
        let output = stage.skip_deleted(gap);
        let is_published = output.is_some();
        lock(&owner.transaction).push(output);
        is_published
    }

    /// Stops consuming a partition whose state cannot be restored. The others continue; its events stay in
    /// Kafka until a person decides.
    fn halt(&self, topic: &str, partition: i32, why: &RestoreError) -> Result<(), KafkaError> {
        error!(topic, partition, "shard halted: {why}");
        self.owner.halt(topic, partition, &why.to_string());
        let mut paused = TopicPartitionList::new();
        paused.add_partition(topic, partition);
        let client = self.consumer.client();
        client.pause(&paused).map_err(KafkaError::Consumer)
    }

    /// Logs transient errors; others stop the worker.
    fn log_consumer_error(error: &rdkafka::error::KafkaError) -> Result<(), KafkaError> {
        if let rdkafka::error::KafkaError::MessageConsumptionFatal(_) = error {
            return Err(KafkaError::Consumer(error.clone()));
        }
        warn!(%error, "consumer");
        std::thread::sleep(Duration::from_millis(50));
        Ok(())
    }

    fn commit(&mut self) -> Result<(), KafkaError> {
        let since = Stopwatch::start();
        let status = &self.shared.status;
        status.begin_commit(&self.name);
        let group = || self.consumer.client().group_metadata();
        let committed = lock(&self.owner.transaction).commit(group);
        status.end_commit(&self.name);
        committed?;
        self.commits.record_since(since);
        self.record_metrics();
        Ok(())
    }

    /// Counts what was just committed.
    fn record_metrics(&mut self) {
        let name = self.stage.name();
        self.shared
            .metrics
            .records
            .with_label_values(&[name])
            .inc_by(self.taken);
        self.taken = 0;
        let oldest_ms = self.oldest_ms.take();
        let waited_ms = oldest_ms.map(|stamped| (wall_time().epoch_ms() - stamped).max(0));
        if let Some(waited_ms) = waited_ms {
            let metric = &self.shared.metrics.record_to_commit_seconds;
            metric.observe(waited_ms as f64 / 1_000.0);
        }
        let status = &self.shared.status;
        status.report_lag(&self.name, waited_ms.unwrap_or(0));
        if self.since_tick.elapsed() >= Duration::from_secs(1) {
            self.since_tick = Stopwatch::start();
            self.watch_clock();
            self.watch_retention();
            self.stage.tick();
        }
    }

    fn watch_retention(&mut self) {
        match self.retention.check(self.consumer.client()) {
            Ok(gaps) => gaps.iter().for_each(|gap| {
                Self::skip_deleted(&self.owner, self.stage, gap);
            }),
            Err(error) => warn!(%error, "checking the start of the log"),
        }
    }

    fn watch_clock(&mut self) {
        if let Some(jump) = self.clock.check() {
            self.shared.metrics.clock_jumps.inc();
            warn!("{jump}");
        }
    }

    /// Leaves the group, so that others take over at once.
    fn leave(&mut self) {
        if let Ok(assignment) = self.consumer.client().assignment() {
            for (topic, partition) in names(&assignment) {
                self.shared.status.revoke(&topic, partition);
            }
        }
        self.consumer.client().unsubscribe();
        lock(&self.owner.transaction).discard();
    }
}
