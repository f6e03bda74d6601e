//! All metrics, declared in one table. Handles are resolved at startup; no label holds an identity.

mod initial_values;
mod issued_lifetimes;
mod shard_metrics;

use crate::shard::ShardId;
use credwatch_core::engine::{Alert, Health};
use credwatch_core::signal::SIGNALS;
pub use initial_values::FeedbackKind;
use initial_values::phase_name;
use issued_lifetimes::LIFETIME_BUCKETS;
use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use shard_metrics::{Kind, SHARD_LABELS, SHARD_METRICS};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// Upper bounds of the latency buckets, in seconds.
const LATENCY_BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// Registering a metric failed: two have the same name.
#[derive(Debug, thiserror::Error)]
#[error("metrics: {0}")]
pub struct MetricsError(#[from] prometheus::Error);

/// A metric, for the reference documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Name.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Names of the labels.
    pub labels: &'static [&'static str],
    /// Help.
    pub help: &'static str,
}

/// Creates one type of metric from its declaration.
trait Declared: Collector + Clone + Sized + 'static {
    /// `counter`, `gauge` or `histogram`.
    const KIND: &'static str;

    fn declare(name: &str, help: &str, labels: &[&str]) -> Result<Self, prometheus::Error>;
}

macro_rules! declared {
    ($($type:ty: $kind:literal = $make:expr;)+) => {
        $(impl Declared for $type {
            const KIND: &'static str = $kind;

            fn declare(name: &str, help: &str, labels: &[&str]) -> Result<Self, prometheus::Error> {
                let make: fn(Opts, &[&str]) -> Result<Self, prometheus::Error> = $make;
                make(Opts::new(name, help), labels)
            }
        })+
    };
}

declared! {
    IntCounter: "counter" = |opts, _| Self::with_opts(opts);
    IntCounterVec: "counter" = |opts, labels| Self::new(opts, labels);
    IntGauge: "gauge" = |opts, _| Self::with_opts(opts);
    IntGaugeVec: "gauge" = |opts, labels| Self::new(opts, labels);
    Gauge: "gauge" = |opts, _| Self::with_opts(opts);
    GaugeVec: "gauge" = |opts, labels| Self::new(opts, labels);
    Histogram: "histogram" = |opts, _| {
        Self::with_opts(HistogramOpts::from(opts).buckets(LATENCY_BUCKETS.to_vec()))
    };
    HistogramVec: "histogram" = |opts, labels| {
        Self::new(HistogramOpts::from(opts).buckets(LIFETIME_BUCKETS.to_vec()), labels)
    };
}

fn register<T: Declared>(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<T, prometheus::Error> {
    let metric = T::declare(name, help, labels)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

macro_rules! metrics {
    ($(
        $(#[$doc:meta])*
        $vis:vis $field:ident: $type:ty = $name:literal [$($label:literal),*] $help:literal;
    )+) => {
        /// Handles of all metrics.
        #[derive(Clone)]
        pub struct Metrics {
            registry: Registry,
            readings: Vec<IntCounter>,
            issuers: Arc<Mutex<BTreeSet<String>>>,
            /// In the order of [`SHARD_METRICS`].
            shards: Vec<ShardHandle>,
            $(#[doc = $help] $vis $field: $type),+
        }

        /// Metrics of the process.
        const DESCRIPTIONS: &[Description] = &[$(Description {
            name: $name,
            kind: <$type as Declared>::KIND,
            labels: &[$($label),*],
            help: $help,
        }),+];

        impl Metrics {
            /// Registers all metrics; `model_hash` is a label of `credwatch_build_info`.
            ///
            /// # Errors
            /// Two metrics share a name.
            pub fn new(model_hash: &str) -> Result<Self, MetricsError> {
                let registry = Registry::new();
                $(let $field: $type = register(&registry, $name, $help, &[$($label),*])?;)+
                let mut metrics = Self {
                    readings: Vec::new(),
                    issuers: Arc::default(),
                    shards: shard_handles(&registry)?,
                    registry,
                    $($field),+
                };
                metrics.init(model_hash);
                Ok(metrics)
            }
        }
    };
}

metrics! {
    build_info: IntGaugeVec = "credwatch_build_info" ["version", "model_hash"]
        "Always 1; the labels hold version and model hash.";
    pub records: IntCounterVec = "credwatch_records_total" ["stage"]
        "Records processed.";
    pub dead_letters: IntCounterVec = "credwatch_dead_letters_total" ["stage"]
        "Records routed to the dead-letter topic.";
    pub tombstones: IntCounterVec = "credwatch_tombstones_total" ["stage"]
        "Records without value, which are passed over.";
    pub records_deleted_unread: IntCounterVec =
        "credwatch_records_deleted_unread_total" ["topic", "partition"]
        "Offsets that the broker deleted before they were read: events that were not judged.";
    pub enrichment_database_build_seconds: GaugeVec =
        "credwatch_enrichment_database_build_timestamp_seconds" ["database", "hash"]
        "Time at which an enrichment database in use was built.";
    pub unknown_fields: IntCounter = "credwatch_unknown_fields_total" []
        "Fields of native events that this version does not know.";
    pub unparsed_expiries: IntCounter = "credwatch_unparsed_expiries_total" []
        "Expiry times of credentials that could not be parsed.";
    pub record_key_mismatches: IntCounter = "credwatch_record_key_mismatch_total" []
        "Events whose record key is not the identity.";
    pub rotations: IntCounterVec = "credwatch_rotations_total" ["activity", "outcome"]
        "Rotations and refreshes of credentials.";
    issued_lifetime_seconds: HistogramVec = "credwatch_issued_lifetime_seconds" ["issuer"]
        "Lifetimes of credentials when they are issued, refreshed or rotated, or at sign-in.";
    signal_readings: IntCounterVec = "credwatch_signal_readings_total" ["signal"]
        "Verdicts to which the signal contributed.";
    pub population_notices: IntCounter = "credwatch_population_notices_total" []
        "Deviations that many identities showed on one day.";
    alerts: IntCounterVec = "credwatch_alerts_total" ["severity", "phase"]
        "Alert records published.";
    orders: IntCounterVec = "credwatch_orders_total" ["action", "mode"]
        "Containment orders published.";
    restrictions: IntCounterVec = "credwatch_containment_restrictions_total" ["reason"]
        "Containment decisions that a guardrail restricted.";
    pub feedback: IntCounterVec = "credwatch_feedback_total" ["kind"]
        "Feedback records applied, by kind, and those rejected.";
    pub alert_verdicts: IntCounterVec = "credwatch_alert_verdicts_total" ["verdict"]
        "Analysts' verdicts on alerts; precision is true_positive over all but withdrawn.";
    deliveries: IntCounterVec = "credwatch_deliveries_total" ["receiver", "outcome"]
        "Deliveries of alerts and orders to receivers.";
    pub receiver_circuit_open: IntGaugeVec = "credwatch_receiver_circuit_open" ["receiver"]
        "1 while the circuit breaker of a receiver is open.";
    pub time_to_contain_seconds: Histogram = "credwatch_time_to_contain_seconds" []
        "Time from an event to the containment that an executor reports.";
    threshold_nats: GaugeVec = "credwatch_threshold_nats" ["partition", "view"]
        "Alert threshold, in nats.";
    threshold_learned: GaugeVec = "credwatch_threshold_learned_ratio" ["partition", "view"]
        "Weight of the estimate in the threshold, 0 to 1; the rest is the initial value.";
    budget_ratio: GaugeVec = "credwatch_alert_budget_ratio" ["partition", "view"]
        "Alerts per day relative to the alert budget.";
    pub lag: IntGaugeVec = "credwatch_consumer_lag_records" ["topic", "partition"]
        "Consumer lag in records.";
    pub lag_seconds: Gauge = "credwatch_consumer_lag_seconds" []
        "Age of the oldest record of the latest commit, of the worker that is furthest behind; 0 when idle.";
    pub assigned_partitions: Gauge = "credwatch_assigned_partitions" []
        "Partitions assigned to this process.";
    pub records_left_out: IntCounterVec = "credwatch_records_left_out_total" ["format", "reason"]
        "Raw records left out on purpose; format `envelope`: control messages, digests.";
    pub halted_partitions: IntGauge = "credwatch_halted_partitions" []
        "Assigned partitions whose baselines cannot be restored: they are not consumed.";
    pub commit_seconds: Histogram = "credwatch_commit_seconds" []
        "Duration of a transaction commit.";
    pub commit_retries: IntCounter = "credwatch_commit_retries_total" []
        "Transaction retries.";
    pub record_to_commit_seconds: Histogram = "credwatch_record_to_commit_seconds" []
        "Time from a record's timestamp to the commit of its outputs.";
    pub checkpoint_worker_seconds: Histogram = "credwatch_checkpoint_worker_seconds" []
        "Worker time of a checkpoint, including its commit.";
    pub checkpoints_in_progress: IntGauge = "credwatch_checkpoints_in_progress" []
        "Checkpoints that are being written incrementally.";
    pub clock_jumps: IntCounter = "credwatch_clock_jumps_total" []
        "Times that the wall clock of this host was set.";
}

/// One metric of all shards.
#[derive(Clone)]
enum ShardHandle {
    Counter(IntCounterVec),
    Gauge(IntGaugeVec),
}

fn shard_handles(registry: &Registry) -> Result<Vec<ShardHandle>, prometheus::Error> {
    let handle = |(kind, name, help, _): &shard_metrics::ShardMetric| {
        Ok(match kind {
            Kind::Counter => ShardHandle::Counter(register(registry, name, help, &SHARD_LABELS)?),
            Kind::Gauge => ShardHandle::Gauge(register(registry, name, help, &SHARD_LABELS)?),
        })
    };
    SHARD_METRICS.iter().map(handle).collect()
}

impl ShardHandle {
    fn set(&self, labels: &[&str], value: u64) {
        match self {
            Self::Gauge(gauge) => {
                let value = i64::try_from(value).unwrap_or(i64::MAX);
                gauge.with_label_values(labels).set(value);
            }
            Self::Counter(counter) => {
                let counter = counter.with_label_values(labels);
                if value < counter.get() {
                    counter.reset();
                }
                counter.inc_by(value.saturating_sub(counter.get()));
            }
        }
    }

    fn remove(&self, labels: &[&str]) {
        // The metric may never have been set.
        let _ = match self {
            Self::Gauge(gauge) => gauge.remove_label_values(labels),
            Self::Counter(counter) => counter.remove_label_values(labels),
        };
    }
}

impl Metrics {
    fn init(&mut self, model_hash: &str) {
        let labels = [env!("CARGO_PKG_VERSION"), model_hash];
        self.build_info.with_label_values(&labels).set(1);
        let reading = |name: &str| self.signal_readings.with_label_values(&[name]);
        self.readings = SIGNALS
            .iter()
            .map(|signal| reading(signal.name().as_str()))
            .collect();
        self.expose_zeros();
    }

    /// All metrics, for the reference.
    #[must_use]
    pub fn descriptions() -> Vec<Description> {
        let of_shards = SHARD_METRICS
            .iter()
            .map(|(kind, name, help, _)| Description {
                name,
                kind: match kind {
                    Kind::Counter => "counter",
                    Kind::Gauge => "gauge",
                },
                labels: &SHARD_LABELS,
                help,
            });
        DESCRIPTIONS.iter().cloned().chain(of_shards).collect()
    }

    /// Counts the verdicts to which each signal contributed, by index of the signal.
    pub fn add_readings(&self, counts: &[u64]) {
        for (counter, count) in self.readings.iter().zip(counts) {
            counter.inc_by(*count);
        }
    }

    /// Counts an alert record and its decisions.
    pub fn add_alert(&self, alert: &Alert) {
        let phase = phase_name(alert.phase);
        let severity = alert.incident.severity.as_str();
        self.alerts.with_label_values(&[severity, phase]).inc();
        for decision in &alert.decisions {
            let guarded = &decision.guarded;
            let labels = [guarded.action.as_str(), guarded.mode.as_str()];
            self.orders.with_label_values(&labels).inc();
            for restriction in &guarded.weakened_by {
                let reason = restriction.as_str();
                self.restrictions.with_label_values(&[reason]).inc();
            }
        }
    }

    /// Counts a delivery to `receiver`.
    pub fn add_delivery(&self, receiver: &str, outcome: &str) {
        let labels = [receiver, outcome];
        self.deliveries.with_label_values(&labels).inc();
    }

    /// Sets the metrics of a shard.
    pub fn set_health(&self, id: ShardId, health: &Health) {
        let partition = id.partition.to_string();
        let labels = [partition.as_str(), id.entity.as_str()];
        for (handle, (_, _, _, value)) in self.shards.iter().zip(SHARD_METRICS) {
            handle.set(&labels, value(health));
        }
        let set = |gauge: &GaugeVec, value| gauge.with_label_values(&labels).set(value);
        set(&self.threshold_nats, health.threshold_nats);
        set(&self.threshold_learned, health.threshold_learned_share);
        if let Some(ratio) = health.budget_ratio {
            set(&self.budget_ratio, ratio);
        }
    }

    /// Removes the metrics of a shard whose partition was revoked.
    pub fn remove_shard(&self, id: ShardId) {
        let partition = id.partition.to_string();
        let labels = [partition.as_str(), id.entity.as_str()];
        self.shards.iter().for_each(|handle| handle.remove(&labels));
        for gauge in [
            &self.threshold_nats,
            &self.threshold_learned,
            &self.budget_ratio,
        ] {
            let _ = gauge.remove_label_values(&labels);
        }
    }

    /// Sum of the samples of a metric that have all of `labels`; 0 where there is none.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.samples(name, labels).iter().sum()
    }

    /// Values of these samples.
    #[must_use]
    pub fn samples(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        let families = self.registry.gather().into_iter();
        let family = families.filter(|family| family.name() == name);
        let samples = family.flat_map(|family| family.get_metric().to_vec());
        let has = |sample: &prometheus::proto::Metric, (label, value): &(&str, &str)| {
            let mut pairs = sample.get_label().iter();
            pairs.any(|pair| pair.name() == *label && pair.value() == *value)
        };
        samples
            .filter(|sample| labels.iter().all(|label| has(sample, label)))
            .map(|sample| sample.get_counter().get_value() + sample.get_gauge().get_value())
            .collect()
    }

    /// All metrics in Prometheus' text format.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // Writing to memory fails only for a metric without samples.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(metrics: &Metrics) -> String {
        String::from_utf8(metrics.text()).unwrap()
    }

    #[test]
    fn every_metric_registers_and_a_revoked_shard_disappears() {
        let metrics = Metrics::new("abcd").unwrap();
        metrics.set_health(ShardId::of_identities(3), &Health::default());
        let exposed = text(&metrics);
        assert!(exposed.contains(r#"model_hash="abcd""#));
        assert!(exposed.contains(r#"credwatch_identities{partition="3",view="identity"} 0"#));
        metrics.remove_shard(ShardId::of_identities(3));
        assert!(!text(&metrics).contains(r#"partition="3""#));
    }

    #[test]
    fn monotone_values_are_counters_and_follow_the_shard() {
        let metrics = Metrics::new("abcd").unwrap();
        let id = ShardId::of_sources(0);
        for (late, expected) in [(5, 5), (9, 9), (2, 2)] {
            let health = Health {
                late,
                ..Health::default()
            };
            metrics.set_health(id, &health);
            let line = format!(
                "credwatch_late_events_total{{partition=\"0\",view=\"source\"}} {expected}"
            );
            assert!(text(&metrics).contains(&line), "{line}");
        }
        for description in Metrics::descriptions() {
            let is_total = description.name.ends_with("_total");
            assert_eq!(is_total, description.kind == "counter", "{description:?}");
        }
    }
}
