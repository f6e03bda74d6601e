//! The peer groups of a store: which one applies to an event, and when it is created.

use crate::baseline::group_baseline::GroupBaseline;
use crate::baseline::peers::learned_group;
use crate::baseline::store::Store;
use crate::enrich::{Features, learned_group_key};

/// Groups reserved for the groups of identity kinds.
const RESERVED_KIND_GROUPS: usize = 4;

impl Store {
    /// Group of the peers for an event of the identity at `slot`, created if it is new: the group that the
    /// event names, otherwise the learned group; the group of the kind where there is neither, or the number
    /// of groups is at its limit.
    pub fn group_slot_for(&mut self, features: &Features, slot: Option<usize>) -> usize {
        let kind = features.kind_group;
        let requested = self.group_key(features.group, kind, slot);
        // The last slots are reserved for groups of kinds.
        self.get_or_insert_group(requested, RESERVED_KIND_GROUPS)
            .or_else(|| self.get_or_insert_group(kind, 0))
            .unwrap_or_default()
    }

    /// Group of the peers of the identity at `slot` whose events name `group`; `None` where it has no
    /// baseline yet.
    #[must_use]
    pub fn find_group(&self, group: Option<u64>, kind: u64, slot: Option<usize>) -> Option<usize> {
        let of = |key: u64| self.group_index.get(&key).copied();
        of(self.group_key(group, kind, slot)).or_else(|| of(kind))
    }

    /// The same, but only the group of the kind is created.
    pub fn known_group_slot_for(&mut self, features: &Features, slot: Option<usize>) -> usize {
        let kind = features.kind_group;
        self.find_group(features.group, kind, slot)
            .or_else(|| self.get_or_insert_group(kind, 0))
            .unwrap_or_default()
    }

    fn group_key(&self, group: Option<u64>, kind: u64, slot: Option<usize>) -> u64 {
        let learned = slot.map_or(0, |slot| self.entries[slot].profile.learned_group);
        let learned = (learned != 0).then(|| learned_group_key(kind, learned));
        group.or(learned).unwrap_or(kind)
    }

    /// The group of `key`, created if it is new and `reserve` slots remain free besides.
    fn get_or_insert_group(&mut self, key: u64, reserve: usize) -> Option<usize> {
        if let Some(slot) = self.group_index.get(&key) {
            return Some(*slot);
        }
        if self.groups.len() + reserve >= self.group_capacity {
            return None;
        }
        let slot = self.groups.len();
        self.groups.push(GroupBaseline::new(self.group_values));
        self.group_index.insert(key, slot);
        self.mark_group_dirty(slot);
        Some(slot)
    }

    /// Recomputes the learned group of the identity at `slot`, and adds its habits to a new
    /// group.
    pub fn update_learned_group(&mut self, slot: usize, kind_group: u64) {
        let weight = self.shared_weight();
        let profile = &self.entries[slot].profile;
        let group = learned_group(profile, &self.population, weight);
        if group == profile.learned_group {
            return;
        }
        self.mark_dirty(slot);
        self.entries[slot].profile.learned_group = group;
        let key = learned_group_key(kind_group, group);
        if group != 0
            && let Some(at) = self.get_or_insert_group(key, RESERVED_KIND_GROUPS)
        {
            self.mark_group_dirty(at);
            self.groups[at].seed_from(&self.entries[slot].profile, weight);
        }
    }
}
