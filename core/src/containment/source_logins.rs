//! Who was reached: identities that succeeded from a source that is not usual for them.
//!
//! A success may come before its source is known to be an attacker's, so those of a day are kept.
//! Bounded: [`NAMED`] identities a source, the oldest give way; [`SOURCES`] sources, the half that is
//! quiet longest gives way.

use crate::containment::Action;
use crate::score::subject::Subject;
use crate::units::{EventTime, MS_PER_DAY};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;

/// Identities kept for one source.
pub const MAX_LOGINS_PER_SOURCE: usize = 256;
/// Sources kept.
pub const MAX_SOURCES: usize = 4_096;

/// One identity that succeeded.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SourceLogin {
    /// Who, with the credential of the latest success.
    pub subject: Subject,
    /// Its key.
    pub key: u64,
    /// When it succeeded first.
    pub time: EventTime,
    /// What the policy asked for, where it was asked.
    pub requested_action: Option<Action>,
}

/// The identities that one source reached.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct SourceLogins {
    /// In the order of their first success.
    pub identities: Vec<SourceLogin>,
    /// How many gave way at the limit.
    pub dropped: u32,
    latest: Option<EventTime>,
}

/// All that were reached lately, by source.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct LoginsBySource {
    sources: BTreeMap<u64, SourceLogins>,
    /// Identities known to each shard of identities that told of some.
    known: BTreeMap<i32, u64>,
}

impl LoginsBySource {
    /// Notes that the shard of `partition` knows so many identities.
    pub fn set_known_identities(&mut self, partition: i32, identities: u64) {
        self.known.insert(partition, identities);
    }

    /// Identities that are known to all shards, as far as they have told.
    #[must_use]
    pub fn known_identities(&self) -> u64 {
        self.known.values().sum()
    }

    /// Notes that `subject`, whose key is `key`, succeeded from `source`.
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

    /// How many sources are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Whether no source is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Those that `source` reached.
    #[must_use]
    pub fn get(&self, source: u64) -> Option<&SourceLogins> {
        self.sources.get(&source)
    }

    /// The same, to be decided on.
    pub fn get_mut(&mut self, source: u64) -> Option<&mut SourceLogins> {
        self.sources.get_mut(&source)
    }

    /// Lets go of successes that are older than a day at `now`, but for those of sources that `keeps`.
    pub fn expire(&mut self, now: EventTime, keeps: impl Fn(u64) -> bool) {
        self.sources.retain(|source, of| {
            if !keeps(*source) {
                of.identities
                    .retain(|logins| now.ms_since(logins.time) < MS_PER_DAY);
            }
            !of.identities.is_empty()
        });
    }

    /// Forgets the identity of `key`; says whether it was there.
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
    fn memory_is_bounded_and_what_gave_way_is_counted() {
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
        assert!(logins.get(7).is_none(), "the quiet ones give way");
        assert!(logins.get(3 * MAX_SOURCES as u64 - 1).is_some());
    }

    #[test]
    fn a_day_is_kept_and_longer_where_there_is_a_case() {
        let mut logins = LoginsBySource::default();
        logins.record(1, subject(5), 5, at(0));
        logins.record(2, subject(5), 5, at(0));
        logins.expire(at(30), |source| source == 2);
        assert!(logins.get(1).is_none() && logins.get(2).is_some());
        assert!(logins.forget(5) && !logins.forget(5));
    }
}
