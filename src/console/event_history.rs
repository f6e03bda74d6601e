//! Past events of an identity or a source, by a bounded read: from memory, or from Kafka.

use crate::mutex::lock;
use crate::outputs::sighting_record;
use crate::sources::native;
use crate::token_redaction::Redactor;
use credwatch_core::enrich::source_network;
use credwatch_core::event::Event;
use credwatch_core::sighting::Sighting;
use credwatch_core::verdict::EntityView;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::Mutex;
use utoipa::ToSchema;

/// Which events to read.
#[derive(Clone, Debug)]
pub struct EventQuery {
    /// Whether `id` is an identity or a source network.
    pub view: EntityView,
    /// The identity, or the network.
    pub id: String,
    /// Earliest event time, epoch milliseconds.
    pub from: i64,
    /// Latest event time, epoch milliseconds.
    pub to: i64,
    /// Most events to return: the latest ones.
    pub limit: usize,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct EventRow {
    /// Id.
    pub event_id: String,
    /// Event time, epoch milliseconds.
    pub time: i64,
    /// Identity.
    pub identity: String,
    /// What was done.
    pub activity: String,
    /// The operation.
    pub action: Option<String>,
    /// Its object.
    pub resource: Option<String>,
    /// Host.
    pub host: Option<String>,
    /// Address.
    pub ip: Option<String>,
    /// ISO 3166 country code.
    pub country: Option<String>,
    /// Autonomous system number.
    pub asn: Option<u32>,
    /// The client's description of itself.
    pub client: Option<String>,
    /// Outcome.
    pub outcome: String,
    /// Credential.
    pub credential: Option<String>,
    /// Kind of the credential.
    pub credential_kind: Option<String>,
    /// Issuer of the credential.
    pub issuer: Option<String>,
    /// What it scored by itself when it was processed, where that is still known.
    pub nats: Option<f64>,
}

/// A page of events, oldest first.
#[derive(Clone, Debug, Default)]
pub struct EventPage {
    /// The events, each with its native record where there is one.
    pub rows: Vec<(EventRow, Option<Vec<u8>>)>,
    /// Whether these are all.
    pub is_complete: bool,
}

/// Where past events are read from.
pub trait EventHistory: Send + Sync {
    /// Reads events; bounded in time and in number. Blocks.
    fn read(&self, query: &EventQuery) -> EventPage;
}

impl EventRow {
    /// A native event.
    #[must_use]
    pub fn of_event(event: &Event<'_>) -> Self {
        let (source, credential) = (&event.source, event.credential.as_ref());
        let owned =
            |text: &Option<credwatch_core::event::Text<'_>>| text.as_deref().map(str::to_owned);
        Self {
            event_id: event.event_id.to_string(),
            time: event.time.epoch_ms(),
            identity: event.identity.id.to_string(),
            activity: event.activity.as_str().to_owned(),
            action: owned(&event.action),
            resource: owned(&event.resource),
            host: owned(&source.host),
            ip: source.ip.map(|ip| ip.to_string()),
            country: owned(&source.country),
            asn: source.asn,
            client: owned(&source.user_agent),
            outcome: event.outcome.as_str().to_owned(),
            credential: credential.map(|credential| credential.id.to_string()),
            credential_kind: credential.and_then(|c| Some(c.kind?.as_str().to_owned())),
            issuer: credential.and_then(|credential| owned(&credential.issuer)),
            nats: None,
        }
    }

    /// A sighting, which holds less.
    #[must_use]
    pub fn of_sighting(sighting: &Sighting<'_>) -> Self {
        let credential = sighting.credential.as_ref();
        Self {
            event_id: sighting.event_id.to_string(),
            time: sighting.time.epoch_ms(),
            identity: sighting.identity.id.to_string(),
            activity: "authenticate".to_owned(),
            action: None,
            resource: None,
            host: None,
            ip: Some(sighting.network.to_string()),
            country: None,
            asn: None,
            client: None,
            outcome: sighting.outcome.as_str().to_owned(),
            credential: credential.map(|credential| credential.id.to_string()),
            credential_kind: credential.and_then(|c| Some(c.kind?.as_str().to_owned())),
            issuer: None,
            nats: None,
        }
    }

    /// The row of a record of the events or the sightings topic, and whether it matches `query`.
    #[must_use]
    pub fn matching(record: &[u8], query: &EventQuery, redactor: &Redactor) -> Option<Self> {
        let row = match query.view {
            EntityView::Identity => {
                let decoded = native::decode(record, redactor).ok()?;
                (decoded.event.identity.id == query.id).then(|| Self::of_event(&decoded.event))
            }
            EntityView::Source => {
                let sighting = sighting_record::decode(record).ok()?;
                (sighting.network == query.id).then(|| Self::of_sighting(&sighting))
            }
        }?;
        (query.from..=query.to).contains(&row.time).then_some(row)
    }
}

/// The latest events, in memory: for the demonstration and for files.
#[derive(Debug, Default)]
pub struct RecentEvents {
    events: Mutex<VecDeque<RecentEvent>>,
    capacity: usize,
}

#[derive(Debug)]
struct RecentEvent {
    network: Option<String>,
    row: EventRow,
    record: Vec<u8>,
}

impl RecentEvents {
    /// At most `capacity` events, of some 700 bytes each.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            events: Mutex::default(),
            capacity,
        }
    }

    /// Takes in an event with its native record and what it scored by itself.
    pub fn add(&self, event: &Event<'_>, record: &[u8], nats: f64) {
        let recent = RecentEvent {
            network: event.is_attempt().then(|| source_network(event)).flatten(),
            row: EventRow {
                nats: Some(nats),
                ..EventRow::of_event(event)
            },
            record: record.to_vec(),
        };
        let mut events = lock(&self.events);
        events.push_back(recent);
        if events.len() > self.capacity {
            events.pop_front();
        }
    }
}

impl EventHistory for RecentEvents {
    fn read(&self, query: &EventQuery) -> EventPage {
        let events = lock(&self.events);
        let is_of = |recent: &&RecentEvent| match query.view {
            EntityView::Identity => recent.row.identity == query.id,
            EntityView::Source => recent.network.as_deref() == Some(&query.id),
        };
        let range = query.from..=query.to;
        let found = events.iter().rev().filter(is_of);
        let found = found.filter(|recent| range.contains(&recent.row.time));
        let mut rows: Vec<_> = found
            .take(query.limit)
            .map(|recent| (recent.row.clone(), Some(recent.record.clone())))
            .collect();
        rows.reverse();
        let oldest = events.front().map_or(i64::MAX, |recent| recent.row.time);
        EventPage {
            is_complete: rows.len() < query.limit
                && (events.len() < self.capacity || oldest <= query.from),
            rows,
        }
    }
}
