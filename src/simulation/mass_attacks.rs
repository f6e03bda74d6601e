//! Attacks on many identities at once, with few attempts each.

use crate::simulation::campaign_script::CampaignScript;
use crate::simulation::member::{Member, Site, Work};
use crate::simulation::organisation::as_login;

/// Identities that one attack targets.
const TRIED: usize = 120;
/// Passwords tried on each in a spray.
const PASSWORDS: usize = 2;
/// Networks used by credential stuffing.
const NETWORKS: usize = 3;

impl CampaignScript<'_> {
    /// A few common passwords on every identity; one or two succeed.
    pub(super) fn password_spray(&mut self) {
        let (site, people) = (self.foreign_site(), self.people());
        let lucky = [self.organisation.dice().below(people.len()), 3];
        for password in 0..PASSWORDS {
            for (nth, person) in people.iter().enumerate() {
                let fits = password + 1 == PASSWORDS && lucky.contains(&nth);
                self.try_password(&site, person, fits);
            }
        }
    }

    /// Leaked passwords, one per identity, from a few networks; some succeed.
    pub(super) fn credential_stuffing(&mut self) {
        let sites: Vec<Site> = (0..NETWORKS).map(|_| self.foreign_site()).collect();
        for (nth, person) in self.people().iter().enumerate() {
            let fits = self.organisation.dice().chance(0.03);
            self.try_password(&sites[nth % NETWORKS], person, fits);
        }
    }

    fn people(&self) -> Vec<Member> {
        let people = self.organisation.members.iter();
        let people = people.filter(|member| member.work == Work::Person);
        people.take(TRIED).cloned().collect()
    }

    fn try_password(&mut self, site: &Site, person: &Member, fits: bool) {
        self.victim = person.clone();
        let outcome = if fits { "success" } else { "failure" };
        self.act(site, "sso:Login", |event| {
            as_login(event, &person.id, outcome)
        });
    }
}
