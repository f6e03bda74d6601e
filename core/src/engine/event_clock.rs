//! The event time of a shard: late events never move it back, and no party alone moves it ahead.
//!
//! # Formula
//! The watermark is the time that several of the identities seen last agree to have reached: of the *n*
//! distinct identities seen last, at most `REMEMBERED`, the *k*-th latest of their latest times, where *k* is
//! half of *n*, between 1 and `MAX_AGREEMENT`. An event ahead of the watermark is processed at most
//! `MAX_AHEAD_MS` after it. Where all others fell silent, the watermark follows the few that remain by a day
//! for `LONE_EVENTS` events. A watermark that jumped finds its way back: where the identities seen since
//! agree on a time more than `MAX_JUMP_MS` earlier, they are right.
//!
//! The broker's time of a record, where there is one, bounds the time of its event
//! ([`crate::event::Event::bound_time`]), and is the time of the limits on containment.

use crate::units::{EventTime, MS_PER_DAY, MS_PER_HOUR, MS_PER_SEC};
use arrayvec::ArrayVec;
use borsh::{BorshDeserialize, BorshSerialize};

/// Identities that are remembered.
const REMEMBERED: usize = 16;
/// Identities that have to agree on a time, at most.
const MAX_AGREEMENT: usize = 5;
/// An event further ahead of the watermark than this is processed as if it were this far ahead: holidays in
/// which one identity alone is active.
const MAX_AHEAD_MS: i64 = 7 * MS_PER_DAY;
/// A watermark further ahead than this of what is agreed upon is taken back.
const MAX_JUMP_MS: i64 = MS_PER_HOUR;
/// The watermark moves in steps of at least this, so that most events need no agreement.
const MIN_STEP_MS: i64 = MS_PER_SEC;
/// Consecutive events ahead of the watermark after which it follows the earliest of them, by
/// `MAX_LONE_STEP_MS` at most.
const LONE_EVENTS: u32 = 16;
const MAX_LONE_STEP_MS: i64 = MS_PER_DAY;

/// The latest time that one identity stated, and when it was seen last.
#[derive(Clone, Copy, Debug, BorshSerialize, BorshDeserialize)]
struct StatedTime {
    identity: u64,
    time: EventTime,
    seen_at: u64,
}

/// The watermark: the latest time that is agreed upon.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub(super) struct EventClock {
    watermark: Option<EventTime>,
    /// The latest record time of the broker.
    record_time: Option<EventTime>,
    stated: Vec<StatedTime>,
    latest: u32,
    events: u64,
    /// Number and earliest time of the events ahead of the watermark, one after the other.
    ahead: (u32, EventTime),
}

impl EventClock {
    /// Observes an event of `identity` stamped `time`, in a record of the broker's `record_time`; returns the
    /// time at which the event is processed. A time that is not agreed upon is capped, a late one is kept.
    pub(super) fn observe(
        &mut self,
        identity: u64,
        time: EventTime,
        record_time: Option<EventTime>,
    ) -> EventTime {
        self.record_time = self.record_time.max(record_time);
        self.state(identity, time);
        let Some(watermark) = self.watermark else {
            self.watermark = Some(time);
            return time;
        };
        let ahead_ms = time.ms_since(watermark);
        if ahead_ms >= MIN_STEP_MS {
            self.ahead = match self.ahead {
                (0, _) => (1, time),
                (events, earliest) => (events + 1, earliest.min(time)),
            };
            self.advance(watermark);
        } else {
            self.ahead = (0, time);
            if ahead_ms < -MAX_JUMP_MS {
                self.find_back(watermark);
            }
        }
        self.bound(time)
    }

    /// The time at which an event stamped `time` is processed that moves nothing, because anyone can have
    /// caused it.
    pub(super) fn bound(&self, time: EventTime) -> EventTime {
        self.watermark.map_or(time, |watermark| {
            time.min(watermark.saturating_add_ms(MAX_AHEAD_MS))
        })
    }

    /// The latest time that is agreed upon.
    #[must_use]
    pub(super) fn watermark(&self) -> EventTime {
        self.watermark.unwrap_or(EventTime::EARLIEST)
    }

    /// Whether `time` is ahead of what is agreed upon, and an event of `now` is not.
    #[must_use]
    pub(super) fn contradicts(&self, time: EventTime, now: EventTime) -> bool {
        let limit = self.watermark().saturating_add_ms(MAX_JUMP_MS);
        time > limit && now <= limit
    }

    /// The time of the limits on containment: the broker's, which no event moves, or else the watermark.
    #[must_use]
    pub(super) fn containment_time(&self) -> EventTime {
        self.record_time.unwrap_or_else(|| self.watermark())
    }

    /// The same for evidence of `time`: the broker's time, or else the time that the evidence states.
    #[must_use]
    pub(super) fn containment_time_of(&self, time: EventTime) -> EventTime {
        self.record_time.unwrap_or_else(|| self.bound(time))
    }

    /// Records what `identity` states, in place of the identity that was seen least recently.
    fn state(&mut self, identity: u64, time: EventTime) {
        self.events += 1;
        let seen_at = self.events;
        let is_latest = self
            .stated
            .get(self.latest as usize)
            .is_some_and(|latest| latest.identity == identity);
        if !is_latest {
            self.latest = self.slot_of(identity) as u32;
        }
        let known = &mut self.stated[self.latest as usize];
        let before = (known.identity == identity).then_some(known.time);
        *known = StatedTime {
            identity,
            time: before.map_or(time, |before| before.max(time)),
            seen_at,
        };
    }

    fn slot_of(&mut self, identity: u64) -> usize {
        if let Some(slot) = self.stated.iter().position(|s| s.identity == identity) {
            return slot;
        }
        if self.stated.len() < REMEMBERED {
            self.stated.push(StatedTime {
                identity,
                time: EventTime::EARLIEST,
                seen_at: 0,
            });
            return self.stated.len() - 1;
        }
        let slots = self.stated.iter().enumerate();
        let oldest = slots.min_by_key(|(_, stated)| stated.seen_at);
        oldest.map_or(0, |(slot, _)| slot)
    }

    fn advance(&mut self, watermark: EventTime) {
        let agreed = self.agreed_time();
        let (events, earliest) = self.ahead;
        if agreed > watermark {
            self.watermark = Some(agreed);
            self.ahead = (0, agreed);
        } else if events >= LONE_EVENTS {
            let step = watermark.saturating_add_ms(MAX_LONE_STEP_MS);
            self.watermark = Some(earliest.min(step));
            self.ahead = (0, earliest);
        }
    }

    fn find_back(&mut self, watermark: EventTime) {
        let agreed = self.agreed_time();
        if self.stated.len() == REMEMBERED && watermark.ms_since(agreed) > MAX_JUMP_MS {
            self.watermark = Some(agreed);
        }
    }

    /// Number of remembered identities that agree on a time.
    fn agreement(&self) -> usize {
        (self.stated.len() / 2).clamp(1, MAX_AGREEMENT)
    }

    /// The time that enough of the remembered identities have reached.
    fn agreed_time(&self) -> EventTime {
        let mut latest: ArrayVec<EventTime, MAX_AGREEMENT> = ArrayVec::new();
        let agreement = self.agreement();
        for StatedTime { time, .. } in &self.stated {
            if latest.len() == agreement && latest.last().is_some_and(|last| time <= last) {
                continue;
            }
            latest.truncate(agreement - 1);
            let before = latest.iter().take_while(|other| *other >= time).count();
            latest.insert(before, *time);
        }
        latest.last().copied().unwrap_or(EventTime::EARLIEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> EventTime {
        EventTime::EARLIEST.saturating_add_ms(minutes * 60_000)
    }

    /// A clock that `identities` have moved to minute `minutes` together.
    fn busy(identities: u64, minutes: i64) -> EventClock {
        let mut clock = EventClock::default();
        for minute in minutes - 60..=minutes {
            (0..identities).for_each(|identity| {
                clock.observe(identity, at(minute), None);
            });
        }
        assert_eq!(clock.watermark(), at(minutes));
        clock
    }

    #[test]
    fn one_identity_alone_is_followed() {
        let mut clock = EventClock::default();
        for hours in [0, 50, 51, 90] {
            assert_eq!(clock.observe(7, at(60 * hours), None), at(60 * hours));
            assert_eq!(clock.watermark(), at(60 * hours));
        }
        assert_eq!(
            clock.observe(7, at(0), None),
            at(0),
            "late events keep their time"
        );
        assert_eq!(clock.watermark(), at(90 * 60));
    }

    #[test]
    fn no_party_moves_the_time_of_many_however_small_its_steps() {
        for party in 1..MAX_AGREEMENT as u64 {
            let mut clock = busy(20, 600);
            for step in 1..400 {
                for identity in 100..100 + party {
                    let processed = clock.observe(identity, at(600 + 50 * step), None);
                    assert!(processed <= at(600 + 7 * 24 * 60), "{party}");
                }
                clock.observe(step as u64 % 20, at(600), None);
            }
            assert_eq!(clock.watermark(), at(600), "{party}");
        }
    }

    #[test]
    fn several_identities_together_move_it() {
        let mut clock = busy(20, 600);
        for identity in 0..MAX_AGREEMENT as u64 {
            assert!(clock.watermark() < at(4_000));
            clock.observe(identity, at(4_000), None);
        }
        assert_eq!(clock.watermark(), at(4_000));
    }

    #[test]
    fn a_time_that_jumped_finds_its_way_back() {
        let mut clock = busy(20, 600);
        (100..106).for_each(|identity| {
            clock.observe(identity, at(900_000), None);
        });
        assert_eq!(clock.watermark(), at(900_000));
        (0..60).for_each(|n| {
            clock.observe(n % 20, at(601), None);
        });
        assert_eq!(clock.watermark(), at(601));
    }

    #[test]
    fn the_last_active_identities_are_followed_step_by_step() {
        let mut clock = busy(20, 600);
        let flood = |clock: &mut EventClock| {
            (0..u64::from(LONE_EVENTS)).for_each(|n| {
                clock.observe(n % 3, at(50_000_000), None);
            });
        };
        flood(&mut clock);
        assert_eq!(clock.watermark(), at(600 + 24 * 60));
        (0..30).for_each(|_| flood(&mut clock));
        assert_eq!(clock.watermark(), at(600 + 31 * 24 * 60));
    }

    #[test]
    fn limits_on_containment_are_counted_in_the_time_of_the_broker() {
        let mut clock = EventClock::default();
        clock.observe(1, at(10), Some(at(20)));
        assert_eq!(
            (clock.watermark(), clock.containment_time()),
            (at(10), at(20))
        );
        clock.observe(1, at(30), Some(at(15)));
        assert_eq!(clock.containment_time(), at(20));
    }
}
