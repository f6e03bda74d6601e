//! Every signal in one unit: −ln of the share of identity-days that reach its surprise.
//!
//! One curve a signal and kind of identity ([`crate::stats::exceedance`]), fed when an identity's
//! day is over. So a noisy signal weakens by itself and a quiet one speaks up, and a score says how
//! many days of how many identities look like this: the unit in which an alert budget is stated.

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
    /// What was kept.
    ///
    /// # Errors
    /// It is not of as many signals as there are.
    pub fn validated(self) -> borsh::io::Result<Self> {
        if self.curves.len() == KINDS * SIGNALS.len() {
            return Ok(self);
        }
        let why = "the calibration is of other signals";
        Err(Error::new(ErrorKind::InvalidData, why))
    }

    /// Calibrated surprise, in nats, of `nats` of a signal at an identity of `kind`.
    #[must_use]
    pub fn calibrate(&self, kind: IdentityKind, signal: usize, nats: f64) -> f64 {
        self.curves[curve_index(kind, signal)].calibrate(nats)
    }

    /// Counts one day of an identity of `kind`, with the largest surprise of each signal.
    pub fn add_day(&mut self, kind: IdentityKind, peak_nats: impl Fn(usize) -> f64) {
        for signal in 0..SIGNALS.len() {
            self.curves[curve_index(kind, signal)].add(peak_nats(signal));
        }
    }

    /// What is known keeps `remaining` of its weight.
    pub fn decay(&mut self, remaining: f64) {
        self.curves
            .iter_mut()
            .for_each(|curve| curve.decay(remaining as f32));
    }
}
