//! Any bytes as any piece of state: taken or refused, and never more memory than they hold.
#![no_main]

use credwatch::config::{Config, Sources};
use credwatch_core::engine::{Engine, PieceKey, Settings};
use credwatch::shard::{Blueprint, load_model};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
    let config = Config::load(&Sources::default()).expect("the default is one");
    let model = load_model(&config).expect("the model is embedded");
    Blueprint::new(&config, model, 1).settings().clone()
});
const KEYS: [PieceKey; 10] = [
    PieceKey::Engine,
    PieceKey::SeenIds,
    PieceKey::Crowd,
    PieceKey::Incidents,
    PieceKey::Name(7),
    PieceKey::Issuers,
    PieceKey::Population,
    PieceKey::Group(0),
    PieceKey::Credentials(0),
    PieceKey::Identity(7),
];

fuzz_target!(|bytes: &[u8]| {
    let Some((key, piece)) = bytes.split_first() else {
        return;
    };
    let mut restoring = Engine::restoring(SETTINGS.clone());
    let _ = restoring.take(KEYS[usize::from(*key) % KEYS.len()], piece);
    let _ = restoring.finish();
});
