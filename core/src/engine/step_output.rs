//! What an engine gives out, as values; the shell performs it.

use crate::containment::Action;
use crate::containment::guardrail::GuardedAction;
use crate::event::{Event, Text};
use crate::score::incident::AlertState;
use crate::score::subject::Subject;
use crate::score::threshold::BudgetAlert;
use crate::units::EventTime;
use crate::verdict::{EntityView, SignalName, Verdict};
use std::fmt;
use std::sync::Arc;

/// Where an event stood in its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePosition {
    /// Topic.
    pub topic: Arc<str>,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

/// Phase of an alert's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// First publication.
    Opened,
    /// Evidence or severity grew.
    Updated,
    /// Evidence decayed away.
    Closed,
}

/// What was decided for an alert, with what weakened it.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Whom it is about: the identity of the case, or one that its source reached.
    pub subject: Subject,
    /// Idempotency key of the order.
    pub order_id: String,
    /// Name of the rule of the policy.
    pub policy: String,
    /// What the policy asked for.
    pub requested_action: Action,
    /// What the guardrails left.
    pub guarded: GuardedAction,
}

/// What the event behind a publication says of the deed: by which way, from where, for what.
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
        Self {
            action: owned(&event.action),
            resource: owned(&event.resource),
            host: owned(&event.source.host),
            ip: event.source.ip.map(|ip| ip.to_string()),
            user_agent: owned(&event.source.user_agent),
            purpose: owned(&event.purpose),
        }
    }
}

/// One publication about a case.
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
    /// How much of the threshold is learned, 0 to 1.
    pub threshold_learned_share: f64,
    /// The case.
    pub incident: AlertState,
    /// Whose behaviour the case is about.
    pub entity: EntityView,
    /// Of a source: the identities that succeeded from it and are not usual there.
    pub logins: Vec<Subject>,
    /// How many more there were than are kept.
    pub additional_logins: u32,
    /// What was decided now: for the identity, or for each one that the source reached.
    pub decisions: Vec<Decision>,
    /// The event behind this publication; `None` when it closed by decay.
    pub event_id: Option<String>,
    /// Where that event stood.
    pub position: Option<SourcePosition>,
    /// What it says of the deed.
    pub context: Option<EventContext>,
}

/// The effect of feedback on a shard.
#[derive(Clone, Debug)]
pub enum FeedbackEffect {
    /// The alert or order is not known to this shard.
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

/// What many identities show on one day, told once: an administrator's change, an office that
/// moved, an outage.
#[derive(Clone, Debug, PartialEq)]
pub struct PopulationNotice {
    /// Event time.
    pub time: EventTime,
    /// Which signal.
    pub signal: SignalName,
    /// What they show.
    pub observed: String,
    /// How many identities lately, decayed.
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

/// How much a step says of its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The score.
    Score,
    /// What each signal read, too.
    Readings,
    /// And why, in words.
    Explained,
}

/// What one step gave.
#[derive(Debug, Default)]
pub struct StepOutput {
    /// Score, with what has accumulated.
    pub score_nats: f64,
    /// The event alone.
    pub event_nats: f64,
    /// Whether this event was seen before: it was judged and changed nothing.
    pub duplicate: bool,
    /// Whether the identity is known to come from the event's source network, or nothing is known of
    /// where it comes from.
    pub is_known_source: bool,
    /// Whether each signal spoke, by index, as bits.
    pub contributing_signals: u32,
    /// What the population shows.
    pub notices: Vec<PopulationNotice>,
    /// Whether alerts have left their budget, or come back to it.
    pub budget_alert: Option<BudgetAlert>,
    /// Alerts to publish, in order.
    pub alerts: Vec<Alert>,
    /// The verdict, where more than the score was asked for.
    pub verdict: Option<Verdict>,
}
