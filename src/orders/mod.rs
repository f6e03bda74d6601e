//! Containment orders: the record ([`containment_order`]), its signed token ([`security_event_token`]) and
//! their verification ([`order_verifier`]).

pub mod containment_order;
pub mod order_verifier;
pub mod security_event_token;
