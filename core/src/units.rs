//! Quantities with a unit in their type.

use borsh::{BorshDeserialize, BorshSerialize};
use std::fmt;

/// Milliseconds in a second.
pub const MS_PER_SEC: i64 = 1_000;
/// Milliseconds in a minute.
pub const MS_PER_MINUTE: i64 = 60_000;
/// Milliseconds in an hour.
pub const MS_PER_HOUR: i64 = 3_600_000;
/// Milliseconds in a day.
pub const MS_PER_DAY: i64 = 86_400_000;

/// A point in event time: milliseconds since 1970-01-01T00:00:00Z.
///
/// Time is data: it comes from events, never from a clock.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct EventTime(i64);

impl EventTime {
    /// 2000-01-01T00:00:00Z: earlier times are errors of the source.
    pub const EARLIEST: Self = Self(946_684_800_000);
    /// 2100-01-01T00:00:00Z.
    pub const LATEST: Self = Self(4_102_444_800_000);

    /// The time `ms` milliseconds after the epoch; `None` outside [`Self::EARLIEST`],
    /// [`Self::LATEST`].
    #[must_use]
    pub fn from_epoch_ms(ms: i64) -> Option<Self> {
        (Self::EARLIEST.0..Self::LATEST.0)
            .contains(&ms)
            .then_some(Self(ms))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub fn epoch_ms(self) -> i64 {
        self.0
    }

    /// Whole days since the epoch (UTC).
    #[must_use]
    pub fn day(self) -> i64 {
        self.0.div_euclid(MS_PER_DAY)
    }

    /// Milliseconds from `earlier` to `self`; negative where `earlier` is later.
    #[must_use]
    pub fn ms_since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// The time `ms` later, held within the representable range.
    #[must_use]
    pub fn saturating_add_ms(self, ms: i64) -> Self {
        Self(
            self.0
                .saturating_add(ms)
                .clamp(Self::EARLIEST.0, Self::LATEST.0 - 1),
        )
    }
}

/// A span of event time as text: `4 min`, `7.5 h`, `63 days`.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Length in milliseconds; a negative one is shown as zero.
    pub ms: i64,
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = (self.ms.max(0) / MS_PER_SEC) as f64;
        let (amount, unit) = match seconds {
            s if s < 120.0 => (s, "s"),
            s if s < 7_200.0 => (s / 60.0, "min"),
            s if s < 172_800.0 => (s / 3_600.0, "h"),
            s => (s / 86_400.0, "days"),
        };
        if amount >= 10.0 || amount.fract() < 0.05 {
            write!(f, "{amount:.0} {unit}")
        } else {
            write!(f, "{amount:.1} {unit}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_outside_the_range_is_rejected() {
        assert_eq!(EventTime::from_epoch_ms(-62_167_219_200_000), None);
        assert_eq!(EventTime::from_epoch_ms(253_402_300_799_000), None);
        assert!(EventTime::from_epoch_ms(1_700_000_000_000).is_some());
    }

    #[test]
    fn a_span_is_shown_in_the_largest_fitting_unit() {
        assert_eq!(Span { ms: 45_000 }.to_string(), "45 s");
        assert_eq!(Span { ms: 900_000 }.to_string(), "15 min");
        assert_eq!(Span { ms: 27_000_000 }.to_string(), "7.5 h");
        assert_eq!(
            Span {
                ms: 63 * MS_PER_DAY
            }
            .to_string(),
            "63 days"
        );
    }
}
