//! When each action was last used, and what credentials permit: what a narrower set of privileges
//! follows from.

use borsh::{BorshDeserialize, BorshSerialize};

/// Actions of one identity that are kept, with their last use.
pub const MAX_ACTIONS: usize = 14;
/// Scopes that are kept.
const MAX_SCOPES: usize = 6;

/// Last uses and scopes of one identity. All zeros know nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct UsageHistory {
    /// Day of the last use by slot of the table of actions, in days since 1970; 0 where unknown.
    days: [u16; MAX_ACTIONS],
    /// Keys of scopes that credentials carried, as actions have them; 0 marks an empty slot.
    scopes: [u32; MAX_SCOPES],
}

/// Bytes of a [`Uses`] as it is kept.
pub const KEPT_BYTES: usize = 2 * MAX_ACTIONS + 4 * MAX_SCOPES;

impl UsageHistory {
    /// The action in `slot` was used on `day`; days never move back.
    pub fn record_use(&mut self, slot: usize, day: u16) {
        if let Some(known) = self.days.get_mut(slot) {
            *known = day.max(*known);
        }
    }

    /// The action in `slot` is another one from now on.
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

    /// A credential permits `scope`; says whether that was not known and is now. What finds no room is
    /// not kept.
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
    fn an_empty_history_knows_nothing() {
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
