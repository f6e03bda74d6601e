//! All integration tests, in one program: Cargo links it once.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[cfg(feature = "broker-tests")]
mod broker;
#[cfg(feature = "broker-tests")]
mod browser;
mod cases;
mod checkpoints;
mod cli;
mod common;
mod console;
mod containment;
mod engine;
mod enrichment;
mod feedback;
mod layout;
mod mappings;
mod memory_bounds;
mod orders;
mod signals;
mod simulation;
mod source_goldens;
mod source_properties;
mod sources;
mod upgrade;
