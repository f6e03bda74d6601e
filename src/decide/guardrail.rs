//! What comes after policy and can only weaken it. Every weakening is named in the decision.

use crate::decide::{Action, Mode, Weakening};
use crate::units::{EventTime, MS_PER_DAY, MS_PER_HOUR};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::{BTreeSet, VecDeque};

/// One in so many containments may be for the view by source.
const VIEWS_RATIO: u32 = 4;

/// Limits on containment, for one shard.
#[derive(Clone, Debug, PartialEq)]
pub struct Guardrails {
    /// Dry run or enforce.
    pub mode: Mode,
    /// Break-glass identities: told about, never contained.
    pub protected: BTreeSet<String>,
    /// Containments an hour of event time that this shard may ask for.
    pub max_per_hour: u32,
    /// Share of this shard's known identities that may be under containment within a day.
    pub max_share: f64,
}

impl Guardrails {
    /// What the view by identity and the view by source may use of the limits: three quarters, and one.
    #[must_use]
    pub fn for_views(&self) -> (Self, Self) {
        let of_sources = match self.max_per_hour {
            0 | 1 => 0,
            hourly => (hourly / VIEWS_RATIO).max(1),
        };
        let share_of_sources = self.max_share / f64::from(VIEWS_RATIO);
        let with = |max_per_hour, max_share| Self {
            max_per_hour,
            max_share,
            ..self.clone()
        };
        (
            with(
                self.max_per_hour - of_sources,
                self.max_share - share_of_sources,
            ),
            with(of_sources, share_of_sources),
        )
    }

    /// The part of shard `index` of `shards` in limits that hold for all together. The parts add
    /// up to the whole, so that no number of shards exceeds it.
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

/// Containments asked for lately.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Recent {
    asked: VecDeque<(EventTime, u64)>,
}

/// What is left of a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// The action that remains.
    pub action: Action,
    /// Whether executors act.
    pub mode: Mode,
    /// Why it was weakened.
    pub weakened_by: Vec<Weakening>,
}

impl Recent {
    /// Weakens `wanted` as the guardrails demand, and counts what remains of it.
    pub fn weaken(
        &mut self,
        wanted: Action,
        identity: (&str, u64),
        now: EventTime,
        active_identities: usize,
        rails: &Guardrails,
    ) -> Allowed {
        let mut weakened_by = Vec::new();
        let mut action = wanted;
        if wanted > Action::Notify {
            if rails.protected.contains(identity.0) {
                weakened_by.push(Weakening::Protected);
            }
            if self.within(now, MS_PER_HOUR) >= rails.max_per_hour as usize {
                weakened_by.push(Weakening::RateCap);
            }
            if self.reaches_too_far(identity.1, now, active_identities, rails.max_share) {
                weakened_by.push(Weakening::BlastRadius);
            }
            if weakened_by.is_empty() {
                self.asked.push_back((now, identity.1));
            } else {
                action = Action::Notify;
            }
        }
        if rails.mode == Mode::DryRun {
            weakened_by.push(Weakening::DryRun);
        }
        Allowed {
            action,
            mode: rails.mode,
            weakened_by,
        }
    }

    fn within(&mut self, now: EventTime, span_ms: i64) -> usize {
        while self
            .asked
            .front()
            .is_some_and(|(at, _)| now.ms_since(*at) > MS_PER_DAY)
        {
            self.asked.pop_front();
        }
        self.asked
            .iter()
            .filter(|(at, _)| now.ms_since(*at) < span_ms)
            .count()
    }

    /// Whether one more identity under containment would be too many. One always may be, or a
    /// small organisation could contain nothing.
    fn reaches_too_far(
        &self,
        identity: u64,
        now: EventTime,
        active: usize,
        max_share: f64,
    ) -> bool {
        let mut contained: BTreeSet<u64> = self
            .asked
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

    fn rails(mode: Mode) -> Guardrails {
        Guardrails {
            mode,
            protected: BTreeSet::from(["break-glass".to_owned()]),
            max_per_hour: 3,
            max_share: 0.05,
        }
    }

    const NOW: EventTime = EventTime::EARLIEST;

    #[test]
    fn a_protected_identity_is_told_about_and_nothing_else() {
        let mut recent = Recent::default();
        let rails = rails(Mode::Enforce);
        let allowed = recent.weaken(Action::Suspend, ("break-glass", 1), NOW, 1_000, &rails);
        assert_eq!(allowed.action, Action::Notify);
        assert_eq!(allowed.weakened_by, [Weakening::Protected]);
    }

    #[test]
    fn the_rate_cap_holds_and_then_frees() {
        let mut recent = Recent::default();
        let rails = rails(Mode::Enforce);
        let mut ask = |n: u64, at| {
            recent
                .weaken(Action::Revoke, ("x", n), at, 1_000, &rails)
                .action
        };
        for n in 0..3 {
            assert_eq!(ask(n, NOW), Action::Revoke);
        }
        assert_eq!(ask(9, NOW), Action::Notify);
        assert_eq!(ask(9, NOW.saturating_add_ms(MS_PER_HOUR)), Action::Revoke);
    }

    #[test]
    fn the_blast_radius_holds_but_one_may_always_be_contained() {
        let mut recent = Recent::default();
        let rails = rails(Mode::Enforce);
        let mut ask = |n: u64| recent.weaken(Action::Revoke, ("x", n), NOW, 20, &rails);
        assert_eq!(ask(1).action, Action::Revoke);
        assert_eq!(ask(1).action, Action::Revoke);
        assert_eq!(ask(2).weakened_by, [Weakening::BlastRadius]);
    }

    #[test]
    fn dry_run_is_named() {
        let allowed =
            Recent::default().weaken(Action::Revoke, ("x", 1), NOW, 100, &rails(Mode::DryRun));
        assert_eq!(
            (allowed.mode, allowed.action),
            (Mode::DryRun, Action::Revoke)
        );
        assert_eq!(allowed.weakened_by, [Weakening::DryRun]);
    }

    #[test]
    fn shards_share_the_cap_exactly() {
        let whole = Guardrails {
            max_per_hour: 7,
            ..rails(Mode::Enforce)
        };
        let sum: u32 = (0..4).map(|i| whole.for_shard(i, 4).max_per_hour).sum();
        assert_eq!(sum, 7);
        for hourly in 0..20 {
            let max_per_hour = hourly;
            let whole = Guardrails {
                max_per_hour,
                ..whole.clone()
            };
            let (identities, sources) = whole.for_views();
            assert_eq!(identities.max_per_hour + sources.max_per_hour, hourly);
            assert!((identities.max_share + sources.max_share - whole.max_share).abs() < 1e-12);
        }
    }
}
