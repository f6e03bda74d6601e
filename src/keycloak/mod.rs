//! Keycloak: its admin API ([`admin_client`]) and the poller that publishes its events ([`event_poller`]).

pub mod admin_client;
pub mod event_poller;
