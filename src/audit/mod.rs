//! The audit trail: records chained by hash ([`record`]) and their verification ([`audit_verifier`]).

pub mod audit_verifier;
pub mod chain_error;
mod chain_start;
pub mod record;
