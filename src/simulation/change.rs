//! Changes in an organisation that are not attacks: joiners, new laptops and phones, new
//! home addresses, travel, role changes, on-call weeks, deployments, an office that moves network, a
//! new token lifetime, rotations, backfills.

use crate::simulation::member::{Member, ON_CALL_GROUP, Site, Work, generated, person, phone};
use crate::simulation::organisation::Organisation;
use crate::simulation::places;

/// Days between two deployments of a service.
const DEPLOYED_EVERY: i64 = 7;
/// Days between two rotations of a service's key.
const ROTATED_EVERY: i64 = 30;
/// Day on which the issuer of service tokens changes its lifetime.
const LIFETIME_CHANGES_ON: i64 = 31;
/// Day on which an office moves to another network.
const OFFICE_MOVES_ON: i64 = 24;
/// Weeks between two weeks of being on call.
const ON_CALL_EVERY: i64 = 6;

impl Organisation {
    /// Applies the changes at the beginning of day `day` of the simulation.
    pub fn change(&mut self, day: i64) {
        for at in 0..self.members.len() {
            let mut member = self.members[at].clone();
            match member.work {
                Work::Person => self.person_changes(&mut member, day),
                _ => machine_changes(&mut member, day),
            }
            self.members[at] = member;
        }
        if self.dice().chance(0.15) {
            let joiner = person(self.members.len(), self.dice());
            self.members.push(joiner);
        }
        if day == OFFICE_MOVES_ON {
            self.move_office("10.30.1", "10.31.7", 64_604);
        }
    }

    fn person_changes(&mut self, member: &mut Member, day: i64) {
        let turn = day / 7 + member.number as i64 / 3;
        let is_on_call = member.group == ON_CALL_GROUP && turn % ON_CALL_EVERY == 0;
        member.on_call_days = i64::from(is_on_call);
        member.trip_days = (member.trip_days - 1).max(0);
        if self.dice().chance(0.012) {
            member.trip_days = 2 + self.dice().below(4) as i64;
            member.trip = Some(places::hotel(self.dice()));
        }
        if self.dice().chance(0.006) {
            let laptop = format!("laptop-{:04}", self.dice().below(10_000));
            for site in &mut member.sites {
                site.host.clone_from(&laptop);
                site.holder.clone_from(&laptop);
            }
        }
        if self.dice().chance(0.003) {
            member.phone = Some(phone(member.number, member.office, self.dice()));
        }
        if self.dice().chance(0.01) {
            let number = self.dice().below(250);
            member.sites[1].place.prefix = format!("84.{number}.{}", self.dice().below(250));
        }
        if self.dice().chance(0.004) {
            let everyone = self.members.len();
            let other = self.dice().below(everyone);
            let other = &self.members[other];
            if other.work == Work::Person {
                member.actions.extend(&other.actions);
            }
        }
    }

    fn move_office(&mut self, from: &str, to: &str, asn: u32) {
        let sites = self.members.iter_mut().flat_map(|member| &mut member.sites);
        for place in sites.map(|site: &mut Site| &mut site.place) {
            if place.prefix == from {
                to.clone_into(&mut place.prefix);
                place.asn = asn;
            }
        }
    }
}

fn machine_changes(member: &mut Member, day: i64) {
    let phase = member.number as i64;
    member.rotates_today = (day + phase) % ROTATED_EVERY == ROTATED_EVERY - 1;
    member.is_backfilling = member.work == Work::Nightly && (day * 13 + phase) % 97 == 96;
    let is_deployed = match member.work {
        Work::Workload => true,
        Work::Service => phase % 2 == 0,
        _ => false,
    };
    if is_deployed && (day + phase) % DEPLOYED_EVERY == 0 {
        for (replica, site) in member.sites.iter_mut().enumerate() {
            site.host = generated(&member.id, 1_000 + day * 7 + phase, replica);
            site.holder.clone_from(&site.host);
            site.client = format!("aws-sdk-go/1.{} (linux; amd64)", 40 + day);
        }
    }
    if day == LIFETIME_CHANGES_ON && member.token_secs == 900 {
        member.token_secs = 1_800;
    }
}
