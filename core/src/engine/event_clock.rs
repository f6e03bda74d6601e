//! The event time of a shard: late events never move it back, and one source's fast clock cannot move it
//! ahead.

use crate::units::{EventTime, MS_PER_HOUR};
use borsh::{BorshDeserialize, BorshSerialize};

/// An event further ahead of the watermark than this is not trusted on its own.
const MAX_CLOCK_SKEW_MS: i64 = MS_PER_HOUR;
/// Consecutive events beyond the skew limit after which the watermark follows them.
const SKEW_CONFIRMATIONS: u32 = 2;

/// The watermark: the latest trusted event time.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub(super) struct EventClock {
    watermark: Option<EventTime>,
    ahead: u32,
}

impl EventClock {
    /// Observes an event stamped `time`; returns the time at which the event is processed. An untrusted
    /// time is capped at the skew limit, a late one is kept.
    pub(super) fn observe(&mut self, time: EventTime) -> EventTime {
        let Some(watermark) = self.watermark else {
            self.watermark = Some(time);
            return time;
        };
        let limit = watermark.saturating_add_ms(MAX_CLOCK_SKEW_MS);
        if time <= limit {
            self.ahead = 0;
            self.watermark = Some(watermark.max(time));
            return time;
        }
        self.ahead += 1;
        if self.ahead < SKEW_CONFIRMATIONS {
            return limit;
        }
        self.ahead = 0;
        self.watermark = Some(time);
        time
    }

    /// The latest trusted event time.
    #[must_use]
    pub(super) fn watermark(&self) -> EventTime {
        self.watermark.unwrap_or(EventTime::EARLIEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> EventTime {
        EventTime::EARLIEST.saturating_add_ms(hours * MS_PER_HOUR)
    }

    #[test]
    fn one_event_ahead_moves_nothing_and_two_in_a_row_do() {
        let mut clock = EventClock::default();
        assert_eq!(clock.observe(at(0)), at(0));
        assert_eq!(clock.observe(at(50)), at(1));
        assert_eq!((clock.observe(at(0)), clock.watermark()), (at(0), at(0)));
        assert_eq!(
            clock.observe(at(50)),
            at(1),
            "an event in time resets the count"
        );
        assert_eq!(clock.observe(at(50)), at(50));
        assert_eq!(
            clock.observe(at(2)),
            at(2),
            "late events keep their own time"
        );
        assert_eq!(clock.watermark(), at(50));
    }

    #[test]
    fn after_a_jump_the_next_event_ahead_is_again_alone() {
        let mut clock = EventClock::default();
        for hours in [0, 50, 50] {
            clock.observe(at(hours));
        }
        assert_eq!(clock.observe(at(100)), at(51));
    }
}
