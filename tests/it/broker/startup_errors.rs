//! Refusals at startup with their remedy: topics that cannot store baselines, changed partition counts, damaged
//! records.

use crate::broker::support::{Running, Setup, broker, wait_until};
use crate::common::{START_MS, credwatch, get, native, text};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;

fn admin() -> AdminClient<DefaultClientContext> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker()).create().unwrap()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(work)
}

fn events(count: usize) -> impl Iterator<Item = (String, Vec<u8>)> {
    (0..count).map(|index| {
        let event = native(index, "svc-1", START_MS + index as i64 * 60_000);
        ("svc-1".to_owned(), event.to_string().into_bytes())
    })
}

/// Learns something and ends in order, so that baselines are kept.
fn learn(setup: &Setup) {
    setup.produce("events", events(200));
    let running = setup.start("first");
    running.wait_for("detect", 200);
    assert_eq!(running.terminate(), Some(0));
}

fn refuses(running: &Running, words: &[&str]) {
    wait_until(&format!("the complaint: {words:?}"), || {
        let log = running.log_text();
        words.iter().all(|word| log.contains(word))
    });
    assert_eq!(get(&running.address, "/readyz").0, 503);
}

#[test]
fn baselines_that_would_be_deleted_by_age_are_refused() {
    let setup = Setup::new("policy", 2, "native");
    let topic = setup.topic("baselines");
    let change = AlterConfig::new(ResourceSpecifier::Topic(&topic)).set("cleanup.policy", "delete");
    let admin = admin();
    block_on(admin.alter_configs([&change], &AdminOptions::new())).unwrap()[0]
        .as_ref()
        .unwrap();
    let checked = credwatch()
        .args(["check", "--config"])
        .arg(&setup.config)
        .output()
        .unwrap();
    assert_eq!(checked.status.code(), Some(1));
    let output_text = text(&checked.stdout);
    assert!(
        output_text.contains("cleanup.policy=delete"),
        "{output_text}"
    );
    let running = setup.start("one");
    refuses(
        &running,
        &["cleanup.policy=delete", "kafka-configs --alter", &topic],
    );
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn a_changed_partition_count_is_refused() {
    let setup = Setup::new("moved", 2, "native");
    learn(&setup);
    let admin = admin();
    let add = |name: &str| {
        let topic = setup.topic(name);
        let more = NewPartitions::new(&topic, 3);
        let added = block_on(admin.create_partitions([&more], &AdminOptions::new()));
        added.unwrap()[0].as_ref().unwrap();
    };
    add("events");
    let running = setup.start("uneven");
    refuses(
        &running,
        &["has 2 partitions and", "has 3", "credwatch topics create"],
    );
    assert_eq!(running.terminate(), Some(0));
    add("baselines");
    add("decisions");
    add("sightings");
    let running = setup.start("even");
    refuses(
        &running,
        &[
            "made for 2 partitions",
            "identities have moved",
            "run --cold",
        ],
    );
    assert_eq!(running.terminate(), Some(0));
    let running = setup.start_with("cold", &["--cold"]);
    wait_until("all partitions are owned", || {
        running.log_text().contains("200 events replayed")
    });
    wait_until("it is ready", || get(&running.address, "/readyz").0 == 200);
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn a_damaged_baseline_is_refused_with_the_remedy() {
    let setup = Setup::new("damaged", 1, "native");
    learn(&setup);
    let value = b"\x01\x01\x00not what was written, but long enough".to_vec();
    setup.produce("baselines", [("marker".to_owned(), value)]);
    let running = setup.start("one");
    refuses(&running, &["damaged", "run --cold"]);
    assert_eq!(running.terminate(), Some(0));
    let running = setup.start_with("cold", &["--cold"]);
    wait_until("it is ready", || get(&running.address, "/readyz").0 == 200);
    setup.produce("events", events(210).skip(200));
    running.wait_for("detect", 10);
    assert_eq!(running.terminate(), Some(0));
    // What it left is whole again.
    let running = setup.start("again");
    wait_until("it is taken up", || {
        running.log_text().contains("0 events replayed")
    });
    assert_eq!(running.terminate(), Some(0));
}
