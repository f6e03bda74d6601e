//! Orders that were given lately, and what became of each: a failure goes on to something stronger or to a
//! person, and what waits for a person can be approved.

use crate::containment::Action;
use crate::score::subject::Subject;
use crate::string_enum;
use crate::units::{EventTime, MS_PER_DAY};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;

/// Orders that one shard remembers; the oldest give way.
const REMEMBERED: usize = 4_096;
/// An order is remembered for so long, in milliseconds of event time.
const REMEMBERED_MS: i64 = 7 * MS_PER_DAY;

string_enum! {
    /// What an executor says of an order.
    Outcome {
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
pub enum OrderStanding {
    /// Nobody has answered.
    Open,
    /// A person has to approve it.
    AwaitsApproval,
    /// An answer has settled it.
    Settled,
}

/// An order that was given.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Given {
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
    pub standing: OrderStanding,
}

/// The orders of one shard that are remembered, by id.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Orders(BTreeMap<String, Given>);

impl Orders {
    /// Notes an order; one that is known stays as it is. O(orders), for they are few.
    pub fn note(&mut self, order_id: &str, given: Given) {
        let now = given.at;
        self.0
            .retain(|_, known| now.ms_since(known.at) < REMEMBERED_MS);
        if self.0.len() >= REMEMBERED {
            let oldest = self.0.iter().min_by_key(|(id, known)| (known.at, *id));
            if let Some(id) = oldest.map(|(id, _)| id.clone()) {
                self.0.remove(&id);
            }
        }
        self.0.entry(order_id.to_owned()).or_insert(given);
    }

    /// An order that is remembered.
    #[must_use]
    pub fn get(&self, order_id: &str) -> Option<&Given> {
        self.0.get(order_id)
    }

    /// Settles an order; returns it as it stood before.
    pub fn settle(&mut self, order_id: &str) -> Option<Given> {
        let known = self.0.get_mut(order_id)?;
        let before = known.clone();
        known.standing = OrderStanding::Settled;
        Some(before)
    }

    /// Forgets the orders about an identity.
    pub fn forget(&mut self, identity: &str) {
        self.0.retain(|_, given| given.subject.id != identity);
    }

    /// Orders that nobody has answered, and those that wait for a person.
    #[must_use]
    pub fn unsettled(&self) -> (usize, usize) {
        let count = |standing| {
            let of = self.0.values().filter(|given| given.standing == standing);
            of.count()
        };
        (
            count(OrderStanding::Open),
            count(OrderStanding::AwaitsApproval),
        )
    }
}

/// What is asked for where `failed` could not be carried out; to tell a person where nothing is stronger.
#[must_use]
pub fn stronger(failed: Action) -> Action {
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

    fn given(at_ms: i64) -> Given {
        Given {
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
            standing: OrderStanding::Open,
        }
    }

    #[test]
    fn orders_are_bounded_by_number_and_by_age() {
        let mut orders = Orders::default();
        for n in 0..REMEMBERED + 10 {
            orders.note(&format!("{n:06}"), given(n as i64));
        }
        assert_eq!(orders.unsettled(), (REMEMBERED, 0));
        assert!(orders.get("000009").is_none() && orders.get("000010").is_some());
        orders.note("late", given(REMEMBERED_MS * 2));
        assert_eq!(orders.unsettled(), (1, 0));
    }

    #[test]
    fn an_order_is_settled_once_and_forgotten_with_its_identity() {
        let mut orders = Orders::default();
        orders.note("o", given(0));
        assert_eq!(orders.settle("o").unwrap().standing, OrderStanding::Open);
        assert_eq!(orders.settle("o").unwrap().standing, OrderStanding::Settled);
        orders.note("o", given(1));
        assert_eq!(orders.unsettled(), (0, 0), "what is known stays as it is");
        orders.forget("svc");
        assert!(orders.get("o").is_none());
    }

    #[test]
    fn what_fails_goes_on_to_something_stronger_and_ends_with_a_person() {
        assert_eq!(stronger(Action::StepUp), Action::Revoke);
        assert_eq!(stronger(stronger(Action::Rotate)), Action::Suspend);
        assert_eq!(stronger(Action::Suspend), Action::Notify);
    }
}
