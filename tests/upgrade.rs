//! Another model or configuration takes a shard's state up: it is told once, and what was learned stays.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use credwatch::config::{Config, Sources};
use credwatch::engine::Detail;
use credwatch::shard::{Blueprint, Restoration, Shard, ShardId, load_model};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const START_MS: i64 = 1_767_571_200_000;

fn blueprint(text: &str) -> Blueprint {
    let mut sources = Sources::default();
    sources.files.push(("test".to_owned(), text.to_owned()));
    let config = Config::load(&sources).unwrap();
    Blueprint::new(&config, load_model(&config).unwrap(), 1)
}

fn event(at: i64) -> Vec<u8> {
    json!({
        "time": START_MS + at * 600_000, "identity": {"id": format!("id-{}", at % 7), "kind": "service"},
        "activity": "use", "action": "s3:GetObject", "source": {"host": "h", "ip": "10.0.0.1"},
    })
    .to_string()
    .into_bytes()
}

/// Keeps what has changed, as the compacted topic does.
fn keep(shard: &mut Shard, kept: &mut BTreeMap<Vec<u8>, Vec<u8>>) {
    let sent = shard.checkpoint(&mut |key, value| {
        kept.insert(key.to_vec(), value.unwrap().to_vec());
        Ok(())
    });
    sent.unwrap();
    shard.mark_kept();
}

fn taken_up(blueprint: &Blueprint, kept: &BTreeMap<Vec<u8>, Vec<u8>>) -> Shard {
    let mut restoration = Restoration::new(blueprint, ShardId::of_identities(0));
    for (key, value) in kept {
        restoration.take(key, Some(value), 0);
    }
    let mut shard = restoration.finish().unwrap().unwrap();
    shard.track_changes();
    shard
}

#[test]
fn an_upgrade_is_told_once_and_knowledge_is_carried_over() {
    let (old, new) = (
        blueprint(""),
        blueprint("[detect]\nalerts_per_day = 9.0\n[containment]\nmax_per_hour = 3\n"),
    );
    let mut kept = BTreeMap::new();
    let mut shard = old.shard(ShardId::of_identities(0));
    shard.track_changes();
    for at in 0..2_000 {
        shard.handle(&event(at), at, Detail::Score).unwrap();
    }
    keep(&mut shard, &mut kept);
    let before = shard.threshold();

    let mut upgraded = taken_up(&new, &kept);
    assert!(upgraded.has_upgrade() && upgraded.has_changed());
    assert_eq!(upgraded.threshold(), before, "carried over");
    assert_eq!(upgraded.health().identities, 7);
    let told = upgraded.announce_upgrade().unwrap();
    let record: Value = serde_json::from_slice(&told.payload).unwrap();
    let hashes = &record["entry"]["model_hash"];
    assert_eq!(hashes["before"], old.model_hash());
    assert_eq!(hashes["now"], new.model_hash());
    assert_eq!(record["sequence"], 0, "the chain of the trail goes on");
    keep(&mut upgraded, &mut kept);
    assert!(upgraded.announce_upgrade().is_none());

    let again = taken_up(&new, &kept);
    assert!(!again.has_upgrade(), "told once");
    assert!(
        taken_up(&old, &kept).has_upgrade(),
        "the way back is one too"
    );
}
