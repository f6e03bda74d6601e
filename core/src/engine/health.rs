//! Counts and sizes of an engine, for metrics.

use super::Engine;

/// Counts and sizes for metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct Health {
    /// Identities known.
    pub identities: usize,
    /// Peer groups known.
    pub groups: usize,
    /// Bytes of state.
    pub state_bytes: usize,
    /// Identities that gave way at the limit.
    pub evicted: u64,
    /// Texts kept for explanations.
    pub labels: usize,
    /// Texts that found no room.
    pub labels_dropped: u64,
    /// Issuers and kinds of credentials known.
    pub issuers: usize,
    /// Sources from which somebody was reached lately.
    pub sources_with_logins: usize,
    /// Orders that nobody has answered.
    pub open_orders: usize,
    /// Orders that wait for a person.
    pub orders_awaiting_approval: usize,
    /// Whether somebody has paused containment.
    pub is_paused: bool,
    /// Credentials known.
    pub credentials: usize,
    /// Credentials that gave way at the limit.
    pub credentials_evicted: u64,
    /// Events whose identity found no room.
    pub without_baseline: u64,
    /// Cases held.
    pub incidents: usize,
    /// Cases let go at the limit.
    pub incidents_evicted: u64,
    /// Alerts open.
    pub open_alerts: usize,
    /// Events older than their identity's latest.
    pub late: u64,
    /// Events seen before.
    pub duplicates: u64,
    /// Threshold.
    pub threshold_nats: f64,
    /// How much of it is learned, 0 to 1.
    pub threshold_learned_share: f64,
    /// Alerts a day over the budget, once known.
    pub budget_ratio: Option<f64>,
}

impl Engine {
    /// Counts and sizes; O(groups, cases, orders), for metrics.
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
            is_paused: self.containment.state.is_paused,
            credentials: self.scoring.store.credentials.len(),
            credentials_evicted: self.scoring.store.credentials.evicted(),
            without_baseline: counts.without_baseline,
            incidents: self.scoring.incidents.len(),
            incidents_evicted: self.scoring.incidents.evicted(),
            open_alerts: self.scoring.incidents.open_alerts(),
            late: self.intake.late,
            duplicates: self.intake.duplicates,
            threshold_nats: self.threshold_nats(),
            threshold_learned_share: self.scoring.threshold.learned_share(),
            budget_ratio: self.scoring.threshold.budget_ratio(),
        }
    }
}
