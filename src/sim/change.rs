//! What changes in an organisation without being an attack: joiners, new laptops, travel, role
//! changes, deployments, an office that moves network, a new token lifetime, rotations, backfills.

use crate::sim::organisation::{Organisation, Site, Work, person};

/// Days between two deployments of a service.
const DEPLOYED_EVERY: i64 = 7;
/// Days between two rotations of a service's key.
const ROTATED_EVERY: i64 = 30;
/// Day on which the issuer of service tokens changes its lifetime.
const LIFETIME_CHANGES_ON: i64 = 31;
/// Day on which an office moves to another network.
const OFFICE_MOVES_ON: i64 = 24;

const ABROAD: [(&str, u32, &str, (f64, f64)); 3] = [
    ("81.10.4", 5_410, "FR", (48.9, 2.4)),
    ("62.20.9", 3_301, "SE", (59.3, 18.1)),
    ("70.30.2", 7_018, "US", (40.7, -74.0)),
];

impl Organisation {
    /// Changes what changes at the beginning of day `day` of the simulation.
    pub fn change(&mut self, day: i64) {
        self.people_change();
        self.machines_change(day);
        if day == OFFICE_MOVES_ON {
            self.move_office("10.30.1", "10.31.7", 8_881);
        }
    }

    fn people_change(&mut self) {
        let count = self.members.len();
        for at in 0..count {
            if self.members[at].work != Work::Person {
                continue;
            }
            self.members[at].trip_days = (self.members[at].trip_days - 1).max(0);
            if self.dice().chance(0.012) {
                let days = 2 + self.dice().below(4) as i64;
                let (prefix, asn, country, position) = ABROAD[self.dice().below(ABROAD.len())];
                let host = self.members[at].sites[0].host.clone();
                let member = &mut self.members[at];
                member.trip_days = days;
                member.trip = Some(Site {
                    host,
                    prefix: prefix.to_owned(),
                    asn,
                    country,
                    position,
                });
            }
            if self.dice().chance(0.006) {
                let laptop = format!("laptop-{:04}", self.dice().below(10_000));
                let sites = &mut self.members[at].sites;
                sites
                    .iter_mut()
                    .for_each(|site| site.host.clone_from(&laptop));
            }
            if self.dice().chance(0.004) {
                let other = self.dice().below(count);
                let more = self.members[other].actions.clone();
                if self.members[other].work == Work::Person {
                    self.members[at].actions.extend(more);
                }
            }
        }
        if self.dice().chance(0.15) {
            let joiner = person(count, self.dice());
            self.members.push(joiner);
        }
    }

    fn machines_change(&mut self, day: i64) {
        for at in 0..self.members.len() {
            if self.members[at].work == Work::Person {
                continue;
            }
            let phase = at as i64;
            let version = 1_000 + day * 7 + phase;
            let member = &mut self.members[at];
            member.rotates_today = (day + phase) % ROTATED_EVERY == ROTATED_EVERY - 1;
            member.is_backfilling = member.work == Work::Nightly && (day * 13 + phase) % 97 == 96;
            if member.work == Work::Service && (day + phase) % DEPLOYED_EVERY == 0 && phase % 2 == 0
            {
                let name = member.id.clone();
                for (replica, site) in member.sites.iter_mut().enumerate() {
                    let tag = (version * 2_654_435_761 + replica as i64 * 40_503) & 0xf_ffff;
                    site.host = format!("{name}-{:05x}b7-x{:04x}", tag, (tag * 31) & 0xffff);
                }
                member.client = format!("aws-sdk-go/1.{} (linux; amd64)", 40 + day);
            }
            if day == LIFETIME_CHANGES_ON && member.token_secs == 900 {
                member.token_secs = 1_800;
            }
        }
    }

    fn move_office(&mut self, from: &str, to: &str, asn: u32) {
        for site in self.members.iter_mut().flat_map(|member| &mut member.sites) {
            if site.prefix == from {
                site.prefix = to.to_owned();
                site.asn = asn;
            }
        }
    }
}
