//! A paused broker: the service waits in bounded memory, reports it, and continues without loss.

use crate::broker::support::{Running, Setup, wait_until};
use crate::common::{get, json_lines, native_log};
use serde_json::Value;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A broker of its own, so that other tests are not affected.
struct Broker {
    child: Child,
    folder: tempfile::TempDir,
    servers: String,
}

impl Broker {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let servers = port.local_addr().unwrap().to_string();
        drop(port);
        let child = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/broker"))
            .arg(folder.path().join("kafka"))
            .arg(servers.rsplit(':').next().unwrap())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("the broker listens", || {
            std::net::TcpStream::connect(&servers).is_ok()
        });
        Self {
            child,
            folder,
            servers,
        }
    }

    fn signal(&self, signal: &str) {
        let pid = std::fs::read_to_string(self.folder.path().join("kafka/pid")).unwrap();
        let sent = Command::new("kill").args([signal, pid.trim()]).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.signal("-CONT");
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
    }
}

fn resident_kib(running: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_paused_broker_is_waited_for() {
    let broker = Broker::start();
    let setup = Setup::on(broker.servers.clone(), "outage", 4, "native");
    let events = native_log(40, 20);
    let keyed = |events: &[Value]| -> Vec<(String, Vec<u8>)> {
        let key = |event: &Value| event["identity"]["id"].as_str().unwrap().to_owned();
        let record = |event| (key(event), event.to_string().into_bytes());
        events.iter().map(record).collect()
    };
    let running = setup.start("one");
    wait_until("it is ready", || get(&running.address, "/readyz").0 == 200);
    let (first, rest) = events.split_at(events.len() / 3);
    setup.produce("events", keyed(first));
    running.wait_for("detect", first.len() / 2);
    // More is on its way to be committed when the broker stops.
    setup.produce("events", keyed(rest));
    broker.signal("-STOP");
    wait_until("it says that it waits", || {
        get(&running.address, "/readyz").0 == 503
    });
    let output_text = get(&running.address, "/readyz").1;
    // Of a slow commit, of a session timeout, or of the partitions that it took away: whichever comes first.
    let reasons = ["check the brokers", "session", "is the broker reachable?"];
    let says_why = reasons.iter().any(|reason| output_text.contains(reason));
    assert!(
        output_text.starts_with("not ready") && says_why,
        "{output_text}"
    );
    let before = resident_kib(&running);
    std::thread::sleep(Duration::from_secs(8));
    let after = resident_kib(&running);
    assert!(after < before + 65_536, "{before} KiB, then {after} KiB");
    assert_eq!(get(&running.address, "/healthz").0, 200);
    broker.signal("-CONT");
    setup.wait_until_committed(4);
    wait_until("it is ready again", || {
        get(&running.address, "/readyz").0 == 200
    });
    assert_eq!(running.terminate(), Some(0));

    let log = setup.folder.path().join("log.jsonl");
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    std::fs::write(&log, lines).unwrap();
    let replayed = json_lines(&setup.replay(4, &[log]).join("alerts"));
    let mut expected: Vec<String> = replayed.iter().map(ToString::to_string).collect();
    let mut found: Vec<String> = setup
        .read("alerts")
        .iter()
        .map(|a| a.value.to_string())
        .collect();
    expected.sort();
    found.sort();
    assert!(
        !expected.is_empty() && found == expected,
        "{} of {}",
        found.len(),
        expected.len()
    );
}
