//! Reports for people: incidents, explained baselines, unused privileges, what inputs hold, runbooks.

pub mod explanation;
pub mod foreign_text;
pub mod hygiene;
pub mod incident_list;
pub mod incident_report;
pub mod inspection;
pub mod runbook;
