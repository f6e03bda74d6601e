//! Summary of a replay or demo, for a person.

use crate::commands::renewals::Renewals;
use crate::shard::{ProcessedRecord, ShardId};
use crate::sources::time::format_rfc3339;
use credwatch_core::containment::Mode;
use credwatch_core::engine::{Alert, Health, Phase};
use credwatch_core::score::incident::AlertState;
use credwatch_core::units::{EventTime, MS_PER_DAY, Span};
use credwatch_core::verdict::EntityView;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// Incidents listed.
const INCIDENTS_SHOWN: usize = 10;
/// Reasons listed for each.
const REASONS_SHOWN: usize = 4;
/// Notices listed.
const NOTICES_SHOWN: usize = 5;
/// Rejected records listed.
const DEAD_SHOWN: usize = 5;

/// Counts and the strongest incidents.
#[derive(Clone, Debug)]
pub struct Summary {
    mode: Mode,
    /// Events scored.
    pub events: u64,
    /// Rejected records.
    pub dead: u64,
    dead_named: Vec<String>,
    unknown_members: u64,
    /// Stated expiries that did not parse.
    pub unread_expiries: u64,
    span: Option<(EventTime, EventTime)>,
    incidents: BTreeMap<String, AlertState>,
    renewals: Renewals,
    updates: u64,
    orders: u64,
    notices: Vec<String>,
    identities: usize,
    sources: usize,
    late: u64,
    evicted: u64,
    unadmitted: u64,
    thresholds_nats: Vec<f64>,
    learned_shares: Vec<f64>,
}

impl Summary {
    /// An empty summary.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            events: 0,
            dead: 0,
            dead_named: Vec::new(),
            unknown_members: 0,
            unread_expiries: 0,
            span: None,
            incidents: BTreeMap::new(),
            renewals: Renewals::default(),
            updates: 0,
            orders: 0,
            notices: Vec::new(),
            identities: 0,
            sources: 0,
            late: 0,
            evicted: 0,
            unadmitted: 0,
            thresholds_nats: Vec::new(),
            learned_shares: Vec::new(),
        }
    }

    /// Adds an event.
    pub fn add_event(&mut self, handled: &ProcessedRecord<'_>) {
        let time = handled.event.time;
        self.events += 1;
        self.renewals.add(&handled.event);
        for notice in &handled.step.notices {
            self.notices
                .push(format!("{} UTC: {notice}", minute(notice.time)));
        }
        if let Some(budget_alert) = &handled.step.budget_alert {
            self.notices
                .push(format!("{} UTC: {budget_alert}", minute(time)));
        }
        self.unknown_members += u64::from(handled.unknown_members);
        let (from, to) = self.span.unwrap_or((time, time));
        self.span = Some((from.min(time), to.max(time)));
    }

    /// Adds an alert's publication.
    pub fn add_alert(&mut self, alert: &Alert) {
        self.updates += u64::from(alert.phase == Phase::Updated);
        self.orders += alert.decisions.len() as u64;
        let incident = alert.incident.clone();
        let id = incident.alert_id.clone();
        self.incidents.insert(id, incident);
    }

    /// Adds a rejected record.
    pub fn add_dead(&mut self, name: &str, index: usize, reason: &str) {
        self.dead += 1;
        if self.dead_named.len() < DEAD_SHOWN {
            let short: String = reason.chars().take(160).collect();
            self.dead_named
                .push(format!("{name}, record {index}: {short}"));
        }
    }

    /// Adds a shard's counts.
    pub fn add_health(&mut self, id: ShardId, health: &Health) {
        self.evicted += health.evicted;
        self.unadmitted += health.without_baseline;
        if id.entity == EntityView::Source {
            self.sources += health.identities;
            return;
        }
        self.identities += health.identities;
        self.late += health.late;
        self.thresholds_nats.push(health.threshold_nats);
        self.learned_shares.push(health.threshold_learned_share);
    }

    /// Alerts opened.
    #[must_use]
    pub fn alerts(&self) -> usize {
        self.incidents.len()
    }

    fn span_ms(&self) -> i64 {
        self.span.map_or(0, |(from, to)| to.ms_since(from))
    }
}

/// A count with separators: `12,345`.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn plural(count: u64, one: &str, many: &str) -> String {
    let noun = if count == 1 { one } else { many };
    format!("{} {noun}", grouped(count))
}

/// A time as `2023-07-10 12:05`.
fn minute(time: EventTime) -> String {
    format_rfc3339(time)[..16].replace('T', " ")
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = Span { ms: self.span_ms() };
        let events = plural(self.events, "event", "events");
        let identities = plural(self.identities as u64, "identity", "identities");
        write!(f, "{events} of {identities}")?;
        if self.sources > 0 {
            let networks = plural(self.sources as u64, "network", "networks");
            write!(f, ", authenticating from {networks}")?;
        }
        if let Some((from, to)) = self.span {
            write!(f, " over {span} ({} to {} UTC)", minute(from), minute(to))?;
        }
        writeln!(f, ", {} rejected", grouped(self.dead))?;
        for named in &self.dead_named {
            writeln!(f, "  rejected: {named}")?;
        }
        if self.dead > self.dead_named.len() as u64 {
            writeln!(
                f,
                "  … and {} more",
                grouped(self.dead - self.dead_named.len() as u64)
            )?;
        }
        self.write_alerts(f)?;
        write!(f, "{}", self.renewals.with(self.incidents.values()))?;
        self.write_limits(f)?;
        self.write_notices(f)?;
        self.write_incidents(f)
    }
}

impl Summary {
    fn write_alerts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.span_ms() as f64 / MS_PER_DAY as f64;
        let alerts = plural(self.alerts() as u64, "alert", "alerts");
        write!(f, "{alerts}, {}", plural(self.updates, "update", "updates"))?;
        if days >= 1.0 {
            write!(f, ", {:.1} alerts a day", self.alerts() as f64 / days)?;
        }
        let count = self.thresholds_nats.len().max(1) as f64;
        let threshold = self.thresholds_nats.iter().sum::<f64>() / count;
        let learned = 100.0 * self.learned_shares.iter().sum::<f64>() / count;
        writeln!(f, "; threshold {threshold:.1} nats, {learned:.0} % learned")?;
        let orders = plural(self.orders, "containment order", "containment orders");
        match self.mode {
            Mode::DryRun => writeln!(f, "{orders}: dry run, not enforced"),
            Mode::Enforce => writeln!(f, "{orders} to be enforced"),
        }
    }

    fn write_limits(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut notes = Vec::new();
        if self.late > 0 {
            notes.push(format!(
                "{} arrived late",
                plural(self.late, "event", "events")
            ));
        }
        if self.unread_expiries > 0 {
            notes.push(format!(
                "{} not parsed",
                plural(self.unread_expiries, "expiry", "expiries")
            ));
        }
        if self.unknown_members > 0 {
            let members = plural(self.unknown_members, "unknown field", "unknown fields");
            notes.push(format!("{members} ignored"));
        }
        if self.evicted + self.unadmitted > 0 {
            notes.push(format!(
                "identity limit reached: {} evicted, {} events without baseline",
                plural(self.evicted, "baseline", "baselines"),
                plural(self.unadmitted, "event", "events")
            ));
        }
        if notes.is_empty() {
            Ok(())
        } else {
            writeln!(f, "{}", notes.join("; "))
        }
    }

    fn write_notices(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.notices.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nPopulation notices (one per day instead of alerts)")?;
        let notices = self.notices.iter().rev().take(NOTICES_SHOWN);
        notices
            .rev()
            .try_for_each(|notice| writeln!(f, "  {notice}"))?;
        match self.notices.len().saturating_sub(NOTICES_SHOWN) {
            0 => Ok(()),
            more => writeln!(f, "  and {more} earlier ones"),
        }
    }

    fn write_incidents(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut incidents: Vec<&AlertState> = self.incidents.values().collect();
        incidents.sort_by(|a, b| {
            b.peak_nats
                .total_cmp(&a.peak_nats)
                .then(a.opened.cmp(&b.opened))
        });
        if incidents.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nTop incidents")?;
        for (place, incident) in incidents.iter().take(INCIDENTS_SHOWN).enumerate() {
            write!(f, "{}", incident_text(place + 1, incident))?;
        }
        let rest = incidents.len().saturating_sub(INCIDENTS_SHOWN);
        if rest > 0 {
            writeln!(f, "… and {rest} more (--alerts FILE writes them all)")?;
        }
        Ok(())
    }
}

/// Number and span of the events of an incident.
fn scope(incident: &AlertState, span: Span) -> String {
    match incident.events {
        0 | 1 => "1 event".to_owned(),
        events => format!("{events} events within {span}"),
    }
}

/// One incident as text.
#[must_use]
pub fn incident_text(place: usize, incident: &AlertState) -> String {
    let mut text = String::new();
    let (identity, severity) = (incident.subject.id_with_owner(), incident.severity.as_str());
    let (peak, opened) = (incident.peak_nats, minute(incident.opened));
    let span = Span {
        ms: incident.last_evidence.ms_since(incident.opened),
    };
    let _ = writeln!(
        text,
        "{place:>3}. {severity:<8} {peak:>5.1} nats  {identity}"
    );
    let _ = writeln!(
        text,
        "     from {opened} UTC, {}, alert {}",
        scope(incident, span),
        incident.alert_id
    );
    for signal in incident.signals.iter().take(REASONS_SHOWN) {
        let nats = signal.nats;
        let _ = writeln!(
            text,
            "     • {}: {} [{nats:.1} nats]",
            signal.name, signal.explanation.sentence
        );
    }
    if !incident.techniques.is_empty() {
        let named: Vec<String> = incident
            .techniques
            .iter()
            .map(|t| format!("{} {}", t.id, t.name))
            .collect();
        let _ = writeln!(text, "     ATT&CK: {}", named.join(" · "));
    }
    text
}
