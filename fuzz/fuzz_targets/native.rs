//! Any bytes as a native record: an event or an error, and an event can be judged.
#![no_main]

use credwatch::config::{Config, Sources};
use credwatch_core::engine::Detail;
use credwatch::shard::{Blueprint, Shard, ShardId, load_model};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static COLD: LazyLock<Shard> = LazyLock::new(|| {
    let config = Config::load(&Sources::default()).expect("the default is one");
    let model = load_model(&config).expect("the model is embedded");
    Blueprint::new(&config, model, 1).shard(ShardId::of_identities(0))
});

fuzz_target!(|bytes: &[u8]| {
    let mut shard = COLD.clone();
    if let Ok(handled) = shard.handle(bytes, 0, Detail::Words) {
        assert!(handled.stepped.score_nats.is_finite());
        let alerts = handled.stepped.alerts;
        let _ = shard.publications(&alerts, None, Some(bytes));
    }
});
