//! Common steps of all attacks: events of a victim's credential, one after the other.

use crate::simulation::SimulatedEvent;
use crate::simulation::member::{Member, Site};
use crate::simulation::organisation::Organisation;
use crate::simulation::places;
use crate::sources::native::encode::NativeEvent;
use credwatch_core::units::{EventTime, MS_PER_SEC};

/// An attack in progress.
pub(super) struct CampaignScript<'o> {
    pub(super) organisation: &'o mut Organisation,
    pub(super) victim: Member,
    pub(super) scenario: &'static str,
    pub(super) now: EventTime,
    pub(super) events: Vec<SimulatedEvent>,
}

impl CampaignScript<'_> {
    /// A machine rented by the attacker; the victim's usual credential is used on it.
    pub(super) fn foreign_site(&mut self) -> Site {
        let dice = self.organisation.dice();
        let place = places::hired(dice);
        Site {
            host: format!("vps-{}", dice.below(100_000)),
            place,
            ..self.victim.sites[0].clone()
        }
    }

    /// The victim's own work until now: a session can only be stolen once it exists.
    pub(super) fn victim_works(&mut self) {
        let site = self.victim.sites[0].clone();
        self.blend_in(&site, 1, |_| {});
        self.events.iter_mut().for_each(|event| event.attack = None);
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

    /// Ordinary actions from `site`, modified by `change`.
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
