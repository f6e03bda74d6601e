//! Shards on their way from one worker of this process to another.
//!
//! Workers join the group one by one, so partitions move between them at every start. A shard
//! that moves within the process is handed over whole, by way of this pool; one that goes to
//! another process is let go after a while.

use crate::clock::Stopwatch;
use crate::shard::Shard;
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

/// Where the shards of a process are, by partition.
pub struct Pool {
    places: DashMap<i32, Place>,
    is_cold: bool,
    begun: DashMap<i32, ()>,
}

impl Pool {
    /// No shard yet; with `is_cold` each partition begins without its baselines.
    #[must_use]
    pub fn new(is_cold: bool) -> Self {
        Self {
            places: DashMap::new(),
            is_cold,
            begun: DashMap::new(),
        }
    }

    /// Whether the shard of `partition` is to pass its baselines by: once, when it begins.
    #[must_use]
    pub fn starts_cold(&self, partition: i32) -> bool {
        self.is_cold && self.begun.insert(partition, ()).is_none()
    }

    /// Takes the shard of `partition` if it was in this process before; `None` where it starts
    /// cold. Waits for a worker that is about to give it up.
    #[must_use]
    pub fn take(&self, partition: i32) -> Option<Shard> {
        let waiting = Stopwatch::start();
        loop {
            match self.places.insert(partition, Place::Held) {
                None => return None,
                Some(Place::Parked(shard, _)) => return Some(*shard),
                Some(Place::Held) if waiting.elapsed() > GIVEN_UP_WITHIN => return None,
                Some(Place::Held) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// Gives the shard of `partition` up.
    pub fn park(&self, partition: i32, shard: Shard) {
        let place = Place::Parked(Box::new(shard), Stopwatch::start());
        self.places.insert(partition, place);
    }

    /// The worker that held `partition` failed: what it knew is lost.
    pub fn forget(&self, partition: i32) {
        self.places.remove(&partition);
    }

    /// Lets go what nobody asked for.
    pub fn expire(&self) {
        self.places.retain(|_, place| match place {
            Place::Held => true,
            Place::Parked(_, since) => since.elapsed() < PARKED_FOR,
        });
    }
}
