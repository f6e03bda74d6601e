//! Announces this instance on the compacted topic of instances, and reads the announcements of the others.

use crate::clock::{Stopwatch, wall_time};
use crate::instances::{Announcement, InstanceDirectory};
use crate::kafka::KafkaError;
use crate::kafka::feedback_producer::RecordProducer;
use crate::kafka::stage::Shared;
use crate::kafka::topic_reader::{follow, polled_record};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tracing::warn;

/// An instance whose partitions do not change announces itself this often.
const INTERVAL: Duration = Duration::from_secs(15);
const POLL_TIMEOUT: Duration = Duration::from_millis(250);

/// Announces and reads until shutdown is requested.
///
/// # Errors
/// The topic is missing, no broker is reachable, or the consumer failed permanently.
pub fn run(
    shared: &Shared,
    directory: &InstanceDirectory,
    runtime: &Handle,
) -> Result<(), KafkaError> {
    let topic = &shared.config.topics.instances;
    let (reader, _) = follow(&shared.config, "instances", topic)?;
    let producer = RecordProducer::new(Arc::clone(&shared.config))?;
    let mut announced: Option<(BTreeSet<i32>, Stopwatch)> = None;
    while !shared.stopping() {
        let owned = shared.query_router.owned();
        let is_due = announced
            .as_ref()
            .is_none_or(|(before, since)| *before != owned || since.elapsed() > INTERVAL);
        if is_due {
            let announcement = announcement(shared, directory, owned.clone());
            let record = directory.encode(&announcement);
            runtime.block_on(producer.send(topic, directory.url(), &[], &record))?;
            announced = Some((owned, Stopwatch::start()));
            shared.status.recover("instances");
        }
        polled_record(reader.poll(POLL_TIMEOUT), |record| {
            if !directory.take(record) {
                warn!("an announcement of an instance was not made with this token: it is ignored");
            }
        })?;
    }
    let leaving = announcement(shared, directory, BTreeSet::new());
    let record = directory.encode(&leaving);
    runtime.block_on(producer.send(topic, directory.url(), &[], &record))?;
    Ok(())
}

fn announcement(
    shared: &Shared,
    directory: &InstanceDirectory,
    partitions: BTreeSet<i32>,
) -> Announcement {
    let (_, of) = shared.query_router.partitions();
    Announcement {
        url: directory.url().to_owned(),
        partitions,
        of: i32::try_from(of).unwrap_or(i32::MAX),
        time_ms: wall_time().epoch_ms(),
    }
}
