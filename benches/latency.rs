//! From an event in Kafka to its order readable with `read_committed`, at half of the maximum rate.
//!
//! `cargo bench --bench latency`; budget p99 at most 50 ms. First the top rate of one thread is taken, with
//! broker and producer at work on the same machine, then half of it is produced for fourteen seconds, and in
//! the last ten of them now and then a theft in between. The time begins when the client is given the theft,
//! so producing it is part of the figure, and so are the checkpoints of the shards, some three of which fall
//! into the ten seconds.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its result"
)]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

#[path = "common/kafka.rs"]
mod kafka;

use credwatch::config::Config;
use credwatch::kafka::detect::Detect;
use credwatch::kafka::feedback_consumer::FeedbackConsumer;
use credwatch::kafka::shard_handoff::{ColdStart, ShardHandoff};
use credwatch::kafka::stage::Shared;
use credwatch::kafka::worker;
use credwatch::metrics::Metrics;
use credwatch::shard::{ShardFactory, load_model};
use credwatch::simulation::member::Work;
use credwatch::simulation::organisation::Organisation;
use credwatch_core::units::{EventTime, MS_PER_DAY};
use credwatch_core::verdict::EntityView;
use kafka::{Broker, config, fill, producer, send};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const LEARNED: usize = 1_500_000;
const PARTITIONS: usize = 4;
const THEFTS: usize = 200;
/// Number of thefts: all of them fall on one day.
const IDENTITIES: usize = 20_000;
const EVERY: Duration = Duration::from_millis(50);
/// Warm-up before the first theft: connections are opened, and the broker's compiler takes half of a core for
/// three seconds after the load has changed.
const WARMING: Duration = Duration::from_secs(4);

fn work(config: &Config, group: &str) -> (Shared, std::thread::JoinHandle<()>) {
    let shared = Shared::new(config.clone(), Metrics::new("bench").unwrap());
    let factory = ShardFactory::new(config, load_model(config).unwrap(), PARTITIONS as u32);
    let answers =
        FeedbackConsumer::new(config, group, PARTITIONS as i32, shared.metrics.clone()).unwrap();
    let (of_worker, group) = (shared.clone(), group.to_owned());
    let thread = std::thread::spawn(move || {
        let handoff = Arc::new(ShardHandoff::new(ColdStart::None));
        let mut stage = Detect::new(EntityView::Identity, factory, &group, handoff, &of_worker)
            .with_feedback(answers);
        worker::run(&mut stage, &group, &group, &of_worker).unwrap();
    });
    (shared, thread)
}

/// Waits until everything is processed; returns the rate.
fn top_rate(shared: &Shared) -> f64 {
    let taken = || shared.metrics.records.with_label_values(&["detect"]).get() as usize;
    while taken() < LEARNED / 10 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let (start, at) = (Instant::now(), taken());
    while taken() < LEARNED {
        std::thread::sleep(Duration::from_millis(1));
    }
    (LEARNED - at) as f64 / start.elapsed().as_secs_f64()
}

/// Readable orders by identity, with the time of reading.
fn read_orders(config: &Config, stop: &AtomicBool) -> HashMap<String, Vec<Instant>> {
    let reader: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &config.kafka.bootstrap_servers)
        .set("group.id", "reader")
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", "5")
        .set("auto.offset.reset", "latest")
        .create()
        .unwrap();
    reader.subscribe(&[&config.topics.revocations]).unwrap();
    let mut read: HashMap<String, Vec<Instant>> = HashMap::new();
    while !stop.load(Ordering::Relaxed) {
        if let Some(Ok(message)) = reader.poll(Duration::from_millis(5)) {
            let key = String::from_utf8_lossy(message.key().unwrap()).into_owned();
            read.entry(key).or_default().push(Instant::now());
        }
    }
    read
}

/// Ordinary events from `midnight` on, made beforehand.
fn ordinary(mut midnight: EventTime, count: usize) -> Vec<(String, EventTime, Vec<u8>)> {
    let mut organisation = Organisation::new(1, IDENTITIES);
    let mut events = Vec::with_capacity(count);
    while events.len() < count {
        let day = organisation
            .day(midnight)
            .into_iter()
            .take(count - events.len());
        events.extend(day.map(|simulated| {
            let who = simulated.event.identity.id.clone();
            (who, simulated.time, simulated.event.to_json())
        }));
        midnight = midnight.saturating_add_ms(MS_PER_DAY);
    }
    events
}

/// A use of `victim`'s token after its expiry. Each has another issuer, or the many thefts would count as one
/// shared deviation.
fn theft(victim: &str, now: EventTime, at: usize) -> Vec<u8> {
    serde_json::json!({
        "event_id": format!("theft-{at}"), "time": now.epoch_ms(), "activity": "use",
        "identity": {"id": victim, "kind": "service", "group": "backend"},
        "credential": {"id": format!("stolen-{at}"), "kind": "access_token",
            "issuer": format!("issuer-{at}"), "issued_at": now.epoch_ms() - 9_000_000,
            "expires_at": now.epoch_ms() - 7_200_000},
        "action": "s3:GetObject", "source": {"host": format!("vps-{at}")},
    })
    .to_string()
    .into_bytes()
}

/// Produces `events` at `rate` a second, after [`WARMING`] with thefts in between; returns when each theft
/// was sent.
fn produce(
    config: &Config,
    rate: f64,
    events: &[(String, EventTime, Vec<u8>)],
) -> HashMap<String, Instant> {
    let quick = ClientConfig::new()
        .set("bootstrap.servers", &config.kafka.bootstrap_servers)
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "0")
        .create()
        .unwrap();
    let (steady, topic) = (producer(config), &config.topics.events);
    let organisation = Organisation::new(1, IDENTITIES);
    let services = organisation
        .members
        .iter()
        .filter(|m| m.work == Work::Service);
    let victims: Vec<&String> = services.map(|member| &member.id).collect();
    let (start, mut thefts) = (Instant::now(), HashMap::new());
    for (sent, (who, time, json)) in events.iter().enumerate() {
        send(&steady, topic, who, json);
        let due = WARMING + EVERY * thefts.len() as u32;
        if start.elapsed() >= due && thefts.len() < THEFTS {
            let victim = victims[thefts.len()];
            let json = theft(victim, *time, thefts.len());
            thefts.insert(victim.clone(), Instant::now());
            send(&quick, topic, victim, &json);
        }
        let due = Duration::from_secs_f64(sent as f64 / rate);
        if due > start.elapsed() + Duration::from_millis(1) {
            std::thread::sleep(due - start.elapsed());
        }
    }
    thefts
}

fn main() {
    let broker = Broker::find();
    let prefix = format!("bench-{}", std::process::id());
    let config = config(&broker, &prefix, PARTITIONS);
    let (shared, thread) = work(&config, &prefix);
    let filled = {
        let config = config.clone();
        std::thread::spawn(move || fill(&config, LEARNED, IDENTITIES))
    };
    let top = top_rate(&shared);
    let (_, midnight) = filled.join().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let read = Arc::new(Mutex::new(HashMap::new()));
    let reader = {
        let (config, stop, read) = (config.clone(), Arc::clone(&stop), Arc::clone(&read));
        std::thread::spawn(move || *read.lock().unwrap() = read_orders(&config, &stop))
    };
    std::thread::sleep(Duration::from_secs(3));
    let requested = top / 2.0 * (WARMING + EVERY * THEFTS as u32).as_secs_f64();
    let events = ordinary(midnight, requested as usize);
    let sent = produce(&config, top / 2.0, &events);
    std::thread::sleep(Duration::from_secs(2));
    stop.store(true, Ordering::Relaxed);
    reader.join().unwrap();
    shared.stop.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    let read = read.lock().unwrap();
    let mut waits: Vec<f64> = sent
        .iter()
        .filter_map(|(victim, sent)| {
            let read = read.get(victim)?.iter().find(|read| *read >= sent)?;
            Some(read.duration_since(*sent))
        })
        .map(|wait| wait.as_secs_f64() * 1_000.0)
        .collect();
    waits.sort_by(f64::total_cmp);
    let quantile = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "{}",
        serde_json::json!({
            "bench": "latency", "order_p50_ms": quantile(0.5), "order_p99_ms": quantile(0.99),
            "orders": waits.len(), "thefts": THEFTS, "top_events_per_second": top,
            "events_per_second": top / 2.0, "partitions": PARTITIONS, "threads": 1,
            "checkpoint_secs": config.checkpoint_interval.as_secs(), "cores_with_broker": cores,
        })
    );
}
