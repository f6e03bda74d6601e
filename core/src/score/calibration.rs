//! Calibration of every signal to one unit: −ln of the share of identity-days that reach its surprise.
//!
//! One curve per signal and kind of identity ([`crate::stats::exceedance`]), updated when an identity's day
//! is over. A noisy signal thus loses weight and a quiet one gains it, and a score states how many
//! identity-days look like this: the unit of the alert budget.

use crate::event::IdentityKind;
use crate::signal::SIGNALS;
use crate::stats::exceedance::Exceedance;
use borsh::io::{Error, ErrorKind};
use borsh::{BorshDeserialize, BorshSerialize};

const KINDS: usize = IdentityKind::ALL.len();

/// Curves of all signals and kinds.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct Calibration {
    curves: Vec<Exceedance>,
}

impl Default for Calibration {
    fn default() -> Self {
        Self {
            curves: vec![Exceedance::default(); KINDS * SIGNALS.len()],
        }
    }
}

fn curve_index(kind: IdentityKind, signal: usize) -> usize {
    kind as usize * SIGNALS.len() + signal
}

impl Calibration {
    /// Restores the curves.
    ///
    /// # Errors
    /// They are of another number of signals.
    pub fn validated(self) -> borsh::io::Result<Self> {
        if self.curves.len() == KINDS * SIGNALS.len() {
            return Ok(self);
        }
        let why = "the calibration is of another set of signals";
        Err(Error::new(ErrorKind::InvalidData, why))
    }

    /// Calibrated surprise, in nats, of the surprise `nats` of a signal for an identity of `kind`.
    #[must_use]
    pub fn calibrate(&self, kind: IdentityKind, signal: usize, nats: f64) -> f64 {
        self.curves[curve_index(kind, signal)].calibrate(nats)
    }

    /// The same for a signal whose deviations break a rule: not bounded by what the data can know.
    #[must_use]
    pub fn calibrate_rule(&self, kind: IdentityKind, signal: usize, nats: f64) -> f64 {
        self.curves[curve_index(kind, signal)].calibrate_unbounded(nats)
    }

    /// Adds one day of an identity of `kind`, with the largest surprise of each signal.
    pub fn add_day(&mut self, kind: IdentityKind, peak_nats: impl Fn(usize) -> f64) {
        for signal in 0..SIGNALS.len() {
            self.curves[curve_index(kind, signal)].add(peak_nats(signal));
        }
    }

    /// Scales the weight of past observations by `remaining`.
    pub fn decay(&mut self, remaining: f64) {
        self.curves
            .iter_mut()
            .for_each(|curve| curve.decay(remaining as f32));
    }
}
