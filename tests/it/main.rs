//! All integration tests, in one program: Cargo links it once.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[cfg(feature = "broker-tests")]
mod broker;
mod checkpoints;
mod cli;
mod common;
mod containment;
mod engine;
mod feedback;
mod layout;
mod memory_bounds;
mod orders;
mod signals;
mod simulation;
mod sources;
mod upgrade;
