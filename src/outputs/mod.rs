//! Records that credwatch publishes, other than orders and the audit trail.

pub mod dead_letter;
pub mod decision;
pub mod ocsf_finding;
pub mod retention_gap;
pub mod sighting_record;
pub mod verdict_line;
