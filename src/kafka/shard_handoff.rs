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
const PARKED_FOR: Duration = Duration::from_secs(60);
/// A worker may take this long to give a shard up after its partition was taken away.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(5);

enum Place {
    /// A worker has it.
    Held,
    /// Nobody has it.
    Parked(Box<Shard>, Stopwatch),
}

/// Where the shards of a process are.
pub struct Pool {
    places: DashMap<ShardId, Place>,
    is_cold: bool,
    begun: DashMap<ShardId, ()>,
}

impl Pool {
    /// No shard yet; with `is_cold` each shard begins without its baselines.
    #[must_use]
    pub fn new(is_cold: bool) -> Self {
        Self {
            places: DashMap::new(),
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
            match self.places.insert(id, Place::Held) {
                None => return None,
                Some(Place::Parked(shard, _)) => return Some(*shard),
                Some(Place::Held) if waiting.elapsed() > GIVEN_UP_WITHIN => return None,
                Some(Place::Held) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// Gives a shard up.
    pub fn park(&self, shard: Shard) {
        let id = shard.id();
        let place = Place::Parked(Box::new(shard), Stopwatch::start());
        self.places.insert(id, place);
    }

    /// The worker that held `id` failed: what it knew is lost.
    pub fn forget(&self, id: ShardId) {
        self.places.remove(&id);
    }

    /// Lets go what nobody asked for.
    pub fn expire(&self) {
        self.places.retain(|_, place| match place {
            Place::Held => true,
            Place::Parked(_, since) => since.elapsed() < PARKED_FOR,
        });
    }
}
