//! Everything an engine knows, in pieces, and an engine that goes on from them exactly.

use super::event_clock::{SeenIds, ShardTime};
use super::{Engine, Settings};
use crate::baseline::encode_buffer::PieceBuffer;
use crate::baseline::state_record::{Keep, PieceKey, Pieces, Shape};
use crate::containment::guardrail::Recent;
use crate::score::calibration::Calibration;
use crate::score::threshold::Learned;
use crate::units::EventTime;
use crate::verdict::EntityView;
use borsh::from_slice;
use borsh::io::{Error, ErrorKind, Result};

/// Time, threshold and counters, as [`PieceKey::Engine`] holds them.
type Own = (
    Shape,
    ShardTime,
    Learned,
    Calibration,
    Recent,
    (i64, EventTime),
    (u64, u64),
);

impl Engine {
    /// Hands every piece of state to `keep`, identities in the order of their slots.
    ///
    /// # Errors
    /// `keep` fails.
    pub fn save(&self, keep: &mut Keep<'_>) -> Result<()> {
        self.save_own(keep)?;
        self.store.save(keep)
    }

    fn save_own(&self, keep: &mut Keep<'_>) -> Result<()> {
        let own = (
            self.store.shape(),
            &self.time,
            self.threshold.learned(),
            &self.calibration,
            &self.recent,
            (self.aged_day, self.next_sweep),
            (self.duplicates, self.late),
        );
        let buffer = &mut PieceBuffer::default();
        keep(PieceKey::Engine, Some(buffer.bytes_of(&own)?))?;
        keep(PieceKey::SeenIds, Some(buffer.bytes_of(&self.seen)?))?;
        keep(PieceKey::Crowd, Some(buffer.bytes_of(&self.crowd)?))?;
        keep(PieceKey::Incidents, Some(buffer.bytes_of(&self.incidents)?))?;
        keep(PieceKey::Switch, Some(buffer.bytes_of(&self.switch)?))?;
        keep(PieceKey::Orders, Some(buffer.bytes_of(&self.orders)?))?;
        keep(PieceKey::Heard, Some(buffer.bytes_of(&self.heard)?))?;
        if self.settings.entity == EntityView::Source {
            keep(PieceKey::Reached, Some(buffer.bytes_of(&self.reached)?))?;
        }
        Ok(())
    }

    /// From now on it is noted what changes.
    pub fn track_changes(&mut self) {
        self.store.track_changes();
    }

    /// Begins a checkpoint of what changed since the last one was kept, as it is now: the rest of it, of
    /// about so many bytes as are returned, follows from [`Self::continue_checkpoint`], whatever is learned
    /// meanwhile.
    ///
    /// # Errors
    /// `keep` fails; then the checkpoint is to be given up.
    pub fn begin_checkpoint(&mut self, keep: &mut Keep<'_>) -> Result<usize> {
        self.save_own(keep)?;
        self.store.begin_checkpoint(keep)
    }

    /// Hands on some `most_bytes` more of the checkpoint; says whether it is whole.
    ///
    /// # Errors
    /// `keep` fails; then the checkpoint is to be given up.
    pub fn continue_checkpoint(&mut self, most_bytes: usize, keep: &mut Keep<'_>) -> Result<bool> {
        self.store.continue_checkpoint(most_bytes, keep)
    }

    /// The whole checkpoint is kept.
    pub fn mark_kept(&mut self) {
        self.store.mark_kept();
    }

    /// The checkpoint is not kept: what it held belongs to the next one.
    pub fn give_checkpoint_up(&mut self) {
        self.store.give_checkpoint_up();
    }

    /// Starts to put an engine together from pieces.
    #[must_use]
    pub fn restoring(settings: Settings) -> Restoring {
        Restoring {
            pieces: Pieces::new(settings.max_identities),
            engine: Self::new(settings),
            own: None,
        }
    }
}

/// An engine that is being put together.
pub struct Restoring {
    engine: Engine,
    pieces: Pieces,
    own: Option<Own>,
}

impl Restoring {
    /// Takes one piece, in any order.
    ///
    /// # Errors
    /// The bytes are no such piece.
    pub fn take(&mut self, key: PieceKey, bytes: &[u8]) -> Result<()> {
        match key {
            PieceKey::Engine => self.own = Some(from_slice(bytes)?),
            PieceKey::SeenIds => self.engine.seen = SeenIds::restored(from_slice(bytes)?)?,
            PieceKey::Crowd => self.engine.crowd = from_slice(bytes)?,
            PieceKey::Incidents => self.engine.incidents = from_slice(bytes)?,
            PieceKey::Switch => self.engine.switch = from_slice(bytes)?,
            PieceKey::Orders => self.engine.orders = from_slice(bytes)?,
            PieceKey::Heard => self.engine.heard = from_slice(bytes)?,
            PieceKey::Reached => self.engine.reached = from_slice(bytes)?,
            _ => self.pieces.take(key, bytes)?,
        }
        Ok(())
    }

    /// The engine as it was, under the settings of today: a changed model goes on with the
    /// baselines, calibration and threshold of the old one, and both follow what they now see.
    ///
    /// # Errors
    /// Says which piece is missing.
    pub fn finish(mut self) -> Result<Engine> {
        let missing = || Error::new(ErrorKind::InvalidData, "the engine's own piece is missing");
        let (shape, time, learned, calibration, recent, days, counts) =
            self.own.ok_or_else(missing)?;
        self.pieces.fill(&mut self.engine.store, &shape)?;
        let mut engine = self.engine;
        engine.time = time;
        engine.threshold.resume(learned);
        engine.calibration = calibration.restored()?;
        engine.recent = recent;
        (engine.aged_day, engine.next_sweep) = days;
        (engine.duplicates, engine.late) = counts;
        Ok(engine)
    }
}
