//! Statistics of credential renewals: rotations and refreshes, and those that were late, failed or
//! bypassed.

use credwatch_core::event::{Activity, Event, Outcome};
use credwatch_core::score::incident::AlertState;
use credwatch_core::verdict::SignalName;
use std::collections::BTreeMap;
use std::fmt;

/// Counts of renewals.
#[derive(Clone, Debug, Default)]
pub struct Renewals {
    /// Observed and failed, by activity.
    seen: BTreeMap<Activity, (u64, u64)>,
    /// Incidents with a renewal off its cadence.
    off_cadence: usize,
    /// Incidents with a credential used outside its lifetime.
    outlived: usize,
}

impl Renewals {
    /// Adds an event, if it is a renewal.
    pub fn add(&mut self, event: &Event<'_>) {
        if matches!(event.activity, Activity::Rotate | Activity::Refresh) {
            let (seen, failed) = self.seen.entry(event.activity).or_default();
            *seen += 1;
            *failed += u64::from(event.outcome != Outcome::Success);
        }
    }

    /// The same with the signals of the incidents.
    #[must_use]
    pub fn with<'c>(&self, incidents: impl Iterator<Item = &'c AlertState>) -> Self {
        let mut all = self.clone();
        for incident in incidents {
            let names = |name| incident.signals.iter().any(|signal| signal.name == name);
            all.off_cadence += usize::from(names(SignalName::Refresh));
            all.outlived += usize::from(names(SignalName::CredentialAge));
        }
        all
    }
}

impl fmt::Display for Renewals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.seen.is_empty() && self.outlived == 0 {
            return Ok(());
        }
        let of = |activity| self.seen.get(&activity).copied().unwrap_or_default();
        let (rotations, rotations_failed) = of(Activity::Rotate);
        let (refreshes, refreshes_failed) = of(Activity::Refresh);
        writeln!(
            f,
            "renewals: {rotations} rotations, {rotations_failed} failed; {refreshes} refreshes, \
             {refreshes_failed} failed; alerts with a renewal off its cadence: {}, with a use \
             after rotation, expiry or revocation: {}",
            self.off_cadence, self.outlived
        )
    }
}
