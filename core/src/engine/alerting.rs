//! The lifecycle of an alert: it opens, is updated and closes, and each publication carries the containment
//! decision.

use super::Engine;
use super::pipeline::ScoredEvent;
use super::step_output::{Alert, Decision, EventContext, Phase};
use crate::containment::guardrail::{Approval, GuardedAction, Target};
use crate::containment::policy::PolicyInput;
use crate::containment::{Action, Restriction};
use crate::enrich::Features;
use crate::event::{Activity, Attribution, Event};
use crate::score::incident::{AlertState, EventScore};
use crate::score::severity::severity;
use crate::score::subject::Subject;
use crate::signal::{ACCOUNT_MANIPULATION, SIGNALS};
use crate::units::{EventTime, MS_PER_DAY};
use crate::verdict::{EntityView, ObservedTechnique, Severity, SignalVerdict, Technique};

/// Minimum surprise from which a signal and its techniques are named in an alert, in nats.
const MIN_SHOWN_NATS: f64 = 3.0;
/// History of the deployment and of an identity before which it is not contained: a week.
const MIN_HISTORY_DAYS: f64 = 7.0;
const MIN_HISTORY_MS: i64 = 7 * MS_PER_DAY;
/// Hex digits of an alert id.
const ID_DIGITS: usize = 32;

impl Engine {
    #[cold]
    pub(super) fn sweep(&mut self, alerts: &mut Vec<Alert>) {
        let threshold_nats = self.threshold_nats();
        let parameters = &self.settings.parameters;
        let closed = self.scoring.incidents.sweep(
            self.intake.clock.watermark(),
            threshold_nats,
            parameters,
            &mut self.scoring.evicted,
        );
        self.clear_incident_flags();
        alerts.extend(
            closed
                .into_iter()
                .map(|incident| self.build_close(incident)),
        );
        let incidents = &self.scoring.incidents;
        self.containment
            .source_logins
            .expire(self.intake.clock.watermark(), |source| {
                incidents.has_open_alert(source)
            });
    }

    /// The last publication of an alert.
    pub(super) fn build_close(&self, incident: AlertState) -> Alert {
        self.build_update(incident, Phase::Closed)
    }

    /// A publication without an event of its own.
    pub(super) fn build_update(&self, incident: AlertState, phase: Phase) -> Alert {
        let visitors = self.visitors(self.identity_key(&incident.subject.id));
        Alert {
            entity: self.settings.entity,
            visitors,
            phase,
            time: self.intake.clock.watermark(),
            score_nats: incident.published_nats,
            threshold_nats: self.threshold_nats(),
            threshold_learned_share: self.scoring.threshold.learned_share(),
            incident,
            decisions: Vec::new(),
            event_id: None,
            position: None,
            context: None,
        }
    }

    pub(super) fn open_alert(&self, identity: u64) -> Option<&AlertState> {
        let alert = self.scoring.incidents.get(identity)?.alert.as_ref()?;
        (!alert.closed).then_some(alert)
    }

    /// Whether this event opens an alert or warrants an update of the open one.
    pub(super) fn should_alert(&self, features: &Features, score: &EventScore) -> bool {
        let Some(now) = self.severity_of(score.total.score_nats) else {
            return false;
        };
        let params = &self.settings.parameters;
        match self.open_alert(features.identity) {
            None => score.total.is_new,
            Some(alert) => {
                let attributable = self.severity_of(score.attributable.score_nats);
                let growth = score.total.score_nats - alert.published_nats;
                let technique = features.abuse.map(|abuse| abuse.technique);
                let names_another =
                    technique.is_some_and(|t| !alert.techniques.iter().any(|known| *known == t));
                let has_grown = score.total.is_new && growth >= params.incident.update_step_nats;
                let is_graver = now > alert.severity || attributable > alert.attributable_severity;
                is_graver || names_another || has_grown
            }
        }
    }

    /// Severity of a score of `score_nats`; `None` below the threshold.
    fn severity_of(&self, score_nats: f64) -> Option<Severity> {
        // Hardly any event gets as far as the threshold, which takes a logarithm.
        if score_nats < self.scoring.threshold.min_nats_of_few() {
            return None;
        }
        let threshold_nats = self.threshold_nats();
        let params = &self.settings.parameters.severity;
        (score_nats >= threshold_nats).then(|| severity(score_nats, threshold_nats, params))
    }

    pub(super) fn alert_id_of(&self, scored: &ScoredEvent<'_>) -> Option<String> {
        let from = self.settings.parameters.score.evidence_from_nats;
        self.open_alert(scored.features.identity)
            .filter(|_| scored.score.total.event_nats >= from)
            .map(|alert| alert.alert_id.clone())
    }

    /// Opens an alert or updates the open one, and decides on containment.
    #[cold]
    pub(super) fn raise_alert(
        &mut self,
        scored: &ScoredEvent<'_>,
        signals: &[SignalVerdict],
    ) -> Alert {
        let ScoredEvent {
            event,
            position: origin,
            features,
            score,
            ..
        } = scored;
        let threshold_nats = self.threshold_nats();
        let params = &self.settings.parameters.severity;
        let severity = severity(score.total.score_nats, threshold_nats, params);
        let entity = self.settings.entity;
        let subject = Subject::of(&event.identity, event.credential.as_ref());
        let known = self.open_alert(features.identity).cloned();
        let phase = if known.is_some() {
            Phase::Updated
        } else {
            Phase::Opened
        };
        let known_attributable = known.as_ref().and_then(|alert| alert.attributable_severity);
        let attributable = self.severity_of(score.attributable.score_nats);
        let has_attributable_grown = attributable > known_attributable;
        let has_grown = known.as_ref().is_none_or(|alert| severity > alert.severity);
        let may_contain = has_attributable_grown || event.attribution() == Attribution::Holder;
        let mut incident = known.unwrap_or_else(|| AlertState {
            alert_id: alert_id(entity, event, &self.settings.model_hash),
            opened: event.time,
            last_evidence: event.time,
            closed: false,
            severity,
            attributable_severity: None,
            published_nats: 0.0,
            peak_nats: 0.0,
            events: 1,
            signals: Vec::new(),
            techniques: Vec::new(),
            subject: subject.clone(),
        });
        incident.severity = incident.severity.max(severity);
        incident.attributable_severity = incident.attributable_severity.max(attributable);
        incident.published_nats = incident.published_nats.max(score.total.score_nats);
        incident.peak_nats = incident.peak_nats.max(score.total.score_nats);
        incident.subject = subject;
        merge_signals(&mut incident.signals, signals);
        let known = features.abuse.map(|abuse| abuse.technique);
        merge_techniques(
            &mut incident.techniques,
            entity,
            event.activity,
            known,
            signals,
        );
        if phase == Phase::Opened {
            self.scoring.threshold.record_alert();
        }
        let decisions = match entity {
            EntityView::Source => Vec::new(),
            EntityView::Identity if has_grown || has_attributable_grown => {
                vec![self.decide(&incident, features.identity, may_contain)]
            }
            EntityView::Identity => Vec::new(),
        };
        let visitors = self.visitors(features.identity);
        self.mark_logins_published(features.identity);
        self.scoring
            .incidents
            .set_alert(features.identity, incident.clone());
        Alert {
            phase,
            entity,
            visitors,
            time: event.time,
            score_nats: score.total.score_nats,
            threshold_nats,
            threshold_learned_share: self.scoring.threshold.learned_share(),
            incident,
            decisions,
            event_id: Some(event.event_id.clone().into_owned()),
            position: Some((*origin).clone()),
            context: Some(EventContext::of(event)),
        }
    }

    /// The action that the policy requests in the incident at `severity`, and the rule.
    fn policy_action(&self, incident: &AlertState, severity: Severity) -> (Action, String) {
        let subject = &incident.subject;
        let techniques: Vec<&str> = incident.techniques.iter().map(|t| t.id.as_str()).collect();
        let situation = PolicyInput {
            severity,
            identity: subject.kind,
            credential: subject.credential.as_ref().and_then(|c| c.kind),
            group: subject.group.as_deref(),
            techniques: &techniques,
        };
        let (action, rule) = self.settings.policy.action(&situation);
        (action, rule.to_owned())
    }

    /// The action that the guardrails permit of `requested` about `subject`, whose key is `key`.
    pub(super) fn apply_guardrails(
        &mut self,
        requested: Action,
        subject: &Subject,
        key: u64,
        approval: Approval,
        evidence_time: EventTime,
    ) -> GuardedAction {
        let target = Target {
            id: &subject.id,
            key,
            group: subject.group.as_deref(),
            approval,
            evidence_time: self.intake.clock.containment_time_of(evidence_time),
        };
        let (now, active) = (
            self.intake.clock.containment_time(),
            self.scoring.store.len(),
        );
        let (state, guardrails) = (&mut self.containment.state, &self.settings.guardrails);
        self.containment
            .log
            .restrict(state, requested, target, now, active, guardrails)
    }

    /// Whether the deployment or the identity of `key` is too new to contain anybody: what is usual is not
    /// known yet.
    fn is_learning(&self, key: u64) -> bool {
        let store = &self.scoring.store;
        let first_seen = store
            .slot_of_key(key)
            .map(|slot| store.entry(slot).profile.first_seen);
        let known_ms = first_seen.map_or(0, |first| self.now().ms_since(first));
        known_ms < MIN_HISTORY_MS || self.scoring.threshold.days_seen() < MIN_HISTORY_DAYS
    }

    /// The containment decision about the subject of the incident, whose key is `key`. The action is that of
    /// the attributable evidence; without `may_contain` it is to notify: an event that anyone can cause
    /// repeats no earlier order, which would spend the limits on containment.
    fn decide(&mut self, incident: &AlertState, key: u64, may_contain: bool) -> Decision {
        let subject = &incident.subject;
        let (requested, policy) = self.policy_action(incident, incident.severity);
        let attributable = incident
            .attributable_severity
            .filter(|_| may_contain)
            .map_or(Action::Notify, |severity| {
                self.policy_action(incident, severity).0
            });
        let is_learning = self.is_learning(key);
        let bearable = if is_learning {
            Action::Notify
        } else {
            requested
        };
        let permitted = requested.min(attributable).min(bearable);
        let mut guarded = self.apply_guardrails(
            permitted,
            subject,
            key,
            Approval::Pending,
            incident.last_evidence,
        );
        if attributable < requested {
            guarded.weakened_by.insert(0, Restriction::Unattributed);
        }
        if bearable < requested {
            guarded.weakened_by.insert(0, Restriction::Learning);
        }
        let action = guarded.action.as_str();
        let credential_id = subject.credential.as_ref().map_or("", |c| c.id.as_str());
        let decision = Decision {
            subject: subject.clone(),
            order_id: digest(&[
                &incident.alert_id,
                action,
                credential_id,
                incident.severity.as_str(),
                incident.attributable_severity.map_or("", Severity::as_str),
            ]),
            policy,
            requested_action: requested,
            guarded,
        };
        self.track_order(&incident.alert_id, &decision);
        decision
    }
}

/// Keeps the strongest verdict of each signal, in descending order.
fn merge_signals(merged: &mut Vec<SignalVerdict>, new: &[SignalVerdict]) {
    for verdict in new {
        if verdict.nats < MIN_SHOWN_NATS {
            continue;
        }
        match merged.iter_mut().find(|known| known.name == verdict.name) {
            Some(known) if known.nats >= verdict.nats => {}
            Some(known) => *known = verdict.clone(),
            None => merged.push(verdict.clone()),
        }
    }
    merged.sort_by(|a, b| b.nats.total_cmp(&a.nats).then(a.name.cmp(&b.name)));
}

/// Adds the techniques of the action and of the strong signals.
fn merge_techniques(
    merged: &mut Vec<ObservedTechnique>,
    entity: EntityView,
    activity: Activity,
    known: Option<Technique>,
    signals: &[SignalVerdict],
) {
    let contributing = signals
        .iter()
        .filter(|verdict| verdict.nats >= MIN_SHOWN_NATS)
        .filter_map(|verdict| SIGNALS.iter().find(|signal| signal.name() == verdict.name))
        .flat_map(|signal| signal.techniques(entity).iter().copied());
    let grant = (activity == Activity::Grant && known.is_none()).then_some(ACCOUNT_MANIPULATION);
    for technique in known.into_iter().chain(grant).chain(contributing) {
        if !merged.iter().any(|known| *known == technique) {
            merged.push(technique.into());
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

/// View, entity, opening event and model: identical for identical input.
fn alert_id(entity: EntityView, event: &Event<'_>, model_hash: &str) -> String {
    digest(&[
        entity.as_str(),
        &event.identity.id,
        &event.event_id,
        model_hash,
    ])
}
