//! The shards of a configuration without Kafka: records go where Kafka's default partitioner would
//! put them, so that files give what a topic of the same number of partitions gives.

use crate::config::Config;
use crate::engine::{Alert, Detail, Health};
use crate::file::state::{StateError, StateFolder};
use crate::ingest::Native;
use crate::inquiry::{self, InquiryError};
use crate::shard::{Blueprint, Handled, LoadModelError, Outgoing, Shard, load_model};
use crate::wire::explained::Explained;
use crate::wire::native::NativeError;
use crate::wire::partition::partition_of;

/// Why shards cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LanesError {
    /// The model cannot be read.
    #[error(transparent)]
    Model(#[from] LoadModelError),
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
}

/// The shards of all partitions.
pub(super) struct Lanes(Vec<Shard>);

impl Lanes {
    /// Shards for `partitions` partitions: as they were left in `state`, else cold.
    ///
    /// # Errors
    /// The model or the state cannot be read.
    pub(super) fn open(
        config: &Config,
        partitions: u32,
        state: Option<&StateFolder>,
    ) -> Result<Self, LanesError> {
        let partitions = partitions.max(1);
        let blueprint = Blueprint::new(config, load_model(config)?, partitions);
        let lane = |partition: u32| {
            let left = match state {
                Some(folder) => folder.load(&blueprint, partition)?,
                None => None,
            };
            Ok(left.unwrap_or_else(|| blueprint.shard(partition as i32)))
        };
        Ok(Self(
            (0..partitions)
                .map(lane)
                .collect::<Result<_, LanesError>>()?,
        ))
    }

    /// Leaves the state of every shard in `state`.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(super) fn save(&self, state: &StateFolder) -> Result<(), StateError> {
        for (partition, shard) in self.0.iter().enumerate() {
            state.save(shard, partition as u32)?;
        }
        Ok(())
    }

    fn of(&self, identity: &str) -> usize {
        match self.0.len() {
            1 => 0,
            lanes => partition_of(identity.as_bytes(), lanes as i32) as usize,
        }
    }

    /// What is known of an identity, and what `events` would score.
    ///
    /// # Errors
    /// Nothing is known, or no event can be read.
    pub(super) fn explain(&self, identity: &str, events: &[u8]) -> Result<Explained, InquiryError> {
        inquiry::explain(&self.0[self.of(identity)], identity, events)
    }

    /// Takes one event in; returns the partition that it fell into, and what it gave.
    ///
    /// # Errors
    /// Says what is wrong with the event; nothing was learned from it.
    pub(super) fn handle<'n>(
        &mut self,
        native: &'n Native<'_>,
        detail: Detail,
    ) -> Result<(usize, Handled<'n>), NativeError> {
        let at = match self.0.len() {
            1 => 0,
            _ => self.of(&native.key()?),
        };
        let shard = &mut self.0[at];
        let handled = shard.handle(&native.json, shard.next_offset(), detail)?;
        Ok((at, handled))
    }

    /// Records to publish for alerts of one partition.
    pub(super) fn publications(&mut self, partition: usize, alerts: &[Alert]) -> Vec<Outgoing> {
        self.0[partition].publications(alerts, None)
    }

    /// Counts and sizes of each partition.
    pub(super) fn health(&self) -> impl Iterator<Item = Health> {
        self.0.iter().map(Shard::health)
    }
}
