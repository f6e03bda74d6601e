//! Security Event Tokens that a receiver fetches by itself (RFC 8936): they wait until it says that it
//! has them.

use crate::config::Secret;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Tokens that wait; beyond that no more are read from Kafka.
pub const CAPACITY: usize = 256;

/// What waits for one receiver.
#[derive(Debug)]
pub struct PollQueue {
    /// The receiver's name.
    pub name: String,
    /// What it knows us by.
    pub secret: Secret,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    /// In the order in which they came: id and token.
    waiting: BTreeMap<u64, (String, String)>,
}

impl PollQueue {
    /// An empty mailbox for the receiver `name`, opened by `secret`.
    #[must_use]
    pub fn new(name: String, secret: Secret) -> Self {
        Self {
            name,
            secret,
            inner: Mutex::default(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // What a thread that failed has left is whole: every change is one call.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a token in; returns its place.
    pub fn put(&self, id: &str, token: &str) -> u64 {
        let mut inner = self.inner();
        let place = inner.next;
        inner.next += 1;
        let dead_letter = (id.to_owned(), token.to_owned());
        inner.waiting.insert(place, dead_letter);
        place
    }

    /// The oldest `most` tokens with their ids, and whether there are more.
    #[must_use]
    pub fn peek(&self, most: usize) -> (Vec<(String, String)>, bool) {
        let inner = self.inner();
        let oldest = inner.waiting.values().take(most).cloned();
        (oldest.collect(), inner.waiting.len() > most)
    }

    /// The receiver has the token `id`, or will not have it; says whether it was there.
    pub fn acknowledge(&self, id: &str) -> bool {
        let mut inner = self.inner();
        let before = inner.waiting.len();
        inner.waiting.retain(|_, (known, _)| known != id);
        inner.waiting.len() < before
    }

    /// Takes what lies at `place` out again; says whether it was still there.
    pub fn withdraw(&self, place: u64) -> bool {
        self.inner().waiting.remove(&place).is_some()
    }

    /// Whether what was put at `place` is settled.
    #[must_use]
    pub fn is_acknowledged(&self, place: u64) -> bool {
        !self.inner().waiting.contains_key(&place)
    }

    /// Tokens that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner().waiting.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_wait_in_order_until_they_are_settled() {
        let queue = PollQueue::new("siem".to_owned(), Secret::default());
        let places: Vec<u64> = ["a", "b", "c"].map(|id| queue.put(id, "token")).to_vec();
        let (seen, more) = queue.peek(2);
        assert_eq!(
            (seen[0].0.as_str(), seen[1].0.as_str(), more),
            ("a", "b", true)
        );
        assert!(
            queue.acknowledge("a") && !queue.acknowledge("a") && queue.is_acknowledged(places[0])
        );
        assert!(queue.withdraw(places[1]) && queue.len() == 1);
        assert_eq!(
            queue.peek(5),
            (vec![("c".to_owned(), "token".to_owned())], false)
        );
    }
}
