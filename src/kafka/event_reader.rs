//! Past events for the console, by a bounded read of the partition that the key belongs to.

use crate::clock::Stopwatch;
use crate::config::Config;
use crate::console::event_history::{EventHistory, EventPage, EventQuery, EventRow};
use crate::kafka::client::Reader;
use crate::kafka::{KafkaError, client, topics};
use crate::mutex::lock;
use crate::shard::partitioner::partition_of;
use credwatch_core::event::MAX_CLOCK_SKEW_MS;
use credwatch_core::units::MS_PER_HOUR;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError as ClientError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing::warn;

/// Longest time that a read takes.
const READ_TIMEOUT: Duration = Duration::from_secs(2);
const BROKER_TIMEOUT: Duration = Duration::from_secs(2);
/// Readers at one time; further reads are answered by nothing, and say so.
const MAX_READERS: usize = 4;
/// Events are appended up to this long after they happened.
const LATENESS_MS: i64 = MS_PER_HOUR;

/// Reads events from Kafka.
pub struct KafkaEvents {
    config: Arc<Config>,
    busy: Mutex<usize>,
}

impl KafkaEvents {
    /// A reader with the settings of `config`; it connects when it is asked.
    #[must_use]
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            busy: Mutex::default(),
        }
    }

    fn read_page(&self, reader: &Reader, query: &EventQuery) -> Result<EventPage, KafkaError> {
        let since = Stopwatch::start();
        let topic = self.config.topics.input_topic(query.view);
        let partitions = topics::require(&self.config, &[topic.to_owned()])?;
        let partition = partition_of(query.id.as_bytes(), partitions as i32);
        let start = first_offset(reader, topic, partition, query.from)?;
        let (first, end) = reader
            .fetch_watermarks(topic, partition, BROKER_TIMEOUT)
            .map_err(KafkaError::Consumer)?;
        let mut page = EventPage {
            rows: Vec::new(),
            is_complete: start > first || query.from <= 0,
        };
        if start >= end {
            return Ok(page);
        }
        let mut assignment = TopicPartitionList::new();
        assignment
            .add_partition_offset(topic, partition, Offset::Offset(start))
            .and_then(|()| reader.assign(&assignment))
            .map_err(KafkaError::Consumer)?;
        let (mut rows, mut was_live) = (VecDeque::new(), false);
        loop {
            if since.elapsed() > READ_TIMEOUT {
                page.is_complete = false;
                break;
            }
            let message = match reader.poll(Duration::from_millis(50)) {
                Some(Ok(message)) => message,
                Some(Err(ClientError::PartitionEOF(_))) => break,
                Some(Err(error)) => return Err(KafkaError::Consumer(error)),
                None => continue,
            };
            if let Some(record) = message.payload()
                && message.key() == Some(query.id.as_bytes())
                && let Some(row) = EventRow::matching(record, query, &self.config.redactor)
            {
                rows.push_back((row, Some(record.to_vec())));
                if rows.len() > query.limit {
                    rows.pop_front();
                    page.is_complete = false;
                }
            }
            let stamped = message.timestamp().to_millis().unwrap_or_default();
            // A log that was filled later has no record of that time: then it is read to its end.
            let is_past = stamped > query.to.saturating_add(LATENESS_MS);
            was_live |= !is_past;
            if message.offset() + 1 >= end || (is_past && was_live) {
                break;
            }
        }
        page.rows = rows.into();
        Ok(page)
    }
}

/// Offset of the first record that was appended at `from_ms` or later; the end where there is none.
fn first_offset(
    reader: &Reader,
    topic: &str,
    partition: i32,
    from_ms: i64,
) -> Result<i64, KafkaError> {
    let mut times = TopicPartitionList::new();
    let time = Offset::Offset((from_ms - MAX_CLOCK_SKEW_MS).max(0));
    times
        .add_partition_offset(topic, partition, time)
        .map_err(KafkaError::Consumer)?;
    let found = reader
        .offsets_for_times(times, BROKER_TIMEOUT)
        .map_err(KafkaError::Consumer)?;
    let offset = found
        .find_partition(topic, partition)
        .map(|found| found.offset());
    Ok(match offset {
        Some(Offset::Offset(offset)) => offset,
        _ => i64::MAX,
    })
}

impl EventHistory for KafkaEvents {
    fn read(&self, query: &EventQuery) -> EventPage {
        {
            let mut busy = lock(&self.busy);
            if *busy >= MAX_READERS {
                return EventPage::default();
            }
            *busy += 1;
        }
        let group = format!("{}-console", self.config.kafka.group_id);
        let reader = client::open(&client::reader(&self.config.kafka, &group));
        let page = reader.and_then(|reader| self.read_page(&reader, query));
        *lock(&self.busy) -= 1;
        page.unwrap_or_else(|error| {
            warn!("past events cannot be read: {error}");
            EventPage::default()
        })
    }
}
