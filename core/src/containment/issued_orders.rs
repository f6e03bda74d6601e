//! Recently issued orders and their state: an order that failed is handed to a person, and an order that
//! awaits approval can be approved.

use crate::containment::Action;
use crate::score::subject::Subject;
use crate::string_enum;
use crate::units::{EventTime, MS_PER_DAY};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;

/// Orders stored per shard; the oldest are evicted.
pub const MAX_ORDERS: usize = 4_096;
/// Retention of an order, in milliseconds of event time.
const RETENTION_MS: i64 = 7 * MS_PER_DAY;

string_enum! {
    /// Outcome of an order, as its executor reports it.
    OrderOutcome {
        /// Executed.
        Done = "done",
        /// Could not be executed.
        Failed = "failed",
        /// Rejected by the executor.
        Refused = "refused",
    }
}

/// State of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum OrderState {
    /// No outcome was reported.
    Open,
    /// Awaits approval.
    AwaitingApproval,
    /// Closed by an outcome.
    Closed,
}

/// An issued order.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct IssuedOrder {
    /// Its alert.
    pub alert_id: String,
    /// Its subject.
    pub subject: Subject,
    /// Its action.
    pub action: Action,
    /// Policy rule that requested it.
    pub policy: String,
    /// Time of issue.
    pub at: EventTime,
    /// State.
    pub state: OrderState,
}

/// The stored orders of one shard, by id.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct IssuedOrders(BTreeMap<String, IssuedOrder>);

impl IssuedOrders {
    /// Adds an order; an order that is present is not changed. O(orders), which are few.
    pub fn insert(&mut self, order_id: &str, given: IssuedOrder) {
        let now = given.at;
        self.0
            .retain(|_, known| now.ms_since(known.at) < RETENTION_MS);
        if self.0.len() >= MAX_ORDERS {
            let oldest = self.0.iter().min_by_key(|(id, known)| (known.at, *id));
            if let Some(id) = oldest.map(|(id, _)| id.clone()) {
                self.0.remove(&id);
            }
        }
        self.0.entry(order_id.to_owned()).or_insert(given);
    }

    /// The order of `order_id`.
    #[must_use]
    pub fn get(&self, order_id: &str) -> Option<&IssuedOrder> {
        self.0.get(order_id)
    }

    /// Closes an order; returns its previous state.
    pub fn close(&mut self, order_id: &str) -> Option<IssuedOrder> {
        let known = self.0.get_mut(order_id)?;
        let before = known.clone();
        known.state = OrderState::Closed;
        Some(before)
    }

    /// Removes the orders about an identity.
    pub fn forget(&mut self, identity: &str) {
        self.0.retain(|_, given| given.subject.id != identity);
    }

    /// Number of orders without outcome, and of orders that await approval.
    #[must_use]
    pub fn open_orders(&self) -> (usize, usize) {
        let count = |standing| {
            let of = self.0.values().filter(|given| given.state == standing);
            of.count()
        };
        (count(OrderState::Open), count(OrderState::AwaitingApproval))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::IdentityKind;

    fn given(at_ms: i64) -> IssuedOrder {
        IssuedOrder {
            alert_id: "a".to_owned(),
            subject: Subject {
                id: "svc".to_owned(),
                kind: IdentityKind::Service,
                group: None,
                owner: None,
                credential: None,
            },
            action: Action::Revoke,
            policy: "p".to_owned(),
            at: EventTime::EARLIEST.saturating_add_ms(at_ms),
            state: OrderState::Open,
        }
    }

    #[test]
    fn orders_are_bounded_by_number_and_by_age() {
        let mut orders = IssuedOrders::default();
        for n in 0..MAX_ORDERS + 10 {
            orders.insert(&format!("{n:06}"), given(n as i64));
        }
        assert_eq!(orders.open_orders(), (MAX_ORDERS, 0));
        assert!(orders.get("000009").is_none() && orders.get("000010").is_some());
        orders.insert("late", given(RETENTION_MS * 2));
        assert_eq!(orders.open_orders(), (1, 0));
    }

    #[test]
    fn an_order_is_closed_once_and_removed_with_its_identity() {
        let mut orders = IssuedOrders::default();
        orders.insert("o", given(0));
        assert_eq!(orders.close("o").unwrap().state, OrderState::Open);
        assert_eq!(orders.close("o").unwrap().state, OrderState::Closed);
        orders.insert("o", given(1));
        assert_eq!(
            orders.open_orders(),
            (0, 0),
            "a present order is not changed"
        );
        orders.forget("svc");
        assert!(orders.get("o").is_none());
    }
}
