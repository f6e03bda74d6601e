//! A record that a shard or stage publishes, and its stream.

use crate::config::Topics;
use crate::outputs::dead_letter::DeadLetter;
use crate::outputs::retention_gap::RetentionGap;
use crate::outputs::sighting_record;
use crate::sources::time::format_rfc3339;
use credwatch_core::units::EventTime;

/// Stream of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Native events made from raw logs.
    Events,
    /// Sightings, for the source view.
    Sightings,
    /// Alerts.
    Alerts,
    /// Containment orders.
    Revocations,
    /// Audit trail.
    Decisions,
    /// Rejected records.
    DeadLetter,
}

impl Stream {
    /// The topic of this stream.
    #[must_use]
    pub fn topic(self, topics: &Topics) -> &str {
        match self {
            Self::Events => &topics.events,
            Self::Sightings => &topics.sightings,
            Self::Alerts => &topics.alerts,
            Self::Revocations => &topics.revocations,
            Self::Decisions => &topics.decisions,
            Self::DeadLetter => &topics.deadletter,
        }
    }
}

/// One record to publish.
#[derive(Clone, Debug)]
pub struct OutputRecord {
    /// Stream.
    pub stream: Stream,
    /// Partition, where it is not determined by the key.
    pub partition: Option<i32>,
    /// Key.
    pub key: String,
    /// CloudEvents attributes (binary mode) and content type.
    pub headers: Vec<(&'static str, String)>,
    /// Value.
    pub payload: Vec<u8>,
}

impl OutputRecord {
    /// A record with CloudEvents headers. `time` is event time, so that a repeated run writes identical
    /// bytes.
    #[must_use]
    pub fn cloud_event(
        stream: Stream,
        key: &str,
        kind: &str,
        id: String,
        time: EventTime,
        payload: Vec<u8>,
    ) -> Self {
        Self {
            stream,
            partition: None,
            key: key.to_owned(),
            headers: vec![
                ("ce_specversion", "1.0".to_owned()),
                ("ce_type", format!("io.credwatch.{kind}")),
                ("ce_source", "/credwatch/detect".to_owned()),
                ("ce_id", id),
                ("ce_time", format_rfc3339(time)),
                ("content-type", "application/json".to_owned()),
            ],
            payload,
        }
    }

    /// The same in `partition`, whatever its key.
    #[must_use]
    pub fn in_partition(self, partition: i32) -> Self {
        Self {
            partition: Some(partition),
            ..self
        }
    }

    /// A sighting under `network`.
    #[must_use]
    pub fn sighting(network: String, payload: Vec<u8>) -> Self {
        Self {
            stream: Stream::Sightings,
            partition: None,
            key: network,
            headers: Vec::new(),
            payload,
        }
    }

    /// A gap in a raw topic, for the audit trail of the shard that its key selects.
    #[must_use]
    pub fn retention_gap(gap: &RetentionGap) -> Self {
        let key = format!("{}-{}", gap.topic, gap.partition);
        Self::sighting(key, sighting_record::of_retention_gap(gap))
    }

    /// A rejected record.
    #[must_use]
    pub fn dead_letter(dead_letter: &DeadLetter<'_>) -> Self {
        Self {
            stream: Stream::DeadLetter,
            partition: None,
            key: format!(
                "{}-{}-{}",
                dead_letter.topic, dead_letter.partition, dead_letter.offset
            ),
            headers: vec![
                ("content-type", "application/json".to_owned()),
                ("credwatch_reason", dead_letter.reason.to_owned()),
                ("credwatch_topic", dead_letter.topic.to_owned()),
                ("credwatch_partition", dead_letter.partition.to_string()),
                ("credwatch_offset", dead_letter.offset.to_string()),
            ],
            payload: dead_letter.to_json(),
        }
    }
}
