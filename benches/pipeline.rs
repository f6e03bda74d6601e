//! The whole pipeline from Kafka against the same consumer that only decodes, both on one thread, and against
//! itself with a console that has twenty viewers.
//!
//! `cargo bench --bench pipeline`; budgets: 0.7 of the decode-only rate, and 0.99 with viewers. A real
//! broker is started by `scripts/broker`, unless `CREDWATCH_TEST_BROKER` names one.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints its result"
)]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

#[path = "common/kafka.rs"]
mod kafka;
#[path = "common/viewers.rs"]
mod viewers;

use credwatch::config::Config;
use credwatch::kafka::KafkaError;
use credwatch::kafka::console_reader::feed;
use credwatch::kafka::detect::Detect;
use credwatch::kafka::shard_handoff::{ColdStart, ShardHandoff};
use credwatch::kafka::stage::{Processed, Record, Shared, Stage};
use credwatch::kafka::worker;
use credwatch::metrics::Metrics;
use credwatch::model::Model;
use credwatch::shard::{ShardFactory, load_model};
use credwatch::sources::native;
use credwatch::token_redaction::Redactor;
use credwatch_core::verdict::EntityView;
use kafka::{Broker, config, fill};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use viewers::{Viewers, serve};

const EVENTS: usize = 1_500_000;
const ROUNDS: usize = 3;
const PARTITIONS: usize = 4;
const VIEWERS: usize = 20;

/// The same loop with the same commits, and nothing done but decoding.
struct DecodeOnly {
    topic: String,
}

impl Stage for DecodeOnly {
    fn name(&self) -> &'static str {
        "detect"
    }
    fn topics(&self) -> Vec<String> {
        vec![self.topic.clone()]
    }
    fn process(&mut self, records: &[Record<'_>]) -> Result<Processed, KafkaError> {
        for record in records {
            std::hint::black_box(native::decode(record.payload, &Redactor::default()).unwrap());
        }
        Ok(Processed::default())
    }
    fn assign(&mut self, _: i32) -> Result<(), KafkaError> {
        Ok(())
    }
    fn revoke(&mut self, _: i32) {}
    fn serve_queries(&mut self) {}

    fn tick(&mut self) {}
}

/// Events a second of one run of a stage over the whole topic, from the first commit to the last.
fn rate(config: &Config, group: &str, stage: impl FnOnce(&Shared) -> Box<dyn Stage + Send>) -> f64 {
    let metrics = Metrics::new("bench").unwrap();
    let shared = Shared::new(config.clone(), metrics.clone());
    let mut stage = stage(&shared);
    let (of_worker, name) = (shared.clone(), group.to_owned());
    let thread = std::thread::spawn(move || worker::run(&mut *stage, &name, &name, &of_worker));
    let taken = || metrics.records.with_label_values(&["detect"]).get() as usize;
    let mut begun: Option<(Instant, usize)> = None;
    while taken() < EVENTS {
        if begun.is_none() && taken() > 0 {
            begun = Some((Instant::now(), taken()));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let (start, at_start) = begun.unwrap();
    let rate = (EVENTS - at_start) as f64 / start.elapsed().as_secs_f64();
    shared.stop.store(true, Ordering::Relaxed);
    thread.join().unwrap().unwrap();
    rate
}

/// The whole pipeline without what an earlier round has kept; with `viewers` of a console that is fed from
/// its outputs.
fn whole_pipeline(config: &Config, model: &Model, group: &str, viewers: usize) -> f64 {
    let mut watching = None;
    let rate = rate(config, group, |shared| {
        if viewers > 0 {
            let router = Some(Arc::clone(&shared.query_router));
            let served = serve(config, &shared.metrics, router);
            let (feeding, console) = (shared.clone(), Arc::clone(&served.console));
            let feeder = std::thread::spawn(move || feed(&feeding, &console));
            let viewers = Viewers::open(served.address, viewers);
            watching = Some((served, feeder, viewers));
        }
        let factory = ShardFactory::new(config, model.clone(), PARTITIONS as u32);
        let handoff = Arc::new(ShardHandoff::new(ColdStart::All));
        Box::new(Detect::new(
            EntityView::Identity,
            factory,
            group,
            handoff,
            shared,
        ))
    });
    if let Some((_served, feeder, viewers)) = watching {
        viewers.close();
        feeder.join().unwrap().unwrap();
    }
    rate
}

fn main() {
    let broker = Broker::find();
    let prefix = format!("bench-{}", std::process::id());
    let config = config(&broker, &prefix, PARTITIONS);
    let (event_bytes, _) = fill(&config, EVENTS, 2_000);
    let model = load_model(&config).unwrap();
    let (mut decode_only, mut whole, mut viewed) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let topic = config.topics.events.clone();
        decode_only.push(rate(&config, &format!("{prefix}-d{round}"), |_| {
            Box::new(DecodeOnly { topic })
        }));
        let group = |kind: &str| format!("{prefix}-{kind}{round}");
        whole.push(whole_pipeline(&config, &model, &group("w"), 0));
        viewed.push(whole_pipeline(&config, &model, &group("v"), VIEWERS));
    }
    let median = |rates: &mut Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    let (decode_only, whole, viewed) = (
        median(&mut decode_only),
        median(&mut whole),
        median(&mut viewed),
    );
    println!(
        "{}",
        serde_json::json!({
            "bench": "pipeline", "ratio_to_decode_only": whole / decode_only,
            "ratio_with_viewers": viewed / whole, "viewers": VIEWERS,
            "events_per_second": whole, "decode_only_events_per_second": decode_only,
            "events": EVENTS, "event_bytes": event_bytes, "partitions": PARTITIONS,
            "rounds": ROUNDS, "threads": 1,
        })
    );
}
