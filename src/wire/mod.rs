//! Formats in and out. Wire types are not core types: what is read becomes an
//! [`crate::event::Event`], what is written is made from verdicts and alerts.

pub mod answer;
pub mod audit;
pub mod audit_check;
pub mod baseline_record;
pub mod case_file;
pub mod cloudtrail;
pub mod cloudtrail_principal;
pub mod dead_letter;
pub mod explained;
pub mod format;
pub mod keycloak;
pub mod model;
pub mod native;
pub mod native_out;
pub mod object;
pub mod ocsf;
pub mod order;
pub mod order_check;
pub mod partition;
pub mod runbook;
pub mod set;
pub mod sighting;
pub mod signed_answer;
pub mod snapshot;
pub mod time;
pub mod token_text;
pub mod unused;
pub mod verdict_line;
