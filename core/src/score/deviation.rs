//! What an event deviates in: the readings that say something, priced.

use crate::enrich::Features;
use crate::score::calibration::Calibration;
use crate::score::shared_deviations::SharedDeviations;
use crate::signal::{SIGNALS, ScoreContext};
use crate::units::EventTime;
use crate::verdict::Reading;
use arrayvec::ArrayVec;

/// Readings as surprising as this are facts worth remembering in an incident.
const MAX_DEVIATION_P: f64 = 0.135;

/// One deviation of one event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deviation {
    /// Index of its signal in [`SIGNALS`].
    pub signal: usize,
    /// Names it, so that one fact is not counted twice within an incident.
    pub key: u32,
    /// Names it in a way that other identities would show it too; `None` where it is one's own.
    pub shared_key: Option<u32>,
    /// Tail probability under the baseline.
    pub p: f64,
    /// Surprise as the signal gave it, −ln p.
    pub raw_nats: f64,
    /// Calibrated surprise, less what belongs to the population.
    pub nats: f64,
    /// What of `nats` the identity's case did not hold before this event: all of it where the fact is
    /// new to the case, else what it is now more surprising by.
    pub new_nats: f64,
    /// Whether the fact is new to the case.
    pub is_new: bool,
}

/// All deviations of one event, one a signal at most, in the order of [`SIGNALS`].
pub type Deviations = ArrayVec<Deviation, { SIGNALS.len() }>;

/// What deviations are priced by.
#[derive(Clone, Copy, Debug)]
pub struct DeviationContext<'p> {
    /// One unit for all signals.
    pub calibration: &'p Calibration,
    /// What many share.
    pub shared_deviations: &'p SharedDeviations,
    /// The moment at which the event finds the identity.
    pub now: EventTime,
}

impl DeviationContext<'_> {
    /// The fact that `reading` of `signal` is; `None` where it says nothing.
    #[must_use]
    pub fn deviation(
        &self,
        signal: usize,
        reading: &Reading,
        context: &ScoreContext<'_>,
        known_nats: impl Fn(u32) -> Option<f64>,
    ) -> Option<Deviation> {
        if reading.p >= MAX_DEVIATION_P {
            return None;
        }
        let features: &Features = context.features;
        let raw_nats = reading.surprise_nats();
        let calibrated = self.calibration.calibrate(features.kind, signal, raw_nats);
        let shared = SIGNALS[signal].shared_key(context, reading);
        let share = shared.map_or(1.0, |shared| {
            self.shared_deviations
                .remaining_share(shared, features.identity, self.now)
        });
        let nats = calibrated * share;
        let known = known_nats(reading.deviation_key);
        Some(Deviation {
            signal,
            key: reading.deviation_key,
            shared_key: shared,
            p: reading.p,
            raw_nats,
            nats,
            new_nats: (nats - known.unwrap_or(0.0)).max(0.0),
            is_new: known.is_none(),
        })
    }
}
