//! Shards on their way from one worker of this process to another.
//!
//! Workers join the group one by one, so partitions move between them at every start. A shard
//! that moves within the process is handed over whole, by way of this pool; one that goes to
//! another process is let go after a while.

use crate::clock::Stopwatch;
use crate::shard::{Shard, ShardId};
use dashmap::DashMap;
use std::time::Duration;

/// A shard that nobody asked for is let go after this.
const PARKED_TIMEOUT: Duration = Duration::from_secs(60);
/// A worker may take this long to give a shard up after its partition was taken away.
const HANDOFF_TIMEOUT: Duration = Duration::from_secs(5);

enum Slot {
    /// A worker has it.
    Owned,
    /// Nobody has it.
    Parked(Box<Shard>, Stopwatch),
}

/// Where the shards of a process are.
pub struct ShardHandoff {
    slots: DashMap<ShardId, Slot>,
    is_cold: bool,
    begun: DashMap<ShardId, ()>,
}

impl ShardHandoff {
    /// No shard yet; with `is_cold` each shard begins without its baselines.
    #[must_use]
    pub fn new(is_cold: bool) -> Self {
        Self {
            slots: DashMap::new(),
            is_cold,
            begun: DashMap::new(),
        }
    }

    /// Whether the shard `id` is to pass its baselines by: once, when it begins.
    #[must_use]
    pub fn starts_cold(&self, id: ShardId) -> bool {
        self.is_cold && self.begun.insert(id, ()).is_none()
    }

    /// Takes the shard `id` if it was in this process before; `None` where it starts
    /// cold. Waits for a worker that is about to give it up.
    #[must_use]
    pub fn take(&self, id: ShardId) -> Option<Shard> {
        let waiting = Stopwatch::start();
        loop {
            match self.slots.insert(id, Slot::Owned) {
                None => return None,
                Some(Slot::Parked(shard, _)) => return Some(*shard),
                Some(Slot::Owned) if waiting.elapsed() > HANDOFF_TIMEOUT => return None,
                Some(Slot::Owned) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// Gives a shard up.
    pub fn hand_off(&self, shard: Shard) {
        let id = shard.id();
        let place = Slot::Parked(Box::new(shard), Stopwatch::start());
        self.slots.insert(id, place);
    }

    /// The worker that held `id` failed: what it knew is lost.
    pub fn forget(&self, id: ShardId) {
        self.slots.remove(&id);
    }

    /// Lets go what nobody asked for.
    pub fn expire(&self) {
        self.slots.retain(|_, place| match place {
            Slot::Owned => true,
            Slot::Parked(_, since) => since.elapsed() < PARKED_TIMEOUT,
        });
    }
}
