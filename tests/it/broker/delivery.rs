//! Delivery under adverse conditions: receivers that hang, fail, redirect or never end; orders that were
//! altered, have expired or are repeated; feedback that is forged or replayed; a pause during delivery.

use crate::broker::receivers::{Request, Server};
use crate::broker::support::{Running, Setup, wait_until};
use crate::common::{credwatch, get, json_lines, native_log};
use base64::Engine as _;
use credwatch::clock::wall_time;
use credwatch::crypto::SigningKey;
use credwatch::feedback::model::{ContainmentCommand, Feedback};
use credwatch::feedback::signed_feedback::sign;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

const HOOK_SECRET: &str = "planted-hook-secret-81c2";
const PUSH_TOKEN: &str = "planted-push-token-9d07";

/// A deployment that enforces and signs, with its receivers.
pub(super) struct World {
    pub(super) setup: Setup,
}

impl World {
    /// Settings that enforce and sign, and a program that records the orders it gets.
    pub(super) fn new(name: &str, more: &str) -> Self {
        let setup = Setup::new(name, 2, "native");
        let world = Self { setup };
        let script = format!(
            "#!/bin/sh\ncat >> {0}\necho >> {0}\n",
            world.path("done").display()
        );
        std::fs::write(world.path("contain"), script).unwrap();
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(world.path("contain"), executable).unwrap();
        world.setup.enforce();
        world.append(more);
        world
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.setup.folder.path().join(name)
    }

    pub(super) fn append(&self, text: &str) {
        self.setup.append(text);
    }

    pub(super) fn program(&self) -> String {
        format!(
            "[[deliver.receivers]]\nname = \"script\"\nkind = \"command\"\nargv = [\"{}\"]\n",
            self.path("contain").display()
        )
    }

    /// Ordinary days, and then a theft.
    pub(super) fn theft(&self) {
        let events = native_log(20, 9);
        let keyed = |event: &Value| {
            let key = event["identity"]["id"].as_str().unwrap().to_owned();
            (key, event.to_string().into_bytes())
        };
        self.setup.produce("events", events.iter().map(keyed));
    }

    /// Published orders to be executed.
    pub(super) fn orders(&self) -> Vec<Value> {
        let orders = self
            .setup
            .read("revocations")
            .into_iter()
            .map(|record| record.value);
        orders.filter(|order| order["action"] != "notify").collect()
    }

    /// Orders of a theft months ago, validly signed and expired.
    pub(super) fn void_orders(&self) -> Vec<Value> {
        let file = self.path("old.jsonl");
        let events: String = native_log(20, 8)
            .iter()
            .map(|event| format!("{event}\n"))
            .collect();
        std::fs::write(&file, events).unwrap();
        let orders = json_lines(&self.setup.replay(2, &[file]).join("orders"));
        let acting: Vec<Value> = orders
            .into_iter()
            .filter(|order| order["action"] != "notify")
            .collect();
        assert!(!acting.is_empty());
        acting
    }

    /// A signed resume that was recorded two days ago.
    pub(super) fn stale_resume(&self) -> Vec<u8> {
        let key = SigningKey::read(&self.path("order.pem").display().to_string()).unwrap();
        let answer = Feedback {
            containment: Some(ContainmentCommand::Resume),
            by: "bo".to_owned(),
            ..Feedback::default()
        };
        let signed_at = wall_time().saturating_add_ms(-2 * 86_400_000);
        sign(&answer, &key, signed_at).unwrap()
    }

    /// Ids of orders that the program was asked to execute.
    pub(super) fn done(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("done")).unwrap_or_default();
        let lines = text.lines().filter(|line| !line.is_empty());
        let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["order_id"].clone();
        lines
            .map(|line| id(line).as_str().unwrap().to_owned())
            .collect()
    }

    /// Audit records of this type.
    pub(super) fn said(&self, what: &str) -> Vec<Value> {
        let decisions = self.setup.read("decisions").into_iter();
        let entries = decisions.map(|record| record.value["entry"].clone());
        entries.filter(|entry| entry["type"] == what).collect()
    }

    pub(super) fn command(&self, arguments: &[&str]) {
        let output = credwatch()
            .args(arguments)
            .arg("--config")
            .arg(&self.setup.config)
            .output();
        let output = output.unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

/// Content of signed feedback, unverified.
fn said(answer: &crate::broker::support::Read) -> String {
    let payload = std::str::from_utf8(&answer.raw)
        .unwrap()
        .split('.')
        .nth(1)
        .unwrap()
        .to_owned();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(payload)
        .unwrap();
    String::from_utf8(bytes).unwrap()
}

fn verify_hook(request: &Request) {
    let (id, timestamp) = (
        request.header("webhook-id"),
        request.header("webhook-timestamp"),
    );
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, HOOK_SECRET.as_bytes());
    let signed = [format!("{id}.{timestamp}.").as_bytes(), &request.body].concat();
    let expected =
        base64::engine::general_purpose::STANDARD.encode(ring::hmac::sign(&key, &signed));
    assert_eq!(
        request.header("webhook-signature"),
        format!("v1,{expected}")
    );
}

fn resident_kib(running: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn misbehaving_receivers_do_not_delay_others() {
    let server = Server::start();
    let world = World::new("receivers", "");
    std::fs::write(world.path("hook"), HOOK_SECRET).unwrap();
    std::fs::write(world.path("push"), PUSH_TOKEN).unwrap();
    let receiver = |name: &str, kind: &str, secret: &str, takes: &str| {
        format!(
            "[[deliver.receivers]]\nname = \"{name}\"\nkind = \"{kind}\"\nurl = \"http://{}/{name}\"\n\
             secret_file = \"{}\"\nallow_private_addresses = true\nstreams = [\"{takes}\"]\n",
            server.address,
            world.path(secret).display(),
        )
    };
    let mut text =
        "[deliver]\ntimeout_ms = 500\nattempts = 2\ncircuit_failures = 2\ncircuit_open_ms = 200\n"
            .to_owned();
    for name in ["hangs", "fails", "elsewhere", "endless", "hook"] {
        text += &receiver(name, "webhook", "hook", "alerts");
    }
    text += &receiver("push", "ssf_push", "push", "orders");
    // Without allow_private_addresses it is never contacted.
    text += &receiver("guarded", "webhook", "hook", "alerts")
        .replace("allow_private_addresses = true\n", "");
    world.append(&text);
    let running = world.setup.start("one");
    world.theft();
    wait_until("an order", || !world.orders().is_empty());
    let alerts = || world.setup.read("alerts").len();
    wait_until("all alerts at the good one", || {
        alerts() > 0 && server.at("/hook").len() == alerts()
    });
    server.at("/hook").iter().for_each(verify_hook);
    wait_until("the tokens", || {
        server.at("/push").len() == world.orders().len()
    });
    for request in server.at("/push") {
        assert_eq!(request.header("content-type"), "application/secevent+jwt");
        assert_eq!(
            request.header("authorization"),
            format!("Bearer {PUSH_TOKEN}")
        );
        let set = String::from_utf8(request.body).unwrap();
        assert!(world.orders().iter().any(|order| order["set"] == set));
    }
    let bad = ["hangs", "fails", "elsewhere", "endless", "guarded"];
    wait_until("the bad ones are given up", || {
        let letters = world.setup.read("deadletter");
        bad.iter().all(|name| {
            let of = |dead_letter: &&crate::broker::support::Read| {
                dead_letter.value["reason"]
                    .as_str()
                    .unwrap()
                    .starts_with(&format!("{name}:"))
            };
            letters.iter().filter(of).count() == alerts()
        })
    });
    assert_eq!(server.at("/fails").len(), 2 * alerts(), "two attempts each");
    assert_eq!(server.at("/elsewhere").len(), alerts(), "no second attempt");
    assert!(
        server.at("/secret").is_empty(),
        "redirects are not followed"
    );
    assert!(
        server.at("/guarded").is_empty(),
        "a private address is not asked"
    );
    let result = running.metric(
        "credwatch_deliveries_total",
        "outcome=\"done\",receiver=\"hook\"",
    );
    assert!((result - alerts() as f64).abs() < 0.5, "{result} carried");
    let kib = resident_kib(&running);
    assert!(kib < 600_000, "{kib} KiB: an endless answer is not kept");
    let log = running.log_text();
    let (_, metrics) = get(&running.address, "/metrics");
    for secret in [HOOK_SECRET, PUSH_TOKEN] {
        assert!(
            !log.contains(secret) && !metrics.contains(secret),
            "{secret} is shown"
        );
    }
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn only_valid_orders_are_executed_and_each_once() {
    let world = World::new("orders", "");
    world.append(&world.program());
    let first = world.setup.start_with("one", &["--stages", "detect"]);
    world.theft();
    wait_until("an order", || !world.orders().is_empty());
    world.setup.wait_until_committed(2);
    assert_eq!(first.terminate(), Some(0));
    let orders = world.orders();
    let good = &orders[0];
    let altered = |member: &str, value: Value| {
        let mut order = good.clone();
        order[member] = value;
        order["order_id"] = json!(format!("altered-{member}"));
        order
    };
    let victim = json!({"id": "svc-7", "kind": "service"});
    let mut unsigned = altered("set", Value::Null);
    unsigned.as_object_mut().unwrap().remove("set");
    let forged = [
        altered("identity", victim),
        altered("action", json!("suspend")),
        unsigned,
    ];
    let void = world.void_orders();
    let records = void.iter().chain(&forged).chain([good, good]);
    let records = records.map(|order| ("svc-0".to_owned(), order.to_string().into_bytes()));
    world.setup.produce("revocations", records);
    let running = world.setup.start("two");
    let taken = 2 + orders.len() + forged.len() + void.len();
    wait_until("all orders", || {
        let metric = |outcome: &str| {
            running.metric(
                "credwatch_deliveries_total",
                &format!("outcome=\"{outcome}\""),
            )
        };
        metric("done") + metric("refused") + metric("skipped") >= taken as f64
    });
    let mut done = world.done();
    done.sort();
    let mut requested: Vec<String> = orders
        .iter()
        .map(|order| order["order_id"].as_str().unwrap().to_owned())
        .collect();
    requested.sort();
    assert_eq!(done, requested, "each once, and no forged one");
    let refused = format!(
        "{:?}",
        world
            .setup
            .read("feedback")
            .iter()
            .map(said)
            .collect::<Vec<_>>()
    );
    for why in [
        "expired at",
        "differs from the signed payload",
        "not signed",
    ] {
        assert!(refused.contains(why), "{why}: {refused}");
    }
    wait_until("answers", || {
        world.said("containment_done").len() == orders.len()
    });
    assert_eq!(running.terminate(), Some(0));
    let answers = world.setup.read("feedback");
    assert!(
        answers.iter().all(|answer| answer.raw.starts_with(b"eyJ")),
        "signed"
    );
}

#[test]
fn a_pause_stops_deliveries_and_a_replayed_resume_is_rejected() {
    let world = World::new("paused", "[feedback]\nrequire_signature = true\n");
    world.append(&world.program());
    let running = world.setup.start_with("one", &["--stages", "detect"]);
    world.theft();
    wait_until("an order", || !world.orders().is_empty());
    let paused = |count: f64| {
        wait_until("the switch", || {
            let owned = running.metric("credwatch_assigned_partitions", "");
            let set = running.metric("credwatch_containment_paused", "");
            owned >= 4.0 && (set - count).abs() < 0.5
        });
    };
    world.command(&["containment", "pause", "--by", "ada"]);
    paused(4.0);
    world.command(&["containment", "resume", "--by", "bo"]);
    paused(0.0);
    world.command(&["containment", "pause", "--by", "cy"]);
    paused(4.0);
    // A record without a valid signature changes nothing.
    let resume = world.setup.read("feedback").into_iter().nth(1).unwrap();
    let forged = json!({"containment": "resume", "by": "bo"})
        .to_string()
        .into_bytes();
    let records = [resume.raw, forged, world.stale_resume()].map(|record| (String::new(), record));
    world.setup.produce("feedback", records);
    wait_until("the forged one is refused", || {
        running.metric("credwatch_feedback_total", "kind=\"refused\"") >= 1.0
    });
    // Feedback is applied in order.
    let alert = world.orders()[0]["alert_id"].as_str().unwrap().to_owned();
    let scored = [
        "feedback",
        "--alert",
        &alert,
        "--verdict",
        "true_positive",
        "--by",
        "dee",
    ];
    world.command(&scored);
    wait_until("the judgement", || {
        running.metric("credwatch_alert_verdicts_total", "true_positive") >= 1.0
    });
    paused(4.0);
    assert_eq!(running.terminate(), Some(0));
    assert_eq!(
        world.said("containment_resumed").len(),
        4,
        "once a shard, by bo"
    );
    let second = world.setup.start("two");
    let orders = world.orders().len();
    wait_until("the orders are refused", || {
        second.metric("credwatch_deliveries_total", "outcome=\"refused\"") >= orders as f64
    });
    assert!(world.done().is_empty(), "nothing is carried out");
    wait_until("the trail", || {
        world.said("containment_refused").len() == orders
    });
    let refused = world.said("containment_refused");
    assert!(
        refused[0]["reason"]
            .as_str()
            .unwrap()
            .contains("cy has paused"),
        "{refused:?}"
    );
    assert!(refused[0]["signed_by"].is_string());
    assert_eq!(second.terminate(), Some(0));
}

/// Polls the queue of `siem`; status and body.
fn fetch(running: &Running, token: &str, ask: &Value) -> (u16, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut answer = agent
        .post(format!("http://{}/ssf/poll/siem", running.address))
        .header("authorization", format!("Bearer {token}"))
        .content_type("application/json")
        .send(ask.to_string())
        .unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (
        answer.status().as_u16(),
        serde_json::from_str(&text).unwrap_or_default(),
    )
}

#[test]
fn a_polling_receiver_gets_each_token_until_it_acknowledges() {
    let world = World::new("fetching", "");
    std::fs::write(world.path("push"), PUSH_TOKEN).unwrap();
    world.append(&format!(
        "[[deliver.receivers]]\nname = \"siem\"\nkind = \"ssf_poll\"\nsecret_file = \"{}\"\n",
        world.path("push").display()
    ));
    let running = world.setup.start("one");
    world.theft();
    wait_until("an order", || !world.orders().is_empty());
    let (_, offer) = get(&running.address, "/.well-known/ssf-configuration");
    let offer: Value = serde_json::from_str(&offer).unwrap();
    assert_eq!(offer["issuer"], "https://credwatch.test");
    let now = json!({"returnImmediately": true});
    assert_eq!(fetch(&running, "guessed", &now).0, 401);
    let mut sets = Value::Null;
    wait_until("the tokens", || {
        sets = fetch(&running, PUSH_TOKEN, &json!({"returnImmediately": false})).1["sets"].clone();
        sets.as_object().unwrap().len() == world.orders().len()
    });
    for order in world.orders() {
        assert_eq!(sets[order["order_id"].as_str().unwrap()], order["set"]);
    }
    // Not acknowledged, it is delivered again, across a restart too.
    assert_eq!(fetch(&running, PUSH_TOKEN, &now).1["sets"], sets);
    assert_eq!(running.terminate(), Some(0));
    let second = world.setup.start("two");
    wait_until("the tokens again", || {
        fetch(&second, PUSH_TOKEN, &now).1["sets"] == sets
    });
    let ids: Vec<&String> = sets.as_object().unwrap().keys().collect();
    let ack = json!({"returnImmediately": true, "ack": ids});
    assert_eq!(fetch(&second, PUSH_TOKEN, &ack).1, json!({"sets": {}}));
    assert_eq!(second.terminate(), Some(0));
    let third = world.setup.start("three");
    wait_until("the end of the orders", || {
        third.metric("credwatch_assigned_partitions", "") >= 4.0
    });
    let later = json!({"returnImmediately": false, "maxEvents": 1, "ack": ["unknown"]});
    assert_eq!(
        fetch(&third, PUSH_TOKEN, &later).1,
        json!({"sets": {}}),
        "nothing came in 20 s"
    );
    assert_eq!(third.terminate(), Some(0));
}
