//! One million identities kept on Kafka and taken up again: how long the shards take, and what share
//! of the time checkpoints cost while events come as fast as they are taken.
//!
//! `cargo bench --bench restore`; budgets: 10 s and linear, a tenth of the throughput. A real broker is
//! started by `scripts/broker`. `CREDWATCH_BENCH_IDENTITIES` changes the size.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its result"
)]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

#[path = "common/kafka.rs"]
mod kafka;

use credwatch::config::Config;
use credwatch::kafka::answers::Answers;
use credwatch::kafka::detect::Detect;
use credwatch::kafka::pool::Pool;
use credwatch::kafka::restore::Restorer;
use credwatch::kafka::worker::{self, Shared};
use credwatch::metrics::Metrics;
use credwatch::shard::{Blueprint, ShardId, load_model};
use kafka::{Broker, config, producing, send};
use rdkafka::producer::{DefaultProducerContext, Producer, ThreadedProducer};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const PARTITIONS: usize = 4;
const GROUP: &str = "bench";
/// First moment of the events.
const START_MS: i64 = 1_772_409_600_000;

fn blueprint(config: &Config) -> Blueprint {
    Blueprint::new(config, load_model(config).unwrap(), PARTITIONS as u32)
}

/// Every identity once, and then `more` events of them, few of them often.
fn fill(config: &Config, identities: usize, more: usize) {
    // Compressed, for these are gigabytes.
    let producer: ThreadedProducer<DefaultProducerContext> = producing(config)
        .set("compression.type", "lz4")
        .create()
        .unwrap();
    let mut seed = 88_172_645_463_325_252u64;
    for at in 0..identities + more {
        let who = if at < identities {
            at
        } else {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let uniform = (seed >> 11) as f64 / (1u64 << 53) as f64;
            ((identities as f64).powf(uniform) as usize).min(identities) - 1
        };
        let (id, time) = (format!("identity-{who:07}"), START_MS + at as i64 * 5);
        let event = format!(
            r#"{{"event_id":"e{at}","time":{time},"identity":{{"id":"{id}","kind":"service","group":"g{}"}},"credential":{{"id":"key-{who}","kind":"api_key","issuer":"vault"}},"activity":"use","action":"s3:GetObject","resource":"arn:aws:s3:::b{}/x","source":{{"host":"node-{}","ip":"10.{}.3.4","user_agent":"aws-cli/2.17","country":"NO","asn":29695}},"outcome":"success"}}"#,
            who % 50,
            at % 7,
            who % 997,
            who % 200,
        );
        send(&producer, &config.topics.events, &id, event.as_bytes());
    }
    producer.flush(Duration::from_secs(120)).unwrap();
}

/// Runs one worker until it has taken `events` in; returns what checkpoints took, from the end of the
/// first round on.
fn work(config: &Config, events: usize) -> Value {
    let shared = Shared::new(config.clone(), Metrics::new("bench").unwrap());
    let metrics = Metrics::new("bench").unwrap();
    let answers = Answers::new(config, GROUP, PARTITIONS as i32, metrics).unwrap();
    let (of_worker, made_of) = (shared.clone(), blueprint(config));
    let thread = std::thread::spawn(move || {
        let pool = Arc::new(Pool::new(false));
        let mut stage = Detect::new(made_of, GROUP, pool, &of_worker).heeding(answers);
        worker::run(&mut stage, GROUP, GROUP, &of_worker).unwrap();
    });
    let taken = || shared.metrics.records.with_label_values(&["detect"]).get() as usize;
    let kept = || {
        let seconds = &shared.metrics.checkpoint_seconds;
        (seconds.get_sample_count(), seconds.get_sample_sum())
    };
    let (mut begun, mut ended) = (None, None);
    while taken() < events {
        std::thread::sleep(Duration::from_millis(2));
        let (count, seconds) = kept();
        // The first of each shard keep everything.
        if count >= PARTITIONS as u64 {
            let now = (Instant::now(), taken(), count, seconds);
            let first = *begun.get_or_insert(now);
            if count > first.2 {
                ended = ended.filter(|(_, _, c, _)| *c == count).or(Some(now));
            }
        }
    }
    let last = kept();
    shared.stop.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    match (begun, ended) {
        (Some(begun), Some(ended)) => {
            let elapsed = ended.0.duration_since(begun.0).as_secs_f64();
            json!({
                "checkpoint_share": (ended.3 - begun.3) / elapsed,
                "checkpoints": ended.2 - begun.2, "over_seconds": elapsed,
                "events_per_second": (ended.1 - begun.1) as f64 / elapsed,
            })
        }
        _ => json!({"checkpoints": last.0, "seconds_of_checkpoints": last.1}),
    }
}

/// Seconds in which one thread takes all shards up.
fn restore(config: &Config) -> (f64, usize) {
    let blueprint = blueprint(config);
    let restorer = Restorer::new(Arc::new(config.clone()), GROUP.to_owned());
    let start = Instant::now();
    let shards = (0..PARTITIONS as i32).map(|partition| {
        let id = ShardId::of_identities(partition);
        let shard = restorer.shard(&blueprint, id, None, false).unwrap();
        shard.health().identities
    });
    let identities = shards.sum();
    (start.elapsed().as_secs_f64(), identities)
}

fn measure(broker: &Broker, identities: usize, more: usize) -> Value {
    let mut config = config(broker, &format!("restore{identities}-{more}"), PARTITIONS);
    config.detect.max_identities = identities + identities / 5;
    fill(&config, identities, more);
    let mut line = work(&config, identities + more);
    let (seconds, restored) = restore(&config);
    line["restore_seconds"] = json!(seconds);
    line["identities"] = json!(restored);
    line
}

fn main() {
    let broker = Broker::find();
    let wanted = std::env::var("CREDWATCH_BENCH_IDENTITIES").ok();
    let whole: usize = wanted.map_or(1_000_000, |count| count.parse().unwrap());
    // Kept once each; and then, at last, with what three checkpoints left that is not compacted yet.
    let once: Vec<Value> = [whole / 4, whole / 2, whole]
        .into_iter()
        .map(|identities| measure(&broker, identities, 0))
        .collect();
    let mut line = measure(&broker, whole, 20 * whole);
    line["bench"] = json!("restore");
    line["kept_once"] = json!(once);
    println!("{line}");
}
