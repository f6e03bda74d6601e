//! Which orders may be acted on: those to be enforced that ask for more than to be told of, are what was
//! signed, for us, not void, and not stopped by anybody.

use super::Order;
use crate::crypto::Signer;
use crate::orders::order_verifier::OrderCheck;
use crate::sources::time::parse_rfc3339;
use credwatch_core::units::EventTime;

/// What to do with an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It may be acted on until it is void, in epoch milliseconds.
    Open {
        /// When that is.
        void_ms: i64,
    },
    /// Nobody asks to act on it: it is a dry run, or only tells.
    Quiet,
    /// It was to be acted on, and its time is over.
    Void(String),
    /// It must not be acted on.
    Refused(String),
}

/// Looks at one order, read from `record`, at the moment `now`; `paused_by` has paused enforcement.
#[must_use]
pub fn look(
    order: &Order,
    record: &[u8],
    signer: Option<&Signer>,
    now: EventTime,
    paused_by: Option<&str>,
) -> Passage {
    if order.mode != "enforce" || order.action == "notify" {
        return Passage::Quiet;
    }
    let Some(signer) = signer else {
        return Passage::Refused("there is no key to check it with".to_owned());
    };
    let mut check = OrderCheck::new(signer.keys(), Some(&signer.audience));
    if let Err(fault) = check.take(record) {
        return Passage::Refused(fault.to_string());
    }
    let Some(void_ms) = parse_rfc3339(&order.not_after) else {
        return Passage::Refused("its end is no time".to_owned());
    };
    if now.epoch_ms() >= void_ms {
        return Passage::Void(format!("it is void since {}", order.not_after));
    }
    match paused_by {
        Some(by) => Passage::Refused(format!("{by} has paused containment")),
        None => Passage::Open { void_ms },
    }
}
