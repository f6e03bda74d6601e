//! Baselines of single credentials: where each was first used, its lifetime, and whether it was revoked.
//!
//! A bounded set-associative table per shard. When a bucket is full, the least recently used of its records
//! is evicted; the next use of an evicted credential counts as a first use, which is no evidence.

use crate::baseline::cow_tracker::CopiedRecords;
use crate::baseline::dirty::{DirtyState, DirtyTable};
use crate::baseline::state_record::RecordKey;
use crate::event::{Activity, Event};
use crate::units::{EventTime, MS_PER_SEC};
use borsh::{BorshDeserialize, BorshSerialize};

/// The first and latest few values of one feature for a credential, oldest first; 0 is an empty slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RecentValues<const N: usize>([u32; N]);

impl<const N: usize> Default for RecentValues<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> RecentValues<N> {
    /// Whether a use at `key` is a relocation: other values were observed, this one was not.
    #[must_use]
    pub fn is_relocation(&self, key: Option<u32>) -> bool {
        key.is_some_and(|key| self.0[0] != 0 && !self.0.contains(&key))
    }

    /// Removes `key`, if present; later values move up.
    pub fn forget(&mut self, key: u32) {
        if let Some(baselines) = self.0.iter().position(|shown| *shown == key && key != 0) {
            self.0[baselines..].rotate_left(1);
            self.0[N - 1] = 0;
        }
    }

    /// Adds `key`; the first observed value is kept, later ones are replaced.
    pub fn add(&mut self, key: Option<u32>) {
        let Some(key) = key.filter(|key| !self.0.contains(key)) else {
            return;
        };
        match self.0.iter_mut().find(|slot| **slot == 0) {
            Some(slot) => *slot = key,
            None => {
                self.0[1..].rotate_left(1);
                self.0[N - 1] = key;
            }
        }
    }
}

/// One credential, in one cache line. Times are in seconds since the epoch; 0 where unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[repr(align(64))]
pub struct CredentialRecord {
    key: u64,
    /// Hosts on which it was used.
    pub hosts: RecentValues<3>,
    /// Networks from which it was used.
    pub networks: RecentValues<2>,
    /// Client families.
    pub clients: RecentValues<2>,
    /// Key of issuer and credential kind.
    pub issuer: u32,
    /// Latest use.
    pub last_secs: u32,
    /// Latest stated expiry.
    pub expires_secs: u32,
    /// Time of revocation.
    pub revoked_secs: u32,
    /// Time at which it was rotated away.
    pub rotated_secs: u32,
    /// Time of the latest refresh.
    pub refreshed_secs: u32,
    /// Whether it was used after its first use.
    pub is_reused: bool,
}

impl CredentialRecord {
    /// Whether it was used before.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.last_secs != 0
    }
}

/// Seconds since the epoch, as records store them.
#[must_use]
pub fn secs(time: EventTime) -> u32 {
    u32::try_from(time.epoch_ms() / MS_PER_SEC).unwrap_or(u32::MAX)
}

/// Buckets in one checkpoint chunk; about 290 KB.
pub(super) const BUCKETS_PER_CHUNK: usize = 512;
/// Records in one bucket.
pub(super) const WAYS: usize = 8;
/// Buckets of a new table.
const MIN_BUCKETS: usize = 8;

/// One cache line: tags and times of latest use of the records in one bucket.
#[derive(Clone, Copy, Debug, Default, BorshSerialize, BorshDeserialize)]
pub(super) struct Bucket {
    /// A part of each key; 0 for an empty slot.
    tags: [u32; WAYS],
    used_secs: [u32; WAYS],
}

impl Bucket {
    /// Slot for a new record: an empty one, otherwise that of the least recently used record.
    fn next_way(&self) -> usize {
        let empty = self.tags.iter().position(|tag| *tag == 0);
        let longest = || (0..WAYS).min_by_key(|way| self.used_secs[*way]);
        empty.or_else(longest).unwrap_or_default()
    }
}

/// All credentials of a shard: a set-associative table, so that a look-up costs one cache line and one
/// record. It doubles when more than half full, up to its capacity.
#[derive(Clone, Debug)]
pub struct CredentialTable {
    pub(super) buckets: Vec<Bucket>,
    pub(super) records: Vec<CredentialRecord>,
    pub(super) len: usize,
    max_buckets: usize,
    pub(super) evicted: u64,
    /// Dirty state of each chunk.
    pub(super) dirty: DirtyTable,
    /// Chunks that were copied before a modification, for the checkpoint in progress.
    pub(super) copied: CopiedRecords,
}

fn tag(key: u64) -> u32 {
    ((key >> 32) as u32).max(1)
}

impl CredentialTable {
    /// An empty table for at most about `capacity` credentials.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let most = capacity.div_ceil(WAYS).next_power_of_two();
        let mut table = Self {
            buckets: Vec::new(),
            records: Vec::new(),
            len: 0,
            max_buckets: most,
            evicted: 0,
            dirty: DirtyTable::default(),
            copied: CopiedRecords::default(),
        };
        table.allocate(MIN_BUCKETS.min(most));
        table
    }

    fn allocate(&mut self, buckets: usize) {
        self.buckets = vec![Bucket::default(); buckets];
        self.records = vec![CredentialRecord::default(); buckets * WAYS];
        (0..buckets.div_ceil(BUCKETS_PER_CHUNK)).for_each(|chunk| self.mark_chunk_dirty(chunk));
    }

    /// Marks the chunk of the bucket at `bucket` as dirty, before it is modified.
    fn mark_dirty(&mut self, bucket: usize) {
        self.mark_chunk_dirty(bucket / BUCKETS_PER_CHUNK);
    }

    fn mark_chunk_dirty(&mut self, at: usize) {
        if self.dirty.mark(at) == DirtyState::InCheckpoint {
            let mut copied = std::mem::take(&mut self.copied);
            copied.copy(RecordKey::Credentials(at as u32), &self.chunk(at));
            self.copied = copied;
        }
    }

    /// The chunk at `at`, encoded.
    pub(super) fn chunk(&self, at: usize) -> (&[Bucket], &[CredentialRecord]) {
        let buckets = self.buckets.chunks(BUCKETS_PER_CHUNK).nth(at);
        let records = self.records.chunks(BUCKETS_PER_CHUNK * WAYS).nth(at);
        (buckets.unwrap_or_default(), records.unwrap_or_default())
    }

    /// Approximate size of a chunk in bytes.
    pub(super) fn chunk_bytes(&self) -> usize {
        self.memory_bytes() / self.chunk_count()
    }

    /// Number of chunks.
    pub(super) fn chunk_count(&self) -> usize {
        self.buckets.len().div_ceil(BUCKETS_PER_CHUNK)
    }

    fn bucket_of(&self, key: u64) -> usize {
        key as usize & (self.buckets.len() - 1)
    }

    /// Prefetches the cache lines that the next look-up of `key` needs; changes nothing.
    pub fn prefetch(&self, key: u64) {
        let bucket = self.bucket_of(key);
        let way = self.buckets[bucket]
            .tags
            .iter()
            .position(|t| *t == tag(key));
        let record = &self.records[bucket * WAYS + way.unwrap_or_default()];
        std::hint::black_box(record.last_secs);
    }

    /// Slot of the record of `key`.
    #[must_use]
    pub fn find(&self, key: u64) -> Option<usize> {
        let bucket = self.bucket_of(key);
        let ways = self.buckets[bucket].tags.iter().enumerate();
        ways.filter(|(_, found)| **found == tag(key))
            .map(|(way, _)| bucket * WAYS + way)
            .find(|slot| self.records[*slot].key == key)
    }

    /// The record of `key`, created if it is new, for a use at `now_secs`.
    pub fn get_or_insert(&mut self, key: u64, now_secs: u32) -> usize {
        let known = self.find(key);
        let is_full = 2 * self.len >= self.records.len();
        if known.is_none() && is_full && self.buckets.len() < self.max_buckets {
            self.grow();
        }
        self.mark_dirty(self.bucket_of(key));
        let slot = known.unwrap_or_else(|| {
            self.insert(CredentialRecord {
                key,
                ..CredentialRecord::default()
            })
        });
        let used = &mut self.buckets[slot / WAYS].used_secs[slot % WAYS];
        *used = now_secs.max(*used);
        slot
    }

    /// Inserts a record into its bucket; the least recently used record is evicted when the bucket is full.
    fn insert(&mut self, record: CredentialRecord) -> usize {
        let at = self.bucket_of(record.key);
        let bucket = &mut self.buckets[at];
        let way = bucket.next_way();
        if bucket.tags[way] == 0 {
            self.len += 1;
        } else {
            self.evicted += 1;
        }
        bucket.tags[way] = tag(record.key);
        bucket.used_secs[way] = 0;
        self.records[at * WAYS + way] = record;
        at * WAYS + way
    }

    /// Doubles the number of buckets; each old bucket splits in two, so that no record is lost.
    #[cold]
    fn grow(&mut self) {
        (0..self.chunk_count()).for_each(|chunk| self.mark_chunk_dirty(chunk));
        let buckets = std::mem::take(&mut self.buckets);
        let records = std::mem::take(&mut self.records);
        self.allocate(2 * buckets.len());
        self.len = 0;
        for (slot, record) in records.into_iter().enumerate() {
            let (bucket, way) = (&buckets[slot / WAYS], slot % WAYS);
            if bucket.tags[way] != 0 {
                let new = self.insert(record);
                self.buckets[new / WAYS].used_secs[new % WAYS] = bucket.used_secs[way];
            }
        }
    }

    /// The record at `slot`.
    #[must_use]
    pub fn record(&self, slot: usize) -> &CredentialRecord {
        &self.records[slot]
    }

    /// The record at `slot`, to modify.
    pub fn record_mut(&mut self, slot: usize) -> &mut CredentialRecord {
        self.mark_dirty(slot / WAYS);
        &mut self.records[slot]
    }

    /// Updates the lifecycle of a credential: its expiry, its revocation, and its rotation. A rotation names
    /// the old credential, or a new one, or none by its id; in the latter cases the one that was used last
    /// (`previous`), of the same issuer, is the old one.
    pub fn track_lifecycle(
        &mut self,
        slot: usize,
        issuer: u32,
        previous: Option<u64>,
        event: &Event<'_>,
    ) {
        let now = secs(event.time);
        let stated = event.credential.as_ref();
        let is_named = stated.is_some_and(|credential| !credential.id.is_empty());
        let is_old = is_named && self.records[slot].is_known();
        let record = &mut self.records[slot];
        record.issuer = issuer;
        if let Some(expires) = stated.and_then(|c| c.expires_at) {
            record.expires_secs = record.expires_secs.max(secs(expires));
        }
        match event.activity {
            Activity::Revoke => record.revoked_secs = now,
            Activity::Issue => (record.revoked_secs, record.rotated_secs) = (0, 0),
            Activity::Rotate if is_old => record.rotated_secs = now,
            Activity::Rotate => {
                let old = previous.and_then(|key| self.find(key));
                if let Some(old) = old.filter(|old| self.records[*old].issuer == issuer) {
                    self.record_mut(old).rotated_secs = now;
                }
            }
            _ => {}
        }
    }

    /// Number of credentials.
    #[must_use]
    pub fn count(&self) -> usize {
        self.len
    }

    /// Number of evicted records.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Size in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let per_bucket = size_of::<Bucket>() + WAYS * size_of::<CredentialRecord>();
        self.buckets.len() * per_bucket
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Credential, Identity, IdentityKind};
    use crate::stats::hash::hash64;

    #[test]
    fn the_first_value_is_kept_and_a_relocation_is_detected() {
        let mut shown = RecentValues::<3>::default();
        assert!(
            !shown.is_relocation(Some(1)),
            "a first use is no relocation"
        );
        for key in 1..=5 {
            shown.add(Some(key));
        }
        assert!(
            !shown.is_relocation(Some(1))
                && !shown.is_relocation(Some(5))
                && !shown.is_relocation(None)
        );
        assert!(shown.is_relocation(Some(9)));
    }

    fn key(n: u64) -> u64 {
        hash64(0, &n.to_le_bytes())
    }

    #[test]
    fn the_table_is_bounded_and_evicts_the_least_recently_used() {
        let mut table = CredentialTable::new(64);
        for n in 1..10_000u64 {
            let slot = table.get_or_insert(key(n), n as u32);
            table.record_mut(slot).last_secs = n as u32;
            assert!(table.count() <= 64 && table.find(key(n)) == Some(slot));
        }
        assert_eq!(table.evicted() + table.count() as u64, 9_999);
        let log = (9_979..10_000)
            .filter(|n| table.find(key(*n)).is_some())
            .count();
        assert!(log >= 18, "{log} of the latest 20");
    }

    #[test]
    fn a_rotation_without_the_new_id_rotates_the_credential_that_was_used_last() {
        let identity = Identity {
            id: "svc".into(),
            kind: IdentityKind::Service,
            group: None,
            owner: None,
        };
        let time = EventTime::EARLIEST.saturating_add_ms(7_000);
        let mut event = Event::new("e".into(), time, identity, Activity::Rotate);
        let mut credential = Credential {
            id: "".into(),
            kind: None,
            issuer: None,
            issued_at: None,
            expires_at: None,
            scopes: Vec::new(),
        };
        for id in ["", "new"] {
            let mut table = CredentialTable::new(64);
            let (old, named) = (
                table.get_or_insert(key(1), 1),
                table.get_or_insert(key(2), 1),
            );
            for slot in [old, named] {
                table.record_mut(slot).issuer = 5;
                table.record_mut(slot).last_secs = 1;
            }
            credential.id = id.into();
            event.credential = Some(credential.clone());
            table.track_lifecycle(named, 5, Some(key(1)), &event);
            let rotated = [old, named].map(|slot| table.record(slot).rotated_secs == secs(time));
            assert_eq!(rotated, [id.is_empty(), !id.is_empty()], "{id:?}");
        }
    }

    #[test]
    fn growth_keeps_all_records() {
        let mut table = CredentialTable::new(100_000);
        for n in 1..20_000u64 {
            let slot = table.get_or_insert(key(n), 1);
            table.record_mut(slot).issuer = n as u32;
        }
        let kept =
            |n: &u64| table.find(key(*n)).map(|slot| table.record(slot).issuer) == Some(*n as u32);
        let kept = (1..20_000u64).filter(kept).count() as u64;
        assert_eq!(kept + table.evicted(), 19_999);
        assert!(table.evicted() < 400, "{}", table.evicted());
    }
}
