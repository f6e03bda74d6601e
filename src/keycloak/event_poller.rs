//! Polls the events of a Keycloak realm and publishes each once to its raw topic. The cursor is restored
//! from the tail of the topic, so no other state is stored; of several instances, the one that owns the
//! topic's partition polls.

use crate::config::Realm;
use crate::kafka::feedback_producer::RecordProducer;
use crate::kafka::stage::Shared;
use crate::kafka::topic_reader::consume_until;
use crate::kafka::{KafkaError, client};
use crate::keycloak::admin_client::{AdminClient, EventKind, KeycloakError};
use rdkafka::Offset;
use rdkafka::consumer::Consumer;
use rdkafka::message::Message;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tracing::info;

/// Events of one request.
const PAGE_SIZE: usize = 500;
/// How much later an event may become visible than others of the same time, in milliseconds.
const MAX_LATENESS_MS: i64 = 10_000;
/// Number of records at the end of the topic from which the cursor is restored.
const TAIL_RECORDS: i64 = 5_000;
/// How long a broker may take to answer.
const BROKER_TIMEOUT: Duration = Duration::from_secs(10);

/// The fields of an event that the cursor needs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventHeader {
    id: String,
    time: i64,
    #[serde(default)]
    operation_type: Option<serde::de::IgnoredAny>,
}

/// Position in the events of one kind.
#[derive(Default)]
struct Cursor {
    /// Time of the newest event that was published, in milliseconds.
    newest_ms: i64,
    /// Events already published in the window that is queried again: id and time.
    published: BTreeMap<String, i64>,
}

impl Cursor {
    fn note(&mut self, header: EventHeader) {
        self.newest_ms = self.newest_ms.max(header.time);
        self.published.insert(header.id, header.time);
    }

    fn query_from_ms(&self) -> i64 {
        (self.newest_ms - MAX_LATENESS_MS).max(0)
    }

    fn forget_old(&mut self) {
        let from = self.query_from_ms();
        self.published.retain(|_, time| *time >= from);
    }
}

/// The raw topic has one partition, to keep its order.
const PARTITION: i32 = 0;

/// Why the events of a realm could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// Keycloak failed or rejected a request.
    #[error("{realm}: {why}")]
    Keycloak {
        /// Name of the realm.
        realm: String,
        /// The failed request.
        why: KeycloakError,
    },
    /// Kafka failed.
    #[error("{0}")]
    Kafka(#[from] KafkaError),
}

impl PollError {
    fn new(realm: &Realm, why: KeycloakError) -> Self {
        Self::Keycloak {
            realm: realm.name.clone(),
            why,
        }
    }
}

/// Copies the events of one realm to its raw topic.
pub struct Poller<'p> {
    realm: Realm,
    admin: AdminClient,
    sender: RecordProducer,
    users: Cursor,
    administrators: Cursor,
    runtime: Handle,
    shared: &'p Shared,
}

impl<'p> Poller<'p> {
    /// A poller for `realm`.
    ///
    /// # Errors
    /// A setting is invalid, or no broker is reachable.
    pub fn new(realm: &Realm, shared: &'p Shared, runtime: Handle) -> Result<Self, PollError> {
        let config = &shared.config;
        let admin = AdminClient::new(realm, config.deliver.timeout);
        Ok(Self {
            admin: admin.map_err(|why| PollError::new(realm, why))?,
            realm: realm.clone(),
            sender: RecordProducer::new(Arc::clone(config))?,
            users: Cursor::default(),
            administrators: Cursor::default(),
            runtime,
            shared,
        })
    }

    /// Restores both cursors from the tail of the topic.
    fn restore_cursor(&mut self) -> Result<(), KafkaError> {
        let config = &self.shared.config;
        let group = format!("{}-keycloak", config.kafka.group_id);
        let reader = client::open(&client::reader(&config.kafka, &group))?;
        let topic = &self.realm.topic;
        let ends = reader.fetch_watermarks(topic, PARTITION, BROKER_TIMEOUT);
        let (first, end) = ends.map_err(KafkaError::Consumer)?;
        let start = first.max(end - TAIL_RECORDS);
        if start >= end {
            return Ok(());
        }
        let (users, administrators) = (&mut self.users, &mut self.administrators);
        let start = Offset::Offset(start);
        consume_until(&reader, topic, PARTITION, start, |message| {
            let record = message.payload().unwrap_or_default();
            if let Ok(header) = serde_json::from_slice::<EventHeader>(record) {
                match header.operation_type {
                    Some(_) => administrators.note(header),
                    None => users.note(header),
                }
            }
            Ok(message.offset() + 1 < end)
        })
    }

    /// Polls while this instance owns the topic's partition, until shutdown is requested.
    ///
    /// # Errors
    /// The realm or the broker does not respond.
    pub fn work(&mut self) -> Result<(), PollError> {
        let status = Arc::clone(&self.shared.status);
        let mut was_owner = false;
        while !self.shared.stopping() {
            let is_owner = status.owns(&self.realm.topic, PARTITION);
            if is_owner {
                if !was_owner {
                    self.restore_cursor()?;
                }
                self.poll_all()?;
            }
            status.recover("keycloak");
            was_owner = is_owner;
            std::thread::sleep(self.realm.poll_interval);
        }
        info!(realm = self.realm.name, "stopped polling");
        Ok(())
    }

    fn poll_all(&mut self) -> Result<(), PollError> {
        let published =
            self.poll_kind(EventKind::Users)? + self.poll_kind(EventKind::Administrators)?;
        let records = &self.shared.metrics.records;
        records.with_label_values(&["keycloak"]).inc_by(published);
        Ok(())
    }

    /// Publishes new events of one kind; returns their number.
    fn poll_kind(&mut self, of: EventKind) -> Result<u64, PollError> {
        let position = match of {
            EventKind::Users => &mut self.users,
            EventKind::Administrators => &mut self.administrators,
        };
        let since_ms = position.query_from_ms();
        let (mut first, mut published) = (0, 0);
        loop {
            let page = self.admin.events(of, since_ms, first, PAGE_SIZE);
            let page = page.map_err(|why| PollError::new(&self.realm, why))?;
            for event in &page {
                let Ok(header) = serde_json::from_str::<EventHeader>(event.get()) else {
                    continue;
                };
                if position.published.contains_key(&header.id) {
                    continue;
                }
                let record = with_realm(event, &self.realm.realm);
                let topic = &self.realm.topic;
                let sending = self.sender.send(topic, &header.id, &[], record.as_bytes());
                self.runtime.block_on(sending)?;
                position.note(header);
                published += 1;
            }
            first += page.len();
            if page.len() < PAGE_SIZE {
                break;
            }
        }
        position.forget_old();
        Ok(published)
    }
}

/// The event with the name of its realm added: Keycloak gives the realm's id only.
fn with_realm(event: &RawValue, realm: &str) -> String {
    let name = serde_json::Value::from(realm);
    let members = event.get().trim_start().strip_prefix('{').unwrap_or("}");
    format!("{{\"realmName\":{name},{members}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn header(id: &str, time: i64) -> EventHeader {
        EventHeader {
            id: id.to_owned(),
            time,
            operation_type: None,
        }
    }

    #[test]
    fn events_of_the_repeated_window_are_not_published_again() {
        let mut position = Cursor::default();
        for n in 0..100 {
            position.note(header(&n.to_string(), 1_000_000 + n * 1_000));
        }
        position.forget_old();
        let known: BTreeSet<i64> = position.published.values().copied().collect();
        assert_eq!(known.first(), Some(&position.query_from_ms()));
        assert_eq!(known.last(), Some(&position.newest_ms));
        assert_eq!(known.len() as i64, MAX_LATENESS_MS / 1_000 + 1);
    }

    #[test]
    fn the_realm_is_named_in_the_record() {
        let event = RawValue::from_string(r#"{"id":"a","time":1}"#.to_owned()).unwrap();
        let record = with_realm(&event, "co\"rp");
        let record: serde_json::Value = serde_json::from_str(&record).unwrap();
        assert_eq!(
            (&record["realmName"], &record["id"]),
            (&"co\"rp".into(), &"a".into())
        );
    }
}
