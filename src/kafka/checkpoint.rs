//! Baselines on their way to the compacted topic, while outputs go on being committed.
//!
//! A checkpoint is one transaction of a producer of its own: the state of one moment, sent bit by bit
//! between events, so that no order waits for the whole of it. Two rules make it as exact as if it were sent
//! with the outputs. It is committed after the outputs of all that it holds: a crash then finds either both,
//! or outputs whose events are read again in silence. And with it go the group's offsets, as they
//! stand, and its generation: who lost the partitions meanwhile is refused.

use crate::checkpointing::duty_cycle::Pace;
use crate::clock::Stopwatch;
use crate::kafka::KafkaError;
use crate::kafka::producer::TransactionalProducer;
use crate::kafka::transaction::repeat;
use crate::metrics::Metrics;
use crate::shard::Outgoing;
use prometheus::IntGauge;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use std::io;
use std::time::Duration;
use tracing::warn;

/// Planned checkpoints take at most one part in so many of the worker's time: a tenth of the throughput, for
/// client and broker take as much again where all of them share two cores.
const ONE_IN: u32 = 24;
/// While one is made it takes at most one part in so many of its worker's time.
const ONE_IN_WHILE_MADE: u32 = 4;
/// It is spread over half of its turn, and this at most, so that neither the worker nor the broker notices.
const MADE_WITHIN: Duration = Duration::from_secs(2);
/// What is sent between two looks at the watch.
const SLICE_BYTES: usize = 32 * 1024;
/// An event does not wait longer than this for what is sent before it, and a slice.
const AT_ONCE: Duration = Duration::from_millis(1);
/// While so many records wait for the broker no more are sent.
const MOST_ON_THEIR_WAY: usize = 10_000;
/// One that is not sent by then is sent as fast as may be: its transaction is ended by the broker at 10 s.
const LATE_AFTER: Duration = Duration::from_secs(4);

/// Takes partition, key and value of a record of state.
pub type SendBaseline<'s> = dyn FnMut(i32, &[u8], Option<&[u8]>) -> io::Result<()> + 's;

/// What a checkpoint keeps of what has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// That whose turn it is.
    Turn,
    /// What cannot wait.
    Pressing,
}

/// State that is kept beside the log.
pub trait State {
    /// Whether some of what has changed cannot wait for its turn.
    fn is_pressing(&self) -> bool;

    /// How many checkpoints it takes until everything that has changed is kept, one after the other.
    fn turns(&self) -> u32;

    /// Chooses what the next checkpoint keeps; returns what is to be published with it, and whether there is
    /// something to keep.
    fn choose(&mut self, extent: Extent) -> (Vec<Outgoing>, bool);

    /// Begins a checkpoint of what was chosen, as it is now; returns about how many bytes are to follow.
    ///
    /// # Errors
    /// `send` fails.
    fn begin(&mut self, send: &mut SendBaseline<'_>) -> io::Result<usize>;

    /// Sends some `most_bytes` more of it; says whether all of it is sent.
    ///
    /// # Errors
    /// `send` fails.
    fn go_on(&mut self, most_bytes: usize, send: &mut SendBaseline<'_>) -> io::Result<bool>;

    /// Topics and partitions of what was chosen, with the offsets of the records to take next.
    fn positions(&self) -> Vec<(&str, i32, i64)>;

    /// The checkpoint was committed.
    fn mark_kept(&mut self);

    /// The checkpoint was not committed: what it held belongs to a later one.
    fn give_up(&mut self);
}

/// One worker's checkpoints.
pub(super) struct Checkpoints<'c> {
    /// Makes a producer that fences the one before.
    open_producer: Box<dyn Fn() -> Result<TransactionalProducer, KafkaError> + 'c>,
    producer: TransactionalProducer,
    metrics: Metrics,
    pace: Pace,
    made: Option<Made>,
}

/// A checkpoint that is being made.
struct Made {
    since: Stopwatch,
    /// How much of the worker's time it took so far.
    took: Duration,
    /// How long it is to take from its begin.
    within: Duration,
    /// About how many bytes it is.
    bytes: usize,
    bytes_sent: usize,
    is_sent: bool,
    open: IntGauge,
}

impl Drop for Made {
    fn drop(&mut self) {
        self.open.dec();
    }
}

impl Made {
    /// Of `bytes` that are to be sent `within` so long from the start of `since`, counted in `open` while it
    /// is being made.
    fn begun(since: Stopwatch, within: Duration, bytes: usize, open: &IntGauge) -> Self {
        open.inc();
        Self {
            since,
            took: since.elapsed(),
            within,
            bytes,
            bytes_sent: 0,
            is_sent: false,
            open: open.clone(),
        }
    }

    /// Whether more of it is to be sent now, while `on_their_way` records wait for the broker.
    fn is_its_time(&self, on_their_way: usize) -> bool {
        let lasts = self.since.elapsed();
        let share = lasts.as_secs_f64() / self.within.as_secs_f64();
        let is_behind = share >= 1.0 || (self.bytes_sent as f64) < share * self.bytes as f64;
        let is_calm = self.took * ONE_IN_WHILE_MADE <= lasts && on_their_way < MOST_ON_THEIR_WAY;
        lasts > LATE_AFTER || (is_behind && is_calm)
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
            pace: Pace::new(every, ONE_IN, Duration::ZERO),
            made: None,
        })
    }

    /// Begins a planned checkpoint if one is due, and goes on with one that is being made; returns what is to
    /// be published with the next outputs.
    ///
    /// # Errors
    /// The producer cannot be replaced.
    pub(super) fn proceed(&mut self, state: &mut dyn State) -> Result<Vec<Outgoing>, KafkaError> {
        if self.made.is_some() {
            return self.go_on(state).map(|()| Vec::new());
        }
        let turns = state.turns();
        if !self.pace.is_turn(turns) || !self.pace.is_within_its_part() {
            return Ok(Vec::new());
        }
        let since = Stopwatch::start();
        let (said, has_some) = state.choose(Extent::Turn);
        if !has_some {
            self.pace.done(since, since.elapsed());
            return Ok(said);
        }
        let begun = self.producer.begin();
        let begun = begun.and_then(|()| sending(&self.producer, |send| state.begin(send)));
        match begun {
            Ok(bytes) => {
                let within = MADE_WITHIN.min(self.pace.turn(turns) / 2);
                let open = &self.metrics.checkpoints_open;
                self.made = Some(Made::begun(since, within, bytes, open));
            }
            Err(error) => self.fail(state, since, &error)?,
        }
        Ok(said)
    }

    /// Whether one is being made that is not sent to its end.
    pub(super) fn is_sending(&self) -> bool {
        self.made.as_ref().is_some_and(|made| !made.is_sent)
    }

    fn go_on(&mut self, state: &mut dyn State) -> Result<(), KafkaError> {
        let Some(made) = &mut self.made else {
            return Ok(());
        };
        let (now, mut step) = (Stopwatch::start(), Stopwatch::start());
        while !made.is_sent && made.is_its_time(self.producer.on_their_way()) {
            let sent = sending(&self.producer, |send| {
                state.go_on(SLICE_BYTES, &mut |partition, key, value| {
                    made.bytes_sent += value.map_or(0, <[u8]>::len);
                    send(partition, key, value)
                })
            });
            made.took += step.elapsed();
            step = Stopwatch::start();
            match sent {
                Ok(is_sent) => made.is_sent = is_sent,
                Err(error) => {
                    let since = made.since;
                    return self.fail(state, since, &error);
                }
            }
            if now.elapsed() >= AT_ONCE {
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
    pub(super) fn finish(
        &mut self,
        state: &mut dyn State,
        group: impl Fn() -> Option<ConsumerGroupMetadata>,
    ) -> Result<(), KafkaError> {
        let is_ready = |made: &Made| made.is_sent && self.producer.on_their_way() == 0;
        if !self.made.as_ref().is_some_and(is_ready) {
            return Ok(());
        }
        self.finish_made(state, group)
    }

    fn finish_made(
        &mut self,
        state: &mut dyn State,
        group: impl Fn() -> Option<ConsumerGroupMetadata>,
    ) -> Result<(), KafkaError> {
        let Some(made) = self.made.take() else {
            return Ok(());
        };
        let step = Stopwatch::start();
        let rest = sending(&self.producer, |send| state.go_on(usize::MAX, send));
        let committed =
            rest.and_then(|_| self.producer.commit(state.positions(), group().as_ref()));
        if let Err(error) = committed {
            return self.fail(state, made.since, &error);
        }
        state.mark_kept();
        let took = made.took + step.elapsed();
        self.metrics.checkpoint_seconds.observe(took.as_secs_f64());
        self.pace.done(made.since, took);
        Ok(())
    }

    /// Makes a whole checkpoint before anything else is taken in, with what is to be published with it in one
    /// transaction. The outputs of all that was taken in are committed.
    ///
    /// # Errors
    /// It cannot be committed.
    pub(super) fn keep_now(
        &mut self,
        state: &mut dyn State,
        extent: Extent,
        group: impl Fn() -> Option<ConsumerGroupMetadata>,
    ) -> Result<(), KafkaError> {
        self.finish_made(state, &group)?;
        let since = Stopwatch::start();
        let (said, has_some) = state.choose(extent);
        if !has_some {
            return Ok(());
        }
        let producer = &self.producer;
        repeat(producer, &self.metrics, || {
            let attempted = attempt(producer, state, &said, group().as_ref());
            if attempted.is_err() {
                state.give_up();
            }
            attempted
        })?;
        state.mark_kept();
        let took = since.elapsed();
        self.metrics.checkpoint_seconds.observe(took.as_secs_f64());
        if extent == Extent::Turn {
            self.pace.done(since, took);
        }
        Ok(())
    }

    /// Gives the checkpoint up that is being made, if one is.
    ///
    /// # Errors
    /// The producer cannot be replaced.
    pub(super) fn give_up(&mut self, state: &mut dyn State) -> Result<(), KafkaError> {
        match self.made.take() {
            Some(_) => self.abort(state),
            None => Ok(()),
        }
    }

    /// What changed is kept at a later turn.
    fn fail(
        &mut self,
        state: &mut dyn State,
        since: Stopwatch,
        error: &ClientError,
    ) -> Result<(), KafkaError> {
        self.made = None;
        self.metrics.commit_retries.inc();
        warn!(%error, "checkpoint is made anew at its next turn");
        self.pace.done(since, Duration::ZERO);
        self.abort(state)
    }

    fn abort(&mut self, state: &mut dyn State) -> Result<(), KafkaError> {
        state.give_up();
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
    state: &mut dyn State,
    said: &[Outgoing],
    group: Option<&ConsumerGroupMetadata>,
) -> Result<(), ClientError> {
    producer.begin()?;
    said.iter().try_for_each(|output| producer.send(output))?;
    sending(producer, |send| state.begin(send))?;
    sending(producer, |send| state.go_on(usize::MAX, send))?;
    producer.commit(state.positions(), group)
}

/// Has `save` send by way of `producer`.
fn sending<T>(
    producer: &TransactionalProducer,
    save: impl FnOnce(&mut SendBaseline<'_>) -> io::Result<T>,
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
