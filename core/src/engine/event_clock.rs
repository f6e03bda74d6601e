//! Time and sameness: a clock ahead cannot drag a shard along, and one event counts once.

use crate::stats::hash::hash64;
use crate::units::{EventTime, MS_PER_HOUR};
use borsh::io::{Error, ErrorKind};
use borsh::{BorshDeserialize, BorshSerialize};

/// An event ahead of the shard's time by more than this is not believed by itself.
pub(super) const BELIEVED_AHEAD_MS: i64 = MS_PER_HOUR;
/// So many events in a row that are ahead are believed: time has moved on.
pub(super) const BELIEVED_TOGETHER: u32 = 2;
/// About so many ids are remembered to recognise duplicates.
pub(super) const REMEMBERED_IDS: usize = 16_384;
const ID_SPACE: u64 = 0xe1;

/// The event time of a shard: never goes back, and jumps ahead only when several events agree.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub(super) struct ShardTime {
    now: Option<EventTime>,
    ahead: u32,
}

impl ShardTime {
    /// The moment at which an event stamped `time` is taken.
    pub(super) fn take(&mut self, time: EventTime) -> EventTime {
        let Some(now) = self.now else {
            self.now = Some(time);
            return time;
        };
        let believed = now.saturating_add_ms(BELIEVED_AHEAD_MS);
        if time <= believed {
            self.ahead = 0;
            self.now = Some(now.max(time));
            return time;
        }
        self.ahead += 1;
        if self.ahead < BELIEVED_TOGETHER {
            return believed;
        }
        self.ahead = 0;
        self.now = Some(time);
        time
    }

    /// The latest believed moment.
    #[must_use]
    pub(super) fn now(&self) -> EventTime {
        self.now.unwrap_or(EventTime::EARLIEST)
    }
}

/// Ids of the latest events: a table in which a newcomer takes the place of whatever hashes to the
/// same one. So the window is not exact, but one question costs one memory access.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub(super) struct SeenIds(Box<[u64]>);

impl Default for SeenIds {
    fn default() -> Self {
        Self(vec![0; REMEMBERED_IDS].into_boxed_slice())
    }
}

impl SeenIds {
    /// What was kept.
    ///
    /// # Errors
    /// It is not of the size of this table.
    pub(super) fn restored(kept: Self) -> borsh::io::Result<Self> {
        if kept.0.len() == REMEMBERED_IDS {
            return Ok(kept);
        }
        let why = "the table of known event ids has another size";
        Err(Error::new(ErrorKind::InvalidData, why))
    }

    /// Remembers `event_id`; says whether it was known.
    pub(super) fn is_repeated(&mut self, event_id: &str) -> bool {
        let key = hash64(ID_SPACE, event_id.as_bytes());
        let slot = &mut self.0[key as usize % REMEMBERED_IDS];
        let known = *slot == key;
        *slot = key;
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> EventTime {
        EventTime::EARLIEST.saturating_add_ms(hours * MS_PER_HOUR)
    }

    #[test]
    fn one_clock_ahead_moves_nothing_and_two_events_do() {
        let mut time = ShardTime::default();
        assert_eq!(time.take(at(0)), at(0));
        assert_eq!(time.take(at(50)), at(1));
        assert_eq!((time.take(at(0)), time.now()), (at(0), at(0)));
        time.take(at(50));
        assert_eq!(time.take(at(50)), at(50));
        assert_eq!(time.take(at(2)), at(2), "late events keep their own time");
        assert_eq!(time.now(), at(50));
    }

    #[test]
    fn duplicates_are_known_within_a_bounded_window() {
        let mut seen = SeenIds::default();
        assert!(!seen.is_repeated("a"));
        assert!(seen.is_repeated("a"));
        let repeated = (0..1_000)
            .filter(|n| seen.is_repeated(&n.to_string()))
            .count();
        assert_eq!(repeated, 0);
        (0..20 * REMEMBERED_IDS).for_each(|n| {
            seen.is_repeated(&format!("x{n}"));
        });
        assert!(!seen.is_repeated("a"), "the window is bounded");
    }
}
