//! Restarts a stage that failed.

use crate::clock::Stopwatch;
use crate::kafka::stage::Shared;
use crate::retry::backoff::Backoff;
use std::time::Duration;
use tracing::error;

/// Delay before a failed stage is restarted.
const RESTART_BACKOFF: Backoff =
    Backoff::new(Duration::from_millis(500), Duration::from_secs(30), 0.2);
/// A stage that ran this long restarts at the shortest delay.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// Runs `work` and restarts it after each failure, with back-off, until shutdown is requested.
pub fn supervise<E: std::fmt::Display>(
    stage: &str,
    shared: &Shared,
    mut work: impl FnMut() -> Result<(), E>,
) {
    let mut failures = 0;
    while !shared.stopping() {
        let since = Stopwatch::start();
        match work() {
            Ok(()) => return,
            Err(error) => {
                failures = if since.elapsed() > HEALTHY_AFTER {
                    1
                } else {
                    failures + 1
                };
                let delay = RESTART_BACKOFF.delay(failures, stage);
                shared.status.fail(stage, &error.to_string());
                error!(stage, "{error}; retrying in {:.1} s", delay.as_secs_f64());
                wait_unless_stopping(shared, delay);
            }
        }
    }
}

fn wait_unless_stopping(shared: &Shared, delay: Duration) {
    let waiting = Stopwatch::start();
    while waiting.elapsed() < delay && !shared.stopping() {
        std::thread::sleep(Duration::from_millis(50));
    }
}
