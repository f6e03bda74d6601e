//! What changes, for those who watch: numbered updates of which the latest are kept, so that a viewer who
//! lost the connection gets what it missed.

use crate::mutex::lock;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::broadcast;

/// Updates kept for viewers who come back.
const KEPT: usize = 1_024;
/// Updates that a slow viewer may be behind before it has to load everything again.
const BUFFERED: usize = 256;

/// One update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Its number.
    pub number: u64,
    /// Kind: `incident` or `paused`.
    pub kind: &'static str,
    /// JSON.
    pub data: String,
}

/// All updates.
#[derive(Debug)]
pub struct LiveUpdates {
    kept: Mutex<(u64, VecDeque<Arc<Update>>)>,
    sender: broadcast::Sender<Arc<Update>>,
}

impl Default for LiveUpdates {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            sender: broadcast::channel(BUFFERED).0,
        }
    }
}

impl LiveUpdates {
    /// Publishes an update to all viewers. Never waits for one.
    pub fn publish(&self, kind: &'static str, data: &impl Serialize) {
        let Ok(data) = serde_json::to_string(data) else {
            return;
        };
        let mut kept = lock(&self.kept);
        kept.0 += 1;
        let update = Arc::new(Update {
            number: kept.0,
            kind,
            data,
        });
        kept.1.push_back(Arc::clone(&update));
        if kept.1.len() > KEPT {
            kept.1.pop_front();
        }
        // There may be no viewer.
        let _ = self.sender.send(update);
    }

    /// The updates after `last`, and the stream of later ones; `None` for the former where some of them are
    /// not kept any more.
    #[must_use]
    pub fn subscribe(
        &self,
        last: Option<u64>,
    ) -> (Option<Vec<Arc<Update>>>, broadcast::Receiver<Arc<Update>>) {
        let kept = lock(&self.kept);
        let stream = self.sender.subscribe();
        let Some(last) = last else {
            return (Some(Vec::new()), stream);
        };
        let first = kept.1.front().map_or(kept.0 + 1, |update| update.number);
        let is_known = last <= kept.0 && last + 1 >= first;
        let missed = kept.1.iter().filter(|update| update.number > last);
        (is_known.then(|| missed.cloned().collect()), stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_who_comes_back_gets_what_it_missed_or_loads_everything_again() {
        let updates = LiveUpdates::default();
        assert_eq!(updates.subscribe(None).0, Some(Vec::new()));
        for n in 0..KEPT + 2 {
            updates.publish("incident", &n);
        }
        let missed = |last: u64| updates.subscribe(Some(last)).0.map(|missed| missed.len());
        assert_eq!(missed(KEPT as u64), Some(2));
        assert_eq!(missed(KEPT as u64 + 2), Some(0));
        assert_eq!(missed(2), Some(KEPT));
        assert_eq!(missed(1), None, "the second update is gone");
        assert_eq!(missed(1 << 40), None, "of another process");
    }
}
