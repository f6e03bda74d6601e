//! A changed model, configuration or format: what happens to the stored state.

use crate::common::{run, text};
use credwatch::config::{Config, Sources};
use credwatch::shard::{Shard, ShardFactory, ShardId, ShardRestore, load_model};
use credwatch_core::engine::Detail;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const START_MS: i64 = 1_767_571_200_000;

fn factory(text: &str) -> ShardFactory {
    let mut sources = Sources::default();
    sources.files.push(("test".to_owned(), text.to_owned()));
    let config = Config::load(&sources).unwrap();
    ShardFactory::new(&config, load_model(&config).unwrap(), 1)
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
    let mut send = |key: &[u8], value: Option<&[u8]>| {
        kept.insert(key.to_vec(), value.unwrap().to_vec());
        Ok(())
    };
    shard.begin_checkpoint(&mut send).unwrap();
    shard.write_checkpoint_chunk(usize::MAX, &mut send).unwrap();
    shard.commit_checkpoint();
}

fn taken_up(factory: &ShardFactory, kept: &BTreeMap<Vec<u8>, Vec<u8>>) -> Shard {
    let mut restoration = ShardRestore::new(factory, ShardId::of_identities(0));
    for (key, value) in kept {
        restoration.apply(key, Some(value), 0);
    }
    let mut shard = restoration.finish().unwrap().unwrap();
    shard.track_changes();
    shard
}

#[test]
fn an_upgrade_is_audited_once_and_keeps_the_baselines() {
    let (old, new) = (
        factory(""),
        factory("[detect]\nalerts_per_day = 9.0\n[containment]\nmax_per_hour = 3\n"),
    );
    let mut kept = BTreeMap::new();
    let mut shard = old.shard(ShardId::of_identities(0));
    shard.track_changes();
    for at in 0..2_000 {
        shard.handle(&event(at), at, None, Detail::Score).unwrap();
    }
    keep(&mut shard, &mut kept);
    let before = shard.threshold();

    let mut upgraded = taken_up(&new, &kept);
    assert!(upgraded.has_upgrade() && upgraded.has_changed());
    assert_eq!(upgraded.threshold(), before, "carried over");
    assert_eq!(upgraded.health().identities, 7);
    let output_text = upgraded.audit_upgrade().unwrap();
    let record: Value = serde_json::from_slice(&output_text.payload).unwrap();
    let hashes = &record["entry"]["model_hash"];
    assert_eq!(hashes["before"], old.model_hash());
    assert_eq!(hashes["now"], new.model_hash());
    assert_eq!(record["sequence"], 0, "the chain of the trail goes on");
    keep(&mut upgraded, &mut kept);
    assert!(upgraded.audit_upgrade().is_none());

    let again = taken_up(&new, &kept);
    assert!(!again.has_upgrade(), "audited once");
    assert!(
        taken_up(&old, &kept).has_upgrade(),
        "the way back is one too"
    );
}

#[test]
fn state_of_another_format_version_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("events.jsonl"), event(0)).unwrap();
    let replay = || {
        run(&[
            "replay",
            "-q",
            "--state",
            &path("state"),
            &path("events.jsonl"),
        ])
    };
    assert!(replay().status.success());
    let state = folder.path().join("state/partition-0.state");
    let mut bytes = std::fs::read(&state).unwrap();
    bytes[16] -= 1;
    std::fs::write(&state, bytes).unwrap();
    let refused = replay();
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let message = text(&refused.stderr);
    for part in ["format 6", "reads 7", "replay from the start"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn unused_privileges_are_reported_with_a_suggestion() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut events = String::new();
    let mut event = |day: i64, who: &str, action: &str| {
        let event = json!({"event_id": format!("{day}-{who}-{action}"),
            "time": crate::common::START_MS + day * 86_400_000,
            "identity": {"id": who}, "activity": "use", "action": action,
            "credential": {"id": "k", "kind": "api_key", "scopes": ["s3:GetObject", "iam:PassRole"]}});
        events += &format!("{event}\n");
    };
    for day in 0..30 {
        event(day, "svc-a", "s3:GetObject");
        if day < 5 {
            event(day, "svc-a", "ec2:RunInstances");
            event(day, "svc-gone", "s3:PutObject");
        }
    }
    std::fs::write(path("events.jsonl"), events).unwrap();
    let replayed = run(&[
        "replay",
        "-q",
        "--state",
        &path("state"),
        &path("events.jsonl"),
    ]);
    assert!(replayed.status.success(), "{replayed:?}");
    let drift = |since: &str| {
        let output = run(&[
            "drift",
            "--since",
            since,
            "--state",
            &path("state"),
            "--json",
        ]);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()["identities"].clone()
    };
    assert_eq!(
        drift("10d"),
        json!([
            {"identity": "svc-a", "unused": [["ec2:RunInstances", "2026-03-06"]],
                "scopes_without_use": ["iam:PassRole"], "proposed": ["s3:GetObject"]},
            {"identity": "svc-gone", "unused": [["s3:PutObject", "2026-03-06"]],
                "scopes_without_use": ["iam:PassRole", "s3:GetObject"], "proposed": []},
        ])
    );
    assert!(
        drift("60d")
            .as_array()
            .unwrap()
            .iter()
            .all(|of| of["unused"] == json!([]))
    );
    let words = run(&["drift", "--since", "10d", "--state", &path("state")]);
    assert!(
        text(&words.stdout).contains("last used 2026-03-06   ec2:RunInstances"),
        "{words:?}"
    );
}
