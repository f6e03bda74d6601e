//! Writes checkpoints of baselines to the compacted topic while outputs are being committed.
//!
//! A checkpoint is one transaction of its own producer: the state of one moment, sent incrementally between
//! events, so that no order waits for all of it. Two rules make it as exact as if it were sent with the
//! outputs. It is committed after the outputs of all events that it contains, so that after a crash either
//! both are found, or outputs whose events are replayed with outputs suppressed. And the same transaction
//! commits the group's offsets, under the group's generation: a worker that has lost the partitions is
//! rejected.

use crate::checkpointing::duty_cycle::DutyCycle;
use crate::checkpointing::write_pacing::WritePacing;
use crate::clock::Stopwatch;
use crate::kafka::KafkaError;
use crate::kafka::producer::TransactionalProducer;
use crate::kafka::transaction::retry;
use crate::metrics::Metrics;
use crate::shard::OutputRecord;
use prometheus::IntGauge;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use std::io;
use std::time::Duration;
use tracing::{info_span, warn};

/// Scheduled checkpoints take at most one part in this many of the worker's time. That is a tenth of the
/// throughput, because client and broker take the same again where all of them share two cores.
const CHECKPOINT_DUTY: u32 = 24;
/// Number of records sent between two checks of the time.
const CHUNK_BYTES: usize = 32 * 1024;
/// Maximum delay of an event by a chunk of the checkpoint.
const MAX_PAUSE: Duration = Duration::from_millis(1);

/// Receives partition, key and value of a state record.
pub type StateRecordSink<'s> = dyn FnMut(i32, &[u8], Option<&[u8]>) -> io::Result<()> + 's;

/// Scope of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The scheduled part.
    Scheduled,
    /// What cannot wait for its turn.
    Urgent,
}

/// State that is stored beside the log.
pub trait CheckpointSource {
    /// Whether some changes cannot wait for their turn.
    fn has_urgent(&self) -> bool;

    /// Number of checkpoints after which all changes are stored.
    fn pending_shards(&self) -> u32;

    /// Selects the content of the next checkpoint; returns outputs to publish with it, and whether there is
    /// anything to store.
    fn select(&mut self, scope: Scope) -> (Vec<OutputRecord>, bool);

    /// Begins the selected checkpoint; returns its approximate size in bytes.
    ///
    /// # Errors
    /// `send` fails.
    fn begin(&mut self, send: &mut StateRecordSink<'_>) -> io::Result<usize>;

    /// Sends about `max_bytes` more; returns whether the checkpoint is complete.
    ///
    /// # Errors
    /// `send` fails.
    fn write_chunk(
        &mut self,
        most_bytes: usize,
        send: &mut StateRecordSink<'_>,
    ) -> io::Result<bool>;

    /// Topics and partitions of the selected content, with the offsets of the next records.
    fn positions(&self) -> Vec<(&str, i32, i64)>;

    /// The checkpoint was committed.
    fn commit(&mut self);

    /// The checkpoint was not committed: its content is dirty again.
    fn abort(&mut self);
}

/// Checkpoints of one worker.
pub(super) struct Checkpoints<'c> {
    /// Opens a producer that fences the previous one.
    open_producer: Box<dyn Fn() -> Result<TransactionalProducer, KafkaError> + 'c>,
    producer: TransactionalProducer,
    metrics: Metrics,
    duty_cycle: DutyCycle,
    in_flight: Option<InFlightCheckpoint>,
}

/// A checkpoint in progress.
struct InFlightCheckpoint {
    since: Stopwatch,
    pacing: WritePacing,
    is_written: bool,
    gauge: IntGauge,
}

impl Drop for InFlightCheckpoint {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

impl InFlightCheckpoint {
    /// A checkpoint of about `bytes` that began at the start of `since`; `gauge` counts those in progress.
    fn start(since: Stopwatch, interval: Duration, bytes: usize, gauge: &IntGauge) -> Self {
        gauge.inc();
        Self {
            since,
            pacing: WritePacing::new(interval, bytes, since.elapsed()),
            is_written: false,
            gauge: gauge.clone(),
        }
    }

    fn should_write(&self, in_flight: usize) -> bool {
        self.pacing.should_write(self.since.elapsed(), in_flight)
    }
}

impl<'c> Checkpoints<'c> {
    /// Scheduled checkpoints at the interval `every`, with a producer that `open_producer` opens.
    ///
    /// # Errors
    /// No producer can be opened.
    pub(super) fn new(
        every: Duration,
        metrics: Metrics,
        open_producer: impl Fn() -> Result<TransactionalProducer, KafkaError> + 'c,
    ) -> Result<Self, KafkaError> {
        Ok(Self {
            producer: open_producer()?,
            open_producer: Box::new(open_producer),
            metrics,
            duty_cycle: DutyCycle::new(every, CHECKPOINT_DUTY, Duration::ZERO),
            in_flight: None,
        })
    }

    /// Begins a scheduled checkpoint if one is due, and continues one in progress; returns outputs to publish
    /// with the next transaction.
    ///
    /// # Errors
    /// The producer cannot be replaced.
    pub(super) fn poll(
        &mut self,
        state: &mut dyn CheckpointSource,
    ) -> Result<Vec<OutputRecord>, KafkaError> {
        if self.in_flight.is_some() {
            return self.write_chunks(state).map(|()| Vec::new());
        }
        let turns = state.pending_shards();
        if !self.duty_cycle.is_due(turns) || !self.duty_cycle.has_budget() {
            return Ok(Vec::new());
        }
        let since = Stopwatch::start();
        let (outputs, has_changes) = state.select(Scope::Scheduled);
        if !has_changes {
            self.duty_cycle.record(since, since.elapsed());
            return Ok(outputs);
        }
        let begun = self.producer.begin();
        let begun = begun.and_then(|()| with_sink(&self.producer, |send| state.begin(send)));
        match begun {
            Ok(bytes) => {
                let interval = self.duty_cycle.slot(turns);
                let gauge = &self.metrics.checkpoints_in_progress;
                self.in_flight = Some(InFlightCheckpoint::start(since, interval, bytes, gauge));
            }
            Err(error) => self.fail(state, since, &error)?,
        }
        Ok(outputs)
    }

    /// Whether a checkpoint is in progress and not completely sent.
    pub(super) fn is_writing(&self) -> bool {
        self.in_flight
            .as_ref()
            .is_some_and(|checkpoint| !checkpoint.is_written)
    }

    fn write_chunks(&mut self, state: &mut dyn CheckpointSource) -> Result<(), KafkaError> {
        let Some(checkpoint) = &mut self.in_flight else {
            return Ok(());
        };
        let (now, mut step) = (Stopwatch::start(), Stopwatch::start());
        while !checkpoint.is_written && checkpoint.should_write(self.producer.in_flight()) {
            let mut bytes = 0;
            let sent = with_sink(&self.producer, |send| {
                state.write_chunk(CHUNK_BYTES, &mut |partition, key, value| {
                    bytes += value.map_or(0, <[u8]>::len);
                    send(partition, key, value)
                })
            });
            checkpoint.pacing.record(bytes, step.elapsed());
            step = Stopwatch::start();
            match sent {
                Ok(is_sent) => checkpoint.is_written = is_sent,
                Err(error) => {
                    let since = checkpoint.since;
                    return self.fail(state, since, &error);
                }
            }
            if now.elapsed() >= MAX_PAUSE {
                break;
            }
        }
        Ok(())
    }

    /// Commits the checkpoint in progress, if the broker has received all of it. The outputs of all processed
    /// events have been committed.
    ///
    /// # Errors
    /// The producer cannot be replaced.
    pub(super) fn commit_if_written(
        &mut self,
        state: &mut dyn CheckpointSource,
        group: impl Fn() -> Option<ConsumerGroupMetadata>,
    ) -> Result<(), KafkaError> {
        let is_ready = |checkpoint: &InFlightCheckpoint| {
            checkpoint.is_written && self.producer.in_flight() == 0
        };
        if !self.in_flight.as_ref().is_some_and(is_ready) {
            return Ok(());
        }
        self.commit_in_flight(state, group)
    }

    fn commit_in_flight(
        &mut self,
        state: &mut dyn CheckpointSource,
        group: impl Fn() -> Option<ConsumerGroupMetadata>,
    ) -> Result<(), KafkaError> {
        let Some(checkpoint) = self.in_flight.take() else {
            return Ok(());
        };
        let _span = info_span!("checkpoint").entered();
        let step = Stopwatch::start();
        let rest = with_sink(&self.producer, |send| state.write_chunk(usize::MAX, send));
        let committed =
            rest.and_then(|_| self.producer.commit(state.positions(), group().as_ref()));
        if let Err(error) = committed {
            return self.fail(state, checkpoint.since, &error);
        }
        state.commit();
        let took = checkpoint.pacing.worker_time() + step.elapsed();
        self.metrics
            .checkpoint_worker_seconds
            .observe(took.as_secs_f64());
        self.duty_cycle.record(checkpoint.since, took);
        Ok(())
    }

    /// Writes a whole checkpoint before any further event is processed, with the outputs that belong to it,
    /// in one transaction. The outputs of all processed events have been committed.
    ///
    /// # Errors
    /// It cannot be committed.
    pub(super) fn checkpoint_now(
        &mut self,
        state: &mut dyn CheckpointSource,
        scope: Scope,
        group: impl Fn() -> Option<ConsumerGroupMetadata>,
    ) -> Result<(), KafkaError> {
        self.commit_in_flight(state, &group)?;
        let since = Stopwatch::start();
        let (outputs, has_changes) = state.select(scope);
        if !has_changes {
            return Ok(());
        }
        let producer = &self.producer;
        retry(producer, &self.metrics, || {
            let attempted = attempt(producer, state, &outputs, group().as_ref());
            if attempted.is_err() {
                state.abort();
            }
            attempted
        })?;
        state.commit();
        let took = since.elapsed();
        self.metrics
            .checkpoint_worker_seconds
            .observe(took.as_secs_f64());
        if scope == Scope::Scheduled {
            self.duty_cycle.record(since, took);
        }
        Ok(())
    }

    /// Aborts the checkpoint in progress, if any.
    ///
    /// # Errors
    /// The producer cannot be replaced.
    pub(super) fn abort_in_flight(
        &mut self,
        state: &mut dyn CheckpointSource,
    ) -> Result<(), KafkaError> {
        match self.in_flight.take() {
            Some(_) => self.abort(state),
            None => Ok(()),
        }
    }

    /// Changes are stored by a later checkpoint.
    fn fail(
        &mut self,
        state: &mut dyn CheckpointSource,
        since: Stopwatch,
        error: &ClientError,
    ) -> Result<(), KafkaError> {
        self.in_flight = None;
        self.metrics.commit_retries.inc();
        warn!(%error, "checkpoint aborted; retrying at the next interval");
        self.duty_cycle.record(since, Duration::ZERO);
        self.abort(state)
    }

    fn abort(&mut self, state: &mut dyn CheckpointSource) -> Result<(), KafkaError> {
        state.abort();
        if self.producer.abort().is_err() {
            // The broker has aborted the transaction, or the outcome of the commit is unknown. Either way the
            // stored state is consistent, and a new producer continues from it.
            self.producer = (self.open_producer)()?;
        }
        Ok(())
    }
}

fn attempt(
    producer: &TransactionalProducer,
    state: &mut dyn CheckpointSource,
    outputs: &[OutputRecord],
    group: Option<&ConsumerGroupMetadata>,
) -> Result<(), ClientError> {
    producer.begin()?;
    outputs
        .iter()
        .try_for_each(|output| producer.send(output))?;
    with_sink(producer, |send| state.begin(send))?;
    with_sink(producer, |send| state.write_chunk(usize::MAX, send))?;
    producer.commit(state.positions(), group)
}

/// Calls `save` with a sink that sends through `producer`.
fn with_sink<T>(
    producer: &TransactionalProducer,
    save: impl FnOnce(&mut StateRecordSink<'_>) -> io::Result<T>,
) -> Result<T, ClientError> {
    let mut failed = None;
    let saved = save(&mut |partition, key, value| {
        let sent = producer.send_baseline(partition, key, value);
        sent.map_err(|error| {
            failed = Some(error);
            io::Error::other("the client rejected a record")
        })
    });
    let unsaved = || ClientError::Flush(RDKafkaErrorCode::InvalidRecord);
    saved.map_err(|_| failed.unwrap_or_else(unsaved))
}
