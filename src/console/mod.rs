//! The read model of the console and the API: incidents and audit trail of all partitions, past events, live
//! updates, and who may do what. It is fed with published records, whether they come from Kafka or from
//! shards of this process, and never asks a shard for them.

pub mod access;
pub mod audit_log;
pub mod event_history;
pub mod headline;
pub mod incident;
pub mod incident_index;
pub mod live_updates;
mod order_state;
mod rate_limit;
pub mod sessions;
pub mod throughput;

use crate::crypto::KeySet;
use crate::mutex::lock;
use crate::shard::{OutputRecord, Stream};
use audit_log::{AuditLog, Pause};
use event_history::EventHistory;
use incident_index::IncidentIndex;
use live_updates::LiveUpdates;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use throughput::Throughput;

/// Records of the audit trail that are held.
const AUDIT_RECORDS: usize = 20_000;

/// What time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// The wall clock: events are live.
    Wall,
    /// The time of the latest event: events are simulated, or come from files.
    LatestEvent,
}

/// The read model.
pub struct Console {
    index: Mutex<IncidentIndex>,
    audit: Mutex<AuditLog>,
    throughput: Mutex<Throughput>,
    /// Updates for viewers.
    pub updates: LiveUpdates,
    /// Past events.
    pub events: Arc<dyn EventHistory>,
    time: Time,
    latest_event_ms: AtomicI64,
}

impl Console {
    /// An empty one that holds at most `max_incidents` incidents; `keys` verify signed heads of the trail.
    #[must_use]
    pub fn new(
        max_incidents: usize,
        keys: Option<KeySet>,
        events: Arc<dyn EventHistory>,
        time: Time,
    ) -> Self {
        Self {
            index: Mutex::new(IncidentIndex::new(max_incidents)),
            audit: Mutex::new(AuditLog::new(AUDIT_RECORDS, keys)),
            throughput: Mutex::default(),
            updates: LiveUpdates::default(),
            events,
            time,
            latest_event_ms: AtomicI64::new(0),
        }
    }

    /// Takes in a record of the alerts topic.
    pub fn take_alert(&self, record: &[u8]) {
        let changed = lock(&self.index).add_alert(record);
        self.tell_change(changed);
    }

    /// Takes in a record of the decisions topic.
    pub fn take_audit(&self, record: &[u8]) {
        let Ok(value) = serde_json::from_slice::<Value>(record) else {
            return;
        };
        let mut audit = lock(&self.audit);
        let was_paused = audit.pause().is_some();
        audit.add(record, &value);
        if audit.pause().is_some() != was_paused {
            self.updates.publish("paused", &pause_json(audit.pause()));
        }
        drop(audit);
        let changed = lock(&self.index).add_audit(&value);
        self.tell_change(changed);
    }

    /// Takes in what a shard of this process publishes.
    pub fn take_output(&self, output: &OutputRecord) {
        match output.stream {
            Stream::Alerts => self.take_alert(&output.payload),
            Stream::Decisions => self.take_audit(&output.payload),
            Stream::Revocations | Stream::Events | Stream::Sightings | Stream::DeadLetter => {}
        }
    }

    fn tell_change(&self, id: Option<String>) {
        let index = lock(&self.index);
        if let Some(incident) = id.and_then(|id| index.find(&id)) {
            self.updates.publish("incident", &incident.summary);
        }
    }

    /// Reads the incidents.
    pub fn with_index<T>(&self, read: impl FnOnce(&IncidentIndex) -> T) -> T {
        read(&lock(&self.index))
    }

    /// Reads the audit trail.
    pub fn with_audit<T>(&self, read: impl FnOnce(&AuditLog) -> T) -> T {
        read(&lock(&self.audit))
    }

    /// Samples the number of processed events; once a second.
    pub fn sample_throughput(&self, events: u64) {
        lock(&self.throughput).sample(events);
    }

    /// Events a second over the last minute.
    #[must_use]
    pub fn events_per_sec(&self) -> Vec<f64> {
        lock(&self.throughput).per_sec()
    }

    /// Moves the time of a console over simulated events or files.
    pub fn set_latest_event(&self, time_ms: i64) {
        self.latest_event_ms.fetch_max(time_ms, Ordering::Relaxed);
    }

    /// The present, epoch milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        match self.time {
            Time::Wall => crate::clock::wall_time().epoch_ms(),
            Time::LatestEvent => self.latest_event_ms.load(Ordering::Relaxed),
        }
    }
}

/// A pause as the API states it.
#[must_use]
pub fn pause_json(pause: Option<&Pause>) -> Value {
    pause.map_or(
        Value::Null,
        |pause| json!({"by": pause.by, "since": pause.since, "reason": pause.reason}),
    )
}
