//! A checkpoint is the state at its begin, whatever is learned, evicted or erased while it is being
//! written; an aborted one loses nothing for the next.

use credwatch::config::{Config, Sources};
use credwatch::feedback::model::Feedback;
use credwatch::shard::{Shard, ShardFactory, ShardId, ShardRestore, load_model};
use credwatch::simulation::rng::Rng;
use credwatch_core::engine::Detail;
use serde_json::json;
use std::collections::BTreeMap;

const START_MS: i64 = 1_767_571_200_000;
const STEPS: i64 = 30_000;

fn factory() -> ShardFactory {
    let mut sources = Sources::default();
    // Fewer slots than identities: evictions all the time.
    let text = "[detect]\nmax_identities = 400\n".to_owned();
    sources.files.push(("test".to_owned(), text));
    let config = Config::load(&sources).unwrap();
    ShardFactory::new(&config, load_model(&config).unwrap(), 1)
}

fn id(dice: &mut Rng) -> String {
    let few = dice.chance(0.7);
    format!("id-{}", dice.below(if few { 60 } else { 2_000 }))
}

fn event(dice: &mut Rng, at: i64) -> Vec<u8> {
    let (id, nth) = (id(dice), dice.below(3));
    // A day passes every 500 events, so that what is seldom used loses its place.
    json!({
        "time": START_MS + at * 172_800, "identity": {"id": id, "kind": "service",
            "group": format!("group-{}", dice.below(12))},
        "credential": {"id": format!("{id}-{}", at / 5_000), "kind": "api_key", "issuer": format!("i-{nth}")},
        "activity": if dice.chance(0.05) { "rotate" } else { "use" },
        "action": format!("s3:Act{}", dice.below(9)),
        "source": {"host": format!("h-{}", dice.below(200)), "ip": format!("10.0.{}.1", dice.below(250))},
    })
    .to_string()
    .into_bytes()
}

fn forget(shard: &mut Shard, dice: &mut Rng, at: i64) {
    let answer = Feedback {
        forget: Some(id(dice)),
        by: "ada".to_owned(),
        ..Feedback::default()
    };
    shard.apply_feedback(&answer, (0, at), None);
}

fn whole(shard: &Shard) -> Vec<u8> {
    let mut bytes = Vec::new();
    shard.save(&mut bytes).unwrap();
    bytes
}

#[test]
fn an_incremental_checkpoint_is_the_state_of_one_moment() {
    let (factory, mut dice) = (factory(), Rng::new(7));
    let mut shard = factory.shard(ShardId::of_identities(0));
    shard.track_changes();
    let mut topic: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    // The state when the checkpoint began that is being made, and its records.
    let mut made = None;
    let (mut kept, mut given_up, mut slow) = (0, 0, 0);
    for at in 0..STEPS {
        shard
            .handle(&event(&mut dice, at), at, None, Detail::Score)
            .unwrap();
        if dice.chance(0.01) {
            forget(&mut shard, &mut dice, at);
        }
        let Some((then, begun, mut records)) = made.take() else {
            if dice.chance(0.01) {
                let mut records = Vec::new();
                let then = whole(&shard);
                let sent = shard.begin_checkpoint(&mut |key, value| {
                    records.push((key.to_vec(), value.map(<[u8]>::to_vec)));
                    Ok(())
                });
                sent.unwrap();
                made = Some((then, at, records));
            }
            continue;
        };
        if dice.chance(0.002) {
            shard.abort_checkpoint();
            given_up += 1;
            continue;
        }
        let sent = shard.write_checkpoint_chunk(dice.below(3_000), &mut |key, value| {
            records.push((key.to_vec(), value.map(<[u8]>::to_vec)));
            Ok(())
        });
        if !sent.unwrap() {
            made = Some((then, begun, records));
            continue;
        }
        shard.commit_checkpoint();
        for (key, value) in records {
            match value {
                Some(value) => drop(topic.insert(key, value)),
                None => drop(topic.remove(&key)),
            }
        }
        let mut restoration = ShardRestore::new(&factory, ShardId::of_identities(0));
        for (key, value) in &topic {
            restoration.apply(key, Some(value), 0);
        }
        let restored = restoration.finish().unwrap().unwrap();
        assert!(whole(&restored) == then, "begun at {begun}, sent at {at}");
        kept += 1;
        slow += usize::from(at - begun > 20);
    }
    let health = shard.health();
    assert!(health.evicted > 1_000, "{health:?}");
    assert!(
        kept > 80 && given_up > 5 && slow > 40,
        "{kept} {given_up} {slow}"
    );
}
