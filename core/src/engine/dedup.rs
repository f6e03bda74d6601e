//! Deduplication of events within a bounded window.

use crate::event::Event;
use crate::stats::hash::{BufferedHasher, HashKey};
use borsh::io::{Error, ErrorKind};
use borsh::{BorshDeserialize, BorshSerialize};
use std::hash::{Hash, Hasher};

/// Size of the table; about this many events are remembered.
const DEDUP_SLOTS: usize = 16_384;
const CONTENT_SPACE: u64 = 0xe2;

/// What the table knows of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repetition {
    /// Its id was not seen.
    New,
    /// The same event was seen.
    Duplicate,
    /// Another event of the identity was seen under this id.
    Conflict,
}

/// Size of the table, in bytes.
pub(super) const TABLE_BYTES: usize = DEDUP_SLOTS * size_of::<SeenEvent>();

/// An event by its identity and id, and by what it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct SeenEvent {
    id: u64,
    content: u64,
}

/// Recent events, direct-mapped: a new event replaces whatever occupies its slot. The window is therefore
/// approximate, and a look-up costs one memory access.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub(super) struct DedupTable(Box<[SeenEvent]>);

impl Default for DedupTable {
    fn default() -> Self {
        Self(vec![SeenEvent::default(); DEDUP_SLOTS].into_boxed_slice())
    }
}

impl DedupTable {
    /// A restored table, if it has the size of this version's.
    ///
    /// # Errors
    /// The table has another size.
    pub(super) fn validated(restored: Self) -> borsh::io::Result<Self> {
        if restored.0.len() == DEDUP_SLOTS {
            return Ok(restored);
        }
        let why = "the deduplication table has another size";
        Err(Error::new(ErrorKind::InvalidData, why))
    }

    /// Inserts `event`, whose identity has the key `identity`, and says whether it was seen before.
    pub(super) fn insert(
        &mut self,
        event: &Event<'_>,
        identity: u64,
        hash_key: &HashKey,
    ) -> Repetition {
        let seen = SeenEvent {
            id: hash_key.hash64(identity, event.event_id.as_bytes()),
            content: content_hash(event, hash_key),
        };
        let slot = &mut self.0[seen.id as usize % DEDUP_SLOTS];
        let repetition = match *slot {
            known if known == seen => Repetition::Duplicate,
            known if known.id == seen.id => Repetition::Conflict,
            _ => Repetition::New,
        };
        *slot = seen;
        repetition
    }
}

/// Hash of everything that the event says but its identity and id.
fn content_hash(event: &Event<'_>, hash_key: &HashKey) -> u64 {
    let mut hash = BufferedHasher::new(hash_key.hasher(CONTENT_SPACE));
    let (identity, source) = (&event.identity, &event.source);
    let kinds = [
        identity.kind as u8,
        event.activity as u8,
        event.outcome as u8,
    ];
    hash.write(&kinds);
    hash.write_i64(event.time.epoch_ms());
    let mut text = |text: Option<&str>| {
        let text = text.unwrap_or_default();
        hash.write_usize(text.len());
        hash.write(text.as_bytes());
    };
    text(identity.group.as_deref());
    text(identity.owner.as_deref());
    text(event.action.as_deref());
    text(event.resource.as_deref());
    text(event.purpose.as_deref());
    text(source.host.as_deref());
    text(source.user_agent.as_deref());
    text(source.country.as_deref());
    if let Some(credential) = &event.credential {
        text(Some(&credential.id));
        text(credential.issuer.as_deref());
        credential.scopes.iter().for_each(|scope| text(Some(scope)));
        (credential.kind, credential.issued_at, credential.expires_at).hash(&mut hash);
    }
    let (latitude, longitude) = source.position.unwrap_or_default();
    let place = [latitude.to_bits(), longitude.to_bits()];
    (source.ip, source.asn, place).hash(&mut hash);
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Activity, Identity, IdentityKind};
    use crate::units::EventTime;

    fn event(id: &str) -> Event<'_> {
        let identity = Identity {
            id: "svc".into(),
            kind: IdentityKind::Service,
            group: None,
            owner: None,
        };
        Event::new(id.into(), EventTime::EARLIEST, identity, Activity::Use)
    }

    fn insert(dedup: &mut DedupTable, event: &Event<'_>, identity: u64) -> Repetition {
        dedup.insert(event, identity, &HashKey::default())
    }

    #[test]
    fn duplicates_are_found_within_a_bounded_window() {
        let mut dedup = DedupTable::default();
        assert_eq!(insert(&mut dedup, &event("a"), 1), Repetition::New);
        assert_eq!(insert(&mut dedup, &event("a"), 1), Repetition::Duplicate);
        let repeated = (0..1_000)
            .filter(|n| insert(&mut dedup, &event(&n.to_string()), 1) != Repetition::New)
            .count();
        assert_eq!(repeated, 0);
        (0..20 * DEDUP_SLOTS).for_each(|n| {
            insert(&mut dedup, &event(&format!("x{n}")), 1);
        });
        let after = insert(&mut dedup, &event("a"), 1);
        assert_eq!(after, Repetition::New, "the window is bounded");
    }

    #[test]
    fn an_id_hides_nothing_but_the_very_same_event() {
        let mut dedup = DedupTable::default();
        let mut other = event("a");
        insert(&mut dedup, &other, 1);
        assert_eq!(insert(&mut dedup, &other, 2), Repetition::New);
        other.action = Some("iam:CreateAccessKey".into());
        assert_eq!(insert(&mut dedup, &other, 1), Repetition::Conflict);
        other.time = EventTime::EARLIEST.saturating_add_ms(1);
        assert_eq!(insert(&mut dedup, &other, 1), Repetition::Conflict);
        other.source.ip = Some([203, 0, 113, 9].into());
        assert_eq!(insert(&mut dedup, &other, 1), Repetition::Conflict);
        assert_eq!(insert(&mut dedup, &other, 1), Repetition::Duplicate);
    }
}
