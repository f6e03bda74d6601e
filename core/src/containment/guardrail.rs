//! Guardrails, applied after the policy: they can only restrict its action. The decision names every
//! restriction.

use crate::containment::containment_switch::ContainmentSwitch;
use crate::containment::exception::Exception;
use crate::containment::{Action, Mode, Restriction};
use crate::units::{EventTime, MS_PER_DAY, MS_PER_HOUR};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Limits on containment, for one shard.
#[derive(Clone, Debug, PartialEq)]
pub struct Guardrails {
    /// Dry run or enforce.
    pub mode: Mode,
    /// Break-glass identities: alerts only, never contained.
    pub protected: BTreeSet<String>,
    /// Containment orders that this shard may issue per hour of the broker's time, or of event time where
    /// there is none.
    pub max_per_hour: u32,
    /// Share of this shard's identities that may be under containment within a day.
    pub max_share: f64,
    /// Cooldown after a containment, during which the identity gets stronger orders only, in
    /// milliseconds.
    pub cooldown_ms: i64,
    /// This action and stronger ones require approval.
    pub require_approval_from: Option<Action>,
    /// Exceptions.
    pub exceptions: Vec<Exception>,
}

impl Default for Guardrails {
    /// Dry run, with the limits of the default configuration.
    fn default() -> Self {
        Self {
            mode: Mode::DryRun,
            protected: BTreeSet::new(),
            max_per_hour: 20,
            max_share: 0.05,
            cooldown_ms: 900_000,
            require_approval_from: None,
            exceptions: Vec::new(),
        }
    }
}

impl Guardrails {
    /// Limits of shard `index` of `shards`. The limits of all shards add up to the configured ones, so that
    /// no number of shards exceeds them.
    #[must_use]
    pub fn for_shard(&self, index: u32, shards: u32) -> Self {
        let shards = shards.max(1);
        let remainder = u32::from(index % shards < self.max_per_hour % shards);
        Self {
            max_per_hour: self.max_per_hour / shards + remainder,
            ..self.clone()
        }
    }
}

/// Recent containments.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct ContainmentLog {
    containments: VecDeque<(EventTime, u64)>,
}

/// Other state of containment: whether it is paused, and the latest action for each identity.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct ContainmentState {
    /// While it is paused, orders are published in dry-run mode.
    pub switch: ContainmentSwitch,
    last: BTreeMap<u64, (EventTime, Action)>,
}

impl ContainmentState {
    fn is_cooling_down(&self, key: u64, requested: Action, now: EventTime, span_ms: i64) -> bool {
        let last = self.last.get(&key);
        last.is_some_and(|(at, asked)| requested <= *asked && now.ms_since(*at) < span_ms)
    }

    fn record(&mut self, key: u64, action: Action, now: EventTime) {
        self.last
            .retain(|_, (at, _)| now.ms_since(*at) < MS_PER_DAY);
        self.last.insert(key, (now, action));
    }
}

/// Subject of a decision.
#[derive(Clone, Copy, Debug)]
pub struct Target<'w> {
    /// Identifier.
    pub id: &'w str,
    /// Its key.
    pub key: u64,
    /// Its group, if known.
    pub group: Option<&'w str>,
    /// Whether the decision has been approved.
    pub approval: Approval,
    /// Time that its evidence states; later than the present while nobody agrees with it.
    pub evidence_time: EventTime,
}

/// Approval of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// Not approved.
    Pending,
    /// Approved: it requires no further approval, and no cooldown applies.
    Granted,
}

/// Result of the guardrails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardedAction {
    /// The permitted action.
    pub action: Action,
    /// Whether executors act.
    pub mode: Mode,
    /// Restrictions that were applied.
    pub weakened_by: Vec<Restriction>,
}

impl ContainmentLog {
    /// Restricts `requested` as the guardrails demand, and records the permitted action.
    pub fn restrict(
        &mut self,
        state: &mut ContainmentState,
        requested: Action,
        target: Target<'_>,
        now: EventTime,
        active_identities: usize,
        guardrails: &Guardrails,
    ) -> GuardedAction {
        let mut weakened_by = Vec::new();
        let mut action = requested;
        let excepted = guardrails
            .exceptions
            .iter()
            .filter(|exception| exception.applies_to(target.id, target.group, now));
        if let Some(most) = excepted.map(|exception| exception.max_action).min()
            && most < action
        {
            weakened_by.push(Restriction::Exception);
            action = most;
        }
        if action > Action::Notify {
            let mut stopped_by = Vec::new();
            if guardrails.protected.contains(target.id) {
                stopped_by.push(Restriction::Protected);
            }
            if target.approval == Approval::Pending
                && state.is_cooling_down(target.key, action, now, guardrails.cooldown_ms)
            {
                stopped_by.push(Restriction::Cooldown);
            }
            if self.count_within(now, MS_PER_HOUR) >= guardrails.max_per_hour as usize {
                stopped_by.push(Restriction::RateCap);
            }
            if self.exceeds_blast_radius(target.key, now, active_identities, guardrails.max_share) {
                stopped_by.push(Restriction::BlastRadius);
            }
            if stopped_by.is_empty() {
                // Otherwise a present that catches up would forget what was issued just before.
                let counted_at = now.max(target.evidence_time);
                self.containments.push_back((counted_at, target.key));
                state.record(target.key, action, now);
            } else {
                action = Action::Notify;
                weakened_by.extend(stopped_by);
            }
        }
        let mut mode = guardrails.mode;
        if target.approval == Approval::Pending
            && action > Action::Notify
            && guardrails
                .require_approval_from
                .is_some_and(|from| action >= from)
        {
            weakened_by.push(Restriction::ApprovalRequired);
            mode = Mode::DryRun;
        }
        if state.switch.is_paused() {
            weakened_by.push(Restriction::Paused);
            mode = Mode::DryRun;
        }
        if guardrails.mode == Mode::DryRun {
            weakened_by.push(Restriction::DryRun);
        }
        GuardedAction {
            action,
            mode,
            weakened_by,
        }
    }

    fn count_within(&mut self, now: EventTime, span_ms: i64) -> usize {
        self.containments
            .retain(|(at, _)| now.ms_since(*at) <= MS_PER_DAY);
        self.containments
            .iter()
            .filter(|(at, _)| now.ms_since(*at) < span_ms)
            .count()
    }

    /// Whether one more identity under containment would exceed the limit. One is always permitted, so that a
    /// small organisation can contain anything at all.
    fn exceeds_blast_radius(
        &self,
        identity: u64,
        now: EventTime,
        active: usize,
        max_share: f64,
    ) -> bool {
        let mut contained: BTreeSet<u64> = self
            .containments
            .iter()
            .filter(|(at, _)| now.ms_since(*at) < MS_PER_DAY)
            .map(|(_, key)| *key)
            .collect();
        contained.insert(identity);
        contained.len() > ((active as f64 * max_share) as usize).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guardrails(mode: Mode) -> Guardrails {
        Guardrails {
            mode,
            protected: BTreeSet::from(["break-glass".to_owned()]),
            max_per_hour: 3,
            max_share: 0.05,
            cooldown_ms: 0,
            require_approval_from: None,
            exceptions: Vec::new(),
        }
    }

    const NOW: EventTime = EventTime::EARLIEST;

    /// Containment state of one shard.
    #[derive(Default)]
    struct ShardLog {
        log: ContainmentLog,
        state: ContainmentState,
    }

    impl ShardLog {
        fn ask(
            &mut self,
            requested: Action,
            key: u64,
            at_ms: i64,
            guardrails: &Guardrails,
        ) -> GuardedAction {
            let id = if key == 1 { "break-glass" } else { "x" };
            let target = Target {
                id,
                key,
                group: Some("ops"),
                approval: Approval::Pending,
                evidence_time: NOW,
            };
            let now = NOW.saturating_add_ms(at_ms);
            self.log
                .restrict(&mut self.state, requested, target, now, 1_000, guardrails)
        }
    }

    #[test]
    fn a_protected_identity_is_only_alerted_on() {
        let guarded = ShardLog::default().ask(Action::Suspend, 1, 0, &guardrails(Mode::Enforce));
        assert_eq!(guarded.action, Action::Notify);
        assert_eq!(guarded.weakened_by, [Restriction::Protected]);
    }

    #[test]
    fn the_rate_limit_applies_for_an_hour() {
        let (mut shard, guardrails) = (ShardLog::default(), guardrails(Mode::Enforce));
        let mut ask = |key: u64, at_ms| shard.ask(Action::Revoke, key, at_ms, &guardrails).action;
        for key in 2..5 {
            assert_eq!(ask(key, 0), Action::Revoke);
        }
        assert_eq!(ask(9, 0), Action::Notify);
        assert_eq!(ask(9, MS_PER_HOUR), Action::Revoke);
    }

    #[test]
    fn the_blast_radius_is_limited_and_one_containment_is_always_permitted() {
        let guardrails = Guardrails {
            max_share: 0.001,
            ..guardrails(Mode::Enforce)
        };
        let mut shard = ShardLog::default();
        let mut ask = |key: u64| shard.ask(Action::Revoke, key, 0, &guardrails);
        assert_eq!(ask(2).action, Action::Revoke);
        assert_eq!(ask(2).action, Action::Revoke);
        assert_eq!(ask(3).weakened_by, [Restriction::BlastRadius]);
    }

    #[test]
    fn dry_run_is_reported_as_a_restriction() {
        let guarded = ShardLog::default().ask(Action::Revoke, 2, 0, &guardrails(Mode::DryRun));
        assert_eq!(
            (guarded.mode, guarded.action),
            (Mode::DryRun, Action::Revoke)
        );
        assert_eq!(guarded.weakened_by, [Restriction::DryRun]);
    }

    #[test]
    fn during_the_cooldown_only_stronger_actions_are_permitted() {
        let guardrails = Guardrails {
            cooldown_ms: 60_000,
            ..guardrails(Mode::Enforce)
        };
        let mut shard = ShardLog::default();
        let mut ask = |requested, at_ms| shard.ask(requested, 2, at_ms, &guardrails);
        assert_eq!(ask(Action::StepUp, 0).action, Action::StepUp);
        assert_eq!(
            ask(Action::StepUp, 1_000).weakened_by,
            [Restriction::Cooldown]
        );
        assert_eq!(ask(Action::Revoke, 2_000).action, Action::Revoke);
        assert_eq!(ask(Action::Revoke, 62_001).action, Action::Revoke);
    }

    #[test]
    fn orders_awaiting_approval_or_paused_are_published_and_not_enforced() {
        let careful = Guardrails {
            require_approval_from: Some(Action::Suspend),
            ..guardrails(Mode::Enforce)
        };
        let mut shard = ShardLog::default();
        let suspend = shard.ask(Action::Suspend, 2, 0, &careful);
        assert_eq!(
            (suspend.action, suspend.mode),
            (Action::Suspend, Mode::DryRun)
        );
        assert_eq!(suspend.weakened_by, [Restriction::ApprovalRequired]);
        assert_eq!(
            shard.ask(Action::Revoke, 3, 0, &careful).mode,
            Mode::Enforce
        );
        shard.state.switch.command(true, None);
        let paused = shard.ask(Action::Revoke, 4, 0, &careful);
        assert_eq!(
            (paused.mode, paused.weakened_by),
            (Mode::DryRun, vec![Restriction::Paused])
        );
    }

    #[test]
    fn an_exception_limits_the_action_until_it_expires() {
        let guardrails = Guardrails {
            exceptions: vec![Exception {
                scope: crate::containment::exception::ExceptionScope::Group("ops".to_owned()),
                max_action: Action::StepUp,
                owner: "ada".to_owned(),
                justification: "migration".to_owned(),
                expires: NOW.saturating_add_ms(1_000),
            }],
            ..guardrails(Mode::Enforce)
        };
        let mut shard = ShardLog::default();
        let known = shard.ask(Action::Suspend, 2, 0, &guardrails);
        assert_eq!(known.action, Action::StepUp);
        assert_eq!(known.weakened_by, [Restriction::Exception]);
        assert_eq!(shard.ask(Action::Notify, 3, 0, &guardrails).weakened_by, []);
        assert_eq!(
            shard.ask(Action::Suspend, 4, 1_000, &guardrails).action,
            Action::Suspend
        );
    }

    #[test]
    fn limits_of_shards_add_up_to_the_configured_limit() {
        let whole = Guardrails {
            max_per_hour: 7,
            ..guardrails(Mode::Enforce)
        };
        let sum: u32 = (0..4).map(|i| whole.for_shard(i, 4).max_per_hour).sum();
        assert_eq!(sum, 7);
    }
}
