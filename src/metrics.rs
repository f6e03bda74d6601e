//! All metrics in one file, handles resolved at start. Never a label per identity.

use crate::shard::ShardId;
use credwatch_core::engine::{Alert, Health, Phase};
use credwatch_core::signal::SIGNALS;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

/// Seconds; from a millisecond to half a minute.
const LATENCY_BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// Gauges of a shard: name, help, value.
type OfShard = (&'static str, &'static str, fn(&Health) -> u64);
const SHARD_GAUGES: [OfShard; 19] = [
    ("credwatch_identities", "Identities with a baseline.", |h| {
        h.identities as u64
    }),
    (
        "credwatch_peer_groups",
        "Peer groups with a baseline.",
        |h| h.groups as u64,
    ),
    ("credwatch_state_bytes", "Bytes of state.", |h| {
        h.state_bytes as u64
    }),
    (
        "credwatch_evicted_identities",
        "Baselines that gave way at the limit.",
        |h| h.evicted,
    ),
    (
        "credwatch_unadmitted_events",
        "Events judged by peers only, at the limit.",
        |h| h.without_baseline,
    ),
    ("credwatch_names", "Texts kept for explanations.", |h| {
        h.labels as u64
    }),
    (
        "credwatch_refused_names",
        "Texts that found no room: their values show as a number.",
        |h| h.labels_dropped,
    ),
    (
        "credwatch_issuers",
        "Issuers and kinds of credentials known; beyond the limit they stay unknown.",
        |h| h.issuers as u64,
    ),
    (
        "credwatch_reached_sources",
        "Sources from which somebody succeeded lately who is not usual there.",
        |h| h.sources_with_logins as u64,
    ),
    (
        "credwatch_open_orders",
        "Orders of the last week, other than notify, that nobody has answered.",
        |h| h.open_orders as u64,
    ),
    (
        "credwatch_orders_awaiting_approval",
        "Orders of the last week that wait for a person.",
        |h| h.orders_awaiting_approval as u64,
    ),
    (
        "credwatch_containment_paused",
        "1 while somebody has paused containment.",
        |h| u64::from(h.is_paused),
    ),
    ("credwatch_credentials", "Credentials known.", |h| {
        h.credentials as u64
    }),
    (
        "credwatch_evicted_credentials",
        "Credentials that gave way at the limit.",
        |h| h.credentials_evicted,
    ),
    ("credwatch_incidents", "Cases held.", |h| h.incidents as u64),
    (
        "credwatch_dropped_incidents",
        "Cases let go at the limit.",
        |h| h.incidents_evicted,
    ),
    ("credwatch_open_alerts", "Alerts open.", |h| {
        h.open_alerts as u64
    }),
    (
        "credwatch_late_events",
        "Events older than their identity's latest.",
        |h| h.late,
    ),
    (
        "credwatch_duplicate_events",
        "Events seen before: judged, and changed nothing.",
        |h| h.duplicates,
    ),
];

/// Handles of everything that is measured.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    /// Records taken in, by stage.
    pub records: IntCounterVec,
    /// Records set aside, by stage.
    pub dead_letters: IntCounterVec,
    /// Members that this version does not know.
    pub unknown_fields: IntCounter,
    /// Stated expiries that did not parse.
    pub unparsed_expiries: IntCounter,
    /// Deviations that many identities showed on one day.
    pub notices: IntCounter,
    /// Records whose key is not the identity.
    pub key_mismatches: IntCounter,
    /// Answers taken in, and those refused, by what they are.
    pub feedback: IntCounterVec,
    /// What people said of alerts.
    pub alert_verdicts: IntCounterVec,
    /// Rotations and refreshes, by activity and outcome.
    pub rotations: IntCounterVec,
    /// Deliveries, by receiver and outcome.
    deliveries: IntCounterVec,
    /// Seconds from an event to the containment of its identity.
    pub contain_seconds: Histogram,
    /// Whether a receiver is left alone for a while, by receiver.
    pub circuits_open: IntGaugeVec,
    /// Times that the host's clock was set.
    pub clock_jumps: IntCounter,
    readings: Vec<IntCounter>,
    alerts: IntCounterVec,
    orders: IntCounterVec,
    restrictions: IntCounterVec,
    /// In the order of [`OF_SHARD`].
    shard_gauges: Vec<IntGaugeVec>,
    threshold: GaugeVec,
    learned: GaugeVec,
    budget_ratio: GaugeVec,
    /// Records not yet taken in, by topic and partition.
    pub lag: IntGaugeVec,
    /// Partitions that this process owns.
    pub assigned: Gauge,
    /// Time of a commit.
    pub commit_seconds: Histogram,
    /// Seconds of its worker's time that a checkpoint took, its commit included.
    pub checkpoint_seconds: Histogram,
    /// Checkpoints that are being made.
    pub checkpoints_in_progress: IntGauge,
    /// From a record's time stamp in Kafka to the commit of its outputs.
    pub latency_seconds: Histogram,
    /// Transactions that had to be repeated.
    pub commit_retries: IntCounter,
}

/// A metric could not be registered: two share a name.
#[derive(Debug, thiserror::Error)]
#[error("metrics: {0}")]
pub struct MetricsError(#[from] prometheus::Error);

struct Builder(Registry);

impl Builder {
    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        let metric = IntCounter::new(name, help)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        let metric = IntGauge::new(name, help)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        by: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        let metric = IntCounterVec::new(Opts::new(name, help), by)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn gauges(
        &self,
        name: &str,
        help: &str,
        by: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        let metric = IntGaugeVec::new(Opts::new(name, help), by)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn numbers(&self, name: &str, help: &str, by: &[&str]) -> Result<GaugeVec, prometheus::Error> {
        let metric = GaugeVec::new(Opts::new(name, help), by)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn histogram(&self, name: &str, help: &str) -> Result<Histogram, prometheus::Error> {
        let options = HistogramOpts::new(name, help).buckets(LATENCY_BUCKETS.to_vec());
        let metric = Histogram::with_opts(options)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}

impl Metrics {
    /// Registers everything. `model_hash` is told by `credwatch_build_info`.
    ///
    /// # Errors
    /// Two metrics share a name, which a test would have shown.
    pub fn new(model_hash: &str) -> Result<Self, MetricsError> {
        let build = Builder(Registry::new());
        let info = build.gauges(
            "credwatch_build_info",
            "Always 1.",
            &["version", "model_hash"],
        )?;
        info.with_label_values(&[env!("CARGO_PKG_VERSION"), model_hash])
            .set(1);
        let by_signal = build.counters(
            "credwatch_signal_readings_total",
            "Verdicts in which a signal spoke.",
            &["signal"],
        )?;
        let readings = SIGNALS
            .iter()
            .map(|s| by_signal.with_label_values(&[s.name().as_str()]));
        let shard = &["partition", "view"];
        let assigned = Gauge::new(
            "credwatch_assigned_partitions",
            "Partitions this process owns.",
        )?;
        build.0.register(Box::new(assigned.clone()))?;
        Ok(Self {
            readings: readings.collect(),
            records: build.counters("credwatch_records_total", "Records taken in.", &["stage"])?,
            dead_letters: build.counters(
                "credwatch_dead_letters_total",
                "Records set aside.",
                &["stage"],
            )?,
            unknown_fields: build
                .counter("credwatch_unknown_members_total", "Members ignored.")?,
            unparsed_expiries: build.counter(
                "credwatch_unread_expiries_total",
                "Expiries that did not parse.",
            )?,
            notices: build.counter(
                "credwatch_population_notices_total",
                "Deviations that many identities showed on one day.",
            )?,
            key_mismatches: build.counter(
                "credwatch_foreign_keys_total",
                "Events whose key is not the identity.",
            )?,
            feedback: build.counters(
                "credwatch_answers_total",
                "Answers from the feedback topic, by what they are.",
                &["what"],
            )?,
            alert_verdicts: build.counters(
                "credwatch_judgements_total",
                "What people said of alerts: precision is true_positive over all but withdrawn.",
                &["verdict"],
            )?,
            rotations: build.counters(
                "credwatch_rotations_total",
                "Rotations and refreshes of credentials, by how they ended.",
                &["activity", "outcome"],
            )?,
            deliveries: build.counters(
                "credwatch_deliveries_total",
                "Alerts and orders carried to receivers, by outcome.",
                &["receiver", "outcome"],
            )?,
            contain_seconds: build.histogram(
                "credwatch_time_to_contain_seconds",
                "From an event to the containment that an executor reports.",
            )?,
            circuits_open: build.gauges(
                "credwatch_receiver_breaker_open",
                "1 while a receiver that failed again and again is left alone.",
                &["receiver"],
            )?,
            clock_jumps: build.counter(
                "credwatch_clock_jumps_total",
                "Times that the clock of this host was set while running.",
            )?,
            alerts: build.counters(
                "credwatch_alerts_total",
                "Alert publications.",
                &["severity", "phase"],
            )?,
            orders: build.counters(
                "credwatch_orders_total",
                "Containment orders.",
                &["action", "mode"],
            )?,
            restrictions: build.counters(
                "credwatch_weakenings_total",
                "Decisions weakened.",
                &["by"],
            )?,
            shard_gauges: SHARD_GAUGES
                .iter()
                .map(|(name, help, _)| build.gauges(name, help, shard))
                .collect::<Result<_, _>>()?,
            threshold: build.numbers(
                "credwatch_threshold_nats",
                "Score at which alerts begin.",
                shard,
            )?,
            learned: build.numbers(
                "credwatch_threshold_learned_ratio",
                "How much of the threshold is learned rather than initial, 0 to 1.",
                shard,
            )?,
            budget_ratio: build.numbers(
                "credwatch_alert_budget_ratio",
                "Alerts a day over the budget.",
                shard,
            )?,
            lag: build.gauges(
                "credwatch_lag_records",
                "Records not yet taken in.",
                &["topic", "partition"],
            )?,
            checkpoint_seconds: build.histogram(
                "credwatch_checkpoint_seconds",
                "Seconds of its worker's time that a checkpoint of the baselines took, its commit included.",
            )?,
            checkpoints_in_progress: build.gauge(
                "credwatch_checkpoints_open",
                "Checkpoints that are being made, bit by bit between events.",
            )?,
            commit_seconds: build.histogram(
                "credwatch_commit_seconds",
                "Time of a transaction's commit.",
            )?,
            latency_seconds: build.histogram(
                "credwatch_latency_seconds",
                "From a record's time stamp to the commit of its outputs.",
            )?,
            commit_retries: build
                .counter("credwatch_commit_retries_total", "Transactions repeated.")?,
            assigned,
            registry: build.0,
        })
    }

    /// Counts the signals that spoke, by bit.
    pub fn add_readings(&self, counts: &[u64]) {
        for (counter, count) in self.readings.iter().zip(counts) {
            counter.inc_by(*count);
        }
    }

    /// Counts an alert's publication and what was decided for it.
    pub fn add_alert(&self, alert: &Alert) {
        let phase = match alert.phase {
            Phase::Opened => "opened",
            Phase::Updated => "updated",
            Phase::Closed => "closed",
        };
        let severity = alert.incident.severity.as_str();
        self.alerts.with_label_values(&[severity, phase]).inc();
        for decision in &alert.decisions {
            let (action, mode) = (
                decision.guarded.action.as_str(),
                decision.guarded.mode.as_str(),
            );
            self.orders.with_label_values(&[action, mode]).inc();
            for weakening in &decision.guarded.weakened_by {
                self.restrictions
                    .with_label_values(&[weakening.as_str()])
                    .inc();
            }
        }
    }

    /// Counts one thing that was carried to `receiver`, or how else it ended.
    pub fn add_delivery(&self, receiver: &str, outcome: &str) {
        let labels = [receiver, outcome];
        self.deliveries.with_label_values(&labels).inc();
    }

    /// Shows the state of a shard.
    pub fn set_health(&self, id: ShardId, health: &Health) {
        let partition = id.partition.to_string();
        let labels = [partition.as_str(), id.entity.as_str()];
        for (gauge, (_, _, value)) in self.shard_gauges.iter().zip(SHARD_GAUGES) {
            let value = i64::try_from(value(health)).unwrap_or(i64::MAX);
            gauge.with_label_values(&labels).set(value);
        }
        self.threshold
            .with_label_values(&labels)
            .set(health.threshold_nats);
        self.learned
            .with_label_values(&labels)
            .set(health.threshold_learned_share);
        if let Some(drift) = health.budget_ratio {
            self.budget_ratio.with_label_values(&labels).set(drift);
        }
    }

    /// Forgets the state of a shard that went elsewhere.
    pub fn drop_shard(&self, id: ShardId) {
        let partition = id.partition.to_string();
        let labels = [partition.as_str(), id.entity.as_str()];
        for gauge in &self.shard_gauges {
            let _ = gauge.remove_label_values(&labels);
        }
        for gauge in [&self.threshold, &self.learned, &self.budget_ratio] {
            let _ = gauge.remove_label_values(&labels);
        }
    }

    /// Everything in Prometheus' text format.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // Writing to memory fails only for a metric without samples, which then shows nothing.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_registers_and_the_build_is_told() {
        let metrics = Metrics::new("abcd").unwrap();
        metrics.set_health(ShardId::of_identities(3), &Health::default());
        let text = String::from_utf8(metrics.text()).unwrap();
        assert!(text.contains(r#"model_hash="abcd""#));
        assert!(text.contains(r#"credwatch_identities{partition="3",view="identity"} 0"#));
        metrics.drop_shard(ShardId::of_identities(3));
        assert!(
            !String::from_utf8(metrics.text())
                .unwrap()
                .contains(r#"partition="3""#)
        );
    }
}
