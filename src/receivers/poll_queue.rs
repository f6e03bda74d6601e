//! Queue of Security Event Tokens for a receiver that polls (RFC 8936): a token stays until it is
//! acknowledged.

use crate::config::Secret;
use crate::mutex::lock;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Maximum number of queued tokens; when it is reached, no more are read from Kafka.
pub const CAPACITY: usize = 256;

/// The queue of one receiver.
#[derive(Debug)]
pub struct PollQueue {
    /// Name of the receiver.
    pub name: String,
    /// Its bearer token.
    pub secret: Secret,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    /// Id and token, in order of arrival.
    waiting: BTreeMap<u64, (String, String)>,
}

impl PollQueue {
    /// An empty queue for the receiver `name` with the bearer token `secret`.
    #[must_use]
    pub fn new(name: String, secret: Secret) -> Self {
        Self {
            name,
            secret,
            inner: Mutex::default(),
        }
    }

    /// Enqueues a token; returns its ticket.
    pub fn put(&self, id: &str, token: &str) -> u64 {
        let mut inner = lock(&self.inner);
        let place = inner.next;
        inner.next += 1;
        let dead_letter = (id.to_owned(), token.to_owned());
        inner.waiting.insert(place, dead_letter);
        place
    }

    /// The oldest `max` tokens with their ids, and whether there are more.
    #[must_use]
    pub fn peek(&self, most: usize) -> (Vec<(String, String)>, bool) {
        let inner = lock(&self.inner);
        let oldest = inner.waiting.values().take(most).cloned();
        (oldest.collect(), inner.waiting.len() > most)
    }

    /// Removes the token `id`, which the receiver acknowledged or rejected; returns whether it was queued.
    pub fn acknowledge(&self, id: &str) -> bool {
        let mut inner = lock(&self.inner);
        let before = inner.waiting.len();
        inner.waiting.retain(|_, (known, _)| known != id);
        inner.waiting.len() < before
    }

    /// Withdraws the entry of `ticket`; returns whether it was still queued.
    pub fn withdraw(&self, place: u64) -> bool {
        lock(&self.inner).waiting.remove(&place).is_some()
    }

    /// Whether the entry of `ticket` is acknowledged or withdrawn.
    #[must_use]
    pub fn is_acknowledged(&self, place: u64) -> bool {
        !lock(&self.inner).waiting.contains_key(&place)
    }

    /// Number of queued tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.inner).waiting.len()
    }

    /// Whether the queue is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_stay_in_order_until_they_are_acknowledged() {
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
