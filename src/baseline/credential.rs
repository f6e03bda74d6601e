//! What is known of single credentials: where each was first used, and whether it was ended.
//!
//! A bounded table per shard. At the limit the longest unused of a few records under a moving hand
//! gives way; its next use then counts as a first one, which says nothing.

use crate::event::{Activity, Event};
use crate::units::{EventTime, MS_PER_SEC};
use hashbrown::HashTable;

/// Records that one newcomer looks at.
const HAND_STEPS: usize = 8;

/// The few values of one feature that a credential has shown, the oldest first; 0 is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown<const N: usize>([u32; N]);

impl<const N: usize> Default for Shown<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Shown<N> {
    /// Whether `key` would be a move: others were shown, this one was not.
    #[must_use]
    pub fn is_move(&self, key: Option<u32>) -> bool {
        key.is_some_and(|key| self.0[0] != 0 && !self.0.contains(&key))
    }

    /// Remembers `key`; the first one shown stays, later ones give way.
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

/// One credential. Times are seconds since the epoch; 0 where unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CredentialRecord {
    key: u64,
    /// Hosts that it was used from.
    pub hosts: Shown<3>,
    /// Networks.
    pub networks: Shown<2>,
    /// Client families.
    pub clients: Shown<2>,
    /// Issuer and kind.
    pub issuer: u32,
    /// Latest use.
    pub last_secs: u32,
    /// Latest stated end.
    pub expires_secs: u32,
    /// When it was revoked.
    pub revoked_secs: u32,
    /// When it was rotated away.
    pub rotated_secs: u32,
}

impl CredentialRecord {
    /// Whether it was used before.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.last_secs != 0
    }
}

/// Seconds since the epoch, as records keep them.
#[must_use]
pub fn secs(time: EventTime) -> u32 {
    u32::try_from(time.epoch_ms() / MS_PER_SEC).unwrap_or(u32::MAX)
}

/// All credentials of a shard, bounded.
#[derive(Clone, Debug)]
pub struct Credentials {
    records: Vec<CredentialRecord>,
    index: HashTable<u32>,
    hand: usize,
    capacity: usize,
    evicted: u64,
}

impl Credentials {
    /// An empty table of at most `capacity` credentials.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            records: Vec::new(),
            index: HashTable::new(),
            hand: 0,
            capacity: capacity.max(HAND_STEPS),
            evicted: 0,
        }
    }

    /// Where the record of `key` stands.
    #[must_use]
    pub fn find(&self, key: u64) -> Option<usize> {
        let records = &self.records;
        let found = self
            .index
            .find(key, |slot| records[*slot as usize].key == key);
        found.map(|slot| *slot as usize)
    }

    /// Where the record of `key` most likely stands, without looking at the record.
    #[must_use]
    pub fn likely_slot(&self, key: u64) -> Option<usize> {
        self.index.find(key, |_| true).map(|slot| *slot as usize)
    }

    /// The record of `key`, made if it is new.
    pub fn admit(&mut self, key: u64) -> usize {
        if let Some(slot) = self.find(key) {
            return slot;
        }
        let record = CredentialRecord {
            key,
            ..CredentialRecord::default()
        };
        let slot = if self.records.len() < self.capacity {
            self.records.push(record);
            self.records.len() - 1
        } else {
            let slot = self.longest_unused();
            let old = self.records[slot].key;
            if let Ok(found) = self.index.find_entry(old, |other| *other as usize == slot) {
                found.remove();
            }
            self.evicted += 1;
            self.records[slot] = record;
            slot
        };
        let records = &self.records;
        let hash = |other: &u32| records[*other as usize].key;
        self.index.insert_unique(key, slot as u32, hash);
        slot
    }

    fn longest_unused(&mut self) -> usize {
        let mut longest = self.hand;
        for _ in 0..HAND_STEPS {
            self.hand = (self.hand + 1) % self.records.len();
            if self.records[self.hand].last_secs < self.records[longest].last_secs {
                longest = self.hand;
            }
        }
        longest
    }

    /// The record at `slot`.
    #[must_use]
    pub fn record(&self, slot: usize) -> &CredentialRecord {
        &self.records[slot]
    }

    /// The record at `slot`, to write to.
    pub fn record_mut(&mut self, slot: usize) -> &mut CredentialRecord {
        &mut self.records[slot]
    }

    /// Notes how the life of a credential goes on: its end, its revocation, and that the one used
    /// before (`previous`) was rotated away where the event names the new one.
    pub fn follow(&mut self, slot: usize, issuer: u32, previous: Option<u64>, event: &Event<'_>) {
        let now = secs(event.time);
        let was_known = self.records[slot].is_known();
        let record = &mut self.records[slot];
        record.issuer = issuer;
        if let Some(expires) = event.credential.as_ref().and_then(|c| c.expires_at) {
            record.expires_secs = record.expires_secs.max(secs(expires));
        }
        match event.activity {
            Activity::Revoke => record.revoked_secs = now,
            Activity::Issue => (record.revoked_secs, record.rotated_secs) = (0, 0),
            Activity::Rotate if was_known => record.rotated_secs = now,
            Activity::Rotate => {
                let old = previous.and_then(|key| self.find(key));
                if let Some(old) = old.filter(|old| self.records[*old].issuer == issuer) {
                    self.records[old].rotated_secs = now;
                }
            }
            _ => {}
        }
    }

    /// How many credentials are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Records that gave way.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Bytes held.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.records.capacity() * size_of::<CredentialRecord>() + self.index.allocation_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::hash::hash64;

    #[test]
    fn the_first_place_stays_and_a_move_is_seen() {
        let mut shown = Shown::<3>::default();
        assert!(!shown.is_move(Some(1)), "a first use is no move");
        for key in 1..=5 {
            shown.add(Some(key));
        }
        assert!(!shown.is_move(Some(1)) && !shown.is_move(Some(5)) && !shown.is_move(None));
        assert!(shown.is_move(Some(9)));
    }

    #[test]
    fn the_table_is_bounded_and_the_recently_used_stay() {
        let mut table = Credentials::new(64);
        for key in 1..10_000u64 {
            let slot = table.admit(hash64(0, &key.to_le_bytes()));
            table.record_mut(slot).last_secs = key as u32;
            assert!(table.len() <= 64);
        }
        assert_eq!(table.evicted(), 9_999 - 64);
        assert!(table.find(hash64(0, &9_999u64.to_le_bytes())).is_some());
    }
}
