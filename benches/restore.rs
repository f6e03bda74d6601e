//! One million identities stored on Kafka and restored: duration of the restore, and the share of the
//! throughput that checkpoints take at full load.
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
use credwatch::kafka::detect::Detect;
use credwatch::kafka::feedback_consumer::FeedbackConsumer;
use credwatch::kafka::shard_handoff::{ColdStart, ShardHandoff};
use credwatch::kafka::shard_recovery::ShardRecovery;
use credwatch::kafka::stage::Shared;
use credwatch::kafka::worker;
use credwatch::metrics::Metrics;
use credwatch::shard::{ShardFactory, ShardId, load_model};
use credwatch_core::verdict::EntityView;
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

fn factory(config: &Config) -> ShardFactory {
    ShardFactory::new(config, load_model(config).unwrap(), PARTITIONS as u32)
}

/// Every identity once, and then `more` events.
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
            concat!(
                r#"{{"event_id":"e{at}","time":{time},"#,
                r#""identity":{{"id":"{id}","kind":"service","group":"g{group}"}},"#,
                r#""credential":{{"id":"key-{who}","kind":"api_key","issuer":"vault"}},"#,
                r#""activity":"use","action":"s3:GetObject","resource":"arn:aws:s3:::b{bucket}/x","#,
                r#""source":{{"host":"node-{node}","ip":"10.{net}.3.4","user_agent":"aws-cli/2.17","#,
                r#""country":"NO","asn":29695}},"outcome":"success"}}"#
            ),
            at = at,
            time = time,
            id = id,
            who = who,
            group = who % 50,
            bucket = at % 7,
            node = who % 997,
            net = who % 200,
        );
        send(&producer, &config.topics.events, &id, event.as_bytes());
    }
    producer.flush(Duration::from_secs(120)).unwrap();
}

/// Runs one worker until it has processed `events`; returns the cost of checkpoints from the end of the first
/// round on: the share of events that were not processed because a checkpoint was in progress.
fn work(config: &Config, events: usize) -> Value {
    let shared = Shared::new(config.clone(), Metrics::new("bench").unwrap());
    let metrics = Metrics::new("bench").unwrap();
    let answers = FeedbackConsumer::new(config, GROUP, PARTITIONS as i32, metrics).unwrap();
    let (of_worker, made_of) = (shared.clone(), factory(config));
    let thread = std::thread::spawn(move || {
        let handoff = Arc::new(ShardHandoff::new(ColdStart::None));
        let mut stage = Detect::new(EntityView::Identity, made_of, GROUP, handoff, &of_worker)
            .with_feedback(answers);
        worker::run(&mut stage, GROUP, GROUP, &of_worker).unwrap();
    });
    let taken = || shared.metrics.records.with_label_values(&["detect"]).get() as usize;
    let seconds = &shared.metrics.checkpoint_worker_seconds;
    let mut rates = None;
    while taken() < events {
        std::thread::sleep(Duration::from_millis(2));
        // The first of each shard keep everything.
        if seconds.get_sample_count() > PARTITIONS as u64 {
            let is_open = shared.metrics.checkpoints_in_progress.get() > 0;
            let begun = (seconds.get_sample_count(), seconds.get_sample_sum());
            let (_, rates) = rates.get_or_insert_with(|| (begun, Rates::new(taken())));
            rates.look(is_open, taken());
        }
    }
    let (count, sum) = (seconds.get_sample_count(), seconds.get_sample_sum());
    shared.stop.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    match rates {
        Some((begun, rates)) => rates.line(count - begun.0, sum - begun.1),
        None => json!({"checkpoints": count, "seconds_of_checkpoints": sum}),
    }
}

/// Number of events processed while a checkpoint is in progress, and while none is.
struct Rates {
    looked: Instant,
    taken: usize,
    /// Since the count of events last rose, by whether a checkpoint was being made.
    waited: [f64; 2],
    seconds: [f64; 2],
    events: [f64; 2],
}

impl Rates {
    fn new(taken: usize) -> Self {
        Self {
            looked: Instant::now(),
            taken,
            waited: [0.0; 2],
            seconds: [0.0; 2],
            events: [0.0; 2],
        }
    }

    fn look(&mut self, is_open: bool, taken: usize) {
        self.waited[usize::from(is_open)] += self.looked.elapsed().as_secs_f64();
        self.looked = Instant::now();
        if taken == self.taken {
            return;
        }
        // They are counted when they are committed: the time since then shares them.
        let waited: f64 = self.waited.iter().sum();
        for open in 0..2 {
            self.events[open] += (taken - self.taken) as f64 * self.waited[open] / waited;
            self.seconds[open] += self.waited[open];
        }
        (self.taken, self.waited) = (taken, [0.0; 2]);
    }

    fn line(&self, checkpoints: u64, worker_seconds: f64) -> Value {
        let all: f64 = self.seconds.iter().sum();
        let rate = |open: usize| self.events[open] / self.seconds[open];
        json!({
            "checkpoint_share": self.seconds[1] / all * (1.0 - rate(1) / rate(0)),
            "checkpoint_share_of_worker": worker_seconds / all,
            "checkpoints": checkpoints, "over_seconds": all, "open_seconds": self.seconds[1],
            "events_per_second_open": rate(1), "events_per_second_else": rate(0),
        })
    }
}

/// Seconds in which one thread restores all shards.
fn restore(config: &Config) -> (f64, usize) {
    let factory = factory(config);
    let restorer = ShardRecovery::new(Arc::new(config.clone()), GROUP.to_owned());
    let start = Instant::now();
    let shards = (0..PARTITIONS as i32).map(|partition| {
        let id = ShardId::of_identities(partition);
        let shard = restorer.shard(&factory, id, None, false).unwrap();
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
    let requested = std::env::var("CREDWATCH_BENCH_IDENTITIES").ok();
    let whole: usize = requested.map_or(1_000_000, |count| count.parse().unwrap());
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
