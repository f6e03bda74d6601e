//! The program on a real broker, started by `scripts/test`.
#![cfg(feature = "broker-tests")]

#[path = "../common/mod.rs"]
mod common;
mod service;
mod support;
