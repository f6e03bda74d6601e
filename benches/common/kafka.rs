//! A real broker for the benches that need one, with topics and events.
#![allow(dead_code, reason = "each bench uses a subset")]

use credwatch::config::{Config, Sources};
use credwatch::kafka::topics;
use credwatch::simulation::organisation::Organisation;
use credwatch_core::units::{EventTime, MS_PER_DAY};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// First day of the events, a Monday.
const START_MS: i64 = 1_772_409_600_000;

/// A broker that is stopped on drop.
pub(crate) struct Broker {
    child: Option<Child>,
    _folder: tempfile::TempDir,
    pub(crate) address: String,
}

impl Broker {
    /// The broker of `CREDWATCH_TEST_BROKER`, otherwise a new one.
    pub(crate) fn find() -> Self {
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

/// Settings with topics of their own, which are created.
pub(crate) fn config(broker: &Broker, prefix: &str, partitions: usize) -> Config {
    let text = format!(
        "[kafka]\nbootstrap_servers = \"{}\"\n[topics]\nevents = \"{prefix}.events\"\n\
         alerts = \"{prefix}.alerts\"\nrevocations = \"{prefix}.revocations\"\n\
         decisions = \"{prefix}.decisions\"\nfeedback = \"{prefix}.feedback\"\n\
         deadletter = \"{prefix}.dead\"\nbaselines = \"{prefix}.baselines\"\n\
         sightings = \"{prefix}.sightings\"\npartitions = {partitions}\n",
        broker.address
    );
    let mut sources = Sources::default();
    sources.files.push(("bench".to_owned(), text));
    let config = Config::load(&sources).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(topics::create(&config)).unwrap();
    config
}

/// A producer with Kafka's default partitioner, as `replay` assumes.
pub(crate) fn producer(config: &Config) -> ThreadedProducer<DefaultProducerContext> {
    producing(config).create().unwrap()
}

/// Its settings.
pub(crate) fn producing(config: &Config) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", &config.kafka.bootstrap_servers)
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "20")
        .set("batch.size", "500000");
    settings
}

/// Sends a record, waiting for space.
pub(crate) fn send(
    producer: &ThreadedProducer<DefaultProducerContext>,
    topic: &str,
    key: &str,
    json: &[u8],
) {
    let mut record = BaseRecord::to(topic).key(key).payload(json);
    while let Err((_, again)) = producer.send(record) {
        std::thread::sleep(Duration::from_millis(5));
        record = again;
    }
}

/// Fills the events topic with `events` events; returns their mean size, and the next
/// day.
pub(crate) fn fill(config: &Config, events: usize, identities: usize) -> (usize, EventTime) {
    let producer = producer(config);
    let mut organisation = Organisation::new(1, identities);
    let mut midnight = EventTime::from_epoch_ms(START_MS).unwrap();
    let (mut sent, mut bytes) = (0, 0);
    while sent < events {
        for simulated in organisation.day(midnight).into_iter().take(events - sent) {
            let json = simulated.event.to_json();
            bytes += json.len();
            sent += 1;
            let key = &simulated.event.identity.id;
            send(&producer, &config.topics.events, key, &json);
        }
        midnight = midnight.saturating_add_ms(MS_PER_DAY);
    }
    producer.flush(Duration::from_secs(60)).unwrap();
    (bytes / events, midnight)
}
