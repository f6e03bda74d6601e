//! Identities that signed in from a source that is not usual for them, and names that were tried there.
//!
//! A login may precede the evidence against its source, so logins are kept for a day. Bounded in number and
//! in bytes: `MAX_LOGINS_PER_SOURCE` identities per source, of which the oldest are evicted; `MAX_SOURCES`
//! sources and `MAX_STORED_BYTES`, beyond which the half of the sources that was less recently active
//! is evicted, those without logins first.

use crate::score::subject::Subject;
use crate::units::{EventTime, MS_PER_DAY};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;

/// Identities stored per source.
pub const MAX_LOGINS_PER_SOURCE: usize = 256;
/// Tried names stored per source.
pub const MAX_ATTEMPTED_PER_SOURCE: usize = 20;
/// Sources stored.
pub const MAX_SOURCES: usize = 4_096;
/// Bytes of all logins with their texts.
pub const MAX_STORED_BYTES: usize = 16 << 20;

/// One identity that signed in.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SourceLogin {
    /// The identity, with the credential of its latest login.
    pub subject: Subject,
    /// Its key.
    pub key: u64,
    /// Time of the first login.
    pub time: EventTime,
    /// Whether an alert of the source has named it.
    pub is_published: bool,
}

impl SourceLogin {
    fn stored_bytes(&self) -> usize {
        let of = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let credential = self.subject.credential.as_ref();
        let credential = credential.map_or(0, |c| c.id.len() + of(&c.issuer));
        let texts = self.subject.id.len() + of(&self.subject.group) + of(&self.subject.owner);
        size_of::<Self>() + texts + credential
    }
}

/// Identities that signed in from one source, and names that were tried there.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct SourceLogins {
    /// In the order of their first login.
    pub identities: Vec<SourceLogin>,
    /// Number of evicted logins.
    pub dropped: u32,
    /// Names that were tried in vain, in the order of their first attempt.
    pub attempted: Vec<String>,
    /// Whether more names were tried.
    pub has_more_attempted: bool,
    latest: Option<EventTime>,
}

impl SourceLogins {
    fn stored_bytes(&self) -> usize {
        let logins: usize = self.identities.iter().map(SourceLogin::stored_bytes).sum();
        let names = self.attempted.iter();
        logins + names.map(|name| name_bytes(name)).sum::<usize>()
    }

    fn is_empty(&self) -> bool {
        self.identities.is_empty() && self.attempted.is_empty()
    }
}

fn name_bytes(name: &str) -> usize {
    size_of::<String>() + name.len()
}

/// Recent logins by source.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct LoginsBySource {
    sources: BTreeMap<u64, SourceLogins>,
    stored_bytes: usize,
}

impl LoginsBySource {
    /// Records a login from `source`.
    pub fn record(&mut self, source: u64, login: SourceLogin) {
        self.modify(source, login.time, |of| {
            let added = login.stored_bytes();
            let mut identities = of.identities.iter_mut();
            if let Some(known) = identities.find(|known| known.key == login.key) {
                let removed = known.stored_bytes();
                known.subject = login.subject;
                return (added, removed);
            }
            let mut removed = 0;
            if of.identities.len() >= MAX_LOGINS_PER_SOURCE {
                removed = of.identities.remove(0).stored_bytes();
                of.dropped += 1;
            }
            of.identities.push(login);
            (added, removed)
        });
    }

    /// Records that the name `id` was tried in vain from `source`.
    pub fn record_attempt(&mut self, source: u64, id: &str, time: EventTime) {
        self.modify(source, time, |of| {
            if of.attempted.iter().any(|known| known == id) {
                return (0, 0);
            }
            if of.attempted.len() >= MAX_ATTEMPTED_PER_SOURCE {
                of.has_more_attempted = true;
                return (0, 0);
            }
            of.attempted.push(id.to_owned());
            (name_bytes(id), 0)
        });
    }

    /// Changes what is stored of `source`; `change` returns the bytes that it added and removed.
    fn modify(
        &mut self,
        source: u64,
        time: EventTime,
        change: impl FnOnce(&mut SourceLogins) -> (usize, usize),
    ) {
        if self.sources.len() >= MAX_SOURCES && !self.sources.contains_key(&source) {
            self.evict_quiet_half();
        }
        let of = self.sources.entry(source).or_default();
        of.latest = of.latest.max(Some(time));
        let (added, removed) = change(of);
        self.stored_bytes = (self.stored_bytes + added).saturating_sub(removed);
        while self.stored_bytes > MAX_STORED_BYTES && self.sources.len() > 1 {
            self.evict_quiet_half();
        }
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

    /// The same, to modify other than by its texts.
    pub fn get_mut(&mut self, source: u64) -> Option<&mut SourceLogins> {
        self.sources.get_mut(&source)
    }

    /// Removes what is older than a day at `now`, except from sources for which `keeps` holds.
    pub fn expire(&mut self, now: EventTime, keeps: impl Fn(u64) -> bool) {
        let is_old = |time: EventTime| now.ms_since(time) >= MS_PER_DAY;
        self.sources.retain(|source, of| {
            if !keeps(*source) {
                of.identities.retain(|login| !is_old(login.time));
                if of.latest.is_some_and(is_old) {
                    of.attempted.clear();
                }
            }
            !of.is_empty()
        });
        self.recount();
    }

    /// Removes the identity `id`, whose key is `key`; returns whether it was present.
    pub fn forget(&mut self, key: u64, id: &str) -> bool {
        let mut was_there = false;
        for of in self.sources.values_mut() {
            let before = of.identities.len() + of.attempted.len();
            of.identities.retain(|login| login.key != key);
            of.attempted.retain(|name| name != id);
            was_there |= of.identities.len() + of.attempted.len() < before;
        }
        self.recount();
        was_there
    }

    fn recount(&mut self) {
        self.stored_bytes = self.sources.values().map(SourceLogins::stored_bytes).sum();
    }

    #[cold]
    fn evict_quiet_half(&mut self) {
        let mut ranked: Vec<(bool, Option<EventTime>, u64)> = self
            .sources
            .iter()
            .map(|(source, of)| (!of.identities.is_empty(), of.latest, *source))
            .collect();
        ranked.sort_unstable();
        for (_, _, source) in &ranked[..ranked.len() / 2] {
            self.sources.remove(source);
        }
        self.recount();
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

    fn login(id: u64, time: EventTime) -> SourceLogin {
        SourceLogin {
            subject: subject(id),
            key: id,
            time,
            is_published: false,
        }
    }

    fn at(hours: i64) -> EventTime {
        EventTime::EARLIEST.saturating_add_ms(hours * 3_600_000)
    }

    #[test]
    fn memory_is_bounded_and_evictions_are_counted() {
        let mut logins = LoginsBySource::default();
        for id in 0..(2 * MAX_LOGINS_PER_SOURCE as u64) {
            logins.record(7, login(id, at(0)));
            logins.record(7, login(id, at(1)));
        }
        let of = logins.get(7).unwrap();
        assert_eq!(
            (of.identities.len(), of.dropped),
            (MAX_LOGINS_PER_SOURCE, MAX_LOGINS_PER_SOURCE as u32)
        );
        for source in 0..(3 * MAX_SOURCES as u64) {
            logins.record(source, login(0, at(source as i64)));
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
        logins.record(1, login(5, at(0)));
        logins.record(2, login(5, at(0)));
        logins.expire(at(30), |source| source == 2);
        assert!(logins.get(1).is_none() && logins.get(2).is_some());
        assert!(logins.forget(5, "5") && !logins.forget(5, "5"));
    }

    #[test]
    fn long_names_are_bounded_in_bytes() {
        let mut logins = LoginsBySource::default();
        for source in 0..5_000u64 {
            let mut long = login(source, at(source as i64));
            long.subject.owner = Some("o".repeat(8_192));
            logins.record(source, long);
            logins.record_attempt(source, &"n".repeat(1_024), at(source as i64));
            assert!(logins.stored_bytes <= MAX_STORED_BYTES);
        }
        let counted: usize = logins
            .sources
            .values()
            .map(SourceLogins::stored_bytes)
            .sum();
        assert_eq!(counted, logins.stored_bytes);
        assert!(logins.get(4_999).is_some());
    }

    #[test]
    fn sources_that_were_only_tried_give_way_to_those_with_logins() {
        let mut logins = LoginsBySource::default();
        logins.record(u64::MAX, login(1, at(0)));
        (0..2 * MAX_SOURCES as u64).for_each(|n| logins.record_attempt(n, "x", at(1 + n as i64)));
        assert!(logins.get(u64::MAX).is_some());
    }
}
