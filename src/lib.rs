//! credwatch: a streaming anomaly detector for credential-usage telemetry.
//!
//! Data flows one way: decode → enrich → baseline → score → decide → learn → publish → commit. Scoring,
//! baselines and containment decisions are the crate [`credwatch_core`], which is pure and deterministic;
//! this crate contains the sources, the shard that joins both, and the edges: Kafka, HTTP and files.
//! See `ARCHITECTURE.md` for the map.

pub mod audit;
pub mod checkpointing;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod console;
pub mod crypto;
pub mod enrichment;
pub mod feedback;
pub mod files;
pub mod http;
pub mod http_client;
pub mod ingest;
pub mod instances;
pub mod kafka;
pub mod keycloak;
pub mod metrics;
pub mod model;
pub mod mutex;
pub mod orders;
pub mod outputs;
pub mod persistence;
pub mod query_router;
pub mod receivers;
pub mod reports;
pub mod retry;
pub mod schema_registry;
pub mod schemas;
pub mod service;
pub mod service_client;
pub mod shard;
pub mod simulation;
pub mod sources;
pub mod status;
pub mod string_enum_serde;
pub mod token_redaction;
