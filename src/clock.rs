//! The one place that reads a clock. Everything else takes time as data.

#![expect(clippy::disallowed_methods, reason = "this is the place")]

use crate::units::EventTime;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The wall clock, held within the range of event time.
#[must_use]
pub fn wall_time() -> EventTime {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
    EventTime::EARLIEST.saturating_add_ms(ms - EventTime::EARLIEST.epoch_ms())
}

/// A stopwatch on the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts at zero.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
