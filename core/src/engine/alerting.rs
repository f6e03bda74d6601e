//! The life of an alert: when it opens, grows and closes, and what is decided for it.

use super::step_output::{Alert, Decision, EventContext, Phase};
use super::{Engine, ScoredEvent};
use crate::containment::Action;
use crate::containment::guardrail::{Approval, GuardedAction, Target};
use crate::containment::policy::PolicyInput;
use crate::enrich::{Features, identity_key};
use crate::event::{Activity, Event};
use crate::score::incident::{AlertState, EventScore};
use crate::score::severity::severity;
use crate::score::subject::Subject;
use crate::signal::{ACCOUNT_MANIPULATION, SIGNALS};
use crate::verdict::{EntityView, ObservedTechnique, SignalVerdict, Technique};

/// A signal is named in an alert, with its techniques, from this surprise on.
const MIN_SHOWN_NATS: f64 = 3.0;
/// Hex digits of an alert id.
const ID_DIGITS: usize = 32;

impl Engine {
    #[cold]
    pub(super) fn sweep(&mut self, alerts: &mut Vec<Alert>) {
        let threshold_nats = self.threshold_nats();
        let parameters = &self.settings.parameters;
        let closed = self.incidents.sweep(
            self.clock.watermark(),
            threshold_nats,
            parameters,
            &mut self.evicted,
        );
        self.clear_incident_flag();
        alerts.extend(closed.into_iter().map(|case| self.build_close(case)));
        let incidents = &self.incidents;
        self.source_logins.expire(self.clock.watermark(), |source| {
            incidents.has_open_alert(source)
        });
    }

    /// The last publication of an alert.
    pub(super) fn build_close(&self, case: AlertState) -> Alert {
        self.build_update(case, Phase::Closed)
    }

    /// A publication without an event of its own.
    pub(super) fn build_update(&self, case: AlertState, phase: Phase) -> Alert {
        let (reached, reached_unnamed) = self.successful_logins(identity_key(&case.subject.id));
        Alert {
            entity: self.settings.entity,
            logins: reached,
            additional_logins: reached_unnamed,
            phase,
            time: self.clock.watermark(),
            score_nats: case.published_nats,
            threshold_nats: self.threshold_nats(),
            threshold_learned_share: self.threshold.learned_share(),
            incident: case,
            decisions: Vec::new(),
            event_id: None,
            position: None,
            context: None,
        }
    }

    pub(super) fn open_alert(&self, identity: u64) -> Option<&AlertState> {
        let alert = self.incidents.get(identity)?.alert.as_ref()?;
        (!alert.closed).then_some(alert)
    }

    /// Whether this event opens an alert or is worth an update of one.
    pub(super) fn should_alert(&self, features: &Features, weighed: &EventScore) -> bool {
        let score = weighed.score_nats;
        if score < self.threshold.min_nats() || score < self.threshold_nats() {
            return false;
        }
        let law = &self.settings.parameters;
        match self.open_alert(features.identity) {
            None => weighed.is_new,
            Some(alert) => {
                let now = severity(weighed.score_nats, self.threshold_nats(), &law.severity);
                let growth = weighed.score_nats - alert.published_nats;
                let technique = features.abuse.map(|abuse| abuse.technique);
                let names_another =
                    technique.is_some_and(|t| !alert.techniques.iter().any(|known| *known == t));
                let has_grown = weighed.is_new && growth >= law.incident.update_step_nats;
                now > alert.severity || names_another || has_grown
            }
        }
    }

    pub(super) fn alert_id_of(&self, judged: &ScoredEvent<'_>) -> Option<String> {
        let from = self.settings.parameters.score.evidence_from_nats;
        self.open_alert(judged.features.identity)
            .filter(|_| judged.score.event_nats >= from)
            .map(|alert| alert.alert_id.clone())
    }

    /// Opens an alert, or updates the open one, and decides.
    #[cold]
    pub(super) fn raise_alert(
        &mut self,
        judged: &ScoredEvent<'_>,
        signals: &[SignalVerdict],
    ) -> Alert {
        let ScoredEvent {
            event,
            position: origin,
            features,
            score: weighed,
            ..
        } = judged;
        let threshold_nats = self.threshold_nats();
        let law = &self.settings.parameters.severity;
        let severity = severity(weighed.score_nats, threshold_nats, law);
        let entity = self.settings.entity;
        let subject = Subject::of(&event.identity, event.credential.as_ref());
        let known = self.open_alert(features.identity).cloned();
        let phase = if known.is_some() {
            Phase::Updated
        } else {
            Phase::Opened
        };
        let grew = known.as_ref().is_none_or(|alert| severity > alert.severity);
        let mut case = known.unwrap_or_else(|| AlertState {
            alert_id: alert_id(entity, event, &self.settings.model_hash),
            opened: event.time,
            last_evidence: event.time,
            closed: false,
            severity,
            published_nats: 0.0,
            peak_nats: 0.0,
            events: 1,
            signals: Vec::new(),
            techniques: Vec::new(),
            subject: subject.clone(),
        });
        case.severity = case.severity.max(severity);
        case.published_nats = case.published_nats.max(weighed.score_nats);
        case.peak_nats = case.peak_nats.max(weighed.score_nats);
        case.subject = subject;
        merge_signals(&mut case.signals, signals);
        let known = features.abuse.map(|abuse| abuse.technique);
        merge_techniques(&mut case.techniques, entity, event.activity, known, signals);
        if phase == Phase::Opened {
            self.threshold.record_alert();
        }
        let decisions = match entity {
            EntityView::Source => self.decide_for_logins(&case, features.identity),
            EntityView::Identity if grew => {
                vec![self.decide(&case, &case.subject, features.identity)]
            }
            EntityView::Identity => Vec::new(),
        };
        let (reached, reached_unnamed) = self.successful_logins(features.identity);
        self.incidents.set_alert(features.identity, case.clone());
        Alert {
            phase,
            entity,
            logins: reached,
            additional_logins: reached_unnamed,
            time: event.time,
            score_nats: weighed.score_nats,
            threshold_nats,
            threshold_learned_share: self.threshold.learned_share(),
            incident: case,
            decisions,
            event_id: Some(event.event_id.clone().into_owned()),
            position: Some((*origin).clone()),
            context: Some(EventContext::of(event)),
        }
    }

    /// What the policy asks for about `subject` in the case, and by which rule.
    pub(super) fn policy_action(&self, case: &AlertState, subject: &Subject) -> (Action, String) {
        let techniques: Vec<&str> = case.techniques.iter().map(|t| t.id.as_str()).collect();
        let situation = PolicyInput {
            severity: case.severity,
            identity: subject.kind,
            credential: subject.credential.as_ref().and_then(|c| c.kind),
            group: subject.group.as_deref(),
            techniques: &techniques,
        };
        let (action, rule) = self.settings.policy.action(&situation);
        (action, rule.to_owned())
    }

    /// What the guardrails leave of `wanted` about `subject`, whose key is `key`.
    pub(super) fn apply_guardrails(
        &mut self,
        wanted: Action,
        subject: &Subject,
        key: u64,
        approval: Approval,
    ) -> GuardedAction {
        let whom = Target {
            id: &subject.id,
            key,
            group: subject.group.as_deref(),
            approval,
        };
        let (now, active) = (self.clock.watermark(), self.active_identities());
        let (switch, rails) = (&mut self.containment_state, &self.settings.guardrails);
        self.containment_log
            .restrict(switch, wanted, whom, now, active, rails)
    }

    /// What is to be done about `subject`, whose key is `key`, in the case.
    pub(super) fn decide(&mut self, case: &AlertState, subject: &Subject, key: u64) -> Decision {
        let (wanted, policy) = self.policy_action(case, subject);
        let credential = subject.credential.as_ref();
        let allowed = self.apply_guardrails(wanted, subject, key, Approval::Pending);
        let credential_id = credential.map_or("", |c| c.id.as_str());
        let action = allowed.action.as_str();
        let order_id = match self.settings.entity {
            EntityView::Identity => digest(&[&case.alert_id, action, credential_id]),
            EntityView::Source => digest(&[&case.alert_id, action, credential_id, &subject.id]),
        };
        let decision = Decision {
            subject: subject.clone(),
            order_id,
            policy,
            requested_action: wanted,
            guarded: allowed,
        };
        self.track_order(&case.alert_id, &decision);
        decision
    }
}

/// Keeps each signal's strongest verdict, the strongest first.
fn merge_signals(kept: &mut Vec<SignalVerdict>, new: &[SignalVerdict]) {
    for verdict in new {
        if verdict.reading.surprise_nats() < MIN_SHOWN_NATS {
            continue;
        }
        match kept.iter_mut().find(|known| known.name == verdict.name) {
            Some(known) if known.reading.p <= verdict.reading.p => {}
            Some(known) => *known = verdict.clone(),
            None => kept.push(verdict.clone()),
        }
    }
    kept.sort_by(|a, b| {
        a.reading
            .p
            .total_cmp(&b.reading.p)
            .then(a.name.cmp(&b.name))
    });
}

/// Adds what the action is known from, and what the strong signals may be a sign of.
fn merge_techniques(
    kept: &mut Vec<ObservedTechnique>,
    entity: EntityView,
    activity: Activity,
    known: Option<Technique>,
    signals: &[SignalVerdict],
) {
    let speaking = signals
        .iter()
        .filter(|verdict| verdict.reading.surprise_nats() >= MIN_SHOWN_NATS)
        .filter_map(|verdict| SIGNALS.iter().find(|signal| signal.name() == verdict.name))
        .flat_map(|signal| signal.techniques(entity).iter().copied());
    let granting = (activity == Activity::Grant && known.is_none()).then_some(ACCOUNT_MANIPULATION);
    for technique in known.into_iter().chain(granting).chain(speaking) {
        if !kept.iter().any(|known| *known == technique) {
            kept.push(technique.into());
        }
    }
}

pub(super) fn digest(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex()[..ID_DIGITS].to_owned()
}

/// View, entity, the event that opened it, and model: the same however the events came.
fn alert_id(entity: EntityView, event: &Event<'_>, model_hash: &str) -> String {
    digest(&[
        entity.as_str(),
        &event.identity.id,
        &event.event_id,
        model_hash,
    ])
}
