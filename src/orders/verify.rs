//! Verifies orders, for executors before they act, and for `verify orders`.

use super::security_event_token;
use crate::crypto::{KeySet, SignatureError};
use crate::sources::json_object::parse_unambiguous;
use crate::sources::time::{format_rfc3339, parse_rfc3339};
use credwatch_core::event::MAX_CLOCK_SKEW_MS;
use credwatch_core::units::{EventTime, MS_PER_SEC};
use serde_json::Value;
use std::collections::HashMap;
use std::ops::Range;

/// Maximum validity of an order, in milliseconds.
const MAX_VALIDITY_MS: i64 = 24 * 3_600 * 1_000;

/// Why an order must not be acted on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderFault {
    /// Not a containment order.
    #[error("not a containment order: order_id, issued_at, not_after and set are required")]
    NotAnOrder,
    /// It has no signature.
    #[error("not signed")]
    Unsigned,
    /// Its signature is invalid.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It differs from the signed payload.
    #[error("field {0} differs from the signed payload")]
    Altered(String),
    /// It is for another audience.
    #[error("audience is {found:?}, expected {requested:?}")]
    Audience {
        /// Its audience.
        found: String,
        /// Expected audience.
        requested: String,
    },
    /// Its times are invalid.
    #[error("invalid times: not_after must follow issued_at by at most 24 h")]
    Time,
    /// It must not be acted on any more.
    #[error("expired at {0}")]
    Expired(String),
    /// It is not issued yet.
    #[error("issued at {0}, which is later")]
    Early(String),
    /// Another order has the same id.
    #[error("another order with id {0:?} has different content")]
    Reused(String),
}

/// Verifies orders one after the other.
pub struct OrderVerifier<'k> {
    keys: &'k KeySet,
    audience: Option<&'k str>,
    at: Option<EventTime>,
    seen: HashMap<String, Value>,
    orders: usize,
    repeated: usize,
}

impl<'k> OrderVerifier<'k> {
    /// A verifier with `keys`; for orders to `audience` if one is given.
    #[must_use]
    pub fn new(keys: &'k KeySet, audience: Option<&'k str>) -> Self {
        Self {
            keys,
            audience,
            at: None,
            seen: HashMap::new(),
            orders: 0,
            repeated: 0,
        }
    }

    /// The same, for orders that are valid at `at`.
    #[must_use]
    pub fn at(self, at: EventTime) -> Self {
        Self {
            at: Some(at),
            ..self
        }
    }

    /// Number of orders, and of repeated ones among them.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.orders, self.repeated)
    }

    /// Verifies the next order.
    ///
    /// # Errors
    /// It must not be acted on.
    pub fn verify(&mut self, record: &[u8]) -> Result<(), OrderFault> {
        let mut order = parse_unambiguous(record).map_err(|_| OrderFault::NotAnOrder)?;
        let members = order.as_object_mut().ok_or(OrderFault::NotAnOrder)?;
        let set = members.remove("set").ok_or(OrderFault::Unsigned)?;
        let payload = self
            .keys
            .verify(security_event_token::TYPE, set.as_str().unwrap_or_default())?;
        let token = parse_unambiguous(&payload).map_err(|_| SignatureError::Malformed)?;
        if let Some(member) = difference(&order, &token[security_event_token::ORDER]) {
            return Err(OrderFault::Altered(member));
        }
        self.check_audience(&token)?;
        let validity = validity(&order, &token)?;
        let id = order["order_id"].as_str().ok_or(OrderFault::NotAnOrder)?;
        self.orders += 1;
        match self.seen.get(id) {
            Some(known) if *known == order => self.repeated += 1,
            Some(_) => return Err(OrderFault::Reused(id.to_owned())),
            None => drop(self.seen.insert(id.to_owned(), order)),
        }
        self.check_validity(&validity)
    }

    fn check_validity(&self, validity: &Range<EventTime>) -> Result<(), OrderFault> {
        let Some(at) = self.at else {
            return Ok(());
        };
        if at >= validity.end {
            return Err(OrderFault::Expired(format_rfc3339(validity.end)));
        }
        if at.saturating_add_ms(MAX_CLOCK_SKEW_MS) < validity.start {
            return Err(OrderFault::Early(format_rfc3339(validity.start)));
        }
        Ok(())
    }

    fn check_audience(&self, token: &Value) -> Result<(), OrderFault> {
        let found = token["aud"].as_str().unwrap_or_default();
        match self.audience {
            Some(requested) if requested != found => Err(OrderFault::Audience {
                found: found.to_owned(),
                requested: requested.to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

/// Name of the first field that differs.
fn difference(order: &Value, signed: &Value) -> Option<String> {
    let (Some(order), Some(signed)) = (order.as_object(), signed.as_object()) else {
        return Some("the order".to_owned());
    };
    let names = order.keys().chain(signed.keys());
    let mut differing = names.filter(|name| order.get(*name) != signed.get(*name));
    differing.next().cloned()
}

/// When the order may be acted on.
fn validity(order: &Value, token: &Value) -> Result<Range<EventTime>, OrderFault> {
    let time_of = |name: &str| {
        let ms = order[name].as_str().and_then(parse_rfc3339)?;
        EventTime::from_epoch_ms(ms)
    };
    let (Some(issued), Some(expires)) = (time_of("issued_at"), time_of("not_after")) else {
        return Err(OrderFault::NotAnOrder);
    };
    let is_signed_then = token["iat"].as_i64() == Some(issued.epoch_ms().div_euclid(MS_PER_SEC));
    let is_sound = expires > issued && expires.ms_since(issued) <= MAX_VALIDITY_MS;
    let has_no_expiry_claim = token.get("exp").is_none() && token.get("sub").is_none();
    if is_signed_then && is_sound && has_no_expiry_claim {
        Ok(issued..expires)
    } else {
        Err(OrderFault::Time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn times(issued_at: &str, not_after: &str) -> Result<Range<EventTime>, OrderFault> {
        let order = json!({"issued_at": issued_at, "not_after": not_after});
        let secs = parse_rfc3339(issued_at).map(|ms| ms / MS_PER_SEC);
        validity(&order, &json!({"iat": secs}))
    }

    #[test]
    fn an_order_expires_after_its_issue_and_within_a_day() {
        let issued = "2026-01-01T10:00:00Z";
        assert!(times(issued, "2026-01-02T10:00:00Z").is_ok());
        let invalid = |not_after: &str| matches!(times(issued, not_after), Err(OrderFault::Time));
        assert!(invalid("2026-01-02T10:00:00.001Z"), "longer than a day");
        assert!(invalid("2026-01-01T10:00:00Z"), "already expired");
        assert!(invalid("2025-12-31T10:00:00Z"), "before its issue");
    }

    #[test]
    fn an_order_is_valid_from_its_issue_until_it_expires() {
        let keys = KeySet { keys: Vec::new() };
        let at = |ms| {
            let verifier = OrderVerifier::new(&keys, None);
            verifier.at(EventTime::EARLIEST.saturating_add_ms(ms))
        };
        let issued = EventTime::EARLIEST.saturating_add_ms(MAX_CLOCK_SKEW_MS + 1_000);
        let validity = issued..issued.saturating_add_ms(5_000);
        let of = |ms| at(ms).check_validity(&validity);
        assert!(matches!(of(0), Err(OrderFault::Early(_))));
        assert!(
            of(1_000).is_ok(),
            "clocks differ by up to the permitted skew"
        );
        assert!(of(MAX_CLOCK_SKEW_MS + 5_999).is_ok());
        assert!(matches!(
            of(MAX_CLOCK_SKEW_MS + 6_000),
            Err(OrderFault::Expired(_))
        ));
        assert!(
            OrderVerifier::new(&keys, None)
                .check_validity(&validity)
                .is_ok()
        );
    }
}
