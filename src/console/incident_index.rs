//! Incidents of all partitions in a bounded index, assembled from the alerts and the audit trail.
//!
//! # Memory
//! The latest publication of each alert is kept compressed, and its summary as it is served: about 7 KB an
//! incident. Beyond the capacity the incident with the oldest evidence goes.

use super::incident::{IncidentSummary, OrderOutcome, OrderSummary, Publication, TrailEntry};
use super::incident::{VerdictSummary, optional, text, texts};
use super::order_state::{most_important, order_of_decision};
use crate::sources::time::parse_rfc3339;
use credwatch_core::verdict::Severity;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// Publications and audit records kept of one incident.
const MAX_ENTRIES: usize = 64;
/// Largest alert that is taken in, in bytes.
const MAX_ALERT_BYTES: usize = 1 << 20;
/// Audit records kept that were read before what they are about.
const MAX_EARLY: usize = 2_000;
const COMPRESSION: i32 = 1;

/// An incident with what its page needs.
#[derive(Clone, Debug)]
pub struct StoredIncident {
    /// As lists show it.
    pub summary: IncidentSummary,
    /// Its publications, oldest first.
    pub publications: Vec<Publication>,
    /// What the audit trail says of it, in the order of the trail.
    pub trail: Vec<TrailEntry>,
    /// Its place in lists: alerts that the engine holds open first, then by severity, then by score.
    pub rank: Rank,
    search_text: String,
    alert: Vec<u8>,
}

impl StoredIncident {
    /// The latest publication.
    #[must_use]
    pub fn alert(&self) -> Value {
        let alert = zstd::bulk::decompress(&self.alert, MAX_ALERT_BYTES).unwrap_or_default();
        serde_json::from_slice(&alert).unwrap_or_default()
    }

    /// Whether nobody has answered it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.summary.verdict.is_none()
    }

    /// Its orders that await the approval of a person: none once it is answered.
    pub fn waiting_orders(&self) -> impl Iterator<Item = &OrderSummary> {
        let orders = self.summary.orders.iter();
        orders.filter(|order| self.is_open() && order.state == "waits")
    }

    /// Whether its search text contains `query`, which is in lower case.
    #[must_use]
    pub fn matches(&self, query: &str) -> bool {
        self.search_text.contains(query)
    }
}

/// A place in lists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    is_active: bool,
    severity: usize,
    millinats: u64,
    id: String,
}

impl Rank {
    fn of(summary: &IncidentSummary) -> Self {
        let mut severities = Severity::ALL.iter();
        let severity = severities.position(|s| s.as_str() == summary.severity);
        Self {
            is_active: summary.state == "active",
            severity: severity.unwrap_or_default(),
            millinats: (summary.nats * 1_000.0) as u64,
            id: summary.id.clone(),
        }
    }

    /// The place as an opaque text.
    #[must_use]
    pub fn to_cursor(&self) -> String {
        let state = u8::from(self.is_active);
        format!("{state}.{}.{}.{}", self.severity, self.millinats, self.id)
    }

    /// The place of a cursor; `None` where it is none.
    #[must_use]
    pub fn of_cursor(cursor: &str) -> Option<Self> {
        let mut parts = cursor.splitn(4, '.');
        Some(Self {
            is_active: parts.next()? == "1",
            severity: parts.next()?.parse().ok()?,
            millinats: parts.next()?.parse().ok()?,
            id: parts.next()?.to_owned(),
        })
    }
}

/// Leaves the `limit` most urgent incidents, in order; returns whether there were more. O(n).
pub fn most_urgent(found: &mut Vec<&StoredIncident>, limit: usize) -> bool {
    let has_more = found.len() > limit;
    if has_more {
        found.select_nth_unstable_by(limit.saturating_sub(1), |a, b| b.rank.cmp(&a.rank));
        found.truncate(limit);
    }
    found.sort_unstable_by(|a, b| b.rank.cmp(&a.rank));
    has_more
}

/// The index.
#[derive(Debug)]
pub struct IncidentIndex {
    incidents: HashMap<String, StoredIncident>,
    /// Ids by the time of the latest evidence, for eviction.
    by_time: BTreeSet<(i64, String)>,
    /// Alert of each order.
    orders: HashMap<String, String>,
    /// Audit records that were read before their alert or their order, by its id.
    early: HashMap<String, Vec<Value>>,
    early_count: usize,
    capacity: usize,
}

impl IncidentIndex {
    /// An empty index of at most `capacity` incidents.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            incidents: HashMap::new(),
            by_time: BTreeSet::new(),
            orders: HashMap::new(),
            early: HashMap::new(),
            early_count: 0,
            capacity: capacity.max(1),
        }
    }

    /// Takes in an alert; returns the id of its incident, or `None` where the record is no alert.
    pub fn add_alert(&mut self, record: &[u8]) -> Option<String> {
        let alert: Value = serde_json::from_slice(record).ok()?;
        let latest =
            IncidentSummary::of_alert(&alert).filter(|_| record.len() <= MAX_ALERT_BYTES)?;
        let id = latest.id.clone();
        let known = self
            .incidents
            .entry(id.clone())
            .or_insert_with(|| StoredIncident {
                summary: latest.clone(),
                publications: Vec::new(),
                trail: Vec::new(),
                rank: Rank::of(&latest),
                search_text: String::new(),
                alert: Vec::new(),
            });
        self.by_time.remove(&(known.summary.last, id.clone()));
        known.summary.update(latest);
        known.rank = Rank::of(&known.summary);
        known.search_text = known.summary.search_text();
        known.alert = zstd::bulk::compress(record, COMPRESSION).unwrap_or_default();
        let publication = publication(&alert);
        if known.publications.len() < MAX_ENTRIES && !known.publications.contains(&publication) {
            known.publications.push(publication);
        }
        self.by_time.insert((known.summary.last, id.clone()));
        self.take_early(&id);
        self.evict();
        Some(id)
    }

    /// Takes in a record of the audit trail; returns the id of the incident that it changes.
    pub fn add_audit(&mut self, record: &Value) -> Option<String> {
        let entry = &record["entry"];
        let what = text(&entry["type"]);
        let order_id = entry["order_id"].as_str();
        let of_order = order_id.and_then(|order| self.orders.get(order));
        let Some(id) = optional(&entry["alert_id"]).or(of_order.cloned()) else {
            self.keep_early(order_id?, record);
            return None;
        };
        let Some(known) = self.incidents.get_mut(&id) else {
            self.keep_early(&id, record);
            return None;
        };
        let trail_entry = trail_entry(record);
        if known
            .trail
            .iter()
            .any(|known| known.hash == trail_entry.hash)
        {
            return None;
        }
        match what.as_str() {
            "decision" => {
                let order = order_of_decision(entry);
                self.orders.insert(order.order_id.clone(), id.clone());
                known
                    .summary
                    .orders
                    .retain(|other| other.order_id != order.order_id);
                known.summary.orders.insert(0, order);
            }
            "feedback" => known.summary.verdict = verdict(entry),
            "approved" | "containment_done" | "containment_failed" | "containment_refused" => {
                let order = known.summary.orders.iter_mut();
                let mut order = order.filter(|order| Some(order.order_id.as_str()) == order_id);
                settle(order.next()?, &what, entry);
            }
            _ => {}
        }
        known.summary.orders.truncate(MAX_ENTRIES);
        known.summary.order = most_important(&known.summary.orders);
        if known.trail.len() < MAX_ENTRIES {
            known.trail.push(trail_entry);
        }
        if let Some(order_id) = entry["decision"]["order_id"].as_str() {
            self.take_early(order_id);
        }
        Some(id)
    }

    /// Topics are read side by side: a record may come before the alert or the order that it is about.
    fn keep_early(&mut self, id: &str, record: &Value) {
        if self.early_count < MAX_EARLY {
            self.early
                .entry(id.to_owned())
                .or_default()
                .push(record.clone());
            self.early_count += 1;
        }
    }

    fn take_early(&mut self, id: &str) {
        for record in self.early.remove(id).unwrap_or_default() {
            self.early_count -= 1;
            self.add_audit(&record);
        }
    }

    fn evict(&mut self) {
        while self.incidents.len() > self.capacity {
            let Some((_, id)) = self.by_time.pop_first() else {
                return;
            };
            if let Some(gone) = self.incidents.remove(&id) {
                for order in &gone.summary.orders {
                    self.orders.remove(&order.order_id);
                }
            }
        }
    }

    /// The incident of `id`, which may be cut to its first six characters or more.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&StoredIncident> {
        self.incidents.get(id).or_else(|| {
            let is_cut = id.len() >= 6 && id.len() < 32;
            let mut found = self
                .incidents
                .values()
                .filter(|known| is_cut && known.summary.id.starts_with(id));
            found.next().filter(|_| found.next().is_none())
        })
    }

    /// The incident of an order.
    #[must_use]
    pub fn of_order(&self, order_id: &str) -> Option<&StoredIncident> {
        self.incidents.get(self.orders.get(order_id)?)
    }

    /// The incidents of an identity or a network, latest first.
    #[must_use]
    pub fn of_subject(&self, id: &str) -> Vec<IncidentSummary> {
        let of = self
            .all()
            .filter(|incident| incident.summary.subject.id == id);
        let mut found: Vec<_> = of.map(|incident| incident.summary.clone()).collect();
        found.sort_by_key(|summary| -summary.opened);
        found
    }

    /// All incidents, in no order.
    pub fn all(&self) -> impl Iterator<Item = &StoredIncident> {
        self.incidents.values()
    }

    /// Number of incidents.
    #[must_use]
    pub fn len(&self) -> usize {
        self.incidents.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.incidents.is_empty()
    }
}

fn publication(alert: &Value) -> Publication {
    Publication {
        time: alert["time"].as_i64().unwrap_or_default(),
        severity: text(&alert["severity"]).to_lowercase(),
        nats: alert["unmapped"]["credwatch"]["score_nats"]
            .as_f64()
            .unwrap_or_default(),
        phase: match alert["activity_id"].as_u64() {
            Some(1) => "opened",
            Some(3) => "closed",
            _ => "updated",
        }
        .to_owned(),
    }
}

fn trail_entry(record: &Value) -> TrailEntry {
    let entry = &record["entry"];
    let decision = &entry["decision"];
    TrailEntry {
        time: parse_rfc3339(entry["time"].as_str().unwrap_or_default()).unwrap_or_default(),
        what: text(&entry["type"]),
        identity: optional(&entry["identity"]),
        wanted: optional(&decision["requested_action"]),
        action: optional(&decision["action"]),
        mode: optional(&decision["mode"]),
        weakened_by: texts(&decision["weakened_by"]),
        policy: optional(&decision["policy"]),
        order_id: optional(&entry["order_id"]).or(optional(&decision["order_id"])),
        by: optional(&entry["by"]),
        detail: optional(&entry["verdict"]).or(optional(&entry["reason"])),
        record_hash: optional(&entry["record_hash"]),
        event_id: optional(&entry["event_id"]),
        hash: text(&record["hash"]),
    }
}

/// The verdict that stands after an entry: none after a withdrawal.
fn verdict(entry: &Value) -> Option<VerdictSummary> {
    let verdict = optional(&entry["verdict"]).filter(|verdict| verdict != "withdrawn")?;
    Some(VerdictSummary {
        verdict,
        by: text(&entry["by"]),
        at: parse_rfc3339(entry["time"].as_str()?)?,
    })
}

fn settle(order: &mut OrderSummary, what: &str, entry: &Value) {
    order.state = "sent".to_owned();
    order.outcome = Some(OrderOutcome {
        what: what.trim_start_matches("containment_").to_owned(),
        by: text(&entry["by"]),
        took_ms: entry["took_ms"].as_i64(),
    });
}
