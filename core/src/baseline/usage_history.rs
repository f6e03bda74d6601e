//! Last use of each action, and the scopes of credentials: the basis for suggesting fewer privileges.

use borsh::{BorshDeserialize, BorshSerialize};

/// Actions of one identity whose last use is stored.
pub const MAX_ACTIONS: usize = 14;
/// Scopes that are stored.
const MAX_SCOPES: usize = 6;

/// Last uses and scopes of one identity. All zeros are an empty history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct UsageHistory {
    /// Day of the last use by slot of the action table, in days since 1970; 0 where unknown.
    days: [u16; MAX_ACTIONS],
    /// Keys of scopes that credentials carried, in the key space of actions; 0 is an empty slot.
    scopes: [u32; MAX_SCOPES],
}

/// Encoded size of a usage history, in bytes.
pub const KEPT_BYTES: usize = 2 * MAX_ACTIONS + 4 * MAX_SCOPES;

impl UsageHistory {
    /// Records a use of the action in `slot` on `day`; days never move back.
    pub fn record_use(&mut self, slot: usize, day: u16) {
        if let Some(known) = self.days.get_mut(slot) {
            *known = day.max(*known);
        }
    }

    /// Resets `slot`, which holds another action from now on.
    pub fn reset(&mut self, slot: usize, day: u16) {
        if let Some(known) = self.days.get_mut(slot) {
            *known = day;
        }
    }

    /// Day of the last use of the action in `slot`; `None` where it is unknown.
    #[must_use]
    pub fn last_use_day(&self, slot: usize) -> Option<u16> {
        self.days.get(slot).copied().filter(|day| *day > 0)
    }

    /// Adds a scope that a credential carries; returns whether it is new and was stored. A scope beyond the
    /// limit is dropped.
    pub fn add_scope(&mut self, scope: u32) -> bool {
        if self.scopes.contains(&scope) {
            return false;
        }
        let free = self.scopes.iter_mut().find(|known| **known == 0);
        free.is_some_and(|slot| {
            *slot = scope;
            true
        })
    }

    /// Scopes that credentials carried.
    pub fn scopes(&self) -> impl Iterator<Item = u32> + use<> {
        self.scopes.into_iter().filter(|scope| *scope != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_history_has_no_uses() {
        let usage = UsageHistory::default();
        assert_eq!((usage.last_use_day(3), usage.scopes().count()), (None, 0));
    }

    #[test]
    fn days_do_not_move_back_and_scopes_are_bounded() {
        let mut uses = UsageHistory::default();
        uses.record_use(3, 20);
        uses.record_use(3, 10);
        assert_eq!(uses.last_use_day(3), Some(20));
        uses.reset(3, 10);
        assert_eq!(uses.last_use_day(3), Some(10));
        uses.record_use(99, 1);
        let kept = (1..20).filter(|scope| uses.add_scope(*scope)).count();
        assert_eq!((kept, uses.add_scope(1)), (MAX_SCOPES, false));
    }
}
