//! Metrics of each shard, read from its health.

use credwatch_core::engine::Health;

/// Type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Monotone.
    Counter,
    /// It rises and falls.
    Gauge,
}

/// One metric: kind, name, help, and the value in the health of a shard.
pub(super) type ShardMetric = (Kind, &'static str, &'static str, fn(&Health) -> u64);

/// Labels of every shard metric.
pub(super) const SHARD_LABELS: [&str; 2] = ["partition", "view"];

/// Integer metrics of a shard.
pub(super) const SHARD_METRICS: [ShardMetric; 19] = [
    (
        Kind::Gauge,
        "credwatch_identities",
        "Identities with a baseline.",
        |h| h.identities as u64,
    ),
    (
        Kind::Gauge,
        "credwatch_peer_groups",
        "Peer groups with a baseline.",
        |h| h.groups as u64,
    ),
    (
        Kind::Gauge,
        "credwatch_state_bytes",
        "Memory of baselines and labels, in bytes.",
        |h| h.state_bytes as u64,
    ),
    (
        Kind::Counter,
        "credwatch_evicted_identities_total",
        "Baselines evicted at capacity.",
        |h| h.evicted,
    ),
    (
        Kind::Counter,
        "credwatch_events_without_baseline_total",
        "Events scored against peers and population only, because no baseline could be evicted at capacity.",
        |h| h.without_baseline,
    ),
    (
        Kind::Gauge,
        "credwatch_explanation_labels",
        "Labels stored for explanations.",
        |h| h.labels as u64,
    ),
    (
        Kind::Counter,
        "credwatch_explanation_labels_dropped_total",
        "Labels not stored because the dictionary is full; their values appear as a number.",
        |h| h.labels_dropped,
    ),
    (
        Kind::Gauge,
        "credwatch_issuers",
        "Pairs of issuer and credential kind with a baseline.",
        |h| h.issuers as u64,
    ),
    (
        Kind::Gauge,
        "credwatch_sources_with_logins",
        "Source networks with recent logins of identities that are not known there.",
        |h| h.sources_with_logins as u64,
    ),
    (
        Kind::Gauge,
        "credwatch_open_orders",
        "Orders of the last week, other than notify, without a reported outcome.",
        |h| h.open_orders as u64,
    ),
    (
        Kind::Gauge,
        "credwatch_orders_awaiting_approval",
        "Orders of the last week that await approval.",
        |h| h.orders_awaiting_approval as u64,
    ),
    (
        Kind::Gauge,
        "credwatch_containment_paused",
        "1 while containment is paused.",
        |h| u64::from(h.is_paused),
    ),
    (
        Kind::Gauge,
        "credwatch_credentials",
        "Credentials with a record.",
        |h| h.credentials as u64,
    ),
    (
        Kind::Counter,
        "credwatch_evicted_credentials_total",
        "Credential records evicted at capacity.",
        |h| h.credentials_evicted,
    ),
    (Kind::Gauge, "credwatch_incidents", "Incidents held.", |h| {
        h.incidents as u64
    }),
    (
        Kind::Counter,
        "credwatch_evicted_incidents_total",
        "Incidents evicted at capacity.",
        |h| h.incidents_evicted,
    ),
    (Kind::Gauge, "credwatch_open_alerts", "Open alerts.", |h| {
        h.open_alerts as u64
    }),
    (
        Kind::Counter,
        "credwatch_late_events_total",
        "Events older than the latest event of their identity.",
        |h| h.late,
    ),
    (
        Kind::Counter,
        "credwatch_duplicate_events_total",
        "Duplicate events: scored, and not learned.",
        |h| h.duplicates,
    ),
];
