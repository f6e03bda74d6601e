//! The demonstration as a user starts it.

use crate::broker::support::wait_until;
use crate::common::credwatch;
use crate::console::get;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

pub(super) struct Demo {
    child: Child,
    pub(super) base: String,
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Demo {
    /// Starts it, a hundred times faster than the clock, and waits for incidents of both views.
    pub(super) fn start() -> Self {
        let mut child = credwatch()
            .args(["demo", "--listen", "127.0.0.1:0", "--speed", "600"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut demo = Self {
            child,
            base: String::new(),
        };
        let mut lines = lines.map(Result::unwrap);
        let address =
            lines.find_map(|line| line.trim().strip_prefix("console   ").map(str::to_owned));
        demo.base = address.unwrap().trim_end_matches('/').to_owned();
        std::thread::spawn(move || lines.for_each(drop));
        for view in ["identity", "source"] {
            wait_until("an incident of each view", || {
                !demo.incidents(view).is_empty()
            });
        }
        demo
    }

    fn incidents(&self, view: &str) -> Vec<Value> {
        let page = get(&format!("{}/v1/incidents?limit=500", self.base), &[]).json();
        let incidents = page["incidents"].as_array().unwrap().clone();
        incidents
            .into_iter()
            .filter(|incident| incident["view"] == view)
            .collect()
    }

    pub(super) fn incident(&self, view: &str) -> Value {
        self.incidents(view).remove(0)
    }
}
