//! Which orders may be acted on: those to be enforced that ask for more than to be told of, are what was
//! signed, for us, not void, and not stopped by anybody.

use crate::crypto::Signer;
use crate::orders::model::Order;
use crate::orders::verify::OrderVerifier;
use crate::sources::time::parse_rfc3339;
use credwatch_core::containment::{Action, Mode};
use credwatch_core::units::EventTime;

/// What to do with an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may be acted on until it is void, in epoch milliseconds.
    Execute {
        /// When that is.
        expires_ms: i64,
    },
    /// Nobody asks to act on it: it is a dry run, or only tells.
    Skip,
    /// It was to be acted on, and its time is over.
    Expired(String),
    /// It must not be acted on.
    Rejected(String),
}

/// Looks at one order, read from `record`, at the moment `now`; `paused_by` has paused enforcement.
#[must_use]
pub fn admit(
    order: &Order,
    record: &[u8],
    signer: Option<&Signer>,
    now: EventTime,
    paused_by: Option<&str>,
) -> Admission {
    if order.mode != Mode::Enforce || order.action == Action::Notify {
        return Admission::Skip;
    }
    let Some(signer) = signer else {
        return Admission::Rejected("there is no key to check it with".to_owned());
    };
    let mut check = OrderVerifier::new(signer.keys(), Some(&signer.audience));
    if let Err(fault) = check.verify(record) {
        return Admission::Rejected(fault.to_string());
    }
    let Some(expires_ms) = parse_rfc3339(&order.not_after) else {
        return Admission::Rejected("its end is no time".to_owned());
    };
    if now.epoch_ms() >= expires_ms {
        return Admission::Expired(format!("it is void since {}", order.not_after));
    }
    match paused_by {
        Some(by) => Admission::Rejected(format!("{by} has paused containment")),
        None => Admission::Execute { expires_ms },
    }
}
