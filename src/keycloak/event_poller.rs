//! Events of a realm of Keycloak into their raw topic: asked for again and again, published once. Where
//! it left off is what the topic ends with, so there is nothing else to keep; and of several instances the
//! one asks that owns the topic's partition.

use crate::config::Realm;
use crate::kafka::feedback_producer::RecordProducer;
use crate::kafka::shard_recovery::consume_until;
use crate::kafka::worker::Shared;
use crate::kafka::{KafkaError, client};
use crate::keycloak::admin_client::{AdminClient, EventKind};
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
/// An event may become visible so much later than others of its time, in milliseconds.
const MAX_LATENESS_MS: i64 = 10_000;
/// So many records at the end of the topic say what was published.
const TAIL_RECORDS: i64 = 5_000;
/// How long a broker may take to answer.
const BROKER_TIMEOUT: Duration = Duration::from_secs(10);

/// What is read of an event here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventHeader {
    id: String,
    time: i64,
    #[serde(default)]
    operation_type: Option<serde::de::IgnoredAny>,
}

/// Where one kind of event was left off.
#[derive(Default)]
struct Cursor {
    /// Time of the newest event that was published, in milliseconds.
    newest_ms: i64,
    /// Events published of the time that is asked for again: id and time.
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

/// One realm that is asked.
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
    /// A poller that has not asked yet.
    ///
    /// # Errors
    /// A setting cannot be used.
    pub fn new(realm: &Realm, shared: &'p Shared, runtime: Handle) -> Result<Self, KafkaError> {
        let config = &shared.config;
        let admin = AdminClient::new(realm, config.deliver.timeout);
        Ok(Self {
            admin: admin.map_err(|why| keycloak_error(realm, why))?,
            realm: realm.clone(),
            sender: RecordProducer::new(Arc::clone(config))?,
            users: Cursor::default(),
            administrators: Cursor::default(),
            runtime,
            shared,
        })
    }

    /// Reads what the topic ends with.
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

    /// Asks, while the topic's partition is owned here, until the process is asked to end.
    ///
    /// # Errors
    /// The realm or the broker does not answer.
    pub fn work(&mut self) -> Result<(), KafkaError> {
        let status = Arc::clone(&self.shared.status);
        let mut has_asked = false;
        while !self.shared.stopping() {
            let is_owner = status.owns(&self.realm.topic, PARTITION);
            if is_owner {
                if !has_asked {
                    self.restore_cursor()?;
                }
                self.poll_all()?;
            }
            status.recover("keycloak");
            has_asked = is_owner;
            std::thread::sleep(self.realm.poll_interval);
        }
        info!(realm = self.realm.name, "asks no more");
        Ok(())
    }

    fn poll_all(&mut self) -> Result<(), KafkaError> {
        let published =
            self.poll_kind(EventKind::Users)? + self.poll_kind(EventKind::Administrators)?;
        let records = &self.shared.metrics.records;
        records.with_label_values(&["keycloak"]).inc_by(published);
        Ok(())
    }

    /// Publishes what is new; returns how much.
    fn poll_kind(&mut self, of: EventKind) -> Result<u64, KafkaError> {
        let position = match of {
            EventKind::Users => &mut self.users,
            EventKind::Administrators => &mut self.administrators,
        };
        let since_ms = position.query_from_ms();
        let (mut first, mut published) = (0, 0);
        loop {
            let page = self.admin.events(of, since_ms, first, PAGE_SIZE);
            let page = page.map_err(|why| keycloak_error(&self.realm, why))?;
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

fn keycloak_error(realm: &Realm, why: crate::keycloak::admin_client::KeycloakError) -> KafkaError {
    KafkaError::Keycloak {
        realm: realm.name.clone(),
        why,
    }
}

/// The event with the name of its realm, which it knows by an id only.
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
    fn what_is_asked_for_again_is_known() {
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
