//! What would make the next incident smaller: actions that an identity used once and no longer uses, scopes
//! of its credentials that none of its actions ever needed, and rotations that are overdue.

use super::Engine;
use crate::baseline::profile::Profile;
use crate::baseline::store::Entry;
use crate::units::{EventTime, MS_PER_DAY, MS_PER_SEC};

/// Minimum number of intervals, as of the latest rotation: two, of which the earlier one has lost half of its
/// weight.
const MIN_INTERVALS: f64 = 1.5;
/// Shorter intervals are those of tokens, not of rotations.
const MIN_ROTATION_INTERVAL_SECS: f64 = 86_400.0;
/// Standard deviations of the logarithm by which a rotation may be late: one in fifty is later.
const TOLERATED_DEVIATIONS: f64 = 2.0;
/// Lower bound of that deviation, in natural logarithms: few intervals vary little.
const MIN_LOG_SD: f64 = 0.2;

/// What could be improved about one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityHygiene {
    /// The identity.
    pub identity: String,
    /// Actions not used recently, with the day of the last use, oldest first.
    pub actions: Vec<(String, EventTime)>,
    /// Scopes of its credentials for which no action was observed.
    pub scopes: Vec<String>,
    /// Actions used recently: what a reduced set of privileges would hold.
    pub still_used: Vec<String>,
    /// A rotation that did not come.
    pub overdue_rotation: Option<OverdueRotation>,
}

/// A rotation that an identity in use has not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverdueRotation {
    /// The latest rotation.
    pub last: EventTime,
    /// When the next one was due at the latest, by the intervals of the identity.
    pub due: EventTime,
}

impl IdentityHygiene {
    fn has_findings(&self) -> bool {
        !self.actions.is_empty() || !self.scopes.is_empty() || self.overdue_rotation.is_some()
    }
}

impl Engine {
    /// Privileges not used for `days` days, up to the latest event, and overdue rotations. O(identities).
    ///
    /// The action table of an identity is bounded: of an identity with more actions, the rarest are not
    /// listed.
    #[must_use]
    pub fn hygiene(&self, days: u16) -> Vec<IdentityHygiene> {
        let today = self.intake.clock.watermark().day();
        let since = today.saturating_sub(i64::from(days));
        let entries = self.scoring.store.entries();
        let found = entries.map(|entry| self.hygiene_of(entry, since));
        let mut found: Vec<IdentityHygiene> = found.filter(IdentityHygiene::has_findings).collect();
        found.sort_by(|a, b| a.identity.cmp(&b.identity));
        found
    }

    fn hygiene_of(&self, entry: &Entry, since: i64) -> IdentityHygiene {
        let (profile, names) = (&entry.profile, &self.scoring.store.labels);
        let mut hygiene = IdentityHygiene {
            identity: entry.id().to_owned(),
            actions: Vec::new(),
            scopes: Vec::new(),
            still_used: Vec::new(),
            overdue_rotation: self.overdue_rotation(profile),
        };
        for (slot, key) in profile.action.slots() {
            // An unknown last use does not count as unused.
            match profile.usage.last_use_day(slot).map(i64::from) {
                Some(day) if day < since => {
                    let at = EventTime::from_epoch_ms(day * MS_PER_DAY);
                    hygiene.actions.extend(at.map(|at| (names.label(key), at)));
                }
                _ => hygiene.still_used.push(names.label(key)),
            }
        }
        let scopes = profile.usage.scopes();
        let scopes = scopes.filter(|scope| profile.action.slot(*scope).is_none());
        hygiene.scopes = scopes.map(|scope| names.label(scope)).collect();
        hygiene
            .actions
            .sort_by(|a, b| a.1.cmp(&b.1).then(a.0.cmp(&b.0)));
        hygiene.still_used.sort_unstable();
        hygiene.scopes.sort_unstable();
        hygiene
    }

    /// The rotation that `profile` should have seen before its latest use: its intervals are log-normal, and
    /// the time since the latest exceeds their mean by [`TOLERATED_DEVIATIONS`].
    fn overdue_rotation(&self, profile: &Profile) -> Option<OverdueRotation> {
        let (intervals, last_secs) = (&profile.log_refresh, profile.refreshed_secs);
        let half_life = self.settings.parameters.decay.baseline_half_life;
        let ms_of = |secs: f64| EventTime::from_epoch_ms((secs * MS_PER_SEC as f64) as i64);
        let last = ms_of(f64::from(last_secs))?;
        let weight = profile.landmark.weight_at(last, half_life);
        let is_known = last_secs > 0 && intervals.count(weight) >= MIN_INTERVALS;
        if !is_known || intervals.mean() < libm::log(MIN_ROTATION_INTERVAL_SECS) {
            return None;
        }
        let deviation = intervals.standard_deviation().max(MIN_LOG_SD);
        let latest = libm::exp(intervals.mean() + TOLERATED_DEVIATIONS * deviation);
        let due = ms_of(f64::from(last_secs) + latest)?;
        (due < profile.last_seen).then_some(OverdueRotation { last, due })
    }
}
