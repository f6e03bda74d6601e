//! The only file that reads a clock. All other code receives time as data.

#![expect(
    clippy::disallowed_methods,
    reason = "the only file that reads a clock"
)]

use credwatch_core::units::EventTime;
use std::fmt;
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

/// Tolerated drift of the wall clock between two checks; more is a jump, in milliseconds.
const MAX_DRIFT_MS: i64 = 30_000;

/// Detects jumps of the wall clock by comparison with the monotonic clock.
#[derive(Debug)]
pub struct ClockJumpDetector {
    wall_ms: i64,
    since: Stopwatch,
}

impl ClockJumpDetector {
    /// A detector that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            wall_ms: wall_time().epoch_ms(),
            since: Stopwatch::start(),
        }
    }

    /// The jump of the wall clock since the last check, if any.
    pub fn check(&mut self) -> Option<ClockJump> {
        let last = std::mem::replace(self, Self::start());
        let passed_ms = i64::try_from(last.since.elapsed().as_millis()).unwrap_or(i64::MAX);
        jump(self.wall_ms - last.wall_ms, passed_ms)
    }
}

/// A jump of the wall clock, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockJump(i64);

fn jump(wall_passed_ms: i64, passed_ms: i64) -> Option<ClockJump> {
    let ms = wall_passed_ms.saturating_sub(passed_ms);
    (ms.abs() > MAX_DRIFT_MS).then_some(ClockJump(ms))
}

impl fmt::Display for ClockJump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.0 < 0 { "back" } else { "forward" };
        let secs = self.0.abs() / 1_000;
        write!(
            f,
            "the clock of this host was set {way} by {secs} s: verdicts do not depend on it, but orders are \
             issued and expire by it, and executors with another clock refuse them; have it kept by NTP"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_reported_and_a_running_one_is_not() {
        assert_eq!(jump(1_000, 1_020), None);
        assert_eq!(jump(-20_000, 1_000), None, "a correction");
        let forward = jump(3_601_000, 1_000).unwrap().to_string();
        assert!(forward.contains("forward by 3600 s"), "{forward}");
        assert!(
            jump(-3_600_000, 0)
                .unwrap()
                .to_string()
                .contains("back by 3600 s")
        );
        assert_eq!(ClockJumpDetector::start().check(), None);
    }
}
