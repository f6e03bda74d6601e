//! The vocabulary of the view by source: one authentication, as it is seen where it comes from.

use crate::event::{Activity, Credential, Event, Identity, IdentityKind, Outcome, Source, Text};
use crate::units::EventTime;
use std::borrow::Cow;

/// One authentication at its source.
#[derive(Clone, Debug)]
pub struct Sighting<'a> {
    /// Unique id of the event.
    pub event_id: Text<'a>,
    /// When it happened.
    pub time: EventTime,
    /// The source: a network prefix, such as `203.0.113.0/24`.
    pub network: Text<'a>,
    /// Who was tried.
    pub identity: Identity<'a>,
    /// With which credential, if known; its times and scopes are left out.
    pub credential: Option<Credential<'a>>,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether the identity was known to come from this network, or nothing was known of where it
    /// comes from.
    pub is_known_source: bool,
    /// Identities that the shard of the identity knows.
    pub known_identities: u64,
    /// Partition and offset of the event.
    pub position: (i32, i64),
}

impl<'a> Sighting<'a> {
    /// Whether it is the identity's everyday life, and so says nothing of an attacker.
    #[must_use]
    pub fn is_routine(&self) -> bool {
        self.is_known_source && self.outcome == Outcome::Success
    }

    /// The same as an event of the source: the network is the entity, and the identity what it was
    /// done to. Sources are all of one kind and one group.
    #[must_use]
    pub fn into_event(self) -> Event<'a> {
        Event {
            event_id: self.event_id,
            time: self.time,
            identity: Identity {
                id: self.network,
                kind: IdentityKind::Service,
                group: Some(Cow::Borrowed("sources")),
                owner: None,
            },
            credential: None,
            activity: Activity::Use,
            action: None,
            resource: Some(self.identity.id),
            source: Source::default(),
            purpose: None,
            outcome: self.outcome,
        }
    }

    /// The same, borrowed.
    #[must_use]
    pub fn as_event(&self) -> Event<'_> {
        fn borrowed<'t>(text: &'t Text<'_>) -> Text<'t> {
            Cow::Borrowed(text)
        }
        let identity = Identity {
            id: borrowed(&self.identity.id),
            kind: self.identity.kind,
            group: None,
            owner: None,
        };
        Sighting {
            event_id: borrowed(&self.event_id),
            network: borrowed(&self.network),
            identity,
            credential: None,
            ..*self
        }
        .into_event()
    }
}
