//! Any bytes as a native record: an event or an error, and an event can be scored and published.
#![no_main]

use credwatch::config::{Config, Sources};
use credwatch::shard::{Shard, ShardFactory, ShardId, load_model};
use credwatch_core::engine::Detail;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static COLD: LazyLock<Shard> = LazyLock::new(|| {
    let config = Config::load(&Sources::default()).expect("the default is valid");
    let model = load_model(&config).expect("the model is embedded");
    ShardFactory::new(&config, model, 1).shard(ShardId::of_identities(0))
});

fuzz_target!(|bytes: &[u8]| {
    let mut shard = COLD.clone();
    if let Ok(processed) = shard.handle(bytes, 0, None, Detail::Explained) {
        assert!(processed.step.score_nats.is_finite());
        let alerts = processed.step.alerts;
        let _ = shard.output_records(&alerts, None, Some(bytes));
    }
});
