//! Hands shards from one worker of this process to another.
//!
//! Workers join the group one by one, so partitions move between them at every start. A shard that moves
//! within the process is handed over whole; one that moves to another process is dropped after a
//! while.

use crate::clock::Stopwatch;
use crate::shard::{Shard, ShardId};
use dashmap::DashMap;
use std::collections::BTreeSet;
use std::time::Duration;

/// A shard that no worker claims is dropped after this time.
const PARKED_TIMEOUT: Duration = Duration::from_secs(60);
/// Time limit for a worker to release a shard after its partition was revoked.
const HANDOFF_TIMEOUT: Duration = Duration::from_secs(5);

/// Partitions whose stored baselines are ignored at the start of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ColdStart {
    /// None: each shard is restored.
    #[default]
    None,
    /// These.
    Partitions(BTreeSet<i32>),
    /// All.
    All,
}

impl ColdStart {
    fn contains(&self, partition: i32) -> bool {
        match self {
            Self::None => false,
            Self::Partitions(partitions) => partitions.contains(&partition),
            Self::All => true,
        }
    }
}

enum Slot {
    /// Owned by a worker.
    Owned,
    /// Released, and not claimed yet.
    Parked(Box<Shard>, Stopwatch),
}

/// The shards of a process.
pub struct ShardHandoff {
    slots: DashMap<ShardId, Slot>,
    cold_start: ColdStart,
    begun: DashMap<ShardId, ()>,
}

impl ShardHandoff {
    /// No shards yet; those of `cold_start` start without their baselines.
    #[must_use]
    pub fn new(cold_start: ColdStart) -> Self {
        Self {
            slots: DashMap::new(),
            cold_start,
            begun: DashMap::new(),
        }
    }

    /// Whether the shard `id` ignores its stored baselines: once, when it starts.
    #[must_use]
    pub fn starts_cold(&self, id: ShardId) -> bool {
        self.cold_start.contains(id.partition) && self.begun.insert(id, ()).is_none()
    }

    /// Takes the shard `id` if it was in this process before; `None` where it starts
    /// cold. Waits for a worker that is about to release it.
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

    /// Releases a shard.
    pub fn hand_off(&self, shard: Shard) {
        let id = shard.id();
        let place = Slot::Parked(Box::new(shard), Stopwatch::start());
        self.slots.insert(id, place);
    }

    /// The worker that owned `id` failed: its shard is discarded.
    pub fn forget(&self, id: ShardId) {
        self.slots.remove(&id);
    }

    /// Drops shards that no worker claimed.
    pub fn expire(&self) {
        self.slots.retain(|_, place| match place {
            Slot::Owned => true,
            Slot::Parked(_, since) => since.elapsed() < PARKED_TIMEOUT,
        });
    }
}
