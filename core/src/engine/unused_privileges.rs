//! Privileges that are not used: actions that an identity used once and no longer uses, and scopes of its
//! credentials that none of its actions ever needed.

use super::Engine;
use crate::baseline::store::Entry;
use crate::units::{EventTime, MS_PER_DAY};

/// Unused privileges of one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusedPrivileges {
    /// The identity.
    pub identity: String,
    /// Actions not used recently, with the day of the last use, oldest first.
    pub actions: Vec<(String, EventTime)>,
    /// Scopes of its credentials for which no action was observed.
    pub scopes: Vec<String>,
    /// Actions used recently: what a reduced set of privileges would hold.
    pub still_used: Vec<String>,
}

impl Engine {
    /// Privileges not used for `days` days, up to the latest event. O(identities).
    ///
    /// The action table of an identity is bounded: of an identity with more actions, the rarest are not
    /// listed.
    #[must_use]
    pub fn unused_privileges(&self, days: u16) -> Vec<UnusedPrivileges> {
        let since = self
            .intake
            .clock
            .watermark()
            .day()
            .saturating_sub(i64::from(days));
        let found = self
            .scoring
            .store
            .entries()
            .map(|entry| self.unused_of(entry, since));
        let mut found: Vec<UnusedPrivileges> = found
            .filter(|unused| !unused.actions.is_empty() || !unused.scopes.is_empty())
            .collect();
        found.sort_by(|a, b| a.identity.cmp(&b.identity));
        found
    }

    fn unused_of(&self, entry: &Entry, since: i64) -> UnusedPrivileges {
        let (profile, names) = (&entry.profile, &self.scoring.store.labels);
        let mut unused = UnusedPrivileges {
            identity: entry.id().to_owned(),
            actions: Vec::new(),
            scopes: Vec::new(),
            still_used: Vec::new(),
        };
        for (slot, key) in profile.action.slots() {
            // An unknown last use does not count as unused.
            match profile.usage.last_use_day(slot).map(i64::from) {
                Some(day) if day < since => {
                    let at = EventTime::from_epoch_ms(day * MS_PER_DAY);
                    unused.actions.extend(at.map(|at| (names.label(key), at)));
                }
                _ => unused.still_used.push(names.label(key)),
            }
        }
        let scopes = profile.usage.scopes();
        let scopes = scopes.filter(|scope| profile.action.slot(*scope).is_none());
        unused.scopes = scopes.map(|scope| names.label(scope)).collect();
        unused
            .actions
            .sort_by(|a, b| a.1.cmp(&b.1).then(a.0.cmp(&b.0)));
        unused.still_used.sort_unstable();
        unused.scopes.sort_unstable();
        unused
    }
}
