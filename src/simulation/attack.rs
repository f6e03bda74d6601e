//! Attacks on credentials.

use crate::simulation::SimulatedEvent;
use crate::simulation::campaign_script::CampaignScript;
use crate::simulation::member::{Member, ON_CALL_GROUP, Work};
use crate::simulation::organisation::{Organisation, as_refresh};
use crate::simulation::places;
use crate::sources::native::encode::{NativeCredential, NativeEvent};
use crate::sources::time::format_rfc3339;
use credwatch_core::units::{EventTime, MS_PER_DAY, MS_PER_HOUR, MS_PER_SEC};

/// The scenarios, in the order in which a demonstration shows them.
pub const SCENARIOS: [&str; 28] = [
    "stolen_session",
    "service_key_abroad",
    "guessed_password",
    "self_promotion",
    "forged_token",
    "forged_issuer",
    "cover_tracks",
    "token_on_colleagues_host",
    "session_in_same_country",
    "enumeration",
    "mass_download",
    "odd_hours",
    "dormant_account",
    "new_client",
    "short_lived_token",
    "expired_token",
    "revoked_credential",
    "impossible_travel",
    "rotated_key",
    "refresh_storm",
    "no_purpose",
    "slow_burn",
    "phished_login",
    "guesses_at_the_office",
    "bulk_read",
    "hijacked_refresh",
    "password_spray",
    "credential_stuffing",
];

/// One campaign of `scenario` that begins at `start`, on a randomly chosen victim.
pub fn campaign(
    organisation: &mut Organisation,
    scenario: &'static str,
    start: EventTime,
) -> Vec<SimulatedEvent> {
    let requested = match scenario {
        "service_key_abroad" | "forged_token" | "forged_issuer" | "cover_tracks"
        | "short_lived_token" | "expired_token" | "revoked_credential" | "rotated_key"
        | "no_purpose" | "bulk_read" => Work::Service,
        _ => Work::Person,
    };
    let victims: Vec<Member> = organisation
        .members
        .iter()
        .filter(|member| member.work == requested)
        .filter(|member| scenario != "odd_hours" || member.group != ON_CALL_GROUP)
        .cloned()
        .collect();
    let victim = victims[organisation.dice().below(victims.len())].clone();
    let mut script = CampaignScript {
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
        "forged_issuer" => script.forged_issuer(),
        "cover_tracks" => script.cover_tracks(),
        "token_on_colleagues_host" => script.token_on_colleagues_host(),
        "session_in_same_country" => script.session_in_same_country(),
        "enumeration" => script.enumeration(),
        "mass_download" => script.mass_download(),
        "odd_hours" => script.odd_hours(),
        "dormant_account" => script.dormant_account(),
        "new_client" => script.new_client(),
        "short_lived_token" => script.with_credential(|credential, now| {
            credential.id = "minted".to_owned();
            credential.issued_at = Some(format_rfc3339(now));
            credential.expires_at = Some(format_rfc3339(now.saturating_add_ms(20_000)));
        }),
        "expired_token" => script.with_credential(|credential, now| {
            credential.expires_at = Some(format_rfc3339(now.saturating_add_ms(-7_200_000)));
        }),
        "revoked_credential" => script.ended_credential("revoke", 900),
        "impossible_travel" => script.impossible_travel(),
        "rotated_key" => script.ended_credential("rotate", 7_200),
        "refresh_storm" => script.refresh_storm(),
        "no_purpose" => script.no_purpose(),
        "phished_login" => script.phished_login(),
        "guesses_at_the_office" => script.guesses_at_the_office(),
        "bulk_read" => script.bulk_read(),
        "hijacked_refresh" => script.hijacked_refresh(),
        "password_spray" => script.password_spray(),
        "credential_stuffing" => script.credential_stuffing(),
        _ => script.slow_burn(),
    }
    script.events
}

impl CampaignScript<'_> {
    fn stolen_session(&mut self) {
        self.victim_works();
        let mut site = self.foreign_site();
        site.client = "python-requests/2.31".to_owned();
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
            let expires = format_rfc3339(self.now.saturating_add_ms(30 * MS_PER_DAY));
            self.act(&site, action, |event| {
                if let Some(credential) = &mut event.credential {
                    credential.id = "forged".to_owned();
                    credential.expires_at = Some(expires);
                }
            });
        }
    }

    /// A token as the victim's, signed by an issuer that somebody added.
    fn forged_issuer(&mut self) {
        let site = self.victim.sites[0].clone();
        let action = self.victim.actions[0];
        for _ in 0..3 {
            self.act(&site, action, |event| {
                if let Some(credential) = &mut event.credential {
                    credential.id = "forged-by-another".to_owned();
                    credential.issuer = Some("sts-shadow".to_owned());
                }
            });
        }
    }

    fn token_on_colleagues_host(&mut self) {
        self.victim_works();
        let mut site = self.colleague().sites[0].clone();
        site.holder.clone_from(&self.victim.sites[0].holder);
        self.blend_in(&site, 6, |_| {});
    }

    fn session_in_same_country(&mut self) {
        self.victim_works();
        let mut site = self.victim.sites[0].clone();
        let (office, dice) = (self.victim.office, self.organisation.dice());
        site.host = format!("desktop-{}", dice.below(10_000));
        site.place = places::home(office, dice);
        self.blend_in(&site, 6, |_| {});
    }

    fn enumeration(&mut self) {
        let site = self.victim.sites[0].clone();
        for action in [
            "iam:ListUsers",
            "iam:ListRoles",
            "s3:ListAllMyBuckets",
            "ec2:DescribeInstances",
            "lambda:ListFunctions",
            "rds:DescribeDBInstances",
            "kms:ListKeys",
            "secretsmanager:ListSecrets",
            "iam:GetAccountAuthorizationDetails",
        ] {
            self.act(&site, action, |_| {});
        }
    }

    fn mass_download(&mut self) {
        let site = self.victim.sites[0].clone();
        let action = self.victim.actions[0];
        for at in 0..300 {
            self.act(&site, action, |event| {
                event.resource = Some(format!("arn:aws:s3:::archive/{at}"));
            });
        }
    }

    fn odd_hours(&mut self) {
        let midnight = self.now.epoch_ms().div_euclid(MS_PER_DAY) * MS_PER_DAY;
        let night = midnight + 2 * MS_PER_HOUR;
        self.now = EventTime::from_epoch_ms(night).unwrap_or(self.now);
        self.blend_in(&self.victim.sites[0].clone(), 8, |_| {});
    }

    fn dormant_account(&mut self) {
        self.victim.id = format!("{}-former", self.victim.id);
        let start = self.now;
        let site = self.victim.sites[0].clone();
        for days in [14, 13, 12] {
            for hour in -4..4 {
                let ms = hour * MS_PER_HOUR - days * MS_PER_DAY;
                self.now = start.saturating_add_ms(ms);
                let actions = &self.victim.actions;
                let action = actions[hour.rem_euclid(actions.len() as i64) as usize];
                self.act(&site, action, |_| {});
            }
        }
        self.events.iter_mut().for_each(|event| event.attack = None);
        self.now = start;
        self.blend_in(&site, 5, |_| {});
    }

    fn new_client(&mut self) {
        let mut site = self.victim.sites[0].clone();
        site.client = "Go-http-client/1.1".to_owned();
        self.blend_in(&site, 6, |_| {});
    }

    fn with_credential(&mut self, change: impl Fn(&mut NativeCredential, EventTime)) {
        let site = self.victim.sites[0].clone();
        for _ in 0..4 {
            let now = self.now;
            let action = self.victim.actions[0];
            self.act(&site, action, |event| {
                if let Some(credential) = &mut event.credential {
                    change(credential, now);
                }
            });
        }
    }

    /// A regular end of a credential, and its use afterwards.
    fn ended_credential(&mut self, activity: &'static str, after_secs: i64) {
        let site = self.victim.sites[0].clone();
        let action = self.victim.actions[0];
        let name = |event: &mut NativeEvent| {
            if let Some(credential) = &mut event.credential {
                credential.id = "ended".to_owned();
                credential.expires_at = None;
            }
        };
        self.act(&site, action, name);
        self.act(&site, action, |event| {
            name(event);
            event.activity = activity;
        });
        self.events.iter_mut().for_each(|event| event.attack = None);
        self.now = self.now.saturating_add_ms(after_secs * MS_PER_SEC);
        for _ in 0..3 {
            self.act(&site, action, name);
        }
    }

    fn impossible_travel(&mut self) {
        self.victim_works();
        let mut site = self.foreign_site();
        site.place.country = "BR";
        site.place.position = (-23.5, -46.6);
        site.host.clone_from(&self.victim.sites[0].host);
        self.blend_in(&site, 5, |_| {});
    }

    fn refresh_storm(&mut self) {
        let site = self.foreign_site();
        for _ in 0..12 {
            self.act(&site, "oauth:Token", |event| {
                event.activity = "refresh";
                if let Some(credential) = &mut event.credential {
                    credential.kind = "refresh_token";
                }
            });
        }
    }

    fn no_purpose(&mut self) {
        let mut site = self.victim.sites[0].clone();
        site.host = "bastion-1".to_owned();
        self.blend_in(&site, 8, |event| event.purpose = None);
    }

    /// One slightly unusual event a day for two weeks, then the attack.
    fn slow_burn(&mut self) {
        let site = self.foreign_site();
        let start = self.now;
        for days in (1..=14).rev() {
            self.now = start.saturating_add_ms(-days * MS_PER_DAY);
            self.blend_in(&site, 1, |_| {});
        }
        self.now = start;
        for action in [
            "s3:ListAllMyBuckets",
            "secretsmanager:GetSecretValue",
            "iam:CreateUser",
        ] {
            self.act(&site, action, |_| {});
        }
    }

    /// An own session, behind a proxy in the victim's country, with the victim's browser.
    fn phished_login(&mut self) {
        let mut site = self.foreign_site();
        let home = &self.victim.sites[0].place;
        (site.place.country, site.place.position) = (home.country, home.position);
        site.holder.push_str("-phished");
        self.blend_in(&site, 6, |event| {
            if let Some(source) = &mut event.source {
                source.host = None;
            }
        });
    }

    /// Malware on the victim's machine tries passwords for a new session, until one fits.
    fn guesses_at_the_office(&mut self) {
        let site = self.victim.sites[0].clone();
        for tried in 1..=12 {
            self.act(&site, "oauth:Token", |event| {
                event.activity = "authenticate";
                event.resource = None;
                event.credential = None;
                event.outcome = if tried < 12 { "failure" } else { "success" };
            });
        }
    }

    /// The usual read, a hundred times as often.
    fn bulk_read(&mut self) {
        let site = self.victim.sites[0].clone();
        let action = self.victim.actions[0];
        for _ in 0..120 {
            self.act(&site, action, |_| {});
            let back_ms = -20 * MS_PER_SEC;
            let earliest = self.events[0]
                .time
                .saturating_add_ms(self.events.len() as i64 * 3_000);
            self.now = self.now.saturating_add_ms(back_ms).max(earliest);
        }
    }

    /// Malware on the victim's machine keeps stealing sessions.
    fn hijacked_refresh(&mut self) {
        let site = self.victim.sites[0].clone();
        for _ in 0..15 {
            self.act(&site, "oauth:Token", |event| {
                as_refresh(event, &site.holder)
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
    use crate::sources::native;
    use crate::token_redaction::Redactor;

    #[test]
    fn every_scenario_is_valid_and_reproducible() {
        let run = |scenario| {
            let mut organisation = Organisation::new(3, 60);
            let start = EventTime::EARLIEST.saturating_add_ms(60 * MS_PER_DAY);
            let events = campaign(&mut organisation, scenario, start);
            events.iter().map(|e| e.event.to_json()).collect::<Vec<_>>()
        };
        for scenario in SCENARIOS {
            let events = run(scenario);
            assert!(!events.is_empty());
            assert_eq!(events, run(scenario), "{scenario}");
            events
                .iter()
                .for_each(|json| assert!(native::decode(json, &Redactor::default()).is_ok()));
        }
    }
}
