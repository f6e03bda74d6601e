//! The whole store as state records, and its restore: slots, clock hand and decay included, so that later
//! results are identical bit for bit.

use crate::baseline::credential::{BUCKETS_PER_CHUNK, Bucket, CredentialRecord, WAYS};
use crate::baseline::encode_buffer::EncodeBuffer;
use crate::baseline::group_baseline::GroupBaseline;
use crate::baseline::issuer::IssuerBaseline;
use crate::baseline::state_record::{RecordKey, StateSink};
use crate::baseline::store::{Entry, Store, StoreCounts};
use crate::stats::decay::Landmark;
use borsh::io::{Error, ErrorKind, Result};
use borsh::{BorshDeserialize, BorshSerialize, from_slice, to_vec};
use std::collections::BTreeMap;

/// Layout of a store, which its records must match.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct StoreLayout {
    identities: u32,
    clock_hand: u32,
    counts: StoreCounts,
    group_keys: Vec<(u64, u32)>,
    groups: u32,
    landmark: Option<Landmark>,
    shared_decay: (i64, f32),
    buckets: u32,
    credentials_held: u64,
    credentials_evicted: u64,
    labels_dropped: u64,
}

fn invalid_data(why: String) -> Error {
    Error::new(ErrorKind::InvalidData, why)
}

impl Store {
    /// Layout of this store.
    #[must_use]
    pub fn layout(&self) -> StoreLayout {
        let mut group_keys: Vec<(u64, u32)> = self
            .group_index
            .iter()
            .map(|(key, slot)| (*key, *slot as u32))
            .collect();
        group_keys.sort_unstable();
        StoreLayout {
            identities: self.entries.len() as u32,
            clock_hand: self.clock_hand as u32,
            counts: self.counts,
            group_keys,
            groups: self.groups.len() as u32,
            landmark: self.landmark,
            shared_decay: self.shared_decay,
            buckets: self.credentials.buckets.len() as u32,
            credentials_held: self.credentials.len as u64,
            credentials_evicted: self.credentials.evicted,
            labels_dropped: self.labels.dropped(),
        }
    }

    /// Writes every record to `sink`, identities in the order of their slots.
    ///
    /// # Errors
    /// `sink` fails, or the store holds a NaN.
    pub fn save(&self, sink: &mut StateSink<'_>) -> Result<()> {
        sink(RecordKey::Issuers, Some(&self.issuers_in_order()?))?;
        sink(RecordKey::Population, Some(&to_vec(&self.population)?))?;
        for (slot, group) in self.groups.iter().enumerate() {
            sink(RecordKey::Group(slot as u32), Some(&to_vec(group)?))?;
        }
        let buffer = &mut EncodeBuffer::default();
        for at in 0..self.credentials.chunk_count() {
            let bytes = buffer.encode(&self.credentials.chunk(at))?;
            sink(RecordKey::Credentials(at as u32), Some(bytes))?;
        }
        for (key, text) in self.labels.sorted() {
            sink(RecordKey::Label(key), Some(text.as_bytes()))?;
        }
        for (slot, entry) in self.entries.iter().enumerate() {
            let bytes = buffer.encode(&(slot as u32, entry))?;
            sink(RecordKey::Identity(entry.key()), Some(bytes))?;
        }
        Ok(())
    }

    /// The record of issuers.
    pub(super) fn issuers_in_order(&self) -> Result<Vec<u8>> {
        let issuers: BTreeMap<&u32, &IssuerBaseline> = self.issuers.iter().collect();
        to_vec(&issuers)
    }
}

/// Records of a store that is being restored, in any order.
pub struct StoreRestore {
    capacity: usize,
    entries: Vec<Option<Entry>>,
    groups: BTreeMap<u32, GroupBaseline>,
    credentials: BTreeMap<u32, (Vec<Bucket>, Vec<CredentialRecord>)>,
    issuers: BTreeMap<u32, IssuerBaseline>,
    names: Vec<(u32, Box<str>)>,
    population: Option<GroupBaseline>,
}

impl StoreRestore {
    /// An empty restore of a store for at most `capacity` identities.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            entries: Vec::new(),
            groups: BTreeMap::new(),
            credentials: BTreeMap::new(),
            issuers: BTreeMap::new(),
            names: Vec::new(),
            population: None,
        }
    }

    /// Applies one record; a later record of a key replaces an earlier one.
    ///
    /// # Errors
    pub fn apply(&mut self, key: RecordKey, bytes: &[u8]) -> Result<()> {
        match key {
            RecordKey::Label(key) => {
                let text =
                    std::str::from_utf8(bytes).map_err(|why| invalid_data(why.to_string()))?;
                self.names.push((key, text.into()));
            }
            RecordKey::Issuers => self.issuers = from_slice(bytes)?,
            RecordKey::Population => self.population = Some(from_slice(bytes)?),
            RecordKey::Group(slot) => {
                self.groups.insert(slot, from_slice(bytes)?);
            }
            RecordKey::Credentials(chunk) => {
                self.credentials.insert(chunk, from_slice(bytes)?);
            }
            RecordKey::Identity(key) => self.apply_entry(key, from_slice(bytes)?)?,
            RecordKey::Engine
            | RecordKey::EventIds
            | RecordKey::SharedDeviations
            | RecordKey::Incidents
            | RecordKey::SourceLogins
            | RecordKey::ContainmentState
            | RecordKey::IssuedOrders
            | RecordKey::ReplayGuard => {}
        }
        Ok(())
    }

    fn apply_entry(&mut self, key: u64, (slot, entry): (u32, Entry)) -> Result<()> {
        let slot = slot as usize;
        if entry.key() != key {
            return Err(invalid_data(format!(
                "identity {key:016x} does not match its key"
            )));
        }
        // In order they may exceed today's limit; a slot out of order must not allocate without bound.
        if slot >= self.capacity.max(self.entries.len() + 1) {
            let why = "more identities than `detect.max_identities` over the partitions: raise it";
            return Err(invalid_data(why.to_owned()));
        }
        if slot >= self.entries.len() {
            self.entries.resize_with(slot + 1, || None);
        }
        self.entries[slot] = Some(entry);
        Ok(())
    }

    /// Restores into `store`, whose limits stay as they are.
    ///
    /// # Errors
    /// A record is missing.
    pub fn restore_into(self, store: &mut Store, layout: &StoreLayout) -> Result<()> {
        let missing = |what: &str| invalid_data(format!("{what} is missing"));
        for (key, text) in self.names {
            store.labels.intern(key, || (*text).into());
        }
        store.labels.restore_dropped(layout.labels_dropped);
        store.population = self.population.ok_or_else(|| missing("the population"))?;
        store.issuers = self.issuers.into_iter().collect();
        let groups = self.groups.into_iter();
        // Chunks beyond the layout are left over from a larger table.
        let groups = groups.filter(|(slot, _)| *slot < layout.groups);
        store.groups = groups.map(|(_, group)| group).collect();
        store.group_index = layout
            .group_keys
            .iter()
            .map(|(k, s)| (*k, *s as usize))
            .collect();
        let table = &mut store.credentials;
        let chunks = layout.buckets.div_ceil(BUCKETS_PER_CHUNK as u32);
        let stored = self.credentials.into_iter();
        let stored = stored.filter(|(chunk, _)| *chunk < chunks);
        let chunks: Vec<_> = stored.map(|(_, bytes)| bytes).collect();
        let (buckets, records): (Vec<_>, Vec<_>) = chunks.into_iter().unzip();
        (table.buckets, table.records) = (buckets.concat(), records.concat());
        table.len = layout.credentials_held as usize;
        table.evicted = layout.credentials_evicted;
        let identities = layout.identities as usize;
        store.entries = (self.entries.into_iter().take(identities).enumerate())
            .map(|(slot, entry)| entry.ok_or_else(|| missing(&format!("identity {slot}"))))
            .collect::<Result<_>>()?;
        let is_whole = store.entries.len() == layout.identities as usize
            && store.groups.len() == layout.groups as usize
            && layout
                .group_keys
                .iter()
                .all(|(_, slot)| *slot < layout.groups)
            && table_is_whole(
                &store.credentials.buckets,
                &store.credentials.records,
                layout,
            );
        if !is_whole {
            return Err(missing("a part"));
        }
        (store.clock_hand, store.counts) = (layout.clock_hand as usize, layout.counts);
        (store.landmark, store.shared_decay) = (layout.landmark, layout.shared_decay);
        store.rebuild_index();
        store.credentials.dirty.clear();
        store.labels.unsaved.clear();
        Ok(())
    }
}

fn table_is_whole(buckets: &[Bucket], records: &[CredentialRecord], layout: &StoreLayout) -> bool {
    buckets.len() == layout.buckets as usize
        && buckets.len().is_power_of_two()
        && records.len() == WAYS * buckets.len()
}
