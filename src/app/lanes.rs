//! The shards of a configuration without Kafka: records go where Kafka's default partitioner would
//! put them, so that files give what a topic of the same number of partitions gives.

use crate::config::Config;
use crate::engine::{Alert, Health};
use crate::ingest::Native;
use crate::shard::{Blueprint, Handled, LoadModelError, Outgoing, Shard, load_model};
use crate::wire::native::NativeError;
use crate::wire::partition::partition_of;

/// One partition: its shard and the offset of its next record.
struct Lane {
    shard: Shard,
    next_offset: i64,
}

/// All partitions.
pub(super) struct Lanes(Vec<Lane>);

impl Lanes {
    /// Cold shards for `partitions` partitions.
    ///
    /// # Errors
    /// The model cannot be read.
    pub(super) fn new(config: &Config, partitions: u32) -> Result<Self, LoadModelError> {
        let partitions = partitions.max(1);
        let blueprint = Blueprint::new(config, load_model(config)?, partitions);
        let lane = |partition: u32| Lane {
            shard: blueprint.shard(partition as i32),
            next_offset: 0,
        };
        Ok(Self((0..partitions).map(lane).collect()))
    }

    /// Takes one event in; returns the partition that it fell into, and what it gave.
    ///
    /// # Errors
    /// Says what is wrong with the event; nothing was learned from it.
    pub(super) fn handle<'n>(
        &mut self,
        native: &'n Native<'_>,
        explain: bool,
    ) -> Result<(usize, Handled<'n>), NativeError> {
        let at = match self.0.len() {
            1 => 0,
            lanes => partition_of(native.key()?.as_bytes(), lanes as i32) as usize,
        };
        let lane = &mut self.0[at];
        let handled = lane.shard.handle(&native.json, lane.next_offset, explain)?;
        lane.next_offset += 1;
        Ok((at, handled))
    }

    /// Records to publish for alerts of one partition.
    pub(super) fn publications(&mut self, partition: usize, alerts: &[Alert]) -> Vec<Outgoing> {
        self.0[partition].shard.publications(alerts, None)
    }

    /// Counts and sizes of each partition.
    pub(super) fn health(&self) -> impl Iterator<Item = Health> {
        self.0.iter().map(|lane| lane.shard.health())
    }
}
