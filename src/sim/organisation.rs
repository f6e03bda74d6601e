//! Who works here, and what an ordinary day looks like.

use crate::sim::SimulatedEvent;
use crate::sim::dice::Dice;
use crate::units::{EventTime, MS_PER_DAY, MS_PER_HOUR, MS_PER_SEC};
use crate::wire::native_out::{NativeCredential, NativeEvent, NativeIdentity, NativeSource};
use crate::wire::time::format_rfc3339;

/// How an identity works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Office hours, in sittings.
    Person,
    /// Round the clock.
    Service,
    /// Once a night.
    Nightly,
}

/// Where an identity works from.
#[derive(Clone, Debug)]
pub struct Site {
    /// Host.
    pub host: String,
    /// First three octets.
    pub prefix: String,
    /// Autonomous system.
    pub asn: u32,
    /// Country.
    pub country: &'static str,
    /// Degrees north and east.
    pub position: (f64, f64),
}

/// One identity and its habits.
#[derive(Clone, Debug)]
pub struct Member {
    /// Name.
    pub id: String,
    /// Peer group.
    pub group: &'static str,
    /// How it works.
    pub work: Work,
    /// From where, the usual first.
    pub sites: Vec<Site>,
    /// With what.
    pub client: String,
    /// Doing what, the usual first.
    pub actions: Vec<&'static str>,
    /// How long its tokens live, in seconds.
    pub token_secs: i64,
    /// Days left of a journey.
    pub trip_days: i64,
    /// Where it leads.
    pub trip: Option<Site>,
    /// Whether its key is rotated today.
    pub rotates_today: bool,
    /// Whether it does twenty nights' work tonight.
    pub is_backfilling: bool,
    start_hour: f64,
    events_a_day: f64,
}

/// Everyone.
pub struct Organisation {
    /// Who works here.
    pub members: Vec<Member>,
    dice: Dice,
    serial: u64,
    /// From and to, when a service behind many others fails; epoch milliseconds.
    pub outage: Option<(i64, i64)>,
}

const OFFICES: [(&str, u32, &str, (f64, f64)); 3] = [
    ("10.20.1", 29_695, "NO", (59.9, 10.7)),
    ("10.30.1", 3_320, "DE", (52.5, 13.4)),
    ("10.40.1", 5_607, "GB", (51.5, -0.1)),
];
const GROUPS: [(&str, &[&str]); 3] = [
    (
        "engineering",
        &[
            "s3:GetObject",
            "ec2:DescribeInstances",
            "logs:FilterLogEvents",
            "s3:ListBucket",
            "ecr:GetAuthorizationToken",
            "s3:PutObject",
            "cloudwatch:GetMetricData",
            "lambda:UpdateFunctionCode",
        ],
    ),
    (
        "finance",
        &[
            "athena:StartQueryExecution",
            "athena:GetQueryResults",
            "s3:GetObject",
            "ce:GetCostAndUsage",
        ],
    ),
    (
        "operations",
        &[
            "ec2:DescribeInstances",
            "ssm:DescribeInstanceInformation",
            "ssm:StartSession",
            "ec2:RebootInstances",
            "cloudwatch:DescribeAlarms",
            "iam:ListUsers",
            "iam:AttachUserPolicy",
        ],
    ),
];
const SERVICES: [&[&str]; 3] = [
    &[
        "s3:GetObject",
        "s3:PutObject",
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
    ],
    &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
    &[
        "secretsmanager:GetSecretValue",
        "rds-data:ExecuteStatement",
        "s3:GetObject",
    ],
];
const BROWSERS: [&str; 3] = [
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) Chrome/131.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Edge/131.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
];

impl Organisation {
    /// An organisation of about `size` identities.
    #[must_use]
    pub fn new(seed: u64, size: usize) -> Self {
        let mut dice = Dice::new(seed);
        let people = size * 2 / 3;
        let nightly = size / 10;
        let members = (0..size)
            .map(|n| {
                if n < people {
                    person(n, &mut dice)
                } else if n < people + nightly {
                    machine(n, Work::Nightly, &mut dice)
                } else {
                    machine(n, Work::Service, &mut dice)
                }
            })
            .collect();
        Self {
            members,
            dice,
            serial: 0,
            outage: None,
        }
    }

    /// The ordinary events of the day that begins at `midnight`, in order of time.
    pub fn day(&mut self, midnight: EventTime) -> Vec<SimulatedEvent> {
        let weekend = (midnight.day() + 3).rem_euclid(7) >= 5;
        let members = std::mem::take(&mut self.members);
        let mut events = Vec::new();
        for member in &members {
            let mut renewed = None;
            for ms in self.times(member, weekend) {
                let time = midnight.saturating_add_ms(ms);
                let lived_ms = renewed.map_or(i64::MAX, |then| time.ms_since(then));
                if member.work == Work::Person && lived_ms >= member.token_secs * MS_PER_SEC {
                    renewed = Some(time);
                    events.push(SimulatedEvent {
                        time,
                        event: self.refresh(member, time),
                        attack: None,
                    });
                }
                let event = self.ordinary(member, time);
                events.push(SimulatedEvent {
                    time,
                    event,
                    attack: None,
                });
            }
        }
        for member in members.iter().filter(|member| member.rotates_today) {
            let time = midnight.saturating_add_ms(10 * MS_PER_HOUR);
            let site = member.sites[0].clone();
            let mut event = self.event(member, &site, "iam:CreateAccessKey", time);
            event.activity = "rotate";
            if let Some(credential) = &mut event.credential {
                credential.kind = "api_key";
                credential.id = format!("{}-key-{}", member.id, midnight.day());
            }
            events.push(SimulatedEvent {
                time,
                event,
                attack: None,
            });
        }
        self.members = members;
        events.sort_by_key(|simulated| simulated.time);
        events
    }

    fn times(&mut self, member: &Member, weekend: bool) -> Vec<i64> {
        let dice = &mut self.dice;
        let mut times = Vec::new();
        match member.work {
            Work::Person => {
                if dice.chance(if weekend { 0.96 } else { 0.08 }) {
                    return times;
                }
                let mut hour = member.start_hour + dice.between(-0.7, 0.7);
                let end = hour + dice.between(7.0, 9.5);
                while hour < end {
                    times.push((hour * MS_PER_HOUR as f64) as i64);
                    hour += dice.exponential(8.5 / member.events_a_day);
                }
            }
            Work::Service => {
                let mut hour = 0.0;
                while hour < 24.0 {
                    times.push((hour * MS_PER_HOUR as f64) as i64);
                    hour += dice.exponential(24.0 / member.events_a_day);
                }
            }
            Work::Nightly => {
                let mut hour = member.start_hour + dice.between(0.0, 0.2);
                let nights = if member.is_backfilling { 20 } else { 1 };
                for _ in 0..nights * member.events_a_day as usize {
                    times.push((hour * MS_PER_HOUR as f64) as i64);
                    hour += dice.exponential(0.01);
                }
            }
        }
        times.retain(|ms| (0..MS_PER_DAY).contains(ms));
        times
    }

    fn ordinary(&mut self, member: &Member, time: EventTime) -> NativeEvent {
        let action = *self.dice.favourite(&member.actions);
        // Not a draw a use: one works from one place in the morning and maybe another later.
        let half_day = time.epoch_ms() / (MS_PER_DAY / 2);
        let away = half_day as usize % 7 == member.id.len() % 7;
        let site = if away {
            member.sites.last()
        } else {
            member.sites.first()
        };
        let trip = member.trip.as_ref().filter(|_| member.trip_days > 0);
        let site = trip.or(site).unwrap_or(&member.sites[0]).clone();
        let mut event = self.event(member, &site, action, time);
        let at_ms = time.epoch_ms();
        let is_out = self
            .outage
            .is_some_and(|(from, to)| (from..to).contains(&at_ms));
        if self.dice.chance(0.01) || (is_out && action.starts_with("s3:")) {
            event.outcome = "failure";
        }
        event
    }

    /// A new session for the refresh token that a person's machine holds.
    fn refresh(&mut self, member: &Member, time: EventTime) -> NativeEvent {
        let mut event = self.ordinary(member, time);
        as_refresh(&mut event);
        event
    }

    /// An event of `member` at `site`.
    pub fn event(
        &mut self,
        member: &Member,
        site: &Site,
        action: &str,
        time: EventTime,
    ) -> NativeEvent {
        self.serial += 1;
        let (kind, credential_kind, issuer) = match member.work {
            Work::Person => ("human", "session", "sso"),
            Work::Service => ("service", "access_token", "vault"),
            Work::Nightly => ("automation", "access_token", "vault"),
        };
        // A token is taken for its whole life, aligned to it.
        let life_ms = member.token_secs * MS_PER_SEC;
        let issued = time.epoch_ms().div_euclid(life_ms) * life_ms;
        let issued = EventTime::from_epoch_ms(issued).unwrap_or(time);
        let last = 10 + self.serial % 40;
        NativeEvent {
            event_id: Some(format!("sim-{:08}", self.serial)),
            time: format_rfc3339(time),
            identity: NativeIdentity {
                id: member.id.clone(),
                kind,
                group: Some(member.group.to_owned()),
                owner: None,
            },
            credential: Some(NativeCredential {
                id: format!("{}-{}", member.id, issued.epoch_ms() / life_ms),
                kind: credential_kind,
                issuer: Some(issuer.to_owned()),
                issued_at: Some(format_rfc3339(issued)),
                expires_at: Some(format_rfc3339(issued.saturating_add_ms(life_ms))),
                scopes: Vec::new(),
            }),
            activity: "use",
            action: Some(action.to_owned()),
            resource: Some(format!(
                "arn:aws:{}:::{}/{}",
                action.split(':').next().unwrap_or("s3"),
                member.group,
                self.serial % 23
            )),
            source: Some(NativeSource {
                host: Some(site.host.clone()),
                ip: Some(format!("{}.{last}", site.prefix)),
                user_agent: Some(member.client.clone()),
                country: Some(site.country.to_owned()),
                asn: Some(site.asn),
                latitude: Some(site.position.0),
                longitude: Some(site.position.1),
            }),
            purpose: (member.work != Work::Person).then(|| format!("job/{}", member.group)),
            outcome: "success",
        }
    }

    /// The dice of this organisation.
    pub fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }
}

/// Makes an event the exchange of a refresh token for a session.
pub(super) fn as_refresh(event: &mut NativeEvent) {
    event.activity = "refresh";
    event.action = Some("oauth:Token".to_owned());
    event.resource = None;
    let host = event
        .source
        .as_ref()
        .and_then(|source| source.host.as_deref());
    if let Some(credential) = &mut event.credential {
        credential.id = format!("{}-refresh", host.unwrap_or(&event.identity.id));
        credential.kind = "refresh_token";
        (credential.issued_at, credential.expires_at) = (None, None);
    }
}

pub(super) fn person(n: usize, dice: &mut Dice) -> Member {
    let (group, actions) = GROUPS[n % GROUPS.len()];
    let (prefix, asn, country, position) = OFFICES[dice.below(OFFICES.len())];
    let laptop = format!("laptop-{n:03}");
    let office = Site {
        host: laptop.clone(),
        prefix: prefix.to_owned(),
        asn,
        country,
        position,
    };
    let home = Site {
        host: laptop,
        prefix: format!("84.{}.{}", 10 + n / 200, n % 200),
        asn: 2_119 + (n % 5) as u32,
        country,
        position: (position.0 + 0.2, position.1 + 0.1),
    };
    let known = 3 + dice.below(actions.len() - 2);
    Member {
        id: format!("user-{n:03}"),
        group,
        work: Work::Person,
        sites: vec![office, home],
        client: BROWSERS[dice.below(BROWSERS.len())].to_owned(),
        actions: actions[..known.min(actions.len())].to_vec(),
        token_secs: 8 * 3_600,
        trip_days: 0,
        trip: None,
        rotates_today: false,
        is_backfilling: false,
        start_hour: dice.between(6.5, 9.0),
        events_a_day: dice.between(15.0, 60.0),
    }
}

fn machine(n: usize, work: Work, dice: &mut Dice) -> Member {
    let actions = SERVICES[n % SERVICES.len()];
    let sites = (0..1 + dice.below(3))
        .map(|replica| Site {
            host: format!("node-{n:03}-{replica}"),
            prefix: format!("172.16.{}", n % 250),
            asn: 16_509,
            country: "IE",
            position: (53.3, -6.3),
        })
        .collect();
    let is_nightly = work == Work::Nightly;
    Member {
        id: format!("{}-{n:03}", if is_nightly { "job" } else { "svc" }),
        group: if is_nightly { "batch" } else { "backend" },
        work,
        sites,
        client: format!("aws-sdk-go/1.{} (linux; amd64)", 40 + n % 10),
        actions: actions.to_vec(),
        token_secs: if dice.chance(0.5) { 900 } else { 3_600 },
        trip_days: 0,
        trip: None,
        rotates_today: false,
        is_backfilling: false,
        start_hour: dice.between(1.0, 4.0),
        events_a_day: if is_nightly {
            30.0
        } else {
            dice.between(60.0, 300.0)
        },
    }
}
