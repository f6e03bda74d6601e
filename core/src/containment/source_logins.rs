//! Identities that logged in from a source that is not usual for them.
//!
//! A login may precede the evidence against its source, so logins are kept for a day. Bounded: `MAX_LOGINS`
//! identities per source, of which the oldest are evicted; `MAX_SOURCES` sources, of which the less recently
//! active half is evicted.

use crate::containment::Action;
use crate::score::subject::Subject;
use crate::units::{EventTime, MS_PER_DAY};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;

/// Identities stored per source.
pub const MAX_LOGINS_PER_SOURCE: usize = 256;
/// Sources stored.
pub const MAX_SOURCES: usize = 4_096;

/// One identity that logged in.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SourceLogin {
    /// The identity, with the credential of its latest login.
    pub subject: Subject,
    /// Its key.
    pub key: u64,
    /// Time of the first login.
    pub time: EventTime,
    /// The action that the policy requested, if it was evaluated.
    pub requested_action: Option<Action>,
}

/// Identities that logged in from one source.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct SourceLogins {
    /// In the order of their first login.
    pub identities: Vec<SourceLogin>,
    /// Number of evicted logins.
    pub dropped: u32,
    latest: Option<EventTime>,
}

/// Recent logins by source.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct LoginsBySource {
    sources: BTreeMap<u64, SourceLogins>,
    /// Number of identities of each shard of the identity view, as reported.
    known: BTreeMap<i32, u64>,
}

impl LoginsBySource {
    /// Records the number of identities of the shard of `partition`.
    pub fn set_known_identities(&mut self, partition: i32, identities: u64) {
        self.known.insert(partition, identities);
    }

    /// Number of identities of all shards that reported it.
    #[must_use]
    pub fn known_identities(&self) -> u64 {
        self.known.values().sum()
    }

    /// Records that `subject`, whose key is `key`, logged in from `source`.
    pub fn record(&mut self, source: u64, subject: Subject, key: u64, time: EventTime) {
        if self.sources.len() >= MAX_SOURCES && !self.sources.contains_key(&source) {
            self.evict_quiet_half();
        }
        let of = self.sources.entry(source).or_default();
        of.latest = of.latest.max(Some(time));
        if let Some(known) = of.identities.iter_mut().find(|known| known.key == key) {
            known.subject = subject;
            return;
        }
        if of.identities.len() >= MAX_LOGINS_PER_SOURCE {
            of.identities.remove(0);
            of.dropped += 1;
        }
        of.identities.push(SourceLogin {
            subject,
            key,
            time,
            requested_action: None,
        });
    }

    /// Number of sources.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Whether there is no source.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// The logins from `source`.
    #[must_use]
    pub fn get(&self, source: u64) -> Option<&SourceLogins> {
        self.sources.get(&source)
    }

    /// The same, to modify.
    pub fn get_mut(&mut self, source: u64) -> Option<&mut SourceLogins> {
        self.sources.get_mut(&source)
    }

    /// Removes logins that are older than a day at `now`, except those from sources for which `keeps` holds.
    pub fn expire(&mut self, now: EventTime, keeps: impl Fn(u64) -> bool) {
        self.sources.retain(|source, of| {
            if !keeps(*source) {
                of.identities
                    .retain(|logins| now.ms_since(logins.time) < MS_PER_DAY);
            }
            !of.identities.is_empty()
        });
    }

    /// Removes the identity of `key`; returns whether it was present.
    pub fn forget(&mut self, key: u64) -> bool {
        let mut was_there = false;
        for of in self.sources.values_mut() {
            let before = of.identities.len();
            of.identities.retain(|logins| logins.key != key);
            was_there |= of.identities.len() < before;
        }
        was_there
    }

    #[cold]
    fn evict_quiet_half(&mut self) {
        let mut latest: Vec<(Option<EventTime>, u64)> = self
            .sources
            .iter()
            .map(|(source, of)| (of.latest, *source))
            .collect();
        latest.sort_unstable();
        for (_, source) in &latest[..latest.len() / 2] {
            self.sources.remove(source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::IdentityKind;

    fn subject(id: u64) -> Subject {
        Subject {
            id: id.to_string(),
            kind: IdentityKind::Human,
            group: None,
            owner: None,
            credential: None,
        }
    }

    fn at(hours: i64) -> EventTime {
        EventTime::EARLIEST.saturating_add_ms(hours * 3_600_000)
    }

    #[test]
    fn memory_is_bounded_and_evictions_are_counted() {
        let mut logins = LoginsBySource::default();
        for id in 0..(2 * MAX_LOGINS_PER_SOURCE as u64) {
            logins.record(7, subject(id), id, at(0));
            logins.record(7, subject(id), id, at(1));
        }
        let of = logins.get(7).unwrap();
        assert_eq!(
            (of.identities.len(), of.dropped),
            (MAX_LOGINS_PER_SOURCE, MAX_LOGINS_PER_SOURCE as u32)
        );
        for source in 0..(3 * MAX_SOURCES as u64) {
            logins.record(source, subject(0), 0, at(source as i64));
            assert!(logins.sources.len() <= MAX_SOURCES);
        }
        assert!(
            logins.get(7).is_none(),
            "the least recently active sources are evicted"
        );
        assert!(logins.get(3 * MAX_SOURCES as u64 - 1).is_some());
    }

    #[test]
    fn logins_are_kept_for_a_day_and_longer_while_there_is_an_incident() {
        let mut logins = LoginsBySource::default();
        logins.record(1, subject(5), 5, at(0));
        logins.record(2, subject(5), 5, at(0));
        logins.expire(at(30), |source| source == 2);
        assert!(logins.get(1).is_none() && logins.get(2).is_some());
        assert!(logins.forget(5) && !logins.forget(5));
    }
}
