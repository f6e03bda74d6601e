//! Counts and sizes of an engine, for metrics.

use super::Engine;

/// Counts and sizes for metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct Health {
    /// Identities with a baseline.
    pub identities: usize,
    /// Peer groups.
    pub groups: usize,
    /// Size of the state, in bytes.
    pub state_bytes: usize,
    /// Evicted identities.
    pub evicted: u64,
    /// Labels stored for explanations.
    pub labels: usize,
    /// Labels dropped because the dictionary is full.
    pub labels_dropped: u64,
    /// Issuers and kinds of credentials.
    pub issuers: usize,
    /// Sources with recent logins.
    pub sources_with_logins: usize,
    /// Orders without outcome.
    pub open_orders: usize,
    /// Orders that await approval.
    pub orders_awaiting_approval: usize,
    /// Whether containment is paused.
    pub is_paused: bool,
    /// Credentials.
    pub credentials: usize,
    /// Evicted credentials.
    pub credentials_evicted: u64,
    /// Events of identities without baseline.
    pub without_baseline: u64,
    /// Incidents.
    pub incidents: usize,
    /// Evicted incidents.
    pub incidents_evicted: u64,
    /// Open alerts.
    pub open_alerts: usize,
    /// Events older than their identity's latest event.
    pub late: u64,
    /// Duplicate events.
    pub duplicates: u64,
    /// Events that repeated an id with other content.
    pub conflicting_ids: u64,
    /// Alert threshold, in nats.
    pub threshold_nats: f64,
    /// Weight of the estimate in the threshold, 0 to 1.
    pub threshold_learned_share: f64,
    /// Alerts per day relative to the budget, once known.
    pub budget_ratio: Option<f64>,
}

impl Engine {
    /// Counts and sizes; O(groups, incidents, orders), for metrics.
    #[must_use]
    pub fn health(&self) -> Health {
        let counts = self.scoring.store.counts();
        let (open_orders, orders_awaiting) = self.containment.orders.open_orders();
        Health {
            identities: self.scoring.store.len(),
            groups: self.scoring.store.group_count(),
            state_bytes: self.scoring.store.memory_bytes(),
            evicted: counts.evicted,
            labels: self.scoring.store.labels.len(),
            labels_dropped: self.scoring.store.labels.dropped(),
            issuers: self.scoring.store.issuer_count(),
            sources_with_logins: self.containment.source_logins.len(),
            open_orders,
            orders_awaiting_approval: orders_awaiting,
            is_paused: self.containment.state.switch.is_paused(),
            credentials: self.scoring.store.credentials.count(),
            credentials_evicted: self.scoring.store.credentials.evicted(),
            without_baseline: counts.without_baseline,
            incidents: self.scoring.incidents.len(),
            incidents_evicted: self.scoring.incidents.evicted(),
            open_alerts: self.scoring.incidents.open_alerts(),
            late: self.intake.late,
            duplicates: self.intake.duplicates,
            conflicting_ids: self.intake.conflicting_ids,
            threshold_nats: self.threshold_nats(),
            threshold_learned_share: self.scoring.threshold.learned_share(),
            budget_ratio: self.scoring.threshold.budget_ratio(),
        }
    }
}
