//! The record of the view by source: one authentication, keyed by the network it comes from.

use crate::event::{Activity, Credential, Event, Identity, IdentityKind, Outcome, Source, Text};
use crate::units::EventTime;
use std::borrow::Cow;

/// One authentication under its source.
#[derive(Clone, Debug)]
pub struct Sighting<'a> {
    /// Unique id of the event.
    pub event_id: Text<'a>,
    /// Event time.
    pub time: EventTime,
    /// The source: a network prefix, such as `203.0.113.0/24`.
    pub network: Text<'a>,
    /// Identity.
    pub identity: Identity<'a>,
    /// Credential, if known; its times and scopes are omitted.
    pub credential: Option<Credential<'a>>,
    /// Outcome.
    pub outcome: Outcome,
    /// Whether this network is usual for the identity, or it signed in and its origin is not known yet.
    pub is_known_source: bool,
    /// Partition and offset of the event.
    pub position: (i32, i64),
}

impl<'a> Sighting<'a> {
    /// The same as an event of the source: the network is the entity, and the identity is the object. All
    /// sources are of one kind and one group.
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
            activity: Activity::Authenticate,
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
