//! The whole pipeline from Kafka against the same consumer that only decodes, both on one thread.
//!
//! `cargo bench --bench pipeline`; budget: 0.7 of the decode-only rate. A real broker is started by
//! `scripts/broker`, unless `CREDWATCH_TEST_BROKER` names one.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints its result"
)]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use credwatch::config::{Config, Sources};
use credwatch::kafka::KafkaError;
use credwatch::kafka::detect::Detect;
use credwatch::kafka::pool::Pool;
use credwatch::kafka::topics;
use credwatch::kafka::worker::{self, Processed, Record, Shared, Stage};
use credwatch::metrics::Metrics;
use credwatch::shard::{Blueprint, load_model};
use credwatch::sim::organisation::Organisation;
use credwatch::units::{EventTime, MS_PER_DAY};
use credwatch::wire::native;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const EVENTS: usize = 1_500_000;
const ROUNDS: usize = 3;
const PARTITIONS: usize = 4;

/// A broker of our own, ended with its folder.
struct Broker {
    child: Option<Child>,
    _folder: tempfile::TempDir,
    address: String,
}

impl Broker {
    fn find() -> Self {
        let folder = tempfile::tempdir().unwrap();
        if let Ok(address) = std::env::var("CREDWATCH_TEST_BROKER") {
            return Self {
                child: None,
                _folder: folder,
                address,
            };
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/broker");
        let child = Command::new(script)
            .arg(folder.path().join("kafka"))
            .arg(port.to_string())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let address = format!("127.0.0.1:{port}");
        while std::net::TcpStream::connect(&address).is_err() {
            std::thread::sleep(Duration::from_millis(200));
        }
        std::thread::sleep(Duration::from_secs(3));
        Self {
            child: Some(child),
            _folder: folder,
            address,
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = Command::new("kill")
                .args(["-TERM", &child.id().to_string()])
                .status();
            let _ = child.wait();
        }
    }
}

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
    fn process(&mut self, records: &[Record<'_>]) -> Processed {
        for record in records {
            std::hint::black_box(native::decode(record.payload).unwrap());
        }
        Processed::default()
    }
    fn assign(&mut self, _: &str, _: i32) -> Result<(), KafkaError> {
        Ok(())
    }
    fn revoke(&mut self, _: &str, _: i32) {}
    fn attend(&mut self) {}

    fn tick(&mut self) {}
}

fn config(broker: &Broker, prefix: &str) -> Config {
    let text = format!(
        "[kafka]\nbootstrap_servers = \"{}\"\n[topics]\nevents = \"{prefix}.events\"\n\
         alerts = \"{prefix}.alerts\"\nrevocations = \"{prefix}.revocations\"\n\
         decisions = \"{prefix}.decisions\"\nfeedback = \"{prefix}.feedback\"\n\
         deadletter = \"{prefix}.dead\"\nbaselines = \"{prefix}.baselines\"\n\
         sightings = \"{prefix}.sightings\"\npartitions = {PARTITIONS}\n",
        broker.address
    );
    let mut sources = Sources::default();
    sources.files.push(("bench".to_owned(), text));
    Config::load(&sources).unwrap()
}

/// Fills the events topic; returns the mean size of an event.
fn fill(config: &Config) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(topics::create(config)).unwrap();
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", &config.kafka.bootstrap_servers)
        .set("linger.ms", "20")
        .set("batch.size", "500000")
        .create()
        .unwrap();
    let mut organisation = Organisation::new(1, 2_000);
    let mut midnight = EventTime::from_epoch_ms(1_772_409_600_000).unwrap();
    let (mut sent, mut bytes) = (0, 0);
    while sent < EVENTS {
        for simulated in organisation.day(midnight).into_iter().take(EVENTS - sent) {
            let json = simulated.event.to_json();
            bytes += json.len();
            sent += 1;
            let mut record = BaseRecord::to(&config.topics.events)
                .key(&simulated.event.identity.id)
                .payload(&json);
            while let Err((_, again)) = producer.send(record) {
                std::thread::sleep(Duration::from_millis(5));
                record = again;
            }
        }
        midnight = midnight.saturating_add_ms(MS_PER_DAY);
    }
    producer.flush(Duration::from_secs(60)).unwrap();
    bytes / EVENTS
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

fn main() {
    let broker = Broker::find();
    let prefix = format!("bench-{}", std::process::id());
    let config = config(&broker, &prefix);
    let event_bytes = fill(&config);
    let model = load_model(&config).unwrap();
    let (mut decode_only, mut whole) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let topic = config.topics.events.clone();
        decode_only.push(rate(&config, &format!("{prefix}-d{round}"), |_| {
            Box::new(DecodeOnly { topic })
        }));
        let group = format!("{prefix}-w{round}");
        whole.push(rate(&config, &group, |shared| {
            let blueprint = Blueprint::new(&config, model.clone(), PARTITIONS as u32);
            let pool = Arc::new(Pool::new(false));
            Box::new(Detect::new(blueprint, &group, pool, shared))
        }));
    }
    let median = |rates: &mut Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    let (decode_only, whole) = (median(&mut decode_only), median(&mut whole));
    println!(
        "{}",
        serde_json::json!({
            "bench": "pipeline", "ratio_to_decode_only": whole / decode_only,
            "events_per_second": whole, "decode_only_events_per_second": decode_only,
            "events": EVENTS, "event_bytes": event_bytes, "partitions": PARTITIONS,
            "rounds": ROUNDS, "threads": 1,
        })
    );
}
