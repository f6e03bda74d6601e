//! One set of topics and settings on the real broker, and the program running on it.

use crate::common::{credwatch, get, make_key};
use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Ends a test that hangs.
pub(crate) const HANGS_AFTER: Duration = Duration::from_secs(300);

/// Bearer token of a service under test.
pub(crate) const TOKEN: &str = "only-for-tests";

/// The broker that `scripts/test` starts. Its absence is a failure, not a reason to skip.
pub(crate) fn broker() -> String {
    std::env::var("CREDWATCH_TEST_BROKER")
        .expect("CREDWATCH_TEST_BROKER is not set: run scripts/test, which starts a broker")
}

/// A client of the test broker that changes topics.
pub(crate) fn admin() -> AdminClient<DefaultClientContext> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker()).create().unwrap()
}

/// Waits for an answer of [`admin`].
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(work)
}

#[allow(
    clippy::disallowed_methods,
    reason = "a test that waits for a real broker"
)]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < HANGS_AFTER, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A record as a reader sees it.
pub(crate) struct Read {
    pub(crate) key: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) value: serde_json::Value,
    pub(crate) raw: Vec<u8>,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// Topics of one test, by a prefix of their own.
pub(crate) struct Setup {
    pub(crate) servers: String,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) prefix: String,
    pub(crate) config: PathBuf,
}

impl Setup {
    /// Writes the configuration and creates the topics.
    pub(crate) fn new(name: &str, partitions: usize, format: &str) -> Self {
        Self::on(broker(), name, partitions, format)
    }

    /// The same on another broker.
    pub(crate) fn on(servers: String, name: &str, partitions: usize, format: &str) -> Self {
        let setup = Self::prepared(servers, name, partitions, format);
        setup.create_topics();
        setup
    }

    pub(crate) fn create_topics(&self) {
        let created = credwatch()
            .args(["topics", "create", "--config"])
            .arg(&self.config)
            .output()
            .unwrap();
        assert!(created.status.success(), "{created:?}");
    }

    /// Adds settings.
    pub(crate) fn append(&self, settings: &str) {
        let config = std::fs::OpenOptions::new().append(true).open(&self.config);
        config.unwrap().write_all(settings.as_bytes()).unwrap();
    }

    /// Has orders signed, with a key of its own.
    pub(crate) fn sign_orders(&self) {
        let key = self.folder.path().join("order.pem");
        make_key(&key);
        self.append(&format!(
            "[signing]\nkey_file = \"{}\"\nissuer = \"https://credwatch.test\"\n\
             audience = \"https://executor.test\"\n",
            key.display()
        ));
    }

    /// The same, and nothing but a policy holds enforcement back.
    pub(crate) fn enforce(&self) {
        self.append("[containment]\nmode = \"enforce\"\nmax_per_hour = 1000\nmax_share = 1.0\n");
        self.sign_orders();
    }

    pub(crate) fn without_topics(name: &str, partitions: usize, format: &str) -> Self {
        Self::prepared(broker(), name, partitions, format)
    }

    fn prepared(servers: String, name: &str, partitions: usize, format: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let prefix = format!("{name}-{}", std::process::id());
        let config = folder.path().join("credwatch.toml");
        let topics: String = [
            "events",
            "alerts",
            "revocations",
            "decisions",
            "feedback",
            "deadletter",
            "baselines",
            "sightings",
            "instances",
        ]
        .iter()
        .map(|topic| format!("{topic} = \"{prefix}.{topic}\"\n"))
        .collect();
        let text = format!(
            "[kafka]\nbootstrap_servers = \"{}\"\ngroup_id = \"{prefix}\"\n[topics]\n{topics}\
             partitions = {partitions}\nreplication = {}\n[[ingest]]\n\
             topic = \"{prefix}.raw\"\nformat = \"{format}\"\n\
             [http]\nlisten = \"127.0.0.1:0\"\n[state]\ncheckpoint_secs = 1\n",
            servers,
            std::env::var("CREDWATCH_TEST_REPLICATION").unwrap_or_else(|_| "1".to_owned()),
        );
        std::fs::write(&config, text).unwrap();
        Self {
            servers,
            folder,
            prefix,
            config,
        }
    }

    pub(crate) fn topic(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    /// Starts `credwatch run`.
    pub(crate) fn start(&self, instance: &str) -> Running {
        self.start_with(instance, &[])
    }

    /// The same with more arguments.
    pub(crate) fn start_with(&self, instance: &str, more: &[&str]) -> Running {
        self.start_at(instance, more, "127.0.0.1:0")
    }

    /// The same on a given address, which is announced to other instances unless its port is free to choose.
    pub(crate) fn start_at(&self, instance: &str, more: &[&str], listen: &str) -> Running {
        let log = self.folder.path().join(format!("{instance}.log"));
        let advertised = (!listen.ends_with(":0")).then(|| format!("http://{listen}"));
        let child = credwatch()
            .args(["run", "--config"])
            .arg(&self.config)
            .args(more)
            .env("CREDWATCH_KAFKA__INSTANCE_ID", instance)
            .env("CREDWATCH_HTTP__TOKEN", TOKEN)
            .env("CREDWATCH_HTTP__LISTEN", listen)
            .envs(advertised.map(|url| ("CREDWATCH_HTTP__ADVERTISED_URL", url)))
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut running = Running {
            name: instance.to_owned(),
            child,
            log,
            address: String::new(),
        };
        wait_until("the pages' address in the log", || {
            let output_text = running.log_text();
            let rest = output_text
                .split_once("HTTP listening on http://")
                .map(|(_, rest)| rest);
            let address = rest.and_then(|rest| rest.split_whitespace().next());
            running.address = address.unwrap_or_default().to_owned();
            !running.address.is_empty()
        });
        running
    }

    /// Sends records to a topic, in order.
    pub(crate) fn produce(
        &self,
        topic: &str,
        records: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) {
        let records = records.into_iter();
        self.produce_optional(topic, records.map(|(key, value)| (key, Some(value))));
    }

    /// Sends records to a topic, in order; those without value are tombstones.
    pub(crate) fn produce_optional(
        &self,
        topic: &str,
        records: impl IntoIterator<Item = (String, Option<Vec<u8>>)>,
    ) {
        let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
            .set("bootstrap.servers", &self.servers)
            .set("message.max.bytes", "15000000")
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "5")
            .create()
            .unwrap();
        let topic = self.topic(topic);
        for (key, payload) in records {
            let mut record = BaseRecord::to(&topic).key(&key);
            record.payload = payload.as_ref();
            while let Err((error, again)) = producer.send(record) {
                assert_eq!(
                    error.rdkafka_error_code(),
                    Some(rdkafka::types::RDKafkaErrorCode::QueueFull)
                );
                record = again;
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        producer.flush(HANGS_AFTER).unwrap();
    }

    /// All committed records of a topic.
    pub(crate) fn read(&self, topic: &str) -> Vec<Read> {
        let topic = self.topic(topic);
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.servers)
            .set("group.id", "reader")
            // The answer to a commit would end a poll without a record.
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .set("fetch.message.max.bytes", "15000000")
            .create()
            .unwrap();
        let metadata = consumer.fetch_metadata(Some(&topic), HANGS_AFTER).unwrap();
        let mut open = metadata.topics()[0].partitions().len();
        let mut assignment = TopicPartitionList::new();
        for partition in 0..open as i32 {
            assignment
                .add_partition_offset(&topic, partition, Offset::Beginning)
                .unwrap();
        }
        consumer.assign(&assignment).unwrap();
        let mut records = Vec::new();
        while open > 0 {
            match consumer.poll(HANGS_AFTER).expect("the broker answers") {
                Ok(message) => records.push(read_of(&message)),
                Err(rdkafka::error::KafkaError::PartitionEOF(_)) => open -= 1,
                Err(error @ rdkafka::error::KafkaError::MessageConsumptionFatal(_)) => {
                    panic!("{error}")
                }
                // The broker may be paused or busy: the client reconnects.
                Err(_) => {}
            }
        }
        records
    }

    /// Waits until the group has committed every record of the events topic, and then every sighting.
    pub(crate) fn wait_until_committed(&self, partitions: i32) {
        for (topic, stage) in [("events", "detect"), ("sightings", "detect-sources")] {
            let records = self.read(topic).into_iter();
            let ends: BTreeMap<i32, i64> = records.map(|r| (r.partition, r.offset + 1)).collect();
            wait_until(topic, || {
                let committed = self.committed(topic, stage, partitions);
                ends.iter()
                    .all(|(partition, end)| committed.get(partition) >= Some(end))
            });
        }
    }

    /// Where the group of `stage` stands in the partitions of a topic.
    fn committed(&self, topic: &str, stage: &str, partitions: i32) -> BTreeMap<i32, i64> {
        let reader: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.servers)
            .set("group.id", format!("{}-{stage}", self.prefix))
            .create()
            .unwrap();
        let mut requested = TopicPartitionList::new();
        for partition in 0..partitions {
            requested.add_partition(&self.topic(topic), partition);
        }
        let Ok(found) = reader.committed_offsets(requested, HANGS_AFTER) else {
            return BTreeMap::new();
        };
        let elements = found.elements();
        let stands = elements
            .iter()
            .filter_map(|element| match element.offset() {
                Offset::Offset(offset) => Some((element.partition(), offset)),
                _ => None,
            });
        stands.collect()
    }

    /// Runs `credwatch replay` with the same settings; returns the folder of what it wrote.
    pub(crate) fn replay(&self, partitions: usize, inputs: &[PathBuf]) -> PathBuf {
        let folder = self.folder.path().join("replay");
        std::fs::create_dir_all(&folder).unwrap();
        let output = credwatch()
            .args([
                "replay",
                "-q",
                "--partitions",
                &partitions.to_string(),
                "--config",
            ])
            .arg(&self.config)
            .arg("--alerts")
            .arg(folder.join("alerts"))
            .arg("--orders")
            .arg(folder.join("orders"))
            .arg("--dead")
            .arg(folder.join("dead"))
            .arg("--audit")
            .arg(folder.join("audit"))
            .args(inputs)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        folder
    }
}

/// Lines of a log that a failed test prints: more would hide why it failed.
const LOG_TAIL_LINES: usize = 25;

/// A failed test prints the end of the log of the program.
impl Drop for Setup {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for entry in std::fs::read_dir(self.folder.path()).unwrap().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                let log = std::fs::read_to_string(&path).unwrap_or_default();
                let skipped = log.lines().count().saturating_sub(LOG_TAIL_LINES);
                log.lines()
                    .skip(skipped)
                    .for_each(|line| eprintln!("{line}"));
            }
        }
    }
}

fn read_of(message: &rdkafka::message::BorrowedMessage<'_>) -> Read {
    let headers = message.headers().map(|headers| {
        headers
            .iter()
            .map(|header| {
                let value = String::from_utf8_lossy(header.value.unwrap_or_default());
                (header.key.to_owned(), value.into_owned())
            })
            .collect()
    });
    Read {
        key: String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned(),
        headers: headers.unwrap_or_default(),
        value: serde_json::from_slice(message.payload().unwrap_or_default()).unwrap_or_default(),
        raw: message.payload().unwrap_or_default().to_vec(),
        partition: message.partition(),
        offset: message.offset(),
    }
}

/// The running program.
pub(crate) struct Running {
    name: String,
    child: Child,
    log: PathBuf,
    pub(crate) address: String,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// The sum of a metric over its labels; `labels` must all be there.
    pub(crate) fn metric(&self, name: &str, labels: &str) -> f64 {
        let (_, body) = get(&self.address, "/metrics");
        body.lines()
            .filter(|line| line.starts_with(name) && line.contains(labels))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Waits until a stage has processed this many records.
    pub(crate) fn wait_for(&self, stage: &str, records: usize) {
        let label = format!("stage=\"{stage}\"");
        wait_until(&format!("{records} records of {stage}"), || {
            self.metric("credwatch_records_total", &label) >= records as f64
        });
    }

    /// Sends SIGTERM, and returns the exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let asked = std::process::Command::new("kill")
            .args(["-TERM", &pid])
            .status();
        assert!(asked.unwrap().success());
        let mut code = None;
        wait_until("the process ends", || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        });
        code.and_then(|status| status.code())
    }

    /// Kills it.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Produces each file as one record, in order, with a client that is not ours.
pub(crate) fn kcat(topic: &str, files: &[PathBuf]) {
    let status = std::process::Command::new("kcat")
        .args([
            "-P",
            "-q",
            "-b",
            &broker(),
            "-t",
            topic,
            "-X",
            "message.max.bytes=15000000",
        ])
        .args(files)
        .status()
        .expect("kcat is installed by scripts/test");
    assert!(status.success());
}

/// The files of a folder, by name.
pub(crate) fn files_of(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = walk(folder);
    files.sort();
    files
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect()
}
