//! Refusals at startup with their remedy: topics that cannot store baselines, changed partition counts,
//! damaged or forged records.

use crate::broker::support::{Running, Setup, admin, block_on, wait_until};
use crate::common::{START_MS, credwatch, get, native, text};
use rdkafka::admin::{AdminOptions, AlterConfig, NewPartitions, ResourceSpecifier};

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
    // A broker learns of the change some time after it was accepted.
    wait_until("a check that names the policy", || {
        let checked = credwatch()
            .args(["check", "--config"])
            .arg(&setup.config)
            .output()
            .unwrap();
        checked.status.code() == Some(1) && text(&checked.stdout).contains("cleanup.policy=delete")
    });
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

fn damage(setup: &Setup) {
    let value = b"\x01\x01\x00not what was written, but long enough".to_vec();
    setup.produce("baselines", [("marker".to_owned(), value)]);
}

/// The partition of the halted shard, once its halt is logged.
fn halted_partition(running: &Running) -> String {
    let remedy = "run --cold=";
    wait_until("the remedy", || running.log_text().contains(remedy));
    let log = running.log_text();
    let after = log.split_once(remedy).unwrap().1;
    after.chars().take_while(char::is_ascii_digit).collect()
}

#[test]
fn a_damaged_baseline_halts_its_shard_alone() {
    let setup = Setup::new("damaged", 2, "native");
    let of_many = |from: usize| {
        (from..from + 100).map(|index| {
            let name = format!("svc-{}", index % 10);
            let event = native(index, &name, START_MS + index as i64 * 60_000);
            (name, event.to_string().into_bytes())
        })
    };
    setup.produce("events", of_many(0));
    let running = setup.start("first");
    running.wait_for("detect", 100);
    assert_eq!(running.terminate(), Some(0));
    damage(&setup);
    setup.produce("events", of_many(100));

    let running = setup.start("one");
    let partition = halted_partition(&running);
    refuses(&running, &["shard halted", "damaged"]);
    assert!(
        get(&running.address, "/readyz")
            .1
            .contains("others continue")
    );
    let halted = || running.metric("credwatch_halted_partitions", "");
    assert!((halted() - 1.0).abs() < 0.1);
    running.wait_for("detect", 1);
    assert_eq!(running.terminate(), Some(0));

    let running = setup.start_with("cold", &[&format!("--cold={partition}")]);
    wait_until("it is ready", || get(&running.address, "/readyz").0 == 200);
    setup.wait_until_committed(2);
    assert_eq!(running.terminate(), Some(0));
    // What it left is whole again.
    let running = setup.start("again");
    wait_until("it is ready", || get(&running.address, "/readyz").0 == 200);
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn a_baseline_without_the_key_of_the_deployment_is_not_restored() {
    let setup = Setup::new("authentic", 1, "native");
    learn(&setup);
    let key = setup.folder.path().join("state.key");
    std::fs::write(&key, "a secret of this deployment").unwrap();
    setup.append(&format!("key_file = \"{}\"\n", key.display()));
    let running = setup.start("keyed");
    refuses(&running, &["not authenticated by the key", "run --cold=0"]);
    assert_eq!(running.terminate(), Some(0));
    let running = setup.start_with("cold", &["--cold"]);
    wait_until("its shard has learned again", || {
        running.log_text().contains("events replayed")
    });
    assert_eq!(running.terminate(), Some(0));
    let running = setup.start("again");
    wait_until("it is ready", || get(&running.address, "/readyz").0 == 200);
    assert_eq!(running.terminate(), Some(0));
}
