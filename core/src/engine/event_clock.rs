//! Time and sameness: a clock ahead cannot drag a shard along, and one event counts once.

use crate::stats::hash::hash64;
use crate::units::{EventTime, MS_PER_HOUR};
use borsh::io::{Error, ErrorKind};
use borsh::{BorshDeserialize, BorshSerialize};

/// An event ahead of the shard's time by more than this is not believed by itself.
pub(super) const MAX_CLOCK_SKEW_MS: i64 = MS_PER_HOUR;
/// So many events in a row that are ahead are believed: time has moved on.
pub(super) const SKEW_CONFIRMATIONS: u32 = 2;
/// About so many ids are remembered to recognise duplicates.
pub(super) const DEDUP_SLOTS: usize = 16_384;
const ID_SPACE: u64 = 0xe1;

/// The event time of a shard: never goes back, and jumps ahead only when several events agree.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub(super) struct EventClock {
    watermark: Option<EventTime>,
    ahead: u32,
}

impl EventClock {
    /// The moment at which an event stamped `time` is taken.
    pub(super) fn observe(&mut self, time: EventTime) -> EventTime {
        let Some(now) = self.watermark else {
            self.watermark = Some(time);
            return time;
        };
        let prior = now.saturating_add_ms(MAX_CLOCK_SKEW_MS);
        if time <= prior {
            self.ahead = 0;
            self.watermark = Some(now.max(time));
            return time;
        }
        self.ahead += 1;
        if self.ahead < SKEW_CONFIRMATIONS {
            return prior;
        }
        self.ahead = 0;
        self.watermark = Some(time);
        time
    }

    /// The latest believed moment.
    #[must_use]
    pub(super) fn watermark(&self) -> EventTime {
        self.watermark.unwrap_or(EventTime::EARLIEST)
    }
}

/// Ids of the latest events: a table in which a newcomer takes the place of whatever hashes to the
/// same one. So the window is not exact, but one question costs one memory access.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub(super) struct DedupTable(Box<[u64]>);

impl Default for DedupTable {
    fn default() -> Self {
        Self(vec![0; DEDUP_SLOTS].into_boxed_slice())
    }
}

impl DedupTable {
    /// What was kept.
    ///
    /// # Errors
    /// It is not of the size of this table.
    pub(super) fn validated(kept: Self) -> borsh::io::Result<Self> {
        if kept.0.len() == DEDUP_SLOTS {
            return Ok(kept);
        }
        let why = "the table of known event ids has another size";
        Err(Error::new(ErrorKind::InvalidData, why))
    }

    /// Remembers `event_id`; says whether it was known.
    pub(super) fn insert_is_duplicate(&mut self, event_id: &str) -> bool {
        let key = hash64(ID_SPACE, event_id.as_bytes());
        let slot = &mut self.0[key as usize % DEDUP_SLOTS];
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
        let mut time = EventClock::default();
        assert_eq!(time.observe(at(0)), at(0));
        assert_eq!(time.observe(at(50)), at(1));
        assert_eq!((time.observe(at(0)), time.watermark()), (at(0), at(0)));
        time.observe(at(50));
        assert_eq!(time.observe(at(50)), at(50));
        assert_eq!(
            time.observe(at(2)),
            at(2),
            "late events keep their own time"
        );
        assert_eq!(time.watermark(), at(50));
    }

    #[test]
    fn duplicates_are_known_within_a_bounded_window() {
        let mut seen = DedupTable::default();
        assert!(!seen.insert_is_duplicate("a"));
        assert!(seen.insert_is_duplicate("a"));
        let repeated = (0..1_000)
            .filter(|n| seen.insert_is_duplicate(&n.to_string()))
            .count();
        assert_eq!(repeated, 0);
        (0..20 * DEDUP_SLOTS).for_each(|n| {
            seen.insert_is_duplicate(&format!("x{n}"));
        });
        assert!(!seen.insert_is_duplicate("a"), "the window is bounded");
    }
}
