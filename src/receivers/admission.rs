//! Decides whether an order may be executed: it is enforced, requests more than a notification, has a valid
//! signature for our audience, has not expired, and containment is not paused.

use crate::crypto::Signer;
use crate::orders::model::Order;
use crate::orders::verify::{OrderFault, OrderVerifier};
use crate::sources::time::parse_rfc3339;
use credwatch_core::containment::{Action, Mode};
use credwatch_core::units::EventTime;

/// Admission of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may be executed until its expiry, in epoch milliseconds.
    Execute {
        /// Expiry.
        expires_ms: i64,
    },
    /// Nothing to execute: it is a dry run, or only notifies.
    Skip,
    /// It expired before it was executed.
    Expired(String),
    /// It must not be executed.
    Rejected(String),
}

/// Admission of one order, parsed from `record`, at `now`; `paused_by` paused containment.
#[must_use]
pub fn admit(
    order: &Order,
    record: &[u8],
    signer: Option<&Signer>,
    now: EventTime,
    paused_by: Option<&str>,
) -> Admission {
    let is_acting = order.mode == Mode::Enforce && order.action != Action::Notify;
    let Some(signer) = signer else {
        return match is_acting {
            true => Admission::Rejected("there is no key to verify it with".to_owned()),
            false => Admission::Skip,
        };
    };
    let mut verifier = OrderVerifier::new(signer.keys(), Some(&signer.audience)).at(now);
    match verifier.verify(record) {
        Ok(()) | Err(OrderFault::Expired(_)) if !is_acting => return Admission::Skip,
        Ok(()) => {}
        Err(fault @ OrderFault::Expired(_)) => return Admission::Expired(fault.to_string()),
        Err(fault) => return Admission::Rejected(fault.to_string()),
    }
    let Some(expires_ms) = parse_rfc3339(&order.not_after) else {
        return Admission::Rejected("its expiry is not a time".to_owned());
    };
    match paused_by {
        Some(by) => Admission::Rejected(format!("{by} has paused containment")),
        None => Admission::Execute { expires_ms },
    }
}
