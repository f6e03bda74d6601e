//! Two instances against one, each a process of one thread, on the same full topic of twelve partitions.
//!
//! `cargo bench --bench scaling`; budget 1.8 times on enough partitions and cores. The broker needs a core
//! of its own, so two cores cannot show it: the line says how many there were.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its result"
)]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

#[path = "common/kafka.rs"]
mod kafka;

use credwatch::config::Config;
use kafka::{Broker, config, fill};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const EVENTS: usize = 3_000_000;
const PARTITIONS: i32 = 12;
const ROUNDS: usize = 3;

fn start(config: &Config, group: &str, instance: usize) -> Child {
    let topics = &config.topics;
    let names = [
        ("EVENTS", &topics.events),
        ("ALERTS", &topics.alerts),
        ("REVOCATIONS", &topics.revocations),
        ("DECISIONS", &topics.decisions),
        ("FEEDBACK", &topics.feedback),
        ("DEADLETTER", &topics.deadletter),
        ("BASELINES", &topics.baselines),
        ("SIGHTINGS", &topics.sightings),
    ];
    let mut command = Command::new(env!("CARGO_BIN_EXE_credwatch"));
    // Every group begins without the state of another one.
    command.args(["run", "-q", "--stages", "detect", "--cold"]);
    // What others call so would be read as settings.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CREDWATCH_")) {
        command.env_remove(name);
    }
    for (name, topic) in names {
        command.env(format!("CREDWATCH_TOPICS__{name}"), topic);
    }
    command
        .env(
            "CREDWATCH_KAFKA__BOOTSTRAP_SERVERS",
            &config.kafka.bootstrap_servers,
        )
        .env("CREDWATCH_KAFKA__GROUP_ID", group)
        .env("CREDWATCH_KAFKA__INSTANCE_ID", instance.to_string())
        .env("CREDWATCH_KAFKA__WORKERS", "1")
        .env("CREDWATCH_HTTP__LISTEN", "127.0.0.1:0")
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn committed(reader: &BaseConsumer, config: &Config) -> usize {
    let mut requested = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        requested.add_partition(&config.topics.events, partition);
    }
    // A new group has no coordinator at first.
    let Ok(found) = reader.committed_offsets(requested, Duration::from_secs(10)) else {
        return 0;
    };
    let offset = |offset| match offset {
        Offset::Offset(offset) => offset as usize,
        _ => 0,
    };
    found
        .elements()
        .iter()
        .map(|element| offset(element.offset()))
        .sum()
}

/// Events a second between a tenth and nine tenths of the topic.
fn rate(config: &Config, group: &str, instances: usize) -> f64 {
    let reader: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &config.kafka.bootstrap_servers)
        .set("group.id", format!("{group}-detect"))
        .create()
        .unwrap();
    let mut running: Vec<Child> = (0..instances).map(|at| start(config, group, at)).collect();
    let (mut begun, mut rate) = (None, 0.0);
    while rate == 0.0 {
        let ended = running
            .iter_mut()
            .find_map(|child| child.try_wait().unwrap());
        assert!(ended.is_none(), "an instance has ended: {ended:?}");
        let done = committed(&reader, config);
        match begun {
            None if done >= EVENTS / 10 => begun = Some((Instant::now(), done)),
            Some((since, at)) if done >= EVENTS * 9 / 10 => {
                rate = (done - at) as f64 / Instant::elapsed(&since).as_secs_f64();
            }
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    for child in &mut running {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    rate
}

fn main() {
    let broker = Broker::find();
    let prefix = format!("bench-{}", std::process::id());
    let config = config(&broker, &prefix, PARTITIONS as usize);
    fill(&config, EVENTS, 2_000);
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        one.push(rate(&config, &format!("{prefix}-{round}-one"), 1));
        two.push(rate(&config, &format!("{prefix}-{round}-two"), 2));
    }
    let median = |rates: &mut Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    let (one, two) = (median(&mut one), median(&mut two));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "{}",
        serde_json::json!({
            "bench": "scaling", "speedup": two / one, "one_events_per_second": one,
            "two_events_per_second": two, "events": EVENTS, "partitions": PARTITIONS,
            "rounds": ROUNDS, "cores_with_broker": cores,
        })
    );
}
