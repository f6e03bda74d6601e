//! Reports for people: incidents, explained baselines, unused privileges, runbooks.

pub mod explanation;
pub mod incident_report;
pub mod runbook;
pub mod unused_privileges;
