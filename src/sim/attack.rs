//! What attackers do with credentials that are not theirs.

use crate::sim::SimulatedEvent;
use crate::sim::organisation::{Member, Organisation, Site, Work};
use crate::units::{EventTime, MS_PER_SEC};
use crate::wire::native_out::NativeEvent;
use crate::wire::time::format_rfc3339;

/// The attacks, in the order in which a demonstration shows them.
pub const SCENARIOS: [&str; 6] = [
    "stolen_session",
    "service_key_abroad",
    "guessed_password",
    "self_promotion",
    "forged_token",
    "cover_tracks",
];

/// One campaign of `scenario` that begins at `start`, on a victim that the dice choose.
pub fn campaign(
    organisation: &mut Organisation,
    scenario: &'static str,
    start: EventTime,
) -> Vec<SimulatedEvent> {
    let wanted = match scenario {
        "service_key_abroad" | "forged_token" | "cover_tracks" => Work::Service,
        _ => Work::Person,
    };
    let victims: Vec<Member> = organisation
        .members
        .iter()
        .filter(|member| member.work == wanted)
        .cloned()
        .collect();
    let victim = victims[organisation.dice().below(victims.len())].clone();
    let mut script = Script {
        organisation,
        victim,
        scenario,
        now: start,
        events: Vec::new(),
    };
    match scenario {
        "stolen_session" => script.stolen_session(),
        "service_key_abroad" => script.service_key_abroad(),
        "guessed_password" => script.guessed_password(),
        "self_promotion" => script.self_promotion(),
        "forged_token" => script.forged_token(),
        _ => script.cover_tracks(),
    }
    script.events
}

struct Script<'o> {
    organisation: &'o mut Organisation,
    victim: Member,
    scenario: &'static str,
    now: EventTime,
    events: Vec<SimulatedEvent>,
}

impl Script<'_> {
    fn foreign_site(&mut self) -> Site {
        let dice = self.organisation.dice();
        Site {
            host: format!("vps-{}", dice.below(100_000)),
            prefix: format!("185.{}.{}", dice.below(250), dice.below(250)),
            asn: 9_009,
            country: "RO",
            position: (44.4, 26.1),
        }
    }

    fn act(&mut self, site: &Site, action: &str, change: impl FnOnce(&mut NativeEvent)) {
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

    fn stolen_session(&mut self) {
        let site = self.foreign_site();
        self.victim.client = "python-requests/2.31".to_owned();
        for action in [
            "sts:GetCallerIdentity",
            "s3:ListAllMyBuckets",
            "s3:GetObject",
            "secretsmanager:GetSecretValue",
        ] {
            self.act(&site, action, |_| {});
        }
    }

    fn service_key_abroad(&mut self) {
        let site = self.foreign_site();
        for action in ["sts:GetCallerIdentity", "iam:ListUsers", "ec2:RunInstances"] {
            self.act(&site, action, |_| {});
        }
    }

    fn guessed_password(&mut self) {
        let site = self.foreign_site();
        for _ in 0..25 {
            self.act(&site, "signin:ConsoleLogin", |event| {
                event.activity = "authenticate";
                event.outcome = "failure";
            });
        }
        self.act(&site, "signin:ConsoleLogin", |event| {
            event.activity = "authenticate"
        });
        self.act(&site, "iam:ListUsers", |_| {});
    }

    fn self_promotion(&mut self) {
        let site = self.victim.sites[0].clone();
        let myself = self.victim.id.clone();
        for action in ["iam:AttachUserPolicy", "iam:CreateAccessKey"] {
            let myself = myself.clone();
            self.act(&site, action, |event| {
                event.activity = "grant";
                event.resource = Some(myself);
            });
        }
    }

    fn forged_token(&mut self) {
        let site = self.victim.sites[0].clone();
        let action = self.victim.actions[0];
        for _ in 0..3 {
            let expires = format_rfc3339(self.now.saturating_add_ms(30 * crate::units::MS_PER_DAY));
            self.act(&site, action, |event| {
                if let Some(credential) = &mut event.credential {
                    credential.id = "forged".to_owned();
                    credential.expires_at = Some(expires);
                }
            });
        }
    }

    fn cover_tracks(&mut self) {
        let site = self.victim.sites[0].clone();
        for action in [
            "cloudtrail:StopLogging",
            "cloudtrail:DeleteTrail",
            "iam:CreateUser",
        ] {
            self.act(&site, action, |_| {});
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::native;

    const START: EventTime = EventTime::EARLIEST;

    #[test]
    fn every_scenario_gives_valid_events_and_the_same_for_the_same_seed() {
        let run = |scenario| {
            let mut organisation = Organisation::new(3, 60);
            let events = campaign(&mut organisation, scenario, START);
            events.iter().map(|e| e.event.to_json()).collect::<Vec<_>>()
        };
        for scenario in SCENARIOS {
            let events = run(scenario);
            assert!(!events.is_empty());
            assert_eq!(events, run(scenario), "{scenario}");
            events
                .iter()
                .for_each(|json| assert!(native::decode(json).is_ok()));
        }
    }
}
