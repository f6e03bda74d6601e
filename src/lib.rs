//! credwatch: a streaming anomaly detector for credential-usage telemetry.
//!
//! Data flows one way: decode → enrich → baseline → score → decide → learn → publish → commit.
//! The modules below are listed in that order of dependence: each imports only what stands above
//! it (`tests/architecture.rs` holds them to it). The core, everything up to [`engine`], is pure
//! and deterministic. `ARCHITECTURE.md` draws the map.

pub mod units;

pub mod stats;

pub mod event;
pub mod sighting;
pub mod verdict;

pub mod catalogue;
pub mod params;

pub mod enrich;

pub mod baseline;
pub mod signal;

pub mod score;

pub mod decide;

pub mod engine;

pub mod signing;

pub mod wire;

pub mod config;

pub mod clock;

pub mod shard;

pub mod metrics;
pub mod status;

pub mod file;
pub mod ingest;
pub mod inquiry;

pub mod outbound;

pub mod keycloak;

pub mod deliver;
pub mod http;

pub mod kafka;

pub mod sim;

pub mod app;
pub mod cli;
