//! Baselines on their way to the compacted topic, while outputs go on being committed.
//!
//! A checkpoint is one transaction of a producer of its own: the state of one moment, sent bit by bit
//! between events, so that no order waits for the whole of it. Two rules make it as exact as if it were sent
//! with the outputs. It is committed after the outputs of all that it holds: a crash then finds either both,
//! or outputs whose events are read again in silence. And with it go the group's offsets, as they
//! stand, and its generation: who lost the partitions meanwhile is refused.

use crate::checkpointing::duty_cycle::DutyCycle;
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
use tracing::warn;

/// Planned checkpoints take at most one part in so many of the worker's time: a tenth of the throughput, for
/// client and broker take as much again where all of them share two cores.
const CHECKPOINT_DUTY: u32 = 24;
/// While one is made it takes at most one part in so many of its worker's time.
const WRITE_DUTY: u32 = 4;
/// It is spread over half of its turn, and this at most, so that neither the worker nor the broker notices.
const MAX_WRITE_TIME: Duration = Duration::from_secs(2);
/// What is sent between two looks at the watch.
const CHUNK_BYTES: usize = 32 * 1024;
/// An event does not wait longer than this for what is sent before it, and a slice.
const MAX_PAUSE: Duration = Duration::from_millis(1);
/// While so many records wait for the broker no more are sent.
const MAX_IN_FLIGHT: usize = 10_000;
/// One that is not sent by then is sent as fast as may be: its transaction is ended by the broker at 10 s.
const OVERDUE_AFTER: Duration = Duration::from_secs(4);

/// Takes partition, key and value of a record of state.
pub type StateRecordSink<'s> = dyn FnMut(i32, &[u8], Option<&[u8]>) -> io::Result<()> + 's;

/// What a checkpoint keeps of what has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// That whose turn it is.
    Scheduled,
    /// What cannot wait.
    Urgent,
}

/// State that is kept beside the log.
pub trait CheckpointSource {
    /// Whether some of what has changed cannot wait for its turn.
    fn has_urgent(&self) -> bool;

    /// How many checkpoints it takes until everything that has changed is kept, one after the other.
    fn pending_shards(&self) -> u32;

    /// Chooses what the next checkpoint keeps; returns what is to be published with it, and whether there is
    /// something to keep.
    fn select(&mut self, scope: Scope) -> (Vec<OutputRecord>, bool);

    /// Begins a checkpoint of what was chosen, as it is now; returns about how many bytes are to follow.
    ///
    /// # Errors
    /// `send` fails.
    fn begin(&mut self, send: &mut StateRecordSink<'_>) -> io::Result<usize>;

    /// Sends some `most_bytes` more of it; says whether all of it is sent.
    ///
    /// # Errors
    /// `send` fails.
    fn write_chunk(
        &mut self,
        most_bytes: usize,
        send: &mut StateRecordSink<'_>,
    ) -> io::Result<bool>;

    /// Topics and partitions of what was chosen, with the offsets of the records to take next.
    fn positions(&self) -> Vec<(&str, i32, i64)>;

    /// The checkpoint was committed.
    fn commit(&mut self);

    /// The checkpoint was not committed: what it held belongs to a later one.
    fn abort(&mut self);
}

/// One worker's checkpoints.
pub(super) struct Checkpoints<'c> {
    /// Makes a producer that fences the one before.
    open_producer: Box<dyn Fn() -> Result<TransactionalProducer, KafkaError> + 'c>,
    producer: TransactionalProducer,
    metrics: Metrics,
    duty_cycle: DutyCycle,
    in_flight: Option<InFlightCheckpoint>,
}

/// A checkpoint that is being made.
struct InFlightCheckpoint {
    since: Stopwatch,
    /// How much of the worker's time it took so far.
    worker_time: Duration,
    /// How long it is to take from its begin.
    target: Duration,
    /// About how many bytes it is.
    bytes: usize,
    bytes_written: usize,
    is_written: bool,
    gauge: IntGauge,
}

impl Drop for InFlightCheckpoint {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

impl InFlightCheckpoint {
    /// Of `bytes` that are to be sent `within` so long from the start of `since`, counted in `open` while it
    /// is being made.
    fn start(since: Stopwatch, target: Duration, bytes: usize, open: &IntGauge) -> Self {
        open.inc();
        Self {
            since,
            worker_time: since.elapsed(),
            target,
            bytes,
            bytes_written: 0,
            is_written: false,
            gauge: open.clone(),
        }
    }

    /// Whether more of it is to be sent now, while `on_their_way` records wait for the broker.
    fn should_write(&self, on_their_way: usize) -> bool {
        let lasts = self.since.elapsed();
        let share = lasts.as_secs_f64() / self.target.as_secs_f64();
        let is_behind = share >= 1.0 || (self.bytes_written as f64) < share * self.bytes as f64;
        let is_calm = self.worker_time * WRITE_DUTY <= lasts && on_their_way < MAX_IN_FLIGHT;
        lasts > OVERDUE_AFTER || (is_behind && is_calm)
    }
}

impl<'c> Checkpoints<'c> {
    /// Planned ones `every` so long, of a producer that `open_producer` makes.
    ///
    /// # Errors
    /// No producer can be made.
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

    /// Begins a planned checkpoint if one is due, and goes on with one that is being made; returns what is to
    /// be published with the next outputs.
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
        let (said, has_some) = state.select(Scope::Scheduled);
        if !has_some {
            self.duty_cycle.record(since, since.elapsed());
            return Ok(said);
        }
        let begun = self.producer.begin();
        let begun = begun.and_then(|()| with_sink(&self.producer, |send| state.begin(send)));
        match begun {
            Ok(bytes) => {
                let within = MAX_WRITE_TIME.min(self.duty_cycle.slot(turns) / 2);
                let open = &self.metrics.checkpoints_in_progress;
                self.in_flight = Some(InFlightCheckpoint::start(since, within, bytes, open));
            }
            Err(error) => self.fail(state, since, &error)?,
        }
        Ok(said)
    }

    /// Whether one is being made that is not sent to its end.
    pub(super) fn is_writing(&self) -> bool {
        self.in_flight.as_ref().is_some_and(|made| !made.is_written)
    }

    fn write_chunks(&mut self, state: &mut dyn CheckpointSource) -> Result<(), KafkaError> {
        let Some(made) = &mut self.in_flight else {
            return Ok(());
        };
        let (now, mut step) = (Stopwatch::start(), Stopwatch::start());
        while !made.is_written && made.should_write(self.producer.in_flight()) {
            let sent = with_sink(&self.producer, |send| {
                state.write_chunk(CHUNK_BYTES, &mut |partition, key, value| {
                    made.bytes_written += value.map_or(0, <[u8]>::len);
                    send(partition, key, value)
                })
            });
            made.worker_time += step.elapsed();
            step = Stopwatch::start();
            match sent {
                Ok(is_sent) => made.is_written = is_sent,
                Err(error) => {
                    let since = made.since;
                    return self.fail(state, since, &error);
                }
            }
            if now.elapsed() >= MAX_PAUSE {
                break;
            }
        }
        Ok(())
    }

    /// Commits the checkpoint that is being made, if all of it is with the broker. The outputs of all that
    /// was taken in are committed.
    ///
    /// # Errors
    /// The producer cannot be replaced.
    pub(super) fn commit_if_written(
        &mut self,
        state: &mut dyn CheckpointSource,
        group: impl Fn() -> Option<ConsumerGroupMetadata>,
    ) -> Result<(), KafkaError> {
        let is_ready =
            |made: &InFlightCheckpoint| made.is_written && self.producer.in_flight() == 0;
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
        let Some(made) = self.in_flight.take() else {
            return Ok(());
        };
        let step = Stopwatch::start();
        let rest = with_sink(&self.producer, |send| state.write_chunk(usize::MAX, send));
        let committed =
            rest.and_then(|_| self.producer.commit(state.positions(), group().as_ref()));
        if let Err(error) = committed {
            return self.fail(state, made.since, &error);
        }
        state.commit();
        let took = made.worker_time + step.elapsed();
        self.metrics
            .checkpoint_worker_seconds
            .observe(took.as_secs_f64());
        self.duty_cycle.record(made.since, took);
        Ok(())
    }

    /// Makes a whole checkpoint before anything else is taken in, with what is to be published with it in one
    /// transaction. The outputs of all that was taken in are committed.
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
        let (said, has_some) = state.select(scope);
        if !has_some {
            return Ok(());
        }
        let producer = &self.producer;
        retry(producer, &self.metrics, || {
            let attempted = attempt(producer, state, &said, group().as_ref());
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

    /// Gives the checkpoint up that is being made, if one is.
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

    /// What changed is kept at a later turn.
    fn fail(
        &mut self,
        state: &mut dyn CheckpointSource,
        since: Stopwatch,
        error: &ClientError,
    ) -> Result<(), KafkaError> {
        self.in_flight = None;
        self.metrics.commit_retries.inc();
        warn!(%error, "checkpoint is made anew at its next turn");
        self.duty_cycle.record(since, Duration::ZERO);
        self.abort(state)
    }

    fn abort(&mut self, state: &mut dyn CheckpointSource) -> Result<(), KafkaError> {
        state.abort();
        if self.producer.abort().is_err() {
            // The broker ended the transaction already, or whether it was committed is not known: either
            // way what is kept holds together, and a new producer begins from there.
            self.producer = (self.open_producer)()?;
        }
        Ok(())
    }
}

fn attempt(
    producer: &TransactionalProducer,
    state: &mut dyn CheckpointSource,
    said: &[OutputRecord],
    group: Option<&ConsumerGroupMetadata>,
) -> Result<(), ClientError> {
    producer.begin()?;
    said.iter().try_for_each(|output| producer.send(output))?;
    with_sink(producer, |send| state.begin(send))?;
    with_sink(producer, |send| state.write_chunk(usize::MAX, send))?;
    producer.commit(state.positions(), group)
}

/// Has `save` send by way of `producer`.
fn with_sink<T>(
    producer: &TransactionalProducer,
    save: impl FnOnce(&mut StateRecordSink<'_>) -> io::Result<T>,
) -> Result<T, ClientError> {
    let mut failed = None;
    let saved = save(&mut |partition, key, value| {
        let sent = producer.send_baseline(partition, key, value);
        sent.map_err(|error| {
            failed = Some(error);
            io::Error::other("the client refuses a record")
        })
    });
    let unsaved = || ClientError::Flush(RDKafkaErrorCode::InvalidRecord);
    saved.map_err(|_| failed.unwrap_or_else(unsaved))
}
