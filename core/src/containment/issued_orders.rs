//! Orders that were given lately, and what became of each: a failure goes on to something stronger or to a
//! person, and what waits for a person can be approved.

use crate::containment::Action;
use crate::score::subject::Subject;
use crate::string_enum;
use crate::units::{EventTime, MS_PER_DAY};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;

/// Orders that one shard remembers; the oldest give way.
const MAX_ORDERS: usize = 4_096;
/// An order is remembered for so long, in milliseconds of event time.
const RETENTION_MS: i64 = 7 * MS_PER_DAY;

string_enum! {
    /// What an executor says of an order.
    OrderOutcome {
        /// It is carried out.
        Done = "done",
        /// It could not be carried out.
        Failed = "failed",
        /// It must not be carried out, as the executor sees it.
        Refused = "refused",
    }
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum OrderState {
    /// Nobody has answered.
    Open,
    /// A person has to approve it.
    AwaitingApproval,
    /// An answer has settled it.
    Closed,
}

/// An order that was given.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct IssuedOrder {
    /// The alert that it comes from.
    pub alert_id: String,
    /// Whom it is about.
    pub subject: Subject,
    /// What it asks for.
    pub action: Action,
    /// By which rule.
    pub policy: String,
    /// When it was given.
    pub at: EventTime,
    /// Where it stands.
    pub state: OrderState,
}

/// The orders of one shard that are remembered, by id.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct IssuedOrders(BTreeMap<String, IssuedOrder>);

impl IssuedOrders {
    /// Notes an order; one that is known stays as it is. O(orders), for they are few.
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

    /// An order that is remembered.
    #[must_use]
    pub fn get(&self, order_id: &str) -> Option<&IssuedOrder> {
        self.0.get(order_id)
    }

    /// Settles an order; returns it as it stood before.
    pub fn close(&mut self, order_id: &str) -> Option<IssuedOrder> {
        let known = self.0.get_mut(order_id)?;
        let before = known.clone();
        known.state = OrderState::Closed;
        Some(before)
    }

    /// Forgets the orders about an identity.
    pub fn forget(&mut self, identity: &str) {
        self.0.retain(|_, given| given.subject.id != identity);
    }

    /// Orders that nobody has answered, and those that wait for a person.
    #[must_use]
    pub fn open_orders(&self) -> (usize, usize) {
        let count = |standing| {
            let of = self.0.values().filter(|given| given.state == standing);
            of.count()
        };
        (count(OrderState::Open), count(OrderState::AwaitingApproval))
    }
}

/// What is asked for where `failed` could not be carried out; to tell a person where nothing is stronger.
#[must_use]
pub fn escalate(failed: Action) -> Action {
    match failed {
        Action::Notify | Action::Suspend => Action::Notify,
        Action::StepUp | Action::Rotate => Action::Revoke,
        Action::Revoke => Action::Suspend,
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
    fn an_order_is_settled_once_and_forgotten_with_its_identity() {
        let mut orders = IssuedOrders::default();
        orders.insert("o", given(0));
        assert_eq!(orders.close("o").unwrap().state, OrderState::Open);
        assert_eq!(orders.close("o").unwrap().state, OrderState::Closed);
        orders.insert("o", given(1));
        assert_eq!(orders.open_orders(), (0, 0), "what is known stays as it is");
        orders.forget("svc");
        assert!(orders.get("o").is_none());
    }

    #[test]
    fn what_fails_goes_on_to_something_stronger_and_ends_with_a_person() {
        assert_eq!(escalate(Action::StepUp), Action::Revoke);
        assert_eq!(escalate(escalate(Action::Rotate)), Action::Suspend);
        assert_eq!(escalate(Action::Suspend), Action::Notify);
    }
}
