//! All baselines of a shard, bounded.
//!
//! At capacity, the least useful of a few records under a moving clock hand is evicted if it has decayed
//! below [`MIN_RETAINED_EVENTS`]. Where none has, [`AtCapacity`] decides. An identity without baseline is
//! scored against its peers and the population, and counted.

use crate::baseline::cow_tracker::CowTracker;
use crate::baseline::credential::{CredentialRecord, CredentialTable};
use crate::baseline::dirty::DirtyState;
use crate::baseline::group_baseline::GroupBaseline;
use crate::baseline::issuer::IssuerBaseline;
use crate::baseline::label_dictionary::LabelDictionary;
use crate::baseline::profile::Profile;
use crate::baseline::state_record::RecordKey;
use crate::enrich::Keys;
use crate::parameters::Parameters;
use crate::stats::decay::{HalfLife, Landmark};
use crate::stats::decayed::Decayed;
use crate::units::{EventTime, MS_PER_SEC};
use arrayvec::ArrayVec;
use borsh::{BorshDeserialize, BorshSerialize};
use hashbrown::hash_map::Entry as MapEntry;
use hashbrown::{HashMap, HashTable};

/// A record with fewer decayed events than this may be evicted for a new identity.
pub const MIN_RETAINED_EVENTS: f64 = 2.0;
/// Records examined per eviction.
const CLOCK_STEPS: usize = 16;
/// Maximum number of events that [`Store::prefetch`] loads ahead.
pub const PREFETCH_MAX: usize = 32;

/// What happens at capacity where every record is useful.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtCapacity {
    /// A new identity gets no baseline: nobody can have the baseline of another one evicted.
    KeepUseful,
    /// The least useful of the records examined is evicted: nobody can have a new one left without baseline.
    EvictLeastUseful,
}

/// One identity's record with its key and id.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
#[repr(C)]
pub struct Entry {
    key: u64,
    id: Box<str>,
    /// The baseline.
    pub profile: Profile,
}

impl Entry {
    /// Key of the identity.
    #[must_use]
    pub fn key(&self) -> u64 {
        self.key
    }

    /// Id of the identity.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// Events at capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StoreCounts {
    /// Evicted records.
    pub evicted: u64,
    /// Events of identities that have no baseline.
    pub without_baseline: u64,
}

/// Identities, groups, population and labels of one shard.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) entries: Vec<Entry>,
    /// Length of all identity ids, in bytes.
    id_bytes: usize,
    index: HashTable<u32>,
    pub(super) clock_hand: usize,
    capacity: usize,
    at_capacity: AtCapacity,
    pub(super) counts: StoreCounts,
    pub(super) groups: Vec<GroupBaseline>,
    pub(super) group_index: HashMap<u64, usize>,
    pub(super) group_capacity: usize,
    pub(super) group_values: usize,
    pub(super) landmark: Option<Landmark>,
    /// The second for which the shared weight was computed last, and the weight.
    pub(super) shared_decay: (i64, f32),
    pub(super) issuers: HashMap<u32, IssuerBaseline>,
    issuer_capacity: usize,
    /// Single credentials.
    pub credentials: CredentialTable,
    /// The population of the partition.
    pub population: GroupBaseline,
    /// Labels for explanations.
    pub labels: LabelDictionary,
    /// Changes since the last checkpoint; `None` where no checkpoints are written.
    pub(super) tracker: Option<CowTracker>,
}

impl Store {
    /// An empty store for at most `capacity` identities.
    #[must_use]
    pub fn new(capacity: usize, at_capacity: AtCapacity, parameters: &Parameters) -> Self {
        let bounds = &parameters.bounds;
        Self {
            entries: Vec::new(),
            id_bytes: 0,
            index: HashTable::new(),
            clock_hand: 0,
            capacity: capacity.max(1),
            at_capacity,
            counts: StoreCounts::default(),
            groups: Vec::new(),
            group_index: HashMap::new(),
            group_capacity: bounds.groups.max(1),
            group_values: bounds.group_values,
            landmark: None,
            shared_decay: (0, 1.0),
            issuers: HashMap::new(),
            issuer_capacity: bounds.issuers,
            credentials: CredentialTable::new(capacity / 2),
            population: GroupBaseline::new(bounds.population_values),
            labels: LabelDictionary::new(bounds.labels),
            tracker: None,
        }
    }

    /// Slot of the record of the identity `id`, whose key is `key`. The id is compared: a key alone does not
    /// make a baseline somebody's.
    #[must_use]
    #[inline]
    pub fn find(&self, key: u64, id: &str) -> Option<usize> {
        self.slot_of_key(key)
            .filter(|slot| *self.entries[*slot].id == *id)
    }

    /// Slot of the record that holds `key`.
    #[must_use]
    pub fn slot_of_key(&self, key: u64) -> Option<usize> {
        self.index
            .find(key, |slot| self.entries[*slot as usize].key == key)
            .map(|slot| *slot as usize)
    }

    /// Prefetches the records of coming events together, so that at a million identities the memory latencies
    /// overlap instead of adding up. Changes nothing.
    pub fn prefetch(&self, keys: &[Keys]) {
        // A record with the right hash is nearly always the right record.
        let next = || keys.iter().take(PREFETCH_MAX);
        let slots: ArrayVec<u32, PREFETCH_MAX> = next()
            .filter_map(|keys| self.index.find(keys.identity, |_| true).copied())
            .collect();
        for key in next().filter_map(|keys| keys.credential) {
            self.credentials.prefetch(key);
        }
        for slot in slots {
            let entry = &self.entries[slot as usize];
            std::hint::black_box((entry.key, entry.profile.prefetch()));
        }
    }

    /// Slot of the record of an identity, created if it is new and there is space.
    pub fn get_or_insert(
        &mut self,
        key: u64,
        id: &str,
        now: EventTime,
        half_life: HalfLife,
    ) -> Option<usize> {
        if let Some(slot) = self.slot_of_key(key) {
            let is_own = *self.entries[slot].id == *id;
            self.counts.without_baseline += u64::from(!is_own);
            return is_own.then_some(slot);
        }
        let mut entry = Entry {
            key,
            id: id.into(),
            profile: Profile::new(now),
        };
        if self.entries.len() < self.capacity {
            let slot = self.entries.len();
            self.entries.push(entry);
            self.index_insert(key, slot);
            self.mark_dirty(slot);
            return Some(slot);
        }
        let Some(slot) = self.find_evictable(now, half_life) else {
            self.counts.without_baseline += 1;
            return None;
        };
        self.mark_dirty(slot);
        self.index_remove(slot);
        self.counts.evicted += 1;
        entry.profile.dirty = self.entries[slot].profile.dirty;
        self.entries[slot] = entry;
        self.index_insert(key, slot);
        Some(slot)
    }

    fn find_evictable(&mut self, now: EventTime, half_life: HalfLife) -> Option<usize> {
        let mut least: Option<(f64, usize)> = None;
        for _ in 0..CLOCK_STEPS.min(self.entries.len()) {
            self.clock_hand = (self.clock_hand + 1) % self.entries.len();
            let profile = &self.entries[self.clock_hand].profile;
            let usefulness = profile.decayed_events(now, half_life);
            let is_useful = usefulness >= MIN_RETAINED_EVENTS;
            let makes_room = self.at_capacity == AtCapacity::EvictLeastUseful;
            let evictable = !profile.has_incident && (makes_room || !is_useful);
            if evictable && least.is_none_or(|(best, _)| usefulness < best) {
                least = Some((usefulness, self.clock_hand));
            }
        }
        least.map(|(_, slot)| slot)
    }

    fn index_insert(&mut self, key: u64, slot: usize) {
        let entries = &self.entries;
        self.id_bytes += entries[slot].id.len();
        self.index
            .insert_unique(key, slot as u32, |other| entries[*other as usize].key);
    }

    /// Rebuilds the index after records were restored.
    pub(super) fn rebuild_index(&mut self) {
        let entries = &self.entries;
        self.id_bytes = entries.iter().map(|entry| entry.id.len()).sum();
        self.index = HashTable::with_capacity(entries.len());
        for (slot, entry) in entries.iter().enumerate() {
            self.index
                .insert_unique(entry.key, slot as u32, |other| entries[*other as usize].key);
        }
    }

    fn index_remove(&mut self, slot: usize) {
        let key = self.entries[slot].key;
        self.id_bytes -= self.entries[slot].id.len();
        if let Some(tracker) = &mut self.tracker {
            tracker.record_removed(key);
        }
        if let Ok(found) = self.index.find_entry(key, |other| *other as usize == slot) {
            found.remove();
        }
    }

    /// Removes the identity `id` of `key`, whose slot the last record takes; returns whether it was present.
    pub fn forget(&mut self, key: u64, id: &str) -> bool {
        let Some(slot) = self.find(key, id) else {
            return false;
        };
        let last = self.entries.len() - 1;
        self.mark_dirty(slot);
        self.mark_dirty(last);
        self.index_remove(slot);
        if slot != last {
            let moved = self.entries[last].key;
            let found = self.index.find_mut(moved, |other| *other as usize == last);
            if let Some(found) = found {
                *found = slot as u32;
            }
        }
        self.entries.swap_remove(slot);
        true
    }

    /// The record at `slot`.
    #[must_use]
    pub fn entry(&self, slot: usize) -> &Entry {
        &self.entries[slot]
    }

    /// All records.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The baseline of an issuer and kind.
    #[must_use]
    pub fn issuer(&self, key: u32) -> Option<&IssuerBaseline> {
        self.issuers.get(&key)
    }

    /// The group at `slot`.
    #[must_use]
    pub fn group(&self, slot: usize) -> &GroupBaseline {
        &self.groups[slot]
    }

    /// Decays the shared baselines to `now`, in whole seconds, and returns the weight of an observation in
    /// them.
    pub fn advance_shared_decay(&mut self, now: EventTime, half_life: HalfLife) -> f32 {
        let second = now.epoch_ms() / MS_PER_SEC;
        if self.shared_decay.0 == second {
            return self.shared_decay.1;
        }
        let weighing = self
            .landmark
            .get_or_insert_with(|| Landmark::new(now))
            .advance(now, half_life);
        if let Some(factor) = weighing.rescale {
            (0..self.groups.len()).for_each(|slot| self.mark_group_dirty(slot));
            self.groups.iter_mut().for_each(|g| g.rescale(factor));
            self.population.rescale(factor);
            for issuer in self.issuers.values_mut() {
                issuer.rescale(factor);
            }
        }
        self.shared_decay = (second, weighing.weight_now);
        weighing.weight_now
    }

    /// The shared baselines count from `now` again, where time had jumped ahead of it; what decayed in the
    /// jump is learned again.
    pub fn rewind_shared_decay(&mut self, now: EventTime) {
        let is_ahead = self.landmark.is_some_and(|landmark| landmark.time() > now);
        if is_ahead {
            self.landmark = Some(Landmark::new(now));
        }
        self.shared_decay = (0, 1.0);
    }

    /// Weight of an observation made now in the shared baselines.
    #[must_use]
    pub fn shared_weight(&self) -> f32 {
        self.shared_decay.1
    }

    /// Marks the record at `slot` as dirty.
    #[inline]
    pub(super) fn mark_dirty(&mut self, slot: usize) {
        let Some(tracker) = &mut self.tracker else {
            return;
        };
        let entry = &mut self.entries[slot];
        let before = entry.profile.dirty.mark();
        if before != DirtyState::Dirty {
            tracker.slots.push(slot as u32);
            let key = RecordKey::Identity(entry.key);
            tracker.copy_before_write(before, key, &(slot as u32, &*entry));
        }
    }

    /// Marks the group at `slot` as dirty.
    #[inline]
    pub(super) fn mark_group_dirty(&mut self, slot: usize) {
        if let Some(tracker) = &mut self.tracker {
            let before = tracker.groups.mark(slot);
            tracker.copy_before_write(before, RecordKey::Group(slot as u32), &self.groups[slot]);
        }
    }

    /// The baseline at `slot`, to modify.
    #[inline]
    pub fn profile_mut(&mut self, slot: usize) -> &mut Profile {
        self.mark_dirty(slot);
        &mut self.entries[slot].profile
    }

    /// Everything that learning modifies. An issuer beyond the limit has no baseline.
    pub fn baselines_mut(
        &mut self,
        slot: Option<usize>,
        group: usize,
        credential: Option<usize>,
        issuer: Option<u32>,
    ) -> BaselineMut<'_> {
        slot.into_iter().for_each(|slot| self.mark_dirty(slot));
        self.mark_group_dirty(group);
        let room = self.issuers.len() < self.issuer_capacity;
        let issuer = issuer.and_then(|key| match self.issuers.entry(key) {
            MapEntry::Occupied(known) => Some(known.into_mut()),
            MapEntry::Vacant(vacant) if room => Some(vacant.insert(IssuerBaseline::default())),
            MapEntry::Vacant(_) => None,
        });
        BaselineMut {
            credential: credential.map(|slot| self.credentials.record_mut(slot)),
            issuer,
            profile: slot.map(|slot| &mut self.entries[slot].profile),
            peers: &mut self.groups[group],
            population: &mut self.population,
            names: &mut self.labels,
        }
    }

    /// Number of identities.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the store is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Number of peer groups.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// Number of issuers and kinds.
    #[must_use]
    pub fn issuer_count(&self) -> usize {
        self.issuers.len()
    }

    /// Counters of evictions and of events without baseline.
    #[must_use]
    pub fn counts(&self) -> StoreCounts {
        self.counts
    }

    /// Size in bytes; O(groups), for metrics and not for the hot path.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
            + self.id_bytes
            + self.index.allocation_size()
            + self
                .groups
                .iter()
                .map(GroupBaseline::memory_bytes)
                .sum::<usize>()
            + self.population.memory_bytes()
            + self.credentials.memory_bytes()
            + self.labels.memory_bytes()
    }
}

/// The baselines that one event modifies.
pub struct BaselineMut<'s> {
    /// The identity's; `None` where it has none.
    pub profile: Option<&'s mut Profile>,
    /// The credential in use, where the event names one.
    pub credential: Option<&'s mut CredentialRecord>,
    /// The issuer's.
    pub issuer: Option<&'s mut IssuerBaseline>,
    /// The peers'.
    pub peers: &'s mut GroupBaseline,
    /// The population's.
    pub population: &'s mut GroupBaseline,
    /// Labels.
    pub names: &'s mut LabelDictionary,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half_life() -> HalfLife {
        HalfLife::from_days(30.0).unwrap()
    }

    #[test]
    fn at_capacity_useful_records_stay_and_events_without_baseline_are_counted() {
        let mut store = Store::new(2, AtCapacity::KeepUseful, &Parameters::default());
        let now = EventTime::EARLIEST;
        for (key, events) in [(1, 50.0), (2, 50.0)] {
            let slot = store.get_or_insert(key, "known", now, half_life()).unwrap();
            store.groups.push(GroupBaseline::new(8));
            store.profile_mut(slot).failures.tried = events;
        }
        assert_eq!(store.get_or_insert(3, "new", now, half_life()), None);
        assert_eq!(store.counts().without_baseline, 1);
        assert!(store.slot_of_key(1).is_some() && store.slot_of_key(2).is_some());

        let years_later = now.saturating_add_ms(3_650 * crate::units::MS_PER_DAY);
        assert!(
            store
                .get_or_insert(3, "new", years_later, half_life())
                .is_some()
        );
        assert_eq!((store.counts().evicted, store.len()), (1, 2));
    }

    #[test]
    fn a_record_belongs_to_the_name_and_not_to_whoever_shares_its_key() {
        let mut store = Store::new(8, AtCapacity::KeepUseful, &Parameters::default());
        let (now, half_life) = (EventTime::EARLIEST, half_life());
        let slot = store.get_or_insert(1, "svc-deploy", now, half_life);
        assert_eq!(store.get_or_insert(1, "svc-deploy", now, half_life), slot);
        assert_eq!(store.get_or_insert(1, "other", now, half_life), None);
        assert_eq!(
            (store.find(1, "other"), store.find(1, "svc-deploy")),
            (None, slot)
        );
        assert!(!store.forget(1, "other") && store.forget(1, "svc-deploy"));
    }

    #[test]
    fn an_identity_with_an_incident_is_never_evicted() {
        let mut store = Store::new(2, AtCapacity::KeepUseful, &Parameters::default());
        let now = EventTime::EARLIEST;
        for key in [1, 2] {
            let slot = store.get_or_insert(key, "known", now, half_life()).unwrap();
            store.profile_mut(slot).has_incident = true;
        }
        let years_later = now.saturating_add_ms(3_650 * crate::units::MS_PER_DAY);
        assert_eq!(
            store.get_or_insert(3, "new", years_later, half_life()),
            None
        );
        store.profile_mut(0).has_incident = false;
        assert!(
            store
                .get_or_insert(3, "new", years_later, half_life())
                .is_some()
        );
        assert!(store.slot_of_key(1).is_none() && store.slot_of_key(2).is_some());
    }

    fn checkpoint(store: &mut Store) -> Vec<RecordKey> {
        let mut written = Vec::new();
        let mut sink = |key, _: Option<&[u8]>| {
            written.push(key);
            Ok(())
        };
        store.begin_checkpoint(&mut sink).unwrap();
        assert!(store.write_checkpoint_chunk(usize::MAX, &mut sink).unwrap());
        store.commit_checkpoint();
        written
    }

    #[test]
    fn a_rescale_of_the_shared_baselines_is_checkpointed() {
        let mut store = Store::new(2, AtCapacity::KeepUseful, &Parameters::default());
        let now = EventTime::EARLIEST;
        store.groups.push(GroupBaseline::new(8));
        store.track_changes();
        store.advance_shared_decay(now, half_life());
        checkpoint(&mut store);
        let next_day = now.saturating_add_ms(crate::units::MS_PER_DAY);
        store.advance_shared_decay(next_day, half_life());
        assert!(!checkpoint(&mut store).contains(&RecordKey::Group(0)));
        let years_later = now.saturating_add_ms(1_000 * crate::units::MS_PER_DAY);
        store.advance_shared_decay(years_later, half_life());
        assert!(checkpoint(&mut store).contains(&RecordKey::Group(0)));
    }
}
