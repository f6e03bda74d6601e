//! What every attack is made of: acts of a victim's credential, one after the other.

use crate::sim::SimulatedEvent;
use crate::sim::organisation::{Member, Organisation, Site};
use crate::units::{EventTime, MS_PER_SEC};
use crate::wire::native_out::NativeEvent;

/// An attack that is being acted out.
pub(super) struct Script<'o> {
    pub(super) organisation: &'o mut Organisation,
    pub(super) victim: Member,
    pub(super) scenario: &'static str,
    pub(super) now: EventTime,
    pub(super) events: Vec<SimulatedEvent>,
}

impl Script<'_> {
    pub(super) fn foreign_site(&mut self) -> Site {
        let dice = self.organisation.dice();
        Site {
            host: format!("vps-{}", dice.below(100_000)),
            prefix: format!("185.{}.{}", dice.below(250), dice.below(250)),
            asn: 9_009,
            country: "RO",
            position: (44.4, 26.1),
        }
    }

    pub(super) fn act(&mut self, site: &Site, action: &str, change: impl FnOnce(&mut NativeEvent)) {
        let pause_secs = self.organisation.dice().exponential(25.0);
        self.now = self
            .now
            .saturating_add_ms((pause_secs * MS_PER_SEC as f64) as i64 + 1_000);
        let mut event = self
            .organisation
            .event(&self.victim, site, action, self.now);
        change(&mut event);
        self.events.push(SimulatedEvent {
            time: self.now,
            event,
            attack: Some(self.scenario),
        });
    }

    /// Ordinary actions from `site`, changed by `change`.
    pub(super) fn blend_in(
        &mut self,
        site: &Site,
        count: usize,
        change: impl Fn(&mut NativeEvent),
    ) {
        for at in 0..count {
            let action = self.victim.actions[at % self.victim.actions.len()];
            self.act(site, action, &change);
        }
    }

    pub(super) fn colleague(&mut self) -> Member {
        let others: Vec<Member> = self
            .organisation
            .members
            .iter()
            .filter(|member| member.group == self.victim.group && member.id != self.victim.id)
            .cloned()
            .collect();
        others[self.organisation.dice().below(others.len())].clone()
    }
}
