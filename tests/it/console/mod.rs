//! The console and its API, served from a read model that the tests fill.

mod access;
mod lists;
mod pages;
mod stream;

use credwatch::config::{Config, Sources};
use credwatch::console::Console;
use credwatch::console::event_history::RecentEvents;
use credwatch::feedback::model::Feedback;
use credwatch::http::{AppState, ConsoleService, FeedbackRequest, Server};
use credwatch::metrics::Metrics;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// A running server.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) model: Arc<Console>,
    /// Feedback that was published.
    pub(crate) published: Arc<Mutex<Vec<Feedback>>>,
    _runtime: Runtime,
}

pub(crate) fn config(settings: &str) -> Config {
    let sources = Sources {
        files: vec![("test.toml".to_owned(), settings.to_owned())],
        environment: Vec::new(),
    };
    Config::load(&sources).unwrap()
}

/// Serves a console; with `token` as the token of the service.
pub(crate) fn serve(console: ConsoleService, token: Option<&str>) -> Served {
    let runtime = Runtime::new().unwrap();
    let model = Arc::clone(&console.model);
    let published = Arc::new(Mutex::new(Vec::new()));
    let (sender, mut requests) = mpsc::channel::<FeedbackRequest>(8);
    let seen = Arc::clone(&published);
    runtime.spawn(async move {
        while let Some(request) = requests.recv().await {
            seen.lock().unwrap().push(request.feedback);
            let _ = request.done.send(Ok("published".to_owned()));
        }
    });
    let state = AppState {
        metrics: Metrics::new("test").unwrap(),
        status: None,
        query_router: None,
        instances: None,
        signer: None,
        poll_queues: Vec::new(),
        feedback_requests: Some(sender),
        token: token.map(|token| credwatch::config::Secret::new(token.to_owned())),
        is_loopback: true,
        console: Some(console),
        process_id: 7,
    };
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = runtime.block_on(Server::bind(local, state)).unwrap();
    let address = server.address().unwrap();
    runtime.spawn(server.serve());
    Served {
        address,
        model,
        published,
        _runtime: runtime,
    }
}

/// A console without log-in.
pub(crate) fn open_console(is_read_only: bool) -> Served {
    let events = Arc::new(RecentEvents::new(100));
    let config = config("");
    let setup = credwatch::commands::console_setup::without_log_in;
    serve(
        setup(&config, "abcd", events, "For tests.", is_read_only),
        None,
    )
}

/// An alert about `identity`, the `nth`.
pub(crate) fn alert(identity: &str, nth: u64, severity: &str, nats: f64) -> Value {
    let time = 1_772_438_400_000_i64 + nth as i64 * 1_000;
    json!({
        "activity_id": 1, "severity": severity, "status": "New", "time": time,
        "finding_info": {"uid": format!("{nth:032x}"), "first_seen_time": time, "last_seen_time": time + 500,
            "attacks": [{"technique": {"uid": "T1078", "name": "Valid Accounts"}}]},
        "evidences": [{"actor": {"user": {"credential_uid": "key-1"}}}],
        "unmapped": {"credwatch": {"view": "identity", "score_nats": nats, "peak_nats": nats, "events": 3,
            "threshold_nats": 7.0, "reasons": ["first use of host vps-1"],
            "identity": {"id": identity, "kind": "service", "group": "ci", "owner": "ops"},
            "signals": [{"name": "host", "p": 0.0001, "surprise_nats": 9.2, "observed": "vps-1",
                "expected": "build-17 (100 %)", "level": "identity", "observations": 40}],
            "runbook": {"name": "general", "containment": ["ask the owner"], "preserve": [], "review": [],
                "controls": []}}}
    })
}

/// The audit record of a decision about that alert.
pub(crate) fn decision(identity: &str, nth: u64, order_id: &str, weakened_by: &[&str]) -> Value {
    json!({"view": "identity", "partition": 0, "sequence": nth, "previous": "", "hash": format!("h{nth}"),
        "entry": {"type": "decision", "time": "2026-03-02T08:00:00Z", "alert_id": format!("{nth:032x}"),
            "identity": identity, "event_id": "e1",
            "decision": {"policy": "p", "requested_action": "suspend", "action": "suspend",
                "mode": "dry_run", "weakened_by": weakened_by, "order_id": order_id}}})
}

impl Served {
    pub(crate) fn take(&self, alert: &Value) {
        self.model.take_alert(alert.to_string().as_bytes());
    }

    pub(crate) fn take_audit(&self, record: &Value) {
        self.model.take_audit(record.to_string().as_bytes());
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// A response: status, headers and body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .build()
        .into()
}

fn answer(mut response: ureq::http::Response<ureq::Body>) -> Answer {
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.body_mut().read_to_string().unwrap(),
    }
}

pub(crate) fn get(url: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = agent().get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request.call().unwrap())
}

pub(crate) fn post(url: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = agent().post(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request.send(body).unwrap())
}
