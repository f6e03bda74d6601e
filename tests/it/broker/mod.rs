//! The program on a real broker, started by `scripts/test`.

mod certificates;
mod console;
mod containment_pause;
mod delivery;
mod durability;
mod enrichment;
mod envelopes;
mod feedback;
mod keycloak;
mod keycloak_realm;
mod monitoring;
mod outage;
mod queries;
mod receivers;
mod retention;
mod schema_registry;
mod secrets;
mod service;
mod sources;
mod startup_errors;
pub(crate) mod support;
