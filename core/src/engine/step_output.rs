//! Outputs of an engine, as values; the caller publishes them.

use crate::containment::Action;
use crate::containment::guardrail::GuardedAction;
use crate::enrich::network_label;
use crate::event::{Event, Text};
use crate::score::incident::AlertState;
use crate::score::subject::Subject;
use crate::score::threshold::BudgetAlert;
use crate::units::EventTime;
use crate::verdict::{EntityView, SignalName, Verdict};
use std::fmt;
use std::sync::Arc;

/// Position of an event in its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePosition {
    /// Topic.
    pub topic: Arc<str>,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Time at which the broker appended the record; `None` where no broker states it.
    pub record_time: Option<EventTime>,
}

/// Phase of an alert's lifecycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// First publication.
    Opened,
    /// Evidence or severity grew.
    Updated,
    /// Evidence decayed.
    Closed,
}

/// The containment decision of an alert, with its restrictions.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Subject: the identity of the incident, or one that logged in from its source.
    pub subject: Subject,
    /// Idempotency key of the order.
    pub order_id: String,
    /// Name of the policy rule.
    pub policy: String,
    /// Action that the policy requested.
    pub requested_action: Action,
    /// Action that the guardrails permitted.
    pub guarded: GuardedAction,
}

/// The activity of the event behind a publication: through which host and client, from where, to what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventContext {
    /// Operation.
    pub action: Option<String>,
    /// Its object.
    pub resource: Option<String>,
    /// Host.
    pub host: Option<String>,
    /// Address.
    pub ip: Option<String>,
    /// Network, such as `AS14061 DigitalOcean (hosting)`.
    pub network: Option<String>,
    /// Country.
    pub country: Option<String>,
    /// Databases that said so, with date and hash.
    pub databases: Option<String>,
    /// Client.
    pub user_agent: Option<String>,
    /// Declared purpose.
    pub purpose: Option<String>,
}

impl EventContext {
    /// Copies what is needed of `event`.
    #[must_use]
    pub fn of(event: &Event<'_>) -> Self {
        let owned = |text: &Option<Text<'_>>| text.as_deref().map(str::to_owned);
        let network = event.source.network.as_deref();
        Self {
            action: owned(&event.action),
            resource: owned(&event.resource),
            host: owned(&event.source.host),
            ip: event.source.ip.map(|ip| ip.to_string()),
            network: network_label(event),
            country: owned(&event.source.country),
            databases: network.and_then(|network| owned(&network.databases)),
            user_agent: owned(&event.source.user_agent),
            purpose: owned(&event.purpose),
        }
    }
}

/// Who signed in from a source, or tried to.
#[derive(Clone, Debug, Default)]
pub struct SourceVisitors {
    /// Identities that signed in from it and are not usual there.
    pub logins: Vec<Subject>,
    /// Number of further identities that were evicted.
    pub additional_logins: u32,
    /// Names that it tried in vain.
    pub attempted: Vec<String>,
    /// Whether it tried more names than these.
    pub has_more_attempted: bool,
}

/// One publication about an incident.
#[derive(Clone, Debug)]
pub struct Alert {
    /// Phase.
    pub phase: Phase,
    /// Event time of this publication.
    pub time: EventTime,
    /// Score now.
    pub score_nats: f64,
    /// Threshold now.
    pub threshold_nats: f64,
    /// Weight of the estimate in the threshold, 0 to 1.
    pub threshold_learned_share: f64,
    /// The incident.
    pub incident: AlertState,
    /// Subject of the incident.
    pub entity: EntityView,
    /// For a source: who signed in from it, or tried to.
    pub visitors: SourceVisitors,
    /// Decisions of this publication; none where the entity is a source.
    pub decisions: Vec<Decision>,
    /// The event behind this publication; `None` when the alert closed by decay.
    pub event_id: Option<String>,
    /// Position of that event.
    pub position: Option<SourcePosition>,
    /// Its activity.
    pub context: Option<EventContext>,
}

/// The effect of feedback on a shard.
#[derive(Clone, Debug)]
pub enum FeedbackEffect {
    /// The alert or order does not exist in this shard.
    NotFound,
    /// The feedback was applied; there is nothing to publish.
    Applied,
    /// The feedback was applied, and this alert record is to be published.
    Publish(Box<Alert>),
}

impl FeedbackEffect {
    /// Applied, with the alert record to publish, if any.
    pub(super) fn applied(alert: Option<Alert>) -> Self {
        alert.map_or(Self::Applied, |alert| Self::Publish(Box::new(alert)))
    }

    /// The alert record to publish, if any.
    #[must_use]
    pub fn alert(&self) -> Option<&Alert> {
        match self {
            Self::Publish(alert) => Some(alert),
            Self::NotFound | Self::Applied => None,
        }
    }
}

/// A deviation that many identities show on one day, published once: an administrator's change, an office
/// that moved, an outage.
#[derive(Clone, Debug, PartialEq)]
pub struct PopulationNotice {
    /// Event time.
    pub time: EventTime,
    /// Signal.
    pub signal: SignalName,
    /// Observed value.
    pub observed: String,
    /// Recent number of identities, decayed.
    pub identities: f64,
}

impl fmt::Display for PopulationNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (identities, signal, observed) = (self.identities, self.signal, &self.observed);
        write!(
            f,
            "{identities:.0} identities or more show the same new {signal}: {observed}"
        )
    }
}

/// Detail of a step's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The score.
    Score,
    /// Also the reading of each signal.
    Readings,
    /// Also the verdict with its sentences.
    Explained,
}

/// Output of one step.
#[derive(Debug, Default)]
pub struct StepOutput {
    /// Score with accumulated evidence.
    pub score_nats: f64,
    /// Score of the event alone.
    pub event_nats: f64,
    /// Whether the event is a duplicate, which was scored and changed nothing.
    pub duplicate: bool,
    /// Whether the event's source network is usual for the identity, or its origin is not known
    /// yet.
    pub is_known_source: bool,
    /// Signals that contributed, one bit each by index.
    pub contributing_signals: u32,
    /// Notices about the population.
    pub notices: Vec<PopulationNotice>,
    /// Whether the alert rate left its budget, or is back within it.
    pub budget_alert: Option<BudgetAlert>,
    /// Alerts to publish, in order.
    pub alerts: Vec<Alert>,
    /// The verdict, where the requested detail includes it.
    pub verdict: Option<Verdict>,
}
