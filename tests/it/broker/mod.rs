//! The program on a real broker, started by `scripts/test`.

mod containment_pause;
mod delivery;
mod durability;
mod feedback;
mod keycloak;
mod monitoring;
mod outage;
mod queries;
mod receivers;
mod secrets;
mod service;
mod sources;
mod startup_errors;
mod support;
