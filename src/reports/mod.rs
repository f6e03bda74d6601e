//! What people read: an incident from beginning to end, an explained baseline, unused privileges, runbooks.

pub mod explanation;
pub mod incident_report;
pub mod runbook;
pub mod unused_privileges;
