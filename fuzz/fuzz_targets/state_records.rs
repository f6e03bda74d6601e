//! Any bytes as any state record: applied or rejected, without allocating more than they hold.
#![no_main]

use credwatch::config::{Config, Sources};
use credwatch::shard::{ShardFactory, load_model};
use credwatch_core::baseline::state_record::RecordKey;
use credwatch_core::engine::{Engine, Settings};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
    let config = Config::load(&Sources::default()).expect("the default is valid");
    let model = load_model(&config).expect("the model is embedded");
    ShardFactory::new(&config, model, 1).settings().clone()
});
const KEYS: [RecordKey; 14] = [
    RecordKey::Engine,
    RecordKey::EventIds,
    RecordKey::SharedDeviations,
    RecordKey::Incidents,
    RecordKey::Label(7),
    RecordKey::Issuers,
    RecordKey::Population,
    RecordKey::Group(0),
    RecordKey::Credentials(0),
    RecordKey::Identity(7),
    RecordKey::SourceLogins,
    RecordKey::ContainmentState,
    RecordKey::IssuedOrders,
    RecordKey::ReplayGuard,
];

fuzz_target!(|bytes: &[u8]| {
    let Some((key, record)) = bytes.split_first() else {
        return;
    };
    let mut restore = Engine::restore(SETTINGS.clone());
    let _ = restore.apply(KEYS[usize::from(*key) % KEYS.len()], record);
    let _ = restore.finish();
});
