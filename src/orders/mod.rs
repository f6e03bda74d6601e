//! Containment orders: the record ([`model`]), signing ([`sign`](model::Order::signed)) by a Security Event
//! Token ([`security_event_token`]), and verification ([`verify`]).

pub mod model;
pub mod security_event_token;
mod sign;
pub mod verify;
