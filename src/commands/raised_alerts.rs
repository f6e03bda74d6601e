//! The alerts that a SOC would have read: how many are true, which campaigns they reach, and how often one
//! identity or one day repeats.
//!
//! # Measures
//! An alert is true if a labelled event opened or updated it. A campaign is alerted on when one of its events
//! opened or updated an alert. Repetition counts the false alerts of one entity within thirty days.

use credwatch_core::engine::{Alert, Phase};
use credwatch_core::units::{EventTime, MS_PER_SEC};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// Days over which repetition is counted.
const REPETITION_DAYS: i64 = 30;

/// One alert.
#[derive(Clone, Debug)]
struct RaisedAlert {
    entity: String,
    opened: EventTime,
    severity: &'static str,
    is_true: bool,
}

/// Alerts by id, and when each campaign was first alerted on.
#[derive(Clone, Debug, Default)]
pub(super) struct RaisedAlerts {
    alerts: BTreeMap<String, RaisedAlert>,
    first_by_campaign: HashMap<u32, EventTime>,
}

/// True and false alerts of one severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AlertCount {
    /// With a labelled event.
    pub correct: usize,
    /// Without.
    pub wrong: usize,
}

/// The results.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AlertReport {
    /// Alerts opened a day.
    pub per_day: f64,
    /// Share of them that are true; 1 where there is none.
    pub precision: f64,
    /// Share of the campaigns that an alert reaches.
    pub campaigns_alerted: f64,
    /// Median time from the first event of a campaign to its first alert, in seconds.
    pub median_secs_to_alert: Option<f64>,
    /// Most alerts opened on one day.
    pub worst_day: usize,
    /// Most false alerts of one entity within thirty days.
    pub most_repeated: usize,
    /// By largest severity.
    pub by_severity: BTreeMap<&'static str, AlertCount>,
}

impl RaisedAlerts {
    /// Adds a publication, at an event of `campaign`.
    pub(super) fn add(&mut self, alert: &Alert, campaign: Option<u32>) {
        if alert.phase == Phase::Closed {
            return;
        }
        let incident = &alert.incident;
        let known = self.alerts.entry(incident.alert_id.clone());
        let raised = known.or_insert_with(|| RaisedAlert {
            entity: format!("{}/{}", alert.entity, incident.subject.id),
            opened: incident.opened,
            severity: incident.severity.as_str(),
            is_true: false,
        });
        raised.severity = incident.severity.as_str();
        raised.is_true |= campaign.is_some();
        if let Some(campaign) = campaign {
            self.first_by_campaign.entry(campaign).or_insert(alert.time);
        }
    }

    /// The results over `days`, for campaigns that begin at `starts`.
    pub(super) fn report(&self, days: f64, starts: &BTreeMap<u32, EventTime>) -> AlertReport {
        let mut by_severity: BTreeMap<&'static str, AlertCount> = BTreeMap::new();
        let mut by_day: HashMap<i64, usize> = HashMap::new();
        let mut wrong_days: HashMap<&str, Vec<i64>> = HashMap::new();
        for alert in self.alerts.values() {
            let count = by_severity.entry(alert.severity).or_default();
            *by_day.entry(alert.opened.day()).or_default() += 1;
            if alert.is_true {
                count.correct += 1;
            } else {
                count.wrong += 1;
                let days = wrong_days.entry(&alert.entity).or_default();
                days.push(alert.opened.day());
            }
        }
        let raised = self.alerts.len();
        let correct: usize = by_severity.values().map(|count| count.correct).sum();
        let mut secs_to_alert: Vec<f64> = starts
            .iter()
            .filter_map(|(campaign, start)| {
                let first = self.first_by_campaign.get(campaign)?;
                Some(first.ms_since(*start) as f64 / MS_PER_SEC as f64)
            })
            .collect();
        let alerted = secs_to_alert.len();
        AlertReport {
            per_day: raised as f64 / days,
            precision: if raised == 0 {
                1.0
            } else {
                correct as f64 / raised as f64
            },
            campaigns_alerted: alerted as f64 / starts.len().max(1) as f64,
            median_secs_to_alert: super::evaluate::median(&mut secs_to_alert),
            worst_day: by_day.values().copied().max().unwrap_or(0),
            most_repeated: wrong_days.into_values().map(most_within).max().unwrap_or(0),
            by_severity,
        }
    }
}

/// The largest number of `days` within a span of [`REPETITION_DAYS`].
fn most_within(mut days: Vec<i64>) -> usize {
    days.sort_unstable();
    let within = |from: &i64| {
        days.iter()
            .filter(|day| (0..REPETITION_DAYS).contains(&(**day - from)))
            .count()
    };
    days.iter().map(within).max().unwrap_or(0)
}

impl fmt::Display for AlertReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "alerts opened                {:.1} a day, {} on the worst",
            self.per_day, self.worst_day
        )?;
        writeln!(
            f,
            "precision of alerts          {:.0} %",
            100.0 * self.precision
        )?;
        writeln!(
            f,
            "campaigns alerted on         {:.0} %",
            100.0 * self.campaigns_alerted
        )?;
        if let Some(secs) = self.median_secs_to_alert {
            let ms = (secs * 1_000.0) as i64;
            writeln!(
                f,
                "median time to alert         {}",
                credwatch_core::units::Span { ms }
            )?;
        }
        writeln!(
            f,
            "false alerts of one identity {} in {REPETITION_DAYS} days at most",
            self.most_repeated
        )?;
        for (severity, count) in &self.by_severity {
            writeln!(
                f,
                "  {severity:<13} {:>5} true {:>5} false",
                count.correct, count.wrong
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use credwatch_core::units::MS_PER_DAY;

    fn raised(entity: &str, day: i64, is_true: bool) -> RaisedAlert {
        RaisedAlert {
            entity: entity.to_owned(),
            opened: EventTime::EARLIEST.saturating_add_ms(day * MS_PER_DAY),
            severity: "low",
            is_true,
        }
    }

    #[test]
    fn alerts_are_counted_by_truth_day_and_entity() {
        let days = [
            ("a", 0, false),
            ("a", 29, false),
            ("a", 30, false),
            ("b", 30, true),
        ];
        let alerts = days.iter().enumerate();
        let raised = RaisedAlerts {
            alerts: alerts
                .map(|(at, (entity, day, is_true))| {
                    (at.to_string(), raised(entity, *day, *is_true))
                })
                .collect(),
            first_by_campaign: HashMap::from([(0, EventTime::EARLIEST.saturating_add_ms(5_000))]),
        };
        let starts = BTreeMap::from([(0, EventTime::EARLIEST), (1, EventTime::EARLIEST)]);
        let report = raised.report(40.0, &starts);
        assert!((report.precision - 0.25).abs() < 1e-12 && (report.per_day - 0.1).abs() < 1e-12);
        assert!((report.campaigns_alerted - 0.5).abs() < 1e-12);
        assert_eq!((report.worst_day, report.most_repeated), (2, 2));
        assert_eq!(
            report.by_severity["low"],
            AlertCount {
                correct: 1,
                wrong: 3
            }
        );
        assert!((report.median_secs_to_alert.unwrap() - 5.0).abs() < 1e-12);
    }
}
