//! Delivery of one record to one receiver: admission, attempts and back-off as a state machine. It performs
//! no I/O: the worker attempts and waits, and passes in the result.

use super::DeliveryError;
use super::admission::Admission;
use super::circuit_breaker::CircuitBreaker;
use crate::retry::backoff::Backoff;
use std::time::Duration;

/// Delays between attempts.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10), 0.5);

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// Delivered; with the receiver's note.
    Done(String),
    /// Abandoned: it failed, and will not be attempted again.
    Failed(String),
    /// It must not be executed.
    Rejected(String),
    /// Nothing to do for this receiver.
    Skipped,
    /// The process is shutting down, or the partition was revoked: another attempt follows elsewhere.
    Interrupted,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// Wait, and then ask for admission again.
    Wait(Duration),
    /// The delivery ended.
    End(DeliveryOutcome),
}

/// One delivery.
#[derive(Clone, Debug)]
pub struct DeliveryAttempts {
    max_attempts: u32,
    attempts: u32,
    last_error: Option<String>,
}

impl DeliveryAttempts {
    /// A delivery of at most `max_attempts` attempts.
    #[must_use]
    pub fn new(max_attempts: u32) -> Self {
        Self {
            max_attempts,
            attempts: 0,
            last_error: None,
        }
    }

    /// Attempts made so far.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The outcome, where an order's admission ends the delivery; `None` to attempt it.
    #[must_use]
    pub fn on_admission(&self, admission: Admission) -> Option<DeliveryOutcome> {
        match admission {
            Admission::Execute { .. } => None,
            Admission::Skip => Some(DeliveryOutcome::Skipped),
            // Attempts failed until it expired.
            Admission::Expired(why) => Some(match &self.last_error {
                Some(error) => DeliveryOutcome::Failed(error.clone()),
                None => DeliveryOutcome::Rejected(why),
            }),
            Admission::Rejected(why) => Some(DeliveryOutcome::Rejected(why)),
        }
    }

    /// What follows from the result of an attempt to deliver the record `id`.
    pub fn on_result(
        &mut self,
        id: &str,
        result: Result<String, DeliveryError>,
        circuit: &mut CircuitBreaker,
    ) -> NextStep {
        self.attempts += 1;
        if !matches!(result, Err(DeliveryError::Retryable(_))) {
            circuit.record_success();
        }
        let error = match result {
            Ok(note) => return NextStep::End(DeliveryOutcome::Done(note)),
            Err(DeliveryError::NotApplicable) => return NextStep::End(DeliveryOutcome::Skipped),
            Err(DeliveryError::Rejected(why)) => {
                return NextStep::End(DeliveryOutcome::Rejected(why));
            }
            Err(DeliveryError::Permanent(why)) => {
                return NextStep::End(DeliveryOutcome::Failed(why));
            }
            Err(DeliveryError::Retryable(why)) => why,
        };
        let open_time = circuit.record_failure();
        if self.attempts >= self.max_attempts {
            return NextStep::End(DeliveryOutcome::Failed(error));
        }
        self.last_error = Some(error);
        NextStep::Wait(open_time.unwrap_or_else(|| BACKOFF.delay(self.attempts, id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN_TIME: Duration = Duration::from_secs(30);

    fn circuit() -> CircuitBreaker {
        CircuitBreaker::new(2, OPEN_TIME)
    }

    fn unavailable() -> Result<String, DeliveryError> {
        Err(DeliveryError::Retryable("status 503".to_owned()))
    }

    #[test]
    fn a_failing_receiver_is_retried_with_back_off_until_the_attempts_are_used_up() {
        let (mut delivery, mut circuit) = (DeliveryAttempts::new(3), circuit());
        let first = delivery.on_result("o1", unavailable(), &mut circuit);
        assert_eq!(first, NextStep::Wait(BACKOFF.delay(1, "o1")));
        let second = delivery.on_result("o1", unavailable(), &mut circuit);
        assert_eq!(second, NextStep::Wait(OPEN_TIME), "the circuit is open");
        let failed = NextStep::End(DeliveryOutcome::Failed("status 503".to_owned()));
        assert_eq!(
            delivery.on_result("o1", unavailable(), &mut circuit),
            failed
        );
        assert_eq!(delivery.attempts(), 3);
    }

    #[test]
    fn any_response_closes_the_circuit_and_a_final_one_ends_the_delivery() {
        let rejected = || "no".to_owned();
        for (result, outcome) in [
            (
                Ok("done".to_owned()),
                DeliveryOutcome::Done("done".to_owned()),
            ),
            (
                Err(DeliveryError::Permanent(rejected())),
                DeliveryOutcome::Failed(rejected()),
            ),
            (
                Err(DeliveryError::Rejected(rejected())),
                DeliveryOutcome::Rejected(rejected()),
            ),
            (Err(DeliveryError::NotApplicable), DeliveryOutcome::Skipped),
        ] {
            let (mut delivery, mut circuit) = (DeliveryAttempts::new(9), circuit());
            for _ in 0..2 {
                delivery.on_result("o1", unavailable(), &mut circuit);
            }
            assert!(circuit.is_open());
            assert_eq!(
                delivery.on_result("o1", result, &mut circuit),
                NextStep::End(outcome)
            );
            assert!(!circuit.is_open());
        }
    }

    #[test]
    fn an_order_that_expired_between_attempts_failed_and_one_that_came_late_is_rejected() {
        let (mut delivery, mut circuit) = (DeliveryAttempts::new(9), circuit());
        let expired = || Admission::Expired("expired at noon".to_owned());
        assert_eq!(
            delivery.on_admission(expired()),
            Some(DeliveryOutcome::Rejected("expired at noon".to_owned()))
        );
        delivery.on_result("o1", unavailable(), &mut circuit);
        assert_eq!(
            delivery.on_admission(expired()),
            Some(DeliveryOutcome::Failed("status 503".to_owned()))
        );
        assert_eq!(
            delivery.on_admission(Admission::Execute { expires_ms: 1 }),
            None
        );
    }
}
