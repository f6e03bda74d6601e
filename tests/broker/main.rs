//! The program on a real broker, started by `scripts/test`.
#![cfg(feature = "broker-tests")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "../common/mod.rs"]
mod common;

mod answering;
mod asking;
mod deliver;
mod durability;
mod keycloak;
mod monitoring;
mod outage;
mod receivers;
mod refusals;
mod secrets;
mod service;
mod sources;
mod support;
mod switch;
