//! The state of an engine as records, and the restore of an engine that continues identically.

use super::dedup::DedupTable;
use super::event_clock::EventClock;
use super::{Engine, Settings};
use crate::baseline::activity_calendar::ActivityCalendar;
use crate::baseline::encode_buffer::EncodeBuffer;
use crate::baseline::state_record::{RecordKey, StateSink};
use crate::baseline::store_snapshot::{StoreLayout, StoreRestore};
use crate::containment::guardrail::ContainmentLog;
use crate::score::calibration::Calibration;
use crate::score::threshold::ThresholdState;
use crate::stats::hash::HashKey;
use crate::units::EventTime;
use crate::verdict::EntityView;
use borsh::from_slice;
use borsh::io::{Error, ErrorKind, Result};

/// Time, threshold and counters, as the record [`RecordKey::Engine`] holds them.
type EngineRecord = (
    StoreLayout,
    EventClock,
    ThresholdState,
    (Calibration, ActivityCalendar),
    ContainmentLog,
    (i64, EventTime),
    (u64, u64, u64),
    HashKey,
);

impl Engine {
    /// Writes every state record to `sink`, identities in the order of their slots.
    ///
    /// # Errors
    /// `sink` fails, or the state holds a NaN.
    pub fn save(&self, sink: &mut StateSink<'_>) -> Result<()> {
        self.save_engine_records(sink)?;
        self.scoring.store.save(sink)
    }

    fn save_engine_records(&self, sink: &mut StateSink<'_>) -> Result<()> {
        let own = (
            self.scoring.store.layout(),
            &self.intake.clock,
            self.scoring.threshold.state(),
            (&self.scoring.calibration, &self.scoring.calendar),
            &self.containment.log,
            (self.scoring.aged_day, self.scoring.next_sweep),
            (
                self.intake.duplicates,
                self.intake.conflicting_ids,
                self.intake.late,
            ),
            self.settings.hash_key,
        );
        let buffer = &mut EncodeBuffer::default();
        sink(RecordKey::Engine, Some(buffer.encode(&own)?))?;
        sink(
            RecordKey::EventIds,
            Some(buffer.encode(&self.intake.dedup)?),
        )?;
        sink(
            RecordKey::SharedDeviations,
            Some(buffer.encode(&self.scoring.shared_deviations)?),
        )?;
        sink(
            RecordKey::Incidents,
            Some(buffer.encode(&self.scoring.incidents)?),
        )?;
        sink(
            RecordKey::ContainmentState,
            Some(buffer.encode(&self.containment.state)?),
        )?;
        sink(
            RecordKey::IssuedOrders,
            Some(buffer.encode(&self.containment.orders)?),
        )?;
        sink(
            RecordKey::ReplayGuard,
            Some(buffer.encode(&self.containment.replay_guard)?),
        )?;
        if self.settings.entity == EntityView::Source {
            sink(
                RecordKey::SourceLogins,
                Some(buffer.encode(&self.containment.source_logins)?),
            )?;
        }
        Ok(())
    }

    /// Tracks changes from now on, for checkpoints.
    pub fn track_changes(&mut self) {
        self.scoring.store.track_changes();
    }

    /// Begins a checkpoint of what changed since the last one, as it is at this moment. Returns its
    /// approximate size in bytes; the rest follows from [`Self::write_checkpoint_chunk`], whatever is learned
    /// in between.
    ///
    /// # Errors
    /// `sink` fails; the checkpoint is then to be aborted.
    pub fn begin_checkpoint(&mut self, sink: &mut StateSink<'_>) -> Result<usize> {
        self.save_engine_records(sink)?;
        self.scoring.store.begin_checkpoint(sink)
    }

    /// Writes about `max_bytes` more of the checkpoint; returns whether it is complete.
    ///
    /// # Errors
    /// `sink` fails; the checkpoint is then to be aborted.
    pub fn write_checkpoint_chunk(
        &mut self,
        most_bytes: usize,
        sink: &mut StateSink<'_>,
    ) -> Result<bool> {
        self.scoring.store.write_checkpoint_chunk(most_bytes, sink)
    }

    /// The checkpoint in progress was committed, all of it.
    pub fn commit_checkpoint(&mut self) {
        self.scoring.store.commit_checkpoint();
    }

    /// The checkpoint in progress was not committed: all that it contained is dirty again.
    pub fn abort_checkpoint(&mut self) {
        self.scoring.store.abort_checkpoint();
    }

    /// Begins to restore an engine from records.
    #[must_use]
    pub fn restore(settings: Settings) -> EngineRestore {
        EngineRestore {
            store: StoreRestore::new(settings.max_identities),
            engine: Self::new(settings),
            own: None,
        }
    }
}

/// An engine that is being restored.
pub struct EngineRestore {
    engine: Engine,
    store: StoreRestore,
    own: Option<EngineRecord>,
}

impl EngineRestore {
    /// Applies one record, in any order.
    ///
    /// # Errors
    /// The record is malformed.
    pub fn apply(&mut self, key: RecordKey, bytes: &[u8]) -> Result<()> {
        match key {
            RecordKey::Engine => self.own = Some(from_slice(bytes)?),
            RecordKey::EventIds => {
                self.engine.intake.dedup = DedupTable::validated(from_slice(bytes)?)?
            }
            RecordKey::SharedDeviations => {
                self.engine.scoring.shared_deviations = from_slice(bytes)?
            }
            RecordKey::Incidents => self.engine.scoring.incidents = from_slice(bytes)?,
            RecordKey::ContainmentState => self.engine.containment.state = from_slice(bytes)?,
            RecordKey::IssuedOrders => self.engine.containment.orders = from_slice(bytes)?,
            RecordKey::ReplayGuard => self.engine.containment.replay_guard = from_slice(bytes)?,
            RecordKey::SourceLogins => self.engine.containment.source_logins = from_slice(bytes)?,
            _ => self.store.apply(key, bytes)?,
        }
        Ok(())
    }

    /// The restored engine, under the present settings: a changed model continues with the baselines,
    /// calibration and threshold of the previous one, and both adapt to later events.
    ///
    /// # Errors
    /// A record is missing.
    pub fn finish(mut self) -> Result<Engine> {
        let missing = || Error::new(ErrorKind::InvalidData, "the engine record is missing");
        let (shape, time, learned, (calibration, calendar), log, days, counts, hash_key) =
            self.own.ok_or_else(missing)?;
        self.store
            .restore_into(&mut self.engine.scoring.store, &shape)?;
        let mut engine = self.engine;
        // The keys of the restored records are made with it.
        engine.settings.hash_key = hash_key;
        engine.intake.clock = time;
        engine.scoring.threshold.restore(learned);
        engine.scoring.calibration = calibration.validated()?;
        engine.scoring.calendar = calendar;
        engine.containment.log = log;
        (engine.scoring.aged_day, engine.scoring.next_sweep) = days;
        (
            engine.intake.duplicates,
            engine.intake.conflicting_ids,
            engine.intake.late,
        ) = counts;
        Ok(engine)
    }
}
