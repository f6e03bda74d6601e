//! The deviations of an event: its readings with calibrated surprise.

use crate::enrich::Features;
use crate::event::Attribution;
use crate::score::calibration::Calibration;
use crate::score::shared_deviations::{SharedDeviations, expected_by_chance};
use crate::signal::{SIGNALS, ScoreContext};
use crate::units::EventTime;
use crate::verdict::{EntityView, Reading};
use arrayvec::ArrayVec;

/// Minimum surprise of a deviation that an incident records, in nats.
const MAX_DEVIATION_P: f64 = 0.135;

/// One deviation of one event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deviation {
    /// Index of its signal in [`SIGNALS`].
    pub signal: usize,
    /// Key that identifies it, so that it counts once within an incident.
    pub key: u32,
    /// Key that identifies it across identities; `None` where it is specific to one.
    pub shared_key: Option<u32>,
    /// Tail probability under the baseline.
    pub p: f64,
    /// Surprise as the signal reported it, −ln p.
    pub raw_nats: f64,
    /// Calibrated surprise, less the share that belongs to the population or to the habits of the identity.
    pub nats: f64,
    /// The part of `nats` that the identity's incident holds already: 0 where the deviation is new.
    pub known_nats: f64,
    /// Whether the deviation is new to the incident.
    pub is_new: bool,
    /// Whether the holder of the credential alone can cause it.
    pub is_attributable: bool,
}

/// All deviations of one event, at most one per signal, in the order of [`SIGNALS`].
pub type Deviations = ArrayVec<Deviation, { SIGNALS.len() }>;

/// What the surprise of deviations depends on.
#[derive(Clone, Copy, Debug)]
pub struct DeviationContext<'p> {
    /// Calibration of all signals.
    pub calibration: &'p Calibration,
    /// Deviations shared by many identities.
    pub shared_deviations: &'p SharedDeviations,
    /// Number of identities.
    pub identities: usize,
    /// Time at which the event is processed.
    pub now: EventTime,
}

impl DeviationContext<'_> {
    /// The deviation behind `reading` of `signal`; `None` where there is none.
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
        let (kind, of) = (features.kind, SIGNALS[signal]);
        let calibrated = if of.is_rule() {
            self.calibration.calibrate_rule(kind, signal, raw_nats)
        } else {
            self.calibration.calibrate(kind, signal, raw_nats)
        };
        let peak_days = &context.profile.peak_days;
        let shared = of.shared_key(context, reading);
        let by_chance = expected_by_chance(of.shared_by_chance(), self.identities);
        let share = shared.map_or(1.0, |shared| {
            self.shared_deviations
                .remaining_share(shared, features.identity, by_chance, self.now)
        });
        let nats = peak_days.remaining_nats(of.family() as usize, calibrated * share);
        let known = known_nats(reading.deviation_key);
        Some(Deviation {
            signal,
            key: reading.deviation_key,
            shared_key: shared,
            p: reading.p,
            raw_nats,
            nats,
            known_nats: known.unwrap_or(0.0).min(nats),
            is_new: known.is_none(),
            is_attributable: context.entity == EntityView::Identity
                && context.event.attribution() == Attribution::Holder
                && SIGNALS[signal].is_attributable(context.event),
        })
    }
}
